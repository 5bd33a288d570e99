/* SPDX-License-Identifier: BSD-3-Clause */
/* Options named as sbatch's, each setting a key of the job. */
#include "config.h"

#include <string.h>

#include "base/units.h"
#include "job/value.h"

#define COMMAND_LINE "command line"

const struct job_option job_options[] = {
    { "job-name", 'J', "NAME", "name", SPELL_TEXT, "name of the job" },
    { "nodes", 'N', "COUNT", "resources.nodes", SPELL_COUNT, "nodes" },
    { "ntasks", 'n', "COUNT", "resources.tasks", SPELL_COUNT,
      "ranks in all, spread evenly over the nodes" },
    { "ntasks-per-node", 0, "COUNT", "resources.tasks_per_node", SPELL_COUNT,
      "ranks on each node" },
    { "cpus-per-task", 'c', "COUNT", "resources.cpus_per_task", SPELL_COUNT,
      "cores of each rank" },
    { "gpus-per-task", 0, "COUNT", "resources.gpus_per_task", SPELL_COUNT,
      "GPUs of each rank" },
    { "mem", 0, "SIZE", "resources.memory_per_node", SPELL_MEMORY,
      "memory of each node, in MB or as 16G" },
    { "time", 't', "TIME", "resources.walltime", SPELL_TIME,
      "time limit: M, M:S, H:M:S, D-H, D-H:M or D-H:M:S" },
    { "partition", 'p', "NAME", "resources.partition", SPELL_TEXT,
      "partition" },
    { "account", 'A', "NAME", "resources.account", SPELL_TEXT,
      "account that is charged" },
    { "constraint", 'C', "LIST", "resources.constraint", SPELL_TEXT,
      "features that nodes must have" },
    { "after", 0, "RUN", "after.ok", SPELL_LIST,
      "start when RUN has completed" },
    { "after-any", 0, "RUN", "after.any", SPELL_LIST,
      "start when RUN has ended" },
    { "after-notok", 0, "RUN", "after.notok", SPELL_LIST,
      "start when RUN has ended without completing" },
    { .name = NULL },
};

static bool was_on_command_line(const struct mlb_job *job, const char *key)
{
    const char *where = fields_get(&job->origins, key);

    return where && strcmp(where, COMMAND_LINE) == 0;
}

/* --ntasks says how many ranks there are in all; a job has nodes times
 * tasks_per_node. What the command line says beside it stays and the other
 * factor follows: tasks_per_node = ntasks / nodes, but with
 * --ntasks-per-node and no --nodes, nodes = ntasks / tasks_per_node. Nodes
 * from nowhere are 1, as everywhere in mlbatch (sbatch would choose).
 *
 * What follows gets no origin, so options may come in any order: it is
 * worked out anew after each. If it does not divide, or all three were given
 * and do not fit, job_check says so, when all options are in. */
void job_settle_tasks(struct mlb_job *job)
{
    struct mlb_resources *r = &job->resources;
    bool nodes_given = was_on_command_line(job, "resources.nodes");
    bool each_given = was_on_command_line(job, "resources.tasks_per_node");

    if (r->tasks == MLB_UNSET || (nodes_given && each_given))
        return;
    if (each_given) {
        if (r->tasks_per_node > 0 && r->tasks % r->tasks_per_node == 0)
            r->nodes = r->tasks / r->tasks_per_node;
    } else {
        long nodes = r->nodes == MLB_UNSET ? 1 : r->nodes;
        if (nodes > 0 && r->tasks % nodes == 0)
            r->tasks_per_node = r->tasks / nodes;
    }
}

/* Words of sbatch that a job cannot say. NULL: none of them. */
static const char *refusal(const struct job_option *option,
                           const char *value, long long number)
{
    if (option->spelling == SPELL_MEMORY && number == 0)
        return "0 (all memory of a node) cannot be asked for: give a size, "
               "or leave it out for the scheduler's default";
    if (option->spelling == SPELL_TIME && number == 0)
        return "0 (no limit) cannot be asked for: give a time, or leave it "
               "out for the scheduler's default";
    if (option->letter == 'N' && number < 0 && strchr(value, '-') &&
        strspn(value, "0123456789-") == strlen(value))
        return "a range of nodes is not supported: give one number";
    return NULL;
}

static int parse(const struct job_option *option, const char *value,
                 void *place, struct mlb_error *err)
{
    switch (option->spelling) {
    case SPELL_COUNT:
        return value_parse(KEY_COUNT, place, value, err);
    case SPELL_TIME:
        return units_parse_sbatch_time(value, place, err);
    case SPELL_MEMORY:
        return units_parse_size(value, 1 << 20, place, err);
    default:
        return value_parse(KEY_TEXT, place, value, err);
    }
}

void job_set_option(struct mlb_job *job, const struct job_option *option,
                    const char *value, struct mlb_problems *problems)
{
    const struct job_key *key = job_key_find(option->key);
    void *place = key ? job_key_place(key, job) : &job->resources.tasks;
    long number = MLB_UNSET;
    long long bytes = MLB_UNSET;
    void *parsed = option->spelling == SPELL_TEXT     ? place
                   : option->spelling == SPELL_MEMORY ? (void *)&bytes
                                                      : (void *)&number;
    struct mlb_error err;

    if (option->spelling == SPELL_LIST) {
        strings_push(place, value);
        origin_set(&job->origins, option->key, COMMAND_LINE);
        return;
    }
    int rc = parse(option, value, parsed, &err);
    const char *no = refusal(option, value,
                             parsed == (void *)&bytes ? bytes : number);
    if (rc < 0 || no) {
        problems_add(problems, COMMAND_LINE, "--%s: %s", option->name,
                     no ? no : err.text);
        return;
    }
    if (parsed == (void *)&bytes)
        *(long long *)place = bytes;
    else if (parsed == (void *)&number)
        *(long *)place = number;
    origin_set(&job->origins, option->key, COMMAND_LINE);
    job_settle_tasks(job);
}
