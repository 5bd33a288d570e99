/* SPDX-License-Identifier: BSD-3-Clause */
/* What the cluster is: scheduler, store, limits, launchers as data. */
#ifndef JOB_SITE_H
#define JOB_SITE_H

#include "base/problems.h"
#include "base/text.h"
#include "mlbatch/error.h"

/* How ranks are started, as data: one argv template per scheduler over the
 * fields of the plan (${nodes}, ${tasks}, ${tasks_per_node},
 * ${cpus_per_task}, ${gpus_per_task}, ${agent}, ${run.dir}, ...). */
struct mlb_launcher {
    char *name, *help;
    struct mlb_strings slurm, pbs, local;  /* empty: not on that one */
};

/* Limits that the site's administrator knows better than the scheduler.
 * MLB_UNSET where not given. */
struct mlb_site_partition {
    char *name;
    long max_nodes, max_walltime, cpus_per_node, gpus_per_node;
    long long memory_per_node;
};

struct mlb_site {
    char *scheduler;             /* auto | slurm | pbs | local */
    char *store;                 /* absolute path; NULL: ~/mlbatch */
    struct {
        long cores;              /* MLB_UNSET: those of this machine */
        struct mlb_strings gpus; /* declared, e.g. "0", "1", a UUID */
    } local;
    struct {                     /* of a node; MLB_UNSET: not known */
        long gflops;             /* GFLOP/s */
        long long bandwidth;     /* bytes a second, of memory */
    } peak;
    long kill_wait;              /* seconds from SIGTERM to SIGKILL;
                                    MLB_UNSET: the scheduler's default */
    struct mlb_launcher *launchers;
    size_t launcher_count;
    struct mlb_site_partition *partitions;
    size_t partition_count;
    struct mlb_strings sources;  /* the files that were read, in order */
};

struct mlb_site *site_create(void);
void site_destroy(struct mlb_site *site);

/* Read one site file over what is there: scalars replace, a launcher or
 * partition of the same name replaces the earlier one, others are added.
 * A missing file is no error when optional. Problems as for jobs: syntax,
 * unknown keys with "did you mean", wrong types, templates with unknown
 * fields, all with file and line. */
int site_read_file(struct mlb_site *site, const char *path, bool optional,
                   struct mlb_problems *problems, struct mlb_error *err);

/* The launcher of that name, or NULL. */
const struct mlb_launcher *site_launcher(const struct mlb_site *site,
                                         const char *name);
const struct mlb_site_partition *
site_partition(const struct mlb_site *site, const char *name);

/* The table of site keys as `mlbatch help site` prints it. */
void site_keys_help(struct mlb_text *out);

#endif
