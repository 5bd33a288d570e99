/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of job file keys, and what any table of keys can do. */
#include "config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "job/keys.h"

#define MiB (1LL << 20)
#define SIZE_LIMIT (1LL << 62)
#define CENTURY 3153600000LL     /* seconds, as units_parse_duration has it */

static const char *const type_names[] = {
    [KEY_TEXT] = "text",           [KEY_COUNT] = "number",
    [KEY_SIZE] = "size",           [KEY_DURATION] = "duration",
    [KEY_INTERVAL] = "duration",   [KEY_BOOL] = "boolean",
    [KEY_STRINGS] = "strings",     [KEY_COMMAND] = "command",
    [KEY_PAIRS] = "group",         [KEY_DATASETS] = "list",
    [KEY_AXES] = "group",          [KEY_POINTS] = "list",
    [KEY_LAUNCHERS] = "list",      [KEY_PARTITIONS] = "list",
};

#define JOB(member) offsetof(struct mlb_job, member)

const struct job_key job_keys[] = {
    { .path = "name", .type = KEY_TEXT, .offset = JOB(name),
      .help = "name of the job; its runs are NAME.1, NAME.2, ..." },
    { .path = "command", .type = KEY_COMMAND, .offset = JOB(command),
      .help = "argv as [\"./train\", \"-v\"]; one string is given to sh -c" },
    { .path = "launch", .type = KEY_TEXT, .offset = JOB(launch),
      .fallback = "plain",
      .help = "how ranks start: mpi, torch, plain or one of the site's" },
    { .path = "resources.nodes", .type = KEY_COUNT,
      .offset = JOB(resources.nodes), .fallback = "1",
      .min = 1, .max = 1000000, .help = "nodes" },
    { .path = "resources.tasks_per_node", .type = KEY_COUNT,
      .offset = JOB(resources.tasks_per_node), .fallback = "1",
      .min = 1, .max = 65535, .help = "ranks on each node" },
    { .path = "resources.cpus_per_task", .type = KEY_COUNT,
      .offset = JOB(resources.cpus_per_task), .fallback = "1",
      .min = 1, .max = 65535, .help = "cores of each rank" },
    { .path = "resources.gpus_per_task", .type = KEY_COUNT,
      .offset = JOB(resources.gpus_per_task), .fallback = "0",
      .min = 0, .max = 1024, .help = "GPUs of each rank" },
    { .path = "resources.memory_per_node", .type = KEY_SIZE,
      .offset = JOB(resources.memory_per_node),
      .min = MiB, .max = SIZE_LIMIT, .help = "memory, as in \"16G\"" },
    { .path = "resources.walltime", .type = KEY_DURATION,
      .offset = JOB(resources.walltime), .min = 1, .max = CENTURY,
      .help = "time limit, as in \"00:30:00\" or \"2h\"" },
    { .path = "resources.partition", .type = KEY_TEXT,
      .offset = JOB(resources.partition), .help = "partition or queue" },
    { .path = "resources.account", .type = KEY_TEXT,
      .offset = JOB(resources.account), .help = "who is charged" },
    { .path = "resources.constraint", .type = KEY_TEXT,
      .offset = JOB(resources.constraint), .help = "features of the nodes" },
    { .path = "datasets", .type = KEY_DATASETS, .offset = JOB(datasets),
      .help = "data sets of the store that the job reads" },
    { .path = "checkpoint.every", .type = KEY_DURATION,
      .offset = JOB(checkpoint.every), .min = 1, .max = CENTURY,
      .help = "ask for a checkpoint this often" },
    { .path = "checkpoint.keep", .type = KEY_COUNT,
      .offset = JOB(checkpoint.keep), .min = 1, .max = 1000000,
      .help = "newest checkpoints to keep" },
    { .path = "checkpoint.keep_every", .type = KEY_COUNT,
      .offset = JOB(checkpoint.keep_every), .min = 1, .max = LONG_MAX,
      .help = "keep those of every Nth step, too" },
    { .path = "checkpoint.best", .type = KEY_TEXT,
      .offset = JOB(checkpoint.best),
      .help = "keep the best, too: \"min loss\", \"max accuracy\"" },
    { .path = "checkpoint.keep_best", .type = KEY_COUNT,
      .offset = JOB(checkpoint.keep_best), .min = 1, .max = 1000000,
      .help = "how many of the best (1)" },
    { .path = "checkpoint.layout", .type = KEY_TEXT,
      .offset = JOB(checkpoint.layout),
      .help = "\"shared\" file or one each for \"nodes\" (auto)" },
    { .path = "checkpoint.warn", .type = KEY_DURATION,
      .offset = JOB(checkpoint.warn), .fallback = "0", .max = CENTURY,
      .help = "ask this long before the time limit" },
    { .path = "checkpoint.signal", .type = KEY_TEXT,
      .offset = JOB(checkpoint.signal), .fallback = "none",
      .help = "signal that asks a program without libmlbatch to save" },
    { .path = "checkpoint.command", .type = KEY_STRINGS,
      .offset = JOB(checkpoint.command),
      .help = "argv run on the first node when a checkpoint is asked for" },
    { .path = "restart.on", .type = KEY_STRINGS, .offset = JOB(restart.on),
      .help = "ends after which to go on: timeout, preempted, node_fail, "
              "..." },
    { .path = "restart.max", .type = KEY_COUNT, .offset = JOB(restart.max),
      .fallback = "10", .max = 1000000,
      .help = "restarts at most, for each of these ends" },
    { .path = "restart.grow", .type = KEY_STRINGS,
      .offset = JOB(restart.grow),
      .help = "ask for half as much more: memory, walltime" },
    { .path = "environment", .type = KEY_PAIRS, .offset = JOB(environment),
      .help = "variables: { A = \"x\"; } or [\"A=x\"]" },
    { .path = "modules", .type = KEY_STRINGS, .offset = JOB(modules),
      .help = "environment modules to load" },
    { .path = "container.image", .type = KEY_TEXT,
      .offset = JOB(container.image), .help = "image to run in",
      .unsupported = "containers" },
    { .path = "container.mounts", .type = KEY_STRINGS,
      .offset = JOB(container.mounts), .help = "directories to mount",
      .unsupported = "containers" },
    { .path = "sweep.grid", .type = KEY_AXES, .offset = JOB(sweep.grid),
      .help = "a point for each combination: { lr = [0.1, 0.01]; }" },
    { .path = "sweep.list", .type = KEY_POINTS, .offset = JOB(sweep.list),
      .help = "these points: ({ lr = 0.1; }, { lr = 0.01; })" },
    { .path = "sweep.random", .type = KEY_COUNT,
      .offset = JOB(sweep.random), .min = 1, .max = 10000,
      .help = "draw so many points from the grid" },
    { .path = "sweep.seed", .type = KEY_COUNT, .offset = JOB(sweep.seed),
      .max = LONG_MAX, .help = "what they are drawn by (0)" },
    { .path = "sweep.at_once", .type = KEY_COUNT,
      .offset = JOB(sweep.at_once), .min = 1, .max = 1000000,
      .help = "points that run at a time" },
    { .path = "after.ok", .type = KEY_STRINGS, .offset = JOB(after.ok),
      .help = "runs that must have completed before" },
    { .path = "after.any", .type = KEY_STRINGS, .offset = JOB(after.any),
      .help = "runs that must have ended before" },
    { .path = "after.notok", .type = KEY_STRINGS,
      .offset = JOB(after.notok),
      .help = "runs that must have ended without completing" },
    { .path = "counters.enabled", .type = KEY_BOOL,
      .offset = JOB(counters.enabled), .fallback = "true",
      .help = "watch what the ranks use" },
    { .path = "counters.every", .type = KEY_DURATION,
      .offset = JOB(counters.every), .fallback = "1s",
      .min = 1, .max = CENTURY, .help = "interval of samples" },
    { .path = "counters.hardware", .type = KEY_INTERVAL,
      .offset = JOB(counters.hardware), .fallback = "10s", .max = CENTURY,
      .help = "interval of the hardware's counters, or \"never\"" },
    { .path = "counters.mpi", .type = KEY_BOOL,
      .offset = JOB(counters.mpi), .fallback = "false",
      .help = "measure the time in MPI calls, too" },
    { .path = "slurm.options", .type = KEY_STRINGS,
      .offset = JOB(slurm_options),
      .help = "given to Slurm as they are, last" },
    { .path = "pbs.options", .type = KEY_STRINGS, .offset = JOB(pbs_options),
      .help = "given to PBS as they are, last" },
    { .path = "files", .type = KEY_STRINGS, .offset = JOB(files),
      .help = "files of the code snapshot, where there is no git" },
    { .path = NULL },
};

#define USE(member) offsetof(struct mlb_data_use, member)

const struct job_key dataset_keys[] = {
    { .path = "name", .type = KEY_TEXT, .offset = USE(name),
      .help = "name in the store" },
    { .path = "version", .type = KEY_TEXT, .offset = USE(version),
      .fallback = "latest", .help = "a version or a tag" },
    { .path = "as", .type = KEY_TEXT, .offset = USE(as), .fallback = "name",
      .help = "the job sees the path as MLB_DATA_<AS>" },
    { .path = NULL },
};

const struct job_key *keys_find(const struct job_key *keys, const char *path)
{
    for (; keys->path; keys++)
        if (strcmp(keys->path, path) == 0)
            return keys;
    return NULL;
}

const struct job_key *job_key_find(const char *path)
{
    return keys_find(job_keys, path);
}

bool keys_is_group(const struct job_key *keys, const char *path)
{
    size_t length = strlen(path);

    for (; length && keys->path; keys++)
        if (strncmp(keys->path, path, length) == 0 &&
            keys->path[length] == '.')
            return true;
    return false;
}

/* All that a person may have meant: keys and the groups that they are in. */
static void list_names(const struct job_key *keys, struct mlb_strings *out)
{
    for (; keys->path; keys++) {
        const char *dot = strchr(keys->path, '.');
        if (dot) {
            char *group = xstrndup(keys->path, (size_t)(dot - keys->path));
            if (!strings_have(out, group))
                strings_push(out, group);
            free(group);
        }
        strings_push(out, keys->path);
    }
}

/* "nodes" alone is a key in the wrong place rather than a wrong key. */
static const char *elsewhere(const struct job_key *keys, const char *path)
{
    const char *dot = strrchr(path, '.');
    const char *leaf = dot ? dot + 1 : path;

    for (; keys->path; keys++) {
        dot = strrchr(keys->path, '.');
        if (dot && strcmp(dot + 1, leaf) == 0)
            return keys->path;
    }
    return NULL;
}

char *keys_suggest(const struct job_key *keys, const char *path)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    const char *best = elsewhere(keys, path);

    list_names(keys, &names);
    if (!best)
        best = text_suggest(path, (const char *const *)names.items,
                            names.count);
    char *text = best ? xasprintf(", did you mean \"%s\"?", best)
                      : xstrdup("");
    strings_clear(&names);
    return text;
}

#define COLUMN_HELP 46
#define WIDTH 79

/* Words of help from COLUMN_HELP on, in as many lines as they need. */
static void add_wrapped(struct mlb_text *out, const char *help)
{
    size_t room = WIDTH - COLUMN_HELP, used = 0;

    while (*help) {
        size_t word = strcspn(help, " ");
        if (used > 0 && used + 1 + word > room) {
            text_addf(out, "\n%*s", COLUMN_HELP, "");
            used = 0;
        }
        if (used > 0)
            text_add(out, " ");
        text_addn(out, help, word);
        used += word + (used > 0);
        help += word + strspn(help + word, " ");
    }
    text_add(out, "\n");
}

void keys_help_head(struct mlb_text *out)
{
    text_addf(out, "%-28s %-8s %-7s %s\n", "KEY", "TYPE", "DEFAULT", "HELP");
}

void keys_help(const struct job_key *keys, const char *prefix,
               struct mlb_text *out)
{
    for (; keys->path; keys++) {
        char *path = xasprintf("%s%s", prefix, keys->path);
        char *help = xasprintf("%s%s", keys->help,
                               keys->unsupported ? " (not yet)" : "");
        text_addf(out, "%-28s %-8s %-7s ", path, type_names[keys->type],
                  keys->fallback ? keys->fallback : "-");
        add_wrapped(out, help);
        free(help);
        free(path);
    }
}

void job_keys_help(struct mlb_text *out)
{
    keys_help_head(out);
    for (const struct job_key *key = job_keys; key->path; key++) {
        const struct job_key row[2] = { *key, { .path = NULL } };
        keys_help(row, "", out);
        if (key->type == KEY_DATASETS)
            keys_help(dataset_keys, "datasets[].", out);
    }
}
