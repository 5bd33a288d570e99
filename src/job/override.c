/* SPDX-License-Identifier: BSD-3-Clause */
/* One "path=value" of the command line onto a job. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job/value.h"

#define COMMAND_LINE "command line"

struct change {
    struct mlb_job *job;
    struct mlb_problems *problems;
    const char *path, *value;    /* "datasets[0].version", "v2" */
};

__attribute__((format(printf, 2, 3)))
static void refuse(struct change *c, const char *format, ...)
{
    char *what = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&what, format, args) < 0)
        what = NULL;
    va_end(args);
    problems_add(c->problems, COMMAND_LINE, "%s: %s", c->path,
                 what ? what : format);
    free(what);
}

static void refuse_unknown(struct change *c, const char *path)
{
    char *hint = keys_suggest(job_keys, path);

    problems_add(c->problems, COMMAND_LINE, "unknown key \"%s\"%s", c->path,
                 hint);
    free(hint);
}

static void set_variable(struct change *c, const char *name)
{
    if (!*name) {
        refuse(c, "a variable needs a name: environment.NAME=value");
        return;
    }
    fields_set(&c->job->environment, name, c->value);
    origin_set(&c->job->origins, c->path, COMMAND_LINE);
}

static bool set_in_list(struct change *c, const struct job_key *key,
                        size_t at, const char *rest)
{
    if (*rest) {
        refuse(c, "%s is a list of strings: %s[%zu]=value", key->path,
               key->path, at);
        return false;
    }
    if (key->type == KEY_COMMAND && c->job->shell) {
        refuse(c, "the command is one string for sh: change it as a whole, "
                  "command=...");
        return false;
    }
    strings_set(job_key_place(key, c->job), at, c->value);
    return true;
}

static bool set_in_dataset(struct change *c, size_t at, const char *rest)
{
    struct mlb_job *job = c->job;
    const struct job_key *key =
        *rest == '.' ? keys_find(dataset_keys, rest + 1) : NULL;

    if (!key) {
        char *hint = keys_suggest(dataset_keys, *rest ? rest + 1 : rest);
        refuse(c, "must be one of datasets[%zu].name, .version and .as%s",
               at, hint);
        free(hint);
        return false;
    }
    if (at == job->dataset_count) {
        job->datasets = xrealloc(job->datasets,
                                 (at + 1) * sizeof(*job->datasets));
        job->datasets[at] = (struct mlb_data_use){ NULL, NULL, NULL };
        job->dataset_count++;
    }
    return value_parse(key->type, (char *)&job->datasets[at] + key->offset,
                       c->value, NULL) == 0;
}

/* How many elements a list has; key is of a type that takes an index. */
static size_t list_length(const struct mlb_job *job,
                          const struct job_key *key)
{
    if (key->type == KEY_DATASETS)
        return job->dataset_count;
    return ((const struct mlb_strings *)job_key_value(key, job))->count;
}

/* path is NAME[INDEX]REST, bracket points to its '['. */
static void set_indexed(struct change *c, const char *bracket)
{
    char *name = xstrndup(c->path, (size_t)(bracket - c->path));
    const struct job_key *key = job_key_find(name);
    size_t digits = strspn(bracket + 1, "0123456789");
    const char *rest = bracket + 1 + digits;
    bool done = false;

    if (!key) {
        refuse_unknown(c, name);
    } else if (key->type != KEY_STRINGS && key->type != KEY_COMMAND &&
               key->type != KEY_DATASETS) {
        refuse(c, key->type == KEY_PAIRS
                      ? "a variable is set by its name: environment.NAME="
                      : "has one value, not a list: leave out the [ ]");
    } else if (digits == 0 || digits > 9 || *rest != ']') {
        refuse(c, "the index must be a number, as in %s[0]", name);
    } else {
        size_t at = strtoul(bracket + 1, NULL, 10);
        size_t length = list_length(c->job, key);
        if (at > length)
            refuse(c, "%s has %zu elements, so the next index is %zu", name,
                   length, length);
        else if (key->type == KEY_DATASETS)
            done = set_in_dataset(c, at, rest + 1);
        else
            done = set_in_list(c, key, at, rest + 1);
    }
    if (done)
        origin_set(&c->job->origins, c->path, COMMAND_LINE);
    free(name);
}

static bool set_command(struct change *c)
{
    struct mlb_job *job = c->job;

    strings_clear(&job->command);
    strings_push(&job->command, "sh");
    strings_push(&job->command, "-c");
    strings_push(&job->command, c->value);
    job->shell = true;
    return true;
}

static bool set_key(struct change *c, const struct job_key *key)
{
    struct mlb_error err;

    switch (key->type) {
    case KEY_COMMAND:
        return set_command(c);
    case KEY_STRINGS:
        refuse(c, "is a list: %s[0]=value", key->path);
        return false;
    case KEY_PAIRS:
        refuse(c, "is a group: environment.NAME=value");
        return false;
    case KEY_DATASETS:
        refuse(c, "is a list: datasets[0].name=value");
        return false;
    case KEY_AXES:
    case KEY_POINTS:
        refuse(c, "sweeps cannot be given on the command line");
        return false;
    default:
        if (value_parse(key->type, job_key_place(key, c->job), c->value,
                        &err) == 0)
            return true;
        refuse(c, "%s", err.text);
        return false;
    }
}

void job_override(struct mlb_job *job, const char *assignment,
                  struct mlb_problems *problems)
{
    size_t length = strcspn(assignment, "=");
    char *path = xstrndup(assignment, length);
    struct change c = { .job = job, .problems = problems, .path = path,
                        .value = assignment + length + 1 };
    const struct job_key *key = job_key_find(path);
    const char *bracket = strchr(path, '[');

    if (assignment[length] == '\0')
        problems_add(problems, COMMAND_LINE,
                     "\"%s\" is not KEY=VALUE (like resources.nodes=4)",
                     assignment);
    else if (strncmp(path, "environment.", 12) == 0)
        set_variable(&c, path + 12);
    else if (strncmp(path, "sweep.grid.", 11) == 0 ||
             strncmp(path, "sweep.list[", 11) == 0)
        refuse(&c, "sweeps cannot be given on the command line");
    else if (bracket)
        set_indexed(&c, bracket);
    else if (!key && keys_is_group(job_keys, path))
        refuse(&c, "is a group: set one of its keys, %s.KEY=VALUE", path);
    else if (!key)
        refuse_unknown(&c, path);
    else if (set_key(&c, key))
        origin_set(&job->origins, path, COMMAND_LINE);
    job_settle_tasks(job);
    free(path);
}
