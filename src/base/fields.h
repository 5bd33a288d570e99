/* SPDX-License-Identifier: BSD-3-Clause */
/* An ordered list of NAME=value pairs, byte for byte; names may repeat.
 *
 * On disk each pair is "NAME=value" and a NUL byte, so that a value may hold
 * anything but NUL (that is what argv and the environment may hold, too).
 * `tr '\0' '\n' < FILE` shows it to a person. */
#ifndef BASE_FIELDS_H
#define BASE_FIELDS_H

#include "base/text.h"
#include "mlbatch/error.h"

struct mlb_fields {
    struct mlb_strings pairs;      /* each "NAME=value" */
};
#define MLB_FIELDS_INIT { MLB_STRINGS_INIT }

void fields_clear(struct mlb_fields *f);
void fields_add(struct mlb_fields *f, const char *name, const char *value);
void fields_addf(struct mlb_fields *f, const char *name, const char *format,
                 ...) __attribute__((format(printf, 3, 4)));
/* Replace every pair of that name by one. */
void fields_set(struct mlb_fields *f, const char *name, const char *value);

/* The value of the first pair of that name, or NULL. Owned by f. */
const char *fields_get(const struct mlb_fields *f, const char *name);
/* The same as a number; fallback where it is missing or not a number. */
long fields_get_long(const struct mlb_fields *f, const char *name,
                     long fallback);
/* All values of that name, in order, appended to out. */
void fields_get_all(const struct mlb_fields *f, const char *name,
                    struct mlb_strings *out);

/* Bytes in the format above, appended to out; and back. Reading refuses an
 * item without '=' or without its NUL. */
void fields_format(const struct mlb_fields *f, struct mlb_text *out);
int fields_parse(struct mlb_fields *f, const char *bytes, size_t length,
                 struct mlb_error *err);

/* Whole files; writing is atomic (files_publish), mode 0600. */
int fields_write(const struct mlb_fields *f, const char *path,
                 struct mlb_error *err);
int fields_read(struct mlb_fields *f, const char *path,
                struct mlb_error *err);

#endif
