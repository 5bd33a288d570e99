/* SPDX-License-Identifier: BSD-3-Clause */
/* One published HDF5 file of compressed arrays with attributes, which any
 * HDF5 program reads, behind a checksum of the whole that is compared before
 * libhdf5 sees a byte (it must not be given damaged files).
 *
 *     struct sealed_writer *w = sealed_create(path, &err);
 *     sealed_add(w, &array, &err);
 *     sealed_attribute(w, "/x", "unit", "s", &err);
 *     sealed_write(w, "/x", &rows, data, &err); ...
 *     sealed_publish(w, &err);
 *
 * Groups above an array are made. Not for the library: ends the program if
 * out of memory, and turns libhdf5's messages off. */
#ifndef STORE_SEALED_H
#define STORE_SEALED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "mlbatch/error.h"

#define SEALED_MAGIC "MLBREC\r\n"
#define SEALED_VERSION 1
#define SEALED_USER_BLOCK 512
#define SEALED_TEXT_MOST 4096

enum sealed_type {
    SEALED_I64,              /* unwritten: INT64_MIN */
    SEALED_F64,              /* unwritten: NaN */
    SEALED_U8,               /* unwritten: 0 */
    SEALED_TEXT,             /* of width bytes, NUL behind shorter ones */
};

struct sealed_array {
    const char *name;
    enum sealed_type type;
    size_t width;            /* SEALED_TEXT */
    int rank;                /* 1 or 2 */
    uint64_t shape[2];
};

/* Rows of an array: all of what a row has. */
struct sealed_rows {
    uint64_t first, count;
};

/* ---- writing ---- */
struct sealed_writer;
/* Begin a file beside path, under a name of its own. */
struct sealed_writer *sealed_create(const char *path, struct mlb_error *err);
/* Make an array of unwritten values. */
int sealed_add(struct sealed_writer *w, const struct sealed_array *array,
               struct mlb_error *err);
int sealed_write(struct sealed_writer *w, const char *name,
                 const struct sealed_rows *rows, const void *data,
                 struct mlb_error *err);
/* A string on an array or group. */
int sealed_attribute(struct sealed_writer *w, const char *object,
                     const char *name, const char *text,
                     struct mlb_error *err);
struct sealed;
/* A group with all in it, as it is in another file. */
int sealed_copy(struct sealed_writer *w, const struct sealed *from,
                const char *group, struct mlb_error *err);
/* Finish, sum, sync, rename to its path (replacing what is there), sync the
 * directory. Destroys w; on failure nothing of the file is left. */
int sealed_publish(struct sealed_writer *w, struct mlb_error *err);
void sealed_abandon(struct sealed_writer *w);        /* NULL is fine */

/* ---- reading ---- */
/* MLB_ERR_NOT_FOUND; MLB_ERR_BAD_INPUT with words: foreign, truncated,
 * damaged; MLB_ERR_UNSUPPORTED: newer. */
struct sealed *sealed_open(const char *path, struct mlb_error *err);
void sealed_close(struct sealed *s);                 /* NULL is fine */
/* What is known of an array; false: there is none (of a kind known here).
 * name stays as it is. */
bool sealed_find(const struct sealed *s, const char *name,
                 struct sealed_array *array);
int sealed_read(const struct sealed *s, const char *name,
                const struct sealed_rows *rows, void *out,
                struct mlb_error *err);
/* False, and "": there is none. */
bool sealed_get_attribute(const struct sealed *s, const char *object,
                          const char *name, char *out, size_t size);
/* The names in a group, sorted; none if there is no such group. */
void sealed_list(const struct sealed *s, const char *group,
                 struct mlb_strings *names);

#endif
