/* SPDX-License-Identifier: BSD-3-Clause */
/* Which rank a task is, from what its launcher left in the environment. */
#include "config.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

#include "agent/rank.h"

/* Slurm numbers its own steps (batch, extern, ...) from here on up. */
#define SLURM_STEPS_MAX 0xfffffff0L

typedef const char *getter(const char *name);

struct source {
    const char *name;
    const char *rank, *size, *local, *local_size, *node;   /* NULL: computed */
    bool (*there)(getter *get);                             /* NULL: always */
    void (*complete)(getter *get, struct rank *rank);
};

/* The variable as a number from min on, or fallback. */
static long number(getter *get, const char *name, long min, long fallback)
{
    const char *text = name ? get(name) : NULL;
    long value;

    if (!text || units_parse_long(text, min, INT_MAX, &value, NULL) < 0)
        return fallback;
    return value;
}

static bool in_srun_step(getter *get)
{
    const char *text = get("SLURM_STEP_ID");
    long step;

    return text &&
           units_parse_long(text, 0, SLURM_STEPS_MAX - 1, &step, NULL) == 0;
}

long rank_tasks_on(const char *text, long node)
{
    for (const char *p = text; p && *p;) {
        char *end;
        long tasks = strtol(p, &end, 10), times = 1;
        if (end == p || tasks <= 0)
            return 0;
        p = end;
        if (strncmp(p, "(x", 2) == 0) {
            times = strtol(p + 2, &end, 10);
            if (end == p + 2 || *end != ')' || times <= 0)
                return 0;
            p = end + 1;
        }
        if (node < times)
            return tasks;
        node -= times;
        if (*p && *p != ',')
            return 0;
        p += *p == ',';
    }
    return 0;
}

static void complete_slurm(getter *get, struct rank *r)
{
    const char *text = get("SLURM_STEP_TASKS_PER_NODE");

    r->local_size = rank_tasks_on(text ? text : get("SLURM_TASKS_PER_NODE"),
                                  r->node);
}

/* mpirun does not say which node this is. With as many ranks on each it
 * follows from the numbers, if they fit filling node by node (the default)
 * or dealing out rank by rank. */
static void complete_mpirun(getter *get, struct rank *r)
{
    (void)get;
    r->node = 0;
    if (r->local_size <= 0 || r->size % r->local_size != 0)
        return;
    long nodes = r->size / r->local_size;
    if (r->rank % r->local_size == r->local)
        r->node = r->rank / r->local_size;
    else if (r->rank / nodes == r->local)
        r->node = r->rank % nodes;
}

static const struct source sources[] = {
    { "ranks", "MLB_RANK_GLOBAL", "MLB_RANK_SIZE", "MLB_RANK_LOCAL",
      "MLB_RANK_LOCAL_SIZE", "MLB_RANK_NODE", NULL, NULL },
    { "mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
      "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE", NULL, NULL,
      complete_mpirun },
    { "srun", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", NULL,
      "SLURM_NODEID", in_srun_step, complete_slurm },
};

void rank_find(const char *(*get)(const char *name), struct rank *rank)
{
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        const struct source *s = &sources[i];
        struct rank r = {
            .source = s->name,
            .rank = number(get, s->rank, 0, -1),
            .size = number(get, s->size, 1, -1),
            .local = number(get, s->local, 0, 0),
            .local_size = number(get, s->local_size, 1, 0),
            .node = number(get, s->node, 0, 0),
        };
        if ((s->there && !s->there(get)) || r.rank < 0 || r.rank >= r.size)
            continue;
        if (s->complete)
            s->complete(get, &r);
        if (r.local_size <= r.local)
            r.local_size = r.local + 1;
        *rank = r;
        return;
    }
    *rank = (struct rank){ .source = "none", .size = 1, .local_size = 1 };
}

void rank_forget(void)
{
    static const char *const stale[] = {
        "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK",
        "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT", "PMIX_RANK", "PMI_RANK",
        "PMI_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE",
        "OMPI_COMM_WORLD_NODE_RANK", "PMIX_NAMESPACE", "PMIX_SERVER_URI",
        "PMIX_SERVER_URI2", "PMIX_SERVER_URI21", "PMIX_SERVER_URI3",
        "PMIX_SERVER_URI4", "OMPI_MCA_ess", "OMPI_MCA_orte_hnp_uri",
        "OMPI_MCA_orte_local_daemon_uri", "OMPI_MCA_orte_ess_jobid",
        "OMPI_MCA_orte_ess_vpid", "OMPI_MCA_orte_ess_num_procs",
        "MLB_RANK_GLOBAL", "MLB_RANK_SIZE", "MLB_RANK_LOCAL",
        "MLB_RANK_LOCAL_SIZE", "MLB_RANK_NODE", "MLB_CHANNEL",
    };

    for (size_t i = 0; i < sizeof(stale) / sizeof(stale[0]); i++)
        unsetenv(stale[i]);
}
