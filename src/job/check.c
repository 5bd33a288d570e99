/* SPDX-License-Identifier: BSD-3-Clause */
/* Is it a job that can be run? */
#include "config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/units.h"
#include "job/sweep.h"
#include "job/value.h"

#define NAME_BYTES 1000
#define DATASETS 1000
#define VARIABLES 10000
#define PARENTS 100          /* runs that one run waits for */

static void check_required(const struct mlb_job *job,
                           struct mlb_problems *problems)
{
    /* One of the wrong type has been told of. */
    if (!job->name && !fields_get(&job->origins, "name"))
        problems_add(problems, job_origin(job, "name"),
                     "name is missing: add name = \"...\";");
    else if (job->name && strlen(job->name) > NAME_BYTES)
        problems_add(problems, job_origin(job, "name"),
                     "name: is %zu bytes long, but must be at most %d",
                     strlen(job->name), NAME_BYTES);
    if (job->command.count == 0)
        problems_add(problems, job_origin(job, "command"),
                     "command is missing: add command = "
                     "[\"PROGRAM\", \"ARGUMENT\"];");
    else if (job->command.items[0][0] == '\0' ||
             (job->shell && job->command.items[2][0] == '\0'))
        problems_add(problems, job_origin(job, "command"),
                     "command: has an empty program");
}

static void check_bounds(const struct mlb_job *job,
                         struct mlb_problems *problems)
{
    struct mlb_error err;

    for (const struct job_key *key = job_keys; key->path; key++) {
        const void *place = job_key_value(key, job);
        if (value_in_bounds(key, place, &err) < 0)
            problems_add(problems, job_origin(job, key->path), "%s: %s",
                         key->path, err.text);
        const char *text =
            key->type == KEY_TEXT ? *(char *const *)place : NULL;
        if (text && !*text)
            problems_add(problems, job_origin(job, key->path),
                         "%s: is empty: give a value or leave it out",
                         key->path);
    }
}

/* What asks a program to save. */
static void check_saving(const struct mlb_job *job,
                         struct mlb_problems *problems)
{
    const char *name = job->checkpoint.signal;
    const struct mlb_strings *command = &job->checkpoint.command;
    struct mlb_error err;
    int signum;

    if (name && strcmp(name, "none") != 0 &&
        units_parse_signal(name, &signum, &err) < 0)
        problems_add(problems, job_origin(job, "checkpoint.signal"),
                     "checkpoint.signal: %s", err.text);
    if (command->count > 0 && !*command->items[0])
        problems_add(problems, job_origin(job, "checkpoint.command"),
                     "checkpoint.command: has an empty program");
}

static void check_checkpoint(const struct mlb_job *job,
                             struct mlb_problems *problems)
{
    const char *best = job->checkpoint.best, *layout = job->checkpoint.layout;

    if (best && ((strncmp(best, "min ", 4) != 0 &&
                  strncmp(best, "max ", 4) != 0) || !best[4]))
        problems_add(problems, job_origin(job, "checkpoint.best"),
                     "checkpoint.best: \"min\" or \"max\" and a metric, as "
                     "in \"min loss\", not \"%s\"", best);
    if (!best && job->checkpoint.keep_best != MLB_UNSET)
        problems_add(problems, job_origin(job, "checkpoint.keep_best"),
                     "checkpoint.keep_best: needs checkpoint.best, the "
                     "metric to go by");
    if (layout && strcmp(layout, "auto") != 0 &&
        strcmp(layout, "shared") != 0 && strcmp(layout, "nodes") != 0)
        problems_add(problems, job_origin(job, "checkpoint.layout"),
                     "checkpoint.layout: \"auto\", \"shared\" or \"nodes\", "
                     "not \"%s\"", layout);
    check_saving(job, problems);
}

/* The ends after which a run can go on; the first word of each is ours, the
 * others are what people know from Slurm or see in our own lists. */
static const struct {
    enum mlb_state state;
    const char *words[3];
} causes[] = {
    { MLB_STATE_TIMEOUT, { "timeout" } },
    { MLB_STATE_PREEMPTED, { "preempted" } },
    { MLB_STATE_NODE_FAILURE, { "node_fail", "node_failure",
                                "node failure" } },
    { MLB_STATE_OUT_OF_MEMORY, { "out_of_memory", "out of memory" } },
    { MLB_STATE_FAILED, { "failed" } },
};
#define CAUSES (sizeof(causes) / sizeof(causes[0]))

enum mlb_state job_restart_cause(const char *word)
{
    for (size_t i = 0; i < CAUSES; i++)
        for (size_t k = 0; k < 3 && causes[i].words[k]; k++)
            if (strcmp(word, causes[i].words[k]) == 0)
                return causes[i].state;
    return MLB_STATE_UNKNOWN;
}

static void add_words_problem(const struct mlb_job *job, const char *key,
                              const char *word, const char *words,
                              struct mlb_problems *problems)
{
    problems_add(problems, job_origin(job, key), "%s: \"%s\" is none of %s",
                 key, word, words);
}

static void check_restart(const struct mlb_job *job,
                          struct mlb_problems *problems)
{
    const struct mlb_strings *on = &job->restart.on;
    const struct mlb_strings *grow = &job->restart.grow;
    struct mlb_text words = MLB_TEXT_INIT;

    for (size_t i = 0; i < CAUSES; i++)
        text_addf(&words, "%s%s", i ? ", " : "", causes[i].words[0]);
    for (size_t i = 0; i < on->count; i++)
        if (job_restart_cause(on->items[i]) == MLB_STATE_UNKNOWN)
            add_words_problem(job, "restart.on", on->items[i], words.data,
                              problems);
    text_clear(&words);
    for (size_t i = 0; i < grow->count; i++)
        if (strcmp(grow->items[i], "memory") != 0 &&
            strcmp(grow->items[i], "walltime") != 0)
            add_words_problem(job, "restart.grow", grow->items[i],
                              "memory, walltime", problems);
    if (on->count == 0 && grow->count > 0)
        problems_add(problems, job_origin(job, "restart.grow"),
                     "restart.grow: needs restart.on, the ends after which "
                     "to go on: on = [\"timeout\", \"out_of_memory\"];");
}

/* Schedulers count tasks in 32 bits. */
static void check_tasks(const struct mlb_job *job,
                        struct mlb_problems *problems)
{
    const struct mlb_resources *r = &job->resources;
    long nodes = r->nodes == MLB_UNSET ? 1 : r->nodes;
    long each = r->tasks_per_node == MLB_UNSET ? 1 : r->tasks_per_node;
    long tasks;

    if (nodes < 1 || each < 1)
        return;                  /* the bounds have said so */
    if (__builtin_mul_overflow(nodes, each, &tasks) || tasks > INT_MAX)
        problems_add(problems, job_origin(job, "resources.tasks_per_node"),
                     "resources: %ld nodes of %ld tasks are too many tasks",
                     nodes, each);
    else if (r->tasks != MLB_UNSET && r->tasks != tasks)
        problems_add(problems, job_origin(job, "resources.tasks"),
                     "--ntasks: %ld tasks are not %ld nodes of as many "
                     "tasks each", r->tasks, nodes);
}

static const char *alias(const struct mlb_data_use *use)
{
    return use->as ? use->as : use->name;
}

static void check_dataset(const struct mlb_data_use *use, const char *key,
                          const char *where, struct mlb_problems *problems)
{
    if (!use->name || !*use->name)
        problems_add(problems, where, "%s: needs a name", key);
    if (use->version && !*use->version)
        problems_add(problems, where,
                     "%s.version: is empty: give one or leave it out", key);
    if (alias(use) && !value_is_identifier(alias(use)))
        problems_add(problems, where,
                     use->as ? "%s.as: \"%s\" must be letters, digits and _, "
                               "for the variable MLB_DATA_<AS>"
                             : "%s: \"%s\" has bytes that no variable can "
                               "have: add as = \"...\" (letters, digits, _)",
                     key, alias(use));
}

/* One data set may be used twice, in two versions say, but each use needs
 * its own name: MLB_DATA_<AS> in capitals. */
static void check_datasets(const struct mlb_job *job,
                           struct mlb_problems *problems)
{
    if (job->dataset_count > DATASETS) {
        problems_add(problems, job_origin(job, "datasets"),
                     "datasets: more than %d", DATASETS);
        return;
    }
    for (size_t i = 0; i < job->dataset_count; i++) {
        const struct mlb_data_use *use = &job->datasets[i];
        char *key = xasprintf("datasets[%zu]", i);
        check_dataset(use, key, job_origin(job, key), problems);
        for (size_t j = 0; j < i; j++) {
            const char *other = alias(&job->datasets[j]);
            if (!alias(use) || !other ||
                strcasecmp(alias(use), other) != 0)
                continue;
            problems_add(problems, job_origin(job, key),
                         "%s: \"%s\" is used by datasets[%zu], too: give "
                         "one of them another as = \"...\"",
                         key, alias(use), j);
            break;
        }
        free(key);
    }
}

/* What mlbatch sets for each rank: a value from the job would be lost. */
static bool is_reserved(const char *name)
{
    static const char *const names[] = {
        "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK",
        "MASTER_ADDR", "MASTER_PORT",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return strncmp(name, "MLB_", 4) == 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void check_names(const struct mlb_job *job,
                        const struct mlb_strings *names,
                        struct mlb_problems *problems)
{
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->items[i];
        char *key = xasprintf("environment.%s", name);
        const char *where = job_origin(job, key);
        if (!*name)
            problems_add(problems, where,
                         "environment: a variable has no name");
        else if (is_reserved(name))
            problems_add(problems, where,
                         "environment: mlbatch sets %s itself for each "
                         "task: leave it out", name);
        if (i > 0 && strcmp(name, names->items[i - 1]) == 0)
            problems_add(problems, where,
                         "environment: %s is given twice", name);
        free(key);
    }
}

static void check_environment(const struct mlb_job *job,
                              struct mlb_problems *problems)
{
    const struct mlb_strings *pairs = &job->environment.pairs;
    struct mlb_strings names = MLB_STRINGS_INIT;

    if (pairs->count > VARIABLES) {
        problems_add(problems, job_origin(job, "environment"),
                     "environment: more than %d variables", VARIABLES);
        return;
    }
    for (size_t i = 0; i < pairs->count; i++) {
        char *name = xstrndup(pairs->items[i],
                              strcspn(pairs->items[i], "="));
        strings_push(&names, name);
        free(name);
    }
    qsort(names.items, names.count, sizeof(char *), compare);
    check_names(job, &names, problems);
    strings_clear(&names);
}

/* Whether there are such runs is found out when it is submitted. */
static void check_after(const struct mlb_job *job,
                        struct mlb_problems *problems)
{
    const struct {
        const char *key;
        const struct mlb_strings *runs;
    } lists[] = {
        { "after.ok", &job->after.ok },
        { "after.any", &job->after.any },
        { "after.notok", &job->after.notok },
    };
    size_t count = 0;

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        count += lists[i].runs->count;
        if (strings_have(lists[i].runs, ""))
            problems_add(problems, job_origin(job, lists[i].key),
                         "%s: the name of a run is empty", lists[i].key);
    }
    if (count > PARENTS)
        problems_add(problems, job_origin(job, "after"),
                     "after: %zu runs, but there must be at most %d", count,
                     PARENTS);
}

/* One problem for each group, at the first of its keys. */
static void check_unsupported(const struct mlb_job *job,
                              struct mlb_problems *problems)
{
    const char *last = NULL;

    for (const struct job_key *key = job_keys; key->path; key++) {
        if (!key->unsupported ||
            (last && strcmp(key->unsupported, last) == 0) ||
            (!value_is_given(key, job_key_value(key, job)) &&
             !fields_get(&job->origins, key->path)))
            continue;
        last = key->unsupported;
        problems_add(problems, job_origin(job, key->path),
                     "%s are not supported yet: remove \"%.*s\"", last,
                     (int)strcspn(key->path, "."), key->path);
    }
}

void job_check(const struct mlb_job *job, struct mlb_problems *problems)
{
    check_required(job, problems);
    check_bounds(job, problems);
    check_checkpoint(job, problems);
    check_restart(job, problems);
    check_tasks(job, problems);
    check_datasets(job, problems);
    check_environment(job, problems);
    check_after(job, problems);
    sweep_check(job, problems);
    check_unsupported(job, problems);
}
