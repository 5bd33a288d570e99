/* SPDX-License-Identifier: BSD-3-Clause */
/* The environment that a job inherits from the command that submits it. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "scheduler/environment.h"

/* Outside of any job these are the user's own wishes (OMPI_MCA_btl in a
 * profile, MASTER_PORT on purpose) and pass, as they do with sbatch. Any of
 * these names means that we are inside one. */
static const char *const inside[] = {
    "SLURM_JOB_ID", "SLURM_JOBID", "PBS_JOBID", "PMI_RANK", "PMIX_RANK",
    "OMPI_COMM_WORLD_RANK", "TORCHELASTIC_RUN_ID", "MLB_RUN",
    "MLB_LOCAL_JOB",
};

static const char *const stale_prefixes[] = {
    "SLURM_", "SBATCH_", "SRUN_", "SALLOC_", "PMI", "OMPI_", "PRTE_",
    "PALS_", "TORCHELASTIC_", "MLB_", "PBS_",
};

/* Where the cluster is, rather than which job. */
static const char *const place_names[] = {
    "SLURM_CONF", "PBS_CONF_FILE", "PBS_DEFAULT", "PBS_EXEC", "PBS_HOME",
    "PBS_PRIMARY", "PBS_SECONDARY", "PBS_SERVER",
};

/* srun and batch steps set the GPU lists beside the SLURM_ names. */
static const char *const stale_names[] = {
    "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK",
    "GROUP_RANK", "ROLE_RANK", "ROLE_WORLD_SIZE", "GROUP_WORLD_SIZE",
    "MASTER_ADDR", "MASTER_PORT", "SLURMD_NODENAME", "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL",
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool is_name(const char *pair, const char *name)
{
    size_t n = strlen(name);

    return strncmp(pair, name, n) == 0 && pair[n] == '=';
}

static bool is_one_of(const char *pair, const char *const *names,
                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_name(pair, names[i]))
            return true;
    return false;
}

static bool is_stale(const char *pair)
{
    if (is_one_of(pair, place_names, COUNT(place_names)))
        return false;
    for (size_t i = 0; i < COUNT(stale_prefixes); i++)
        if (strncmp(pair, stale_prefixes[i], strlen(stale_prefixes[i])) == 0)
            return true;
    return is_one_of(pair, stale_names, COUNT(stale_names));
}

void environment_inherit(char *const *from, struct mlb_strings *out)
{
    bool in_job = false;

    for (char *const *pair = from; *pair; pair++)
        if (is_one_of(*pair, inside, COUNT(inside)))
            in_job = true;
    for (char *const *pair = from; *pair; pair++)
        if (!in_job || !is_stale(*pair))
            strings_push(out, *pair);
}

void environment_set(struct mlb_strings *list, const char *name,
                     const char *value)
{
    char *pair = xasprintf("%s=%s", name, value);
    size_t at = 0;

    while (at < list->count && !is_name(list->items[at], name))
        at++;
    strings_set(list, at, pair);
    free(pair);
}
