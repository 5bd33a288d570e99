/* SPDX-License-Identifier: BSD-3-Clause */
/* NAME=value pairs, byte for byte, in memory and in a file. */
#include "config.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/units.h"
#include "base/fields.h"

#define FILE_LIMIT (64u << 20)

void fields_clear(struct mlb_fields *f)
{
    strings_clear(&f->pairs);
}

void fields_add(struct mlb_fields *f, const char *name, const char *value)
{
    strings_pushf(&f->pairs, "%s=%s", name, value);
}

void fields_addf(struct mlb_fields *f, const char *name, const char *format,
                 ...)
{
    char *value = NULL;
    va_list args;

    va_start(args, format);
    int n = vasprintf(&value, format, args);
    va_end(args);
    if (n >= 0) {
        fields_add(f, name, value);
        free(value);
    }
}

/* The value in pair if its name is name, else NULL. */
static const char *match(const char *pair, const char *name)
{
    size_t length = strlen(name);

    if (strncmp(pair, name, length) == 0 && pair[length] == '=')
        return pair + length + 1;
    return NULL;
}

void fields_set(struct mlb_fields *f, const char *name, const char *value)
{
    struct mlb_fields kept = MLB_FIELDS_INIT;

    for (size_t i = 0; i < f->pairs.count; i++)
        if (!match(f->pairs.items[i], name))
            strings_push(&kept.pairs, f->pairs.items[i]);
    fields_add(&kept, name, value);
    fields_clear(f);
    *f = kept;
}

const char *fields_get(const struct mlb_fields *f, const char *name)
{
    for (size_t i = 0; i < f->pairs.count; i++) {
        const char *value = match(f->pairs.items[i], name);
        if (value)
            return value;
    }
    return NULL;
}

long fields_get_long(const struct mlb_fields *f, const char *name,
                     long fallback)
{
    const char *text = fields_get(f, name);
    long value;

    if (!text || units_parse_long(text, LONG_MIN, LONG_MAX, &value, NULL) < 0)
        return fallback;
    return value;
}

void fields_get_all(const struct mlb_fields *f, const char *name,
                    struct mlb_strings *out)
{
    for (size_t i = 0; i < f->pairs.count; i++) {
        const char *value = match(f->pairs.items[i], name);
        if (value)
            strings_push(out, value);
    }
}

void fields_format(const struct mlb_fields *f, struct mlb_text *out)
{
    for (size_t i = 0; i < f->pairs.count; i++)
        text_addn(out, f->pairs.items[i], strlen(f->pairs.items[i]) + 1);
}

int fields_parse(struct mlb_fields *f, const char *bytes, size_t length,
                 struct mlb_error *err)
{
    while (length > 0) {
        size_t n = strnlen(bytes, length);
        if (n == length)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                                 "the last item has no end (cut off?)");
        if (!strchr(bytes, '='))
            return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                                 "an item without '='");
        strings_push(&f->pairs, bytes);
        bytes += n + 1;
        length -= n + 1;
    }
    return 0;
}

int fields_write(const struct mlb_fields *f, const char *path,
                 struct mlb_error *err)
{
    struct mlb_text t = MLB_TEXT_INIT;

    fields_format(f, &t);
    int rc = files_publish(path, t.data, t.length, 0600, err);
    text_clear(&t);
    return rc;
}

int fields_read(struct mlb_fields *f, const char *path,
                struct mlb_error *err)
{
    struct mlb_text t = MLB_TEXT_INIT;
    int rc = files_read(path, FILE_LIMIT, &t, err);

    if (rc == 0) {
        rc = fields_parse(f, t.data, t.length, err);
        if (rc < 0)
            mlb_error_prefix(err, "%s", path);
    }
    text_clear(&t);
    return rc;
}
