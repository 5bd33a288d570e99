/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a libconfig file by a table of keys: what job files and site
 * files, and the groups in their lists, have in common. */
#ifndef JOB_SOURCE_H
#define JOB_SOURCE_H

#include <libconfig.h>

#include "base/fields.h"
#include "base/problems.h"
#include "job/keys.h"

struct source {
    const char *name;            /* of the file, as the user gave it */
    const struct job_key *keys;
    void *base;                  /* the struct that offsets count from */
    const char *label;           /* in front of keys: "", "datasets[0]." */
    struct mlb_problems *problems;
    struct mlb_fields *origins;  /* NULL: not kept */
    bool bounded;                /* check bounds while reading */
    /* Reads the types that belong to jobs or sites alone. Adds to problems
     * itself; false if nothing could be read. */
    bool (*special)(struct source *source, const struct job_key *key,
                    const config_setting_t *setting);
};

/* Parse text and read all of it. -1 if it cannot be parsed. */
int source_read(struct source *source, const char *text,
                struct mlb_error *err);

/* The bytes of the file of that name, added to text: at most 1 MiB, no NUL.
 * MLB_ERR_NOT_FOUND if there is none, else MLB_ERR_BAD_INPUT. */
int source_load(const char *name, struct mlb_text *text,
                struct mlb_error *err);

/* ---- for special ---- */

/* Read the members of a group by source's table. */
void source_read_group(struct source *source, const config_setting_t *group);

/* Elements of an array or list of strings, added to out. False: it is
 * something else. */
bool source_read_strings(struct source *source, const char *key,
                         const config_setting_t *setting,
                         struct mlb_strings *out);

/* Is setting a list, here of groups? If not, a problem says so. */
bool source_is_list(struct source *source, const char *key,
                    const config_setting_t *setting);

/* "NAME:LINE", where setting is. Caller frees. */
char *source_where(const struct source *source,
                   const config_setting_t *setting);

/* Add "NAME:LINE: KEY: ..." to problems. */
void source_problem(struct source *source, const config_setting_t *setting,
                    const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
