/* SPDX-License-Identifier: BSD-3-Clause */
/* Slurm's host lists, expanded here: scontrol is missing in containers. */
#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/hostlist.h"

#define NAME_BYTES 255               /* of one host name */
#define BRACKETS 8                   /* in one name */
#define DIGITS 9                     /* of one number */

struct range {
    long first, last;
    int width;
};

/* One number at *p, which moves on. */
static int read_number(const char **p, long *value, struct mlb_error *err)
{
    size_t n = strspn(*p, "0123456789");

    if (n == 0 || n > DIGITS)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             n ? "a number is too long"
                               : "a number is missing");
    *value = strtol(*p, NULL, 10);
    *p += n;
    return (int)n;
}

/* "3" or "07-12" at *p, which moves on to ',' or ']'. */
static int read_range(const char **p, struct range *range,
                      struct mlb_error *err)
{
    range->width = read_number(p, &range->first, err);
    if (range->width < 0)
        return -1;
    range->last = range->first;
    if (**p == '-') {
        ++*p;
        if (read_number(p, &range->last, err) < 0)
            return -1;
    }
    if (range->last < range->first)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "a range runs backwards");
    if (**p != ',' && **p != ']')
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, **p
                             ? "unexpected '%c' in brackets"
                             : "a bracket is not closed", **p);
    return 0;
}

/* A whole name, or the part before the next bracket. */
static size_t plain_length(const char *word)
{
    return strcspn(word, "[],");
}

static int add_name(const char *name, size_t length, struct mlb_strings *out,
                    struct mlb_error *err)
{
    if (length == 0)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "an empty name");
    for (size_t i = 0; i < length; i++)
        if (!isgraph((unsigned char)name[i]) || name[i] == '/')
            return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                                 "not a host name: \"%.*s\"", (int)length,
                                 name);
    if (out->count >= HOSTLIST_MAX)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "more than %d names",
                             HOSTLIST_MAX);
    strings_pushf(out, "%.*s", (int)length, name);
    return 0;
}

/* All names that begin with the length bytes in name (a buffer that is
 * written to behind them) and go on as rest says, up to ',' or the end. */
static int expand(char *name, size_t length, const char *rest,
                  struct mlb_strings *out, struct mlb_error *err)
{
    size_t n = plain_length(rest);

    if (length + n + DIGITS > NAME_BYTES)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "a name is too long");
    memcpy(name + length, rest, n);
    length += n;
    rest += n;
    if (*rest == ']')
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "']' without '['");
    if (*rest != '[')
        return add_name(name, length, out, err);
    const char *end = strchr(rest, ']');
    do {
        struct range range = { 0 };
        rest++;
        if (read_range(&rest, &range, err) < 0)
            return -1;
        for (long i = range.first; i <= range.last; i++) {
            char digits[DIGITS + 1];
            int wrote = snprintf(digits, sizeof(digits), "%0*ld",
                                 range.width, i);
            memcpy(name + length, digits, (size_t)wrote);
            if (expand(name, length + (size_t)wrote, end + 1, out, err) < 0)
                return -1;
        }
    } while (*rest == ',');
    return 0;
}

/* Past the name that list begins with, brackets and all. */
static const char *name_end(const char *list, struct mlb_error *err)
{
    int brackets = 0;

    for (;;) {
        list += plain_length(list);
        if (*list != '[')
            return list;
        list = strchr(list, ']');
        if (!list || ++brackets > BRACKETS) {
            mlb_error_set(err, MLB_ERR_BAD_INPUT, list
                          ? "too many brackets" : "a bracket is not closed");
            return NULL;
        }
        list++;
    }
}

int hostlist_expand(const char *list, struct mlb_strings *out,
                    struct mlb_error *err)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    char name[NAME_BYTES + DIGITS + 1];
    int rc = -1;

    for (const char *p = list; *p;) {
        const char *end = name_end(p, err);
        if (!end || expand(name, 0, p, &names, err) < 0)
            goto out;
        if (*end == ',' && !end[1]) {
            mlb_error_set(err, MLB_ERR_BAD_INPUT, "an empty name");
            goto out;
        }
        p = *end ? end + 1 : end;
    }
    for (size_t i = 0; i < names.count; i++)
        strings_push(out, names.items[i]);
    rc = 0;
out:
    strings_clear(&names);
    if (rc < 0)
        mlb_error_prefix(err, "host list");
    return rc;
}
