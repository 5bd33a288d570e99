/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of job file keys: reading, overriding, checking, writing and
 * `mlbatch help job` all go by it. Site files have tables of the same kind,
 * and so have the groups in lists (data sets, launchers, partitions). */
#ifndef JOB_KEYS_H
#define JOB_KEYS_H

#include <stddef.h>

#include "job/job.h"

enum job_type {
    KEY_TEXT,        /* char * */
    KEY_COUNT,       /* long */
    KEY_SIZE,        /* long long, bytes: a number or "16G" */
    KEY_DURATION,    /* long, seconds: a number or "10m" or "00:30:00" */
    KEY_INTERVAL,    /* KEY_DURATION, or "never", which is 0 */
    KEY_BOOL,        /* long, 0 or 1: true or false */
    KEY_STRINGS,     /* struct mlb_strings: [ "a", "b" ] */
    KEY_COMMAND,     /* KEY_STRINGS, or one string for sh -c */
    KEY_PAIRS,       /* struct mlb_fields: { NAME = "value"; } or
                        [ "NAME=value" ] */
    KEY_DATASETS,    /* list of { name, version, as } */
    KEY_AXES,        /* group of NAME = [ values ] */
    KEY_POINTS,      /* list of { NAME = value; ... }, as axes */
    KEY_LAUNCHERS,   /* site: list of { name, help, slurm, pbs, local } */
    KEY_PARTITIONS,  /* site: list of { name, max_nodes, ... } */
};

struct job_key {
    const char *path;            /* "resources.nodes" */
    enum job_type type;
    size_t offset;               /* in struct mlb_job, or what is read */
    const char *fallback;        /* default, as text for help; NULL: none */
    long long min, max;          /* of numbers; max 0: no bounds */
    const char *help;            /* one line, for `mlbatch help job` */
    const char *unsupported;     /* "sweeps" : refused by check so far */
};
extern const struct job_key job_keys[];           /* ends with path NULL */

const struct job_key *job_key_find(const char *path);

/* What a scalar key holds and its text form. */
static inline void *job_key_place(const struct job_key *key,
                                  struct mlb_job *job)
{
    return (char *)job + key->offset;
}
static inline const void *job_key_value(const struct job_key *key,
                                        const struct mlb_job *job)
{
    return (const char *)job + key->offset;
}

/* The keys of one of datasets = (...), as offsets in struct mlb_data_use. */
extern const struct job_key dataset_keys[];

/* The table as `mlbatch help job` prints it. Added to out. */
void job_keys_help(struct mlb_text *out);

/* ---- for any table of keys ---- */

const struct job_key *keys_find(const struct job_key *keys,
                                const char *path);
/* Is path a group, as "resources" is one because of "resources.nodes"? */
bool keys_is_group(const struct job_key *keys, const char *path);
/* `, did you mean "resources.nodes"?`, or "". Caller frees. */
char *keys_suggest(const struct job_key *keys, const char *path);
/* The heads of the columns, and the rows of a table, each key after prefix.
 * Added to out. */
void keys_help_head(struct mlb_text *out);
void keys_help(const struct job_key *keys, const char *prefix,
               struct mlb_text *out);

#endif
