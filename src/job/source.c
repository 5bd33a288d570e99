/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a libconfig file by a table of keys. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "job/scan.h"
#include "job/value.h"
#include "job/source.h"

#define FILE_LIMIT (1u << 20)

static const char *type_name(const config_setting_t *setting)
{
    static const char *const names[] = {
        [CONFIG_TYPE_NONE] = "nothing",
        [CONFIG_TYPE_GROUP] = "a group",
        [CONFIG_TYPE_INT] = "a whole number",
        [CONFIG_TYPE_INT64] = "a whole number",
        [CONFIG_TYPE_FLOAT] = "a number with a fraction",
        [CONFIG_TYPE_STRING] = "a string",
        [CONFIG_TYPE_BOOL] = "true or false",
        [CONFIG_TYPE_ARRAY] = "an array",
        [CONFIG_TYPE_LIST] = "a list",
    };

    return names[setting->type];
}

char *source_where(const struct source *source,
                   const config_setting_t *setting)
{
    return xasprintf("%s:%u", source->name, setting->line);
}

void source_problem(struct source *source, const config_setting_t *setting,
                    const char *key, const char *format, ...)
{
    char *where = source_where(source, setting), *what = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&what, format, args) < 0)
        what = NULL;
    va_end(args);
    /* The label of a group itself ends in the dot of its members. */
    int label = (int)strlen(source->label) - (*source->label && !*key);
    problems_add(source->problems, where, "%.*s%s: %s", label, source->label,
                 key, what ? what : format);
    free(what);
    free(where);
}

static void wrong_type(struct source *source,
                       const config_setting_t *setting, const char *key,
                       const char *expected)
{
    source_problem(source, setting, key, "must be %s, not %s", expected,
                   type_name(setting));
}

bool source_is_list(struct source *source, const char *key,
                    const config_setting_t *setting)
{
    if (setting->type == CONFIG_TYPE_LIST)
        return true;
    wrong_type(source, setting, key,
               "a list of groups, like ( { ... }, { ... } )");
    return false;
}

bool source_read_strings(struct source *source, const char *key,
                         const config_setting_t *setting,
                         struct mlb_strings *out)
{
    if (setting->type != CONFIG_TYPE_ARRAY &&
        setting->type != CONFIG_TYPE_LIST) {
        wrong_type(source, setting, key,
                   "a list of strings, like [\"a\", \"b\"]");
        return false;
    }
    int count = config_setting_length(setting);
    for (int i = 0; i < count; i++) {
        const config_setting_t *element =
            config_setting_get_elem(setting, (unsigned)i);
        if (element->type == CONFIG_TYPE_STRING) {
            strings_push(out, element->value.sval);
            continue;
        }
        char *name = xasprintf("%s[%d]", key, i);
        wrong_type(source, element, name, "a string in quotes");
        free(name);
    }
    return true;
}

/* A whole number as it is, anything else as the text that it is. The number
 * must not be negative: -1 means "not given" in memory. */
static bool read_number(struct source *source, const struct job_key *key,
                        const config_setting_t *setting, void *place)
{
    struct mlb_error err;
    long long value = setting->type == CONFIG_TYPE_INT ? setting->value.ival
                                                       : setting->value.llval;

    if (setting->type == CONFIG_TYPE_STRING && key->type != KEY_COUNT) {
        if (value_parse(key->type, place, setting->value.sval, &err) == 0)
            return true;
        source_problem(source, setting, key->path, "%s", err.text);
        return false;
    }
    if (setting->type != CONFIG_TYPE_INT &&
        setting->type != CONFIG_TYPE_INT64) {
        wrong_type(source, setting, key->path,
                   key->type == KEY_COUNT  ? "a whole number"
                   : key->type == KEY_SIZE ? "bytes or a size like \"16G\""
                                           : "seconds or a duration like "
                                             "\"10m\" or \"00:30:00\"");
        return false;
    }
    if (value < 0) {
        source_problem(source, setting, key->path,
                       "is %lld, but must not be negative", value);
        return false;
    }
    if (key->type == KEY_SIZE)
        *(long long *)place = value;
    else
        *(long *)place = (long)value;
    return true;
}

static bool read_value(struct source *source, const struct job_key *key,
                       const config_setting_t *setting)
{
    void *place = (char *)source->base + key->offset;
    struct mlb_strings list = MLB_STRINGS_INIT;

    switch (key->type) {
    case KEY_TEXT:
        if (setting->type == CONFIG_TYPE_STRING)
            return value_parse(KEY_TEXT, place, setting->value.sval,
                               NULL) == 0;
        wrong_type(source, setting, key->path, "a string in quotes");
        return false;
    case KEY_COUNT:
    case KEY_SIZE:
    case KEY_DURATION:
    case KEY_INTERVAL:
        return read_number(source, key, setting, place);
    case KEY_BOOL:
        if (setting->type == CONFIG_TYPE_BOOL) {
            *(long *)place = setting->value.ival != 0;
            return true;
        }
        wrong_type(source, setting, key->path, "true or false");
        return false;
    case KEY_STRINGS:
        if (!source_read_strings(source, key->path, setting, &list))
            return false;
        strings_clear(place);
        *(struct mlb_strings *)place = list;
        return true;
    default:
        return source->special(source, key, setting);
    }
}

static void read_key(struct source *source, const struct job_key *key,
                     const config_setting_t *setting)
{
    struct mlb_error err;

    if (source->origins) {
        char *where = source_where(source, setting);
        char *path = xasprintf("%s%s", source->label, key->path);
        /* What is in a list is new since the list itself was recorded. */
        if (*source->label)
            fields_add(source->origins, path, where);
        else
            origin_set(source->origins, path, where);
        free(path);
        free(where);
    }
    if (read_value(source, key, setting) && source->bounded &&
        value_in_bounds(key, (char *)source->base + key->offset, &err) < 0)
        source_problem(source, setting, key->path, "%s", err.text);
}

static void unknown_key(struct source *source,
                        const config_setting_t *setting, const char *path)
{
    char *hint = keys_suggest(source->keys, path);
    char *where = source_where(source, setting);

    problems_add(source->problems, where, "unknown key \"%s%s\"%s",
                 source->label, path, hint);
    free(where);
    free(hint);
}

static void read_members(struct source *source,
                         const config_setting_t *group, const char *prefix)
{
    int count = config_setting_length(group);

    for (int i = 0; i < count; i++) {
        const config_setting_t *setting =
            config_setting_get_elem(group, (unsigned)i);
        char *path = xasprintf("%s%s", prefix, setting->name);
        const struct job_key *key = keys_find(source->keys, path);
        if (key) {
            read_key(source, key, setting);
        } else if (!keys_is_group(source->keys, path)) {
            unknown_key(source, setting, path);
        } else if (setting->type != CONFIG_TYPE_GROUP) {
            wrong_type(source, setting, path, "a group, like { ... }");
        } else {
            char *inner = xasprintf("%s.", path);
            read_members(source, setting, inner);
            free(inner);
        }
        free(path);
    }
}

void source_read_group(struct source *source, const config_setting_t *group)
{
    if (group->type == CONFIG_TYPE_GROUP)
        read_members(source, group, "");
    else
        wrong_type(source, group, "", "a group, like { ... }");
}

/* libconfig says little; add what usually helps. */
static int parse_error(const struct source *source, const config_t *config,
                       struct mlb_error *err)
{
    const char *text = config->error_text ? config->error_text : "bad syntax";
    const char *hint = strcmp(text, "syntax error") == 0
                           ? " here or just before"
                       : strstr(text, "mismatched")
                           ? ": use ( ) for values of different types"
                           : "";

    return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s:%d: %s%s", source->name,
                         config->error_line, text, hint);
}

int source_read(struct source *source, const char *text,
                struct mlb_error *err)
{
    struct mlb_text scanned = MLB_TEXT_INIT;
    config_t config;
    int rc = -1;

    config_init(&config);
    if (scan_text(text, source->name, &scanned, err) < 0)
        goto out;
    if (!config_read_string(&config, scanned.data)) {
        parse_error(source, &config, err);
        goto out;
    }
    if (source->origins)
        origin_set(source->origins, "", source->name);
    source_read_group(source, config_root_setting(&config));
    rc = 0;
out:
    config_destroy(&config);
    text_clear(&scanned);
    return rc;
}

int source_load(const char *name, struct mlb_text *text,
                struct mlb_error *err)
{
    struct mlb_error why;

    if (files_is_dir(name))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "%s is a directory, not a file", name);
    if (files_read(name, FILE_LIMIT, text, &why) < 0)
        return mlb_error_set(err,
                             why.code == MLB_ERR_NOT_FOUND
                                 ? MLB_ERR_NOT_FOUND
                                 : MLB_ERR_BAD_INPUT,
                             "%s", why.text);
    const char *nul = memchr(text->data, '\0', text->length);
    if (nul) {
        size_t line = 1;
        for (const char *p = text->data; p < nul; p++)
            line += *p == '\n';
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "%s:%zu: a NUL byte: this is not a text file",
                             name, line);
    }
    return 0;
}
