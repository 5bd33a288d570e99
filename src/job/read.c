/* SPDX-License-Identifier: BSD-3-Clause */
/* A job file into a job. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job/value.h"
#include "job/source.h"

static struct mlb_job *job_of(struct source *source)
{
    return source->base;
}

static bool read_command(struct source *source, const char *key,
                         const config_setting_t *setting)
{
    struct mlb_job *job = job_of(source);
    struct mlb_strings argv = MLB_STRINGS_INIT;
    bool shell = setting->type == CONFIG_TYPE_STRING;

    if (shell) {
        strings_push(&argv, "sh");
        strings_push(&argv, "-c");
        strings_push(&argv, setting->value.sval);
    } else if (!source_read_strings(source, key, setting, &argv)) {
        return false;
    }
    strings_clear(&job->command);
    job->command = argv;
    job->shell = shell;
    return true;
}

/* Add variable pair ("NAME=value") and where it comes from. */
static void add_pair(struct source *source, const config_setting_t *setting,
                     const char *pair)
{
    struct mlb_job *job = job_of(source);
    char *where = source_where(source, setting);
    char *key = xasprintf("environment.%.*s", (int)strcspn(pair, "="), pair);

    strings_push(&job->environment.pairs, pair);
    fields_add(source->origins, key, where);
    free(key);
    free(where);
}

static void read_variable(struct source *source,
                          const config_setting_t *setting)
{
    char *key = xasprintf("environment.%s", setting->name);
    char *pair = NULL;

    if (setting->type == CONFIG_TYPE_STRING)
        pair = xasprintf("%s=%s", setting->name, setting->value.sval);
    else if (setting->type == CONFIG_TYPE_INT && setting->format == 0)
        pair = xasprintf("%s=%d", setting->name, setting->value.ival);
    else if (setting->type == CONFIG_TYPE_INT64 && setting->format == 0)
        pair = xasprintf("%s=%lld", setting->name, setting->value.llval);
    /* Other numbers can be written in more ways than one: only quotes tell
     * which bytes are meant. */
    if (pair)
        add_pair(source, setting, pair);
    else
        source_problem(source, setting, key, "must be a string in quotes");
    free(pair);
    free(key);
}

static void read_pair(struct source *source, const char *key,
                      const config_setting_t *setting)
{
    if (strchr(setting->value.sval, '='))
        add_pair(source, setting, setting->value.sval);
    else
        source_problem(source, setting, key,
                       "\"%s\" must be like \"NAME=value\"",
                       setting->value.sval);
}

static bool read_pairs(struct source *source, const char *key,
                       const config_setting_t *setting)
{
    struct mlb_strings list = MLB_STRINGS_INIT;
    bool group = setting->type == CONFIG_TYPE_GROUP;

    /* This says what is no string; the rest is read below, as each pair
     * has its line. */
    if (!group && !source_read_strings(source, key, setting, &list))
        return false;
    strings_clear(&list);
    fields_clear(&job_of(source)->environment);
    int count = config_setting_length(setting);
    for (int i = 0; i < count; i++) {
        const config_setting_t *element =
            config_setting_get_elem(setting, (unsigned)i);
        if (group)
            read_variable(source, element);
        else if (element->type == CONFIG_TYPE_STRING)
            read_pair(source, key, element);
    }
    return true;
}

static bool read_datasets(struct source *source, const char *key,
                          const config_setting_t *setting)
{
    struct mlb_job *job = job_of(source);

    if (!source_is_list(source, key, setting))
        return false;
    job_clear_datasets(job);
    int count = config_setting_length(setting);
    job->datasets = xcalloc((size_t)count, sizeof(*job->datasets));
    job->dataset_count = (size_t)count;
    for (int i = 0; i < count; i++) {
        const config_setting_t *element =
            config_setting_get_elem(setting, (unsigned)i);
        char *label = xasprintf("%s[%d].", key, i);
        struct source inner = *source;
        inner.keys = dataset_keys;
        inner.base = &job->datasets[i];
        inner.label = label;
        source_read_group(&inner, element);
        char *where = source_where(source, element);
        label[strlen(label) - 1] = '\0';
        fields_add(source->origins, label, where);
        free(where);
        free(label);
    }
    return true;
}

/* The shortest text that reads back as the same number. */
static char *float_text(double value)
{
    char text[40];

    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return xstrdup(text);
}

/* The values of a sweep are text to the job, whatever they look like. NULL
 * if it is no scalar. */
static char *scalar_text(const config_setting_t *setting)
{
    switch (setting->type) {
    case CONFIG_TYPE_INT:
        return xasprintf("%d", setting->value.ival);
    case CONFIG_TYPE_INT64:
        return xasprintf("%lld", setting->value.llval);
    case CONFIG_TYPE_FLOAT:
        return float_text(setting->value.fval);
    case CONFIG_TYPE_BOOL:
        return xstrdup(setting->value.ival ? "true" : "false");
    case CONFIG_TYPE_STRING:
        return xstrdup(setting->value.sval);
    default:
        return NULL;
    }
}

static void read_axis(struct source *source, const config_setting_t *setting,
                      struct mlb_sweep_axis *axis)
{
    char *key = xasprintf("sweep.grid.%s", setting->name);
    bool list = setting->type == CONFIG_TYPE_ARRAY ||
                setting->type == CONFIG_TYPE_LIST;
    int count = list ? config_setting_length(setting) : 0;
    char *where = source_where(source, setting);

    *axis = (struct mlb_sweep_axis){ .name = xstrdup(setting->name),
                                     .values = MLB_STRINGS_INIT };
    fields_add(source->origins, key, where);
    free(where);
    if (!list)
        source_problem(source, setting, key,
                       "must be a list of values, like [1, 2]");
    for (int i = 0; i < count; i++) {
        const config_setting_t *element =
            config_setting_get_elem(setting, (unsigned)i);
        char *text = scalar_text(element);
        if (text)
            strings_push(&axis->values, text);
        else
            source_problem(source, element, key,
                           "value %d must be a number, a string, true or "
                           "false", i);
        free(text);
    }
    free(key);
}

static bool read_axes(struct source *source, const char *key,
                      const config_setting_t *setting)
{
    struct mlb_job *job = job_of(source);

    if (setting->type != CONFIG_TYPE_GROUP) {
        source_problem(source, setting, key,
                       "must be a group, like { seed = [1, 2]; }");
        return false;
    }
    struct mlb_axes *axes = &job->sweep.grid;
    job_clear_axes(axes);
    int count = config_setting_length(setting);
    axes->items = xcalloc((size_t)count, sizeof(*axes->items));
    axes->count = (size_t)count;
    for (int i = 0; i < count; i++)
        read_axis(source, config_setting_get_elem(setting, (unsigned)i),
                  &axes->items[i]);
    return true;
}

/* The axes of a list are the names of its first point. */
static void begin_points(struct mlb_axes *axes,
                         const config_setting_t *setting)
{
    const config_setting_t *first = config_setting_get_elem(setting, 0);
    int count = first->type == CONFIG_TYPE_GROUP
                    ? config_setting_length(first) : 0;

    axes->items = xcalloc((size_t)count, sizeof(*axes->items));
    axes->count = (size_t)count;
    for (int i = 0; i < count; i++)
        axes->items[i] = (struct mlb_sweep_axis){
            xstrdup(config_setting_get_elem(first, (unsigned)i)->name),
            MLB_STRINGS_INIT,
        };
}

/* Each point adds a value to each axis, even where it is wrong: the axes
 * stay equally long. */
static void read_point(struct source *source, const char *key,
                       const config_setting_t *point, struct mlb_axes *axes)
{
    int found = 0;

    for (size_t i = 0; i < axes->count; i++) {
        struct mlb_sweep_axis *axis = &axes->items[i];
        const config_setting_t *value =
            config_setting_get_member(point, axis->name);
        char *text = value ? scalar_text(value) : NULL;
        if (!value)
            source_problem(source, point, key,
                           "a point has no %s, which the first one has",
                           axis->name);
        else if (!text)
            source_problem(source, value, key,
                           "%s must be a number, a string, true or false",
                           axis->name);
        strings_push(&axis->values, text ? text : "");
        found += value != NULL;
        free(text);
    }
    if (found < config_setting_length(point))
        source_problem(source, point, key,
                       "a point has a name that the first one has not");
}

static bool read_points(struct source *source, const char *key,
                        const config_setting_t *setting)
{
    struct mlb_axes *axes = &job_of(source)->sweep.list;

    if (!source_is_list(source, key, setting))
        return false;
    job_clear_axes(axes);
    int count = config_setting_length(setting);
    if (count > 0)
        begin_points(axes, setting);
    for (int i = 0; i < count; i++) {
        const config_setting_t *point =
            config_setting_get_elem(setting, (unsigned)i);
        if (point->type == CONFIG_TYPE_GROUP &&
            config_setting_length(point) > 0)
            read_point(source, key, point, axes);
        else
            source_problem(source, point, key,
                           "point %d must be a group, like { lr = 0.1; }",
                           i);
    }
    return true;
}

static bool read_special(struct source *source, const struct job_key *key,
                         const config_setting_t *setting)
{
    switch (key->type) {
    case KEY_COMMAND:
        return read_command(source, key->path, setting);
    case KEY_PAIRS:
        return read_pairs(source, key->path, setting);
    case KEY_DATASETS:
        return read_datasets(source, key->path, setting);
    case KEY_POINTS:
        return read_points(source, key->path, setting);
    default:
        return read_axes(source, key->path, setting);
    }
}

int job_read_string(struct mlb_job *job, const char *text, const char *name,
                    struct mlb_problems *problems, struct mlb_error *err)
{
    struct source source = {
        .name = name, .keys = job_keys, .base = job, .label = "",
        .problems = problems, .origins = &job->origins,
        .special = read_special,
    };

    return source_read(&source, text, err);
}

int job_read_file(struct mlb_job *job, const char *path,
                  struct mlb_problems *problems, struct mlb_error *err)
{
    struct mlb_text text = MLB_TEXT_INIT;
    int rc = source_load(path, &text, err);

    if (rc < 0 && err && err->code == MLB_ERR_NOT_FOUND)
        mlb_error_set(err, MLB_ERR_BAD_INPUT,
                      "cannot read %s: no such file (mlbatch help job says "
                      "what a job file holds)", path);
    if (rc == 0 && text.data[strspn(text.data, " \t\r\n\f")] == '\0')
        rc = mlb_error_set(err, MLB_ERR_BAD_INPUT,
                           "%s is empty (mlbatch help job says what a job "
                           "file holds)", path);
    if (rc == 0)
        rc = job_read_string(job, text.data, path, problems, err);
    text_clear(&text);
    return rc;
}
