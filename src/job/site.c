/* SPDX-License-Identifier: BSD-3-Clause */
/* A site in memory, and the keys of site files. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "job/site_keys.h"
#include "job/site.h"

#define MiB (1LL << 20)
#define SIZE_LIMIT (1LL << 62)
#define CENTURY 3153600000LL

#define SITE(member) offsetof(struct mlb_site, member)

const struct job_key site_keys[] = {
    { .path = "scheduler", .type = KEY_TEXT, .offset = SITE(scheduler),
      .fallback = "auto", .help = "auto, slurm, pbs or local" },
    { .path = "store", .type = KEY_TEXT, .offset = SITE(store),
      .help = "where runs and data sets are, an absolute path; without it "
              "~/mlbatch" },
    { .path = "kill_wait", .type = KEY_DURATION, .offset = SITE(kill_wait),
      .max = 86400,
      .help = "time from SIGTERM to SIGKILL; without it 30, on PBS 8" },
    { .path = "peak.gflops", .type = KEY_COUNT, .offset = SITE(peak.gflops),
      .min = 1, .max = 1000000000,
      .help = "GFLOP/s of a node at best, for reports" },
    { .path = "peak.bandwidth", .type = KEY_SIZE,
      .offset = SITE(peak.bandwidth), .min = 1 << 20, .max = 1LL << 60,
      .help = "bytes a second of a node's memory: \"200G\"" },
    { .path = "local.cores", .type = KEY_COUNT, .offset = SITE(local.cores),
      .min = 1, .max = 65535,
      .help = "cores that local runs share; without it all" },
    { .path = "local.gpus", .type = KEY_STRINGS, .offset = SITE(local.gpus),
      .help = "GPUs for local runs, as in [\"0\", \"1\"]" },
    { .path = "launchers", .type = KEY_LAUNCHERS, .offset = SITE(launchers),
      .help = "how ranks are started, as data" },
    { .path = "partitions", .type = KEY_PARTITIONS,
      .offset = SITE(partitions), .help = "limits known better here" },
    { .path = NULL },
};

#define LAUNCHER(member) offsetof(struct mlb_launcher, member)

const struct job_key launcher_keys[] = {
    { .path = "name", .type = KEY_TEXT, .offset = LAUNCHER(name),
      .help = "what a job file says as launch" },
    { .path = "help", .type = KEY_TEXT, .offset = LAUNCHER(help),
      .help = "one line for people" },
    { .path = "slurm", .type = KEY_STRINGS, .offset = LAUNCHER(slurm),
      .help = "argv on Slurm, with fields like ${tasks}" },
    { .path = "pbs", .type = KEY_STRINGS, .offset = LAUNCHER(pbs),
      .help = "argv on PBS" },
    { .path = "local", .type = KEY_STRINGS, .offset = LAUNCHER(local),
      .help = "argv on this machine" },
    { .path = NULL },
};

#define PARTITION(member) offsetof(struct mlb_site_partition, member)

const struct job_key partition_keys[] = {
    { .path = "name", .type = KEY_TEXT, .offset = PARTITION(name),
      .help = "as the scheduler calls it" },
    { .path = "max_nodes", .type = KEY_COUNT, .offset = PARTITION(max_nodes),
      .min = 1, .max = 1000000, .help = "nodes that a job can have" },
    { .path = "max_walltime", .type = KEY_DURATION,
      .offset = PARTITION(max_walltime), .min = 1, .max = CENTURY,
      .help = "longest time limit" },
    { .path = "cpus_per_node", .type = KEY_COUNT,
      .offset = PARTITION(cpus_per_node), .min = 1, .max = 65535,
      .help = "cores of a node" },
    { .path = "gpus_per_node", .type = KEY_COUNT,
      .offset = PARTITION(gpus_per_node), .max = 1024,
      .help = "GPUs of a node" },
    { .path = "memory_per_node", .type = KEY_SIZE,
      .offset = PARTITION(memory_per_node), .min = MiB, .max = SIZE_LIMIT,
      .help = "memory of a node" },
    { .path = NULL },
};

struct mlb_site *site_create(void)
{
    struct mlb_site *site = xcalloc(1, sizeof(*site));

    *site = (struct mlb_site){
        .scheduler = xstrdup("auto"),
        .local = { .cores = MLB_UNSET, .gpus = MLB_STRINGS_INIT },
        .kill_wait = MLB_UNSET, .peak = { MLB_UNSET, MLB_UNSET },
        .sources = MLB_STRINGS_INIT,
    };
    return site;
}

void launcher_clear(struct mlb_launcher *launcher)
{
    free(launcher->name);
    free(launcher->help);
    strings_clear(&launcher->slurm);
    strings_clear(&launcher->pbs);
    strings_clear(&launcher->local);
}

void partition_clear(struct mlb_site_partition *partition)
{
    free(partition->name);
}

void site_destroy(struct mlb_site *site)
{
    if (!site)
        return;
    for (size_t i = 0; i < site->launcher_count; i++)
        launcher_clear(&site->launchers[i]);
    for (size_t i = 0; i < site->partition_count; i++)
        partition_clear(&site->partitions[i]);
    free(site->launchers);
    free(site->partitions);
    free(site->scheduler);
    free(site->store);
    strings_clear(&site->local.gpus);
    strings_clear(&site->sources);
    free(site);
}

const struct mlb_launcher *site_launcher(const struct mlb_site *site,
                                         const char *name)
{
    for (size_t i = 0; i < site->launcher_count; i++)
        if (strcmp(site->launchers[i].name, name) == 0)
            return &site->launchers[i];
    return NULL;
}

const struct mlb_site_partition *
site_partition(const struct mlb_site *site, const char *name)
{
    for (size_t i = 0; i < site->partition_count; i++)
        if (strcmp(site->partitions[i].name, name) == 0)
            return &site->partitions[i];
    return NULL;
}

void site_keys_help(struct mlb_text *out)
{
    keys_help_head(out);
    keys_help(site_keys, "", out);
    keys_help(launcher_keys, "launchers[].", out);
    keys_help(partition_keys, "partitions[].", out);
}
