/* SPDX-License-Identifier: BSD-3-Clause */
/* Values of keys: from text, within bounds, given or not. */
#include "config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "job/value.h"

int value_parse(enum job_type type, void *place, const char *text,
                struct mlb_error *err)
{
    char **string = place;

    switch (type) {
    case KEY_TEXT:
        free(*string);
        *string = xstrdup(text);
        return 0;
    case KEY_COUNT:
        return units_parse_long(text, 0, LONG_MAX, place, err);
    case KEY_SIZE:
        return units_parse_size(text, 1, place, err);
    case KEY_INTERVAL:
        if (strcmp(text, "never") == 0) {
            *(long *)place = 0;
            return 0;
        }
        return units_parse_duration(text, place, err);
    case KEY_DURATION:
        return units_parse_duration(text, place, err);
    case KEY_BOOL:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                                 "\"%s\" is neither true nor false", text);
        *(long *)place = strcmp(text, "true") == 0;
        return 0;
    default:
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "cannot be given as one value");
    }
}

/* The number at place, MLB_UNSET also for what is no number. */
static long long number_at(enum job_type type, const void *place)
{
    if (type == KEY_SIZE)
        return *(const long long *)place;
    if (type == KEY_COUNT || type == KEY_DURATION || type == KEY_INTERVAL ||
        type == KEY_BOOL)
        return *(const long *)place;
    return MLB_UNSET;
}

int value_in_bounds(const struct job_key *key, const void *place,
                    struct mlb_error *err)
{
    long long value = number_at(key->type, place);

    if (value == MLB_UNSET || key->max == 0 ||
        (value >= key->min && value <= key->max))
        return 0;
    const char *unit = key->type == KEY_SIZE       ? " bytes"
                       : key->type == KEY_COUNT    ? ""
                                                   : " seconds";
    if (value < key->min)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "is %lld, but must be at least %lld%s", value,
                             key->min, unit);
    return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                         "is %lld, but must be at most %lld%s", value,
                         key->max, unit);
}

bool value_is_given(const struct job_key *key, const void *place)
{
    switch (key->type) {
    case KEY_TEXT:
        return *(char *const *)place != NULL;
    case KEY_STRINGS:
    case KEY_COMMAND:
        return ((const struct mlb_strings *)place)->count > 0;
    case KEY_PAIRS:
        return ((const struct mlb_fields *)place)->pairs.count > 0;
    case KEY_DATASETS:
    case KEY_AXES:
    case KEY_POINTS:
    case KEY_LAUNCHERS:
    case KEY_PARTITIONS:
        return *(void *const *)place != NULL;
    default:
        return number_at(key->type, place) != MLB_UNSET;
    }
}

bool value_is_identifier(const char *s)
{
    return *s && s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "abcdefghijklmnopqrstuvwxyz"
                             "0123456789_")] == '\0';
}

/* Is pair ("key=where") about key or about a part of it? */
static bool is_about(const char *pair, const char *key)
{
    size_t length = strlen(key);

    return strncmp(pair, key, length) == 0 &&
           (pair[length] == '=' ||
            (length > 0 && (pair[length] == '.' || pair[length] == '[')));
}

void origin_set(struct mlb_fields *origins, const char *key,
                const char *where)
{
    struct mlb_strings *pairs = &origins->pairs;
    struct mlb_strings kept = MLB_STRINGS_INIT;
    size_t same = 0;

    for (size_t i = 0; i < pairs->count; i++)
        same += is_about(pairs->items[i], key);
    if (same > 0) {
        for (size_t i = 0; i < pairs->count; i++)
            if (!is_about(pairs->items[i], key))
                strings_push(&kept, pairs->items[i]);
        strings_clear(pairs);
        *pairs = kept;
    }
    fields_add(origins, key, where);
}
