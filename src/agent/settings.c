/* SPDX-License-Identifier: BSD-3-Clause */
/* The fields of RUN_DIR/plan, read and checked. */
#include "config.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/process.h"
#include "base/units.h"

#include "agent/settings.h"

struct word {
    const char *name;
    size_t offset;               /* of a const char * in struct settings */
};

struct number {
    const char *name;
    size_t offset;               /* of a long in struct settings */
    long min, fallback;          /* fallback < min: must be there */
};

#define AT(member) offsetof(struct settings, member)

static const struct word words[] = {
    { "run", AT(run) },
    { "token", AT(token) },
    { "scheduler", AT(scheduler) },
    { "directory", AT(directory) },
};

static const struct number numbers[] = {
    { "nodes", AT(nodes), 1, 0 },
    { "tasks", AT(tasks), 1, 0 },
    { "tasks_per_node", AT(tasks_per_node), 1, 0 },
    { "cpus_per_task", AT(cpus_per_task), 1, 1 },
    { "gpus_per_task", AT(gpus_per_task), 0, 0 },
    { "walltime", AT(walltime), -1, -1 },
    { "warn", AT(warn), 0, 0 },
    { "restart_max", AT(restart_max), 0, 0 },
    { "kill_wait", AT(kill_wait), 0, 30 },
    { "every", AT(every), 0, 0 },
    { "sample_every", AT(sample_every), 0, 1 },
    { "hardware_every", AT(hardware_every), 0, 10 },
    { "mpi_stats", AT(mpi_stats), 0, 0 },
};

static int read_number(struct settings *s, const struct number *n,
                       struct mlb_error *err)
{
    const char *text = fields_get(&s->fields, n->name);
    long *to = (long *)((char *)s + n->offset);

    *to = n->fallback;
    if (!text && n->fallback >= n->min)
        return 0;
    if (!text)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "no field %s", n->name);
    /* -1 is how the plan writes "not asked": the fallback then. */
    if (strcmp(text, "-1") == 0 && n->fallback >= n->min)
        return 0;
    if (units_parse_long(text, n->min, LONG_MAX, to, err) < 0)
        return mlb_error_prefix(err, "field %s", n->name);
    return 0;
}

static int fill(struct settings *s, struct mlb_error *err)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const char *text = fields_get(&s->fields, words[i].name);
        if (!text || !*text)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT, "no field %s",
                                 words[i].name);
        *(const char **)((char *)s + words[i].offset) = text;
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (read_number(s, &numbers[i], err) < 0)
            return -1;
    fields_get_all(&s->fields, "launch", &s->launch);
    fields_get_all(&s->fields, "command", &s->command);
    fields_get_all(&s->fields, "env", &s->environment);
    fields_get_all(&s->fields, "save_command", &s->save_command);
    fields_get_all(&s->fields, "restart_on", &s->restart_on);
    fields_get_all(&s->fields, "grow", &s->grow);
    s->store = fields_get(&s->fields, "store");
    s->program = fields_get(&s->fields, "program");
    const char *signal = fields_get(&s->fields, "signal");
    s->signal = 0;
    if (signal && units_parse_signal(signal, &s->signal, err) < 0)
        return mlb_error_prefix(err, "field signal");
    if (s->launch.count == 0 || s->command.count == 0)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "no field %s",
                             s->launch.count ? "command" : "launch");
    /* putenv would take such a word as "remove this variable". */
    for (size_t i = 0; i < s->environment.count; i++)
        if (strcspn(s->environment.items[i], "=") == 0 ||
            !strchr(s->environment.items[i], '='))
            return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                                 "field env: \"%s\" is not NAME=value",
                                 s->environment.items[i]);
    return 0;
}

int settings_read(struct settings *settings, const char *run_dir,
                  struct mlb_error *err)
{
    char *path = xasprintf("%s/plan", run_dir);
    int rc = fields_read(&settings->fields, path, err);

    if (rc == 0) {
        rc = fill(settings, err);
        if (rc < 0)
            mlb_error_prefix(err, "%s", path);
    }
    free(path);
    return rc;
}

void settings_clear(struct settings *settings)
{
    fields_clear(&settings->fields);
    strings_clear(&settings->launch);
    strings_clear(&settings->command);
    strings_clear(&settings->environment);
    strings_clear(&settings->save_command);
    strings_clear(&settings->restart_on);
    strings_clear(&settings->grow);
}

bool settings_has(const struct mlb_strings *list, const char *word)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], word) == 0)
            return true;
    return false;
}

bool settings_have_tasks(const struct settings *settings)
{
    for (size_t i = 0; i < settings->launch.count; i++)
        if (strstr(settings->launch.items[i], "mlbatch-agent"))
            return true;
    return false;
}

const char *settings_node(void)
{
    static char *node;

    if (!node) {
        const char *name = getenv("SLURMD_NODENAME");
        node = text_encode_name(name && *name ? name : process_host());
    }
    return node;
}
