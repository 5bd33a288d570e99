/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the files of the saver.
 *
 * A save goes through these steps, on all ranks at once: what each holds
 * becomes a plan (saver_plan.c), unless it is as it was the last time; the
 * leader of each file makes it and tells the others where all goes
 * (saver_file.c); each writes its part; the checksums come together, and the
 * leaders publish (saver_save.c). A failure is told to all at the end of
 * each step, so that none goes on alone. */
#ifndef STORE_SAVER_H
#define STORE_SAVER_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include <jansson.h>

#include "store/checkpoint.h"
#include "store/exchange.h"
#include "store/lease.h"
#include "store/shards.h"
#include "store/staging.h"

/* What the ranks hold, and the arrays that become of it. */
struct saver_plan {
    struct mark *marks;                  /* of the lists */
    struct exchange_lists gathered;
    struct shards_list *lists;           /* of each rank, in gathered */
    struct shards_plan plan;
    char *shards;                        /* /meta/shards, or NULL */
    bool made;
};

struct save;

struct mlb_saver {
    struct exchange x;
    pid_t pid;                           /* whose it is */
    char *directory, *metric;
    struct mlb_retention retention;      /* its metric is ours */
    int slots;
    bool in_nodes;
    unsigned *nodes;                     /* of each rank */
    unsigned files;                      /* 1, or nodes */
    struct lease *lease;                 /* rank 0's */
    struct saver_plan plan;
    struct mlb_checkpoint *open;         /* begun, not yet published */
    struct save *background;
    unsigned char *done;                 /* of each rank, for poll */
    unsigned char *warm;                 /* kept for copies */
    size_t warm_bytes;
};

struct mlb_checkpoint {
    struct mlb_saver *saver;
    uint64_t step;
    struct container_writer *names;      /* which are taken */
    struct shards_item *items;
    const void **data;                   /* of each */
    size_t count, size;
    json_t *metrics;
    struct mlb_error error;              /* of an earlier call */
};

/* A part, its number in the order of the plan, and where its checksums
 * begin among those of the rank. */
struct save_part {
    struct staging_part part;
    size_t number, sums;
};

/* A rank's place in a save. */
struct save {
    struct mlb_saver *saver;
    uint64_t step, node;
    char path[PATH_MAX];                 /* that the checkpoint gets */
    char directory[PATH_MAX];            /* of the node files, for now */
    struct container_array meta[6];      /* rank 0: /meta/... */
    size_t meta_count;
    char *texts[3];                      /* what meta refers to */
    struct staging *staging;             /* the leader's of a file */
    struct container_array node_array;
    const struct container_array *extra; /* the leader's, after the plan's */
    size_t extra_count, array_count;
    char file[PATH_MAX];                 /* that this rank writes to */
    struct save_part *parts;             /* by place in the file */
    size_t count, piece_count;           /* of these, not extra */
    uint32_t *sums;                      /* of the parts, in that order */
    int rc;                              /* of the writing */
    struct mlb_error error;
    pthread_t thread;
    bool threaded;
    atomic_bool done;
};

unsigned saver_file(const struct mlb_saver *s);     /* this rank's */
bool saver_leads(const struct mlb_saver *s);        /* is it its leader? */

/* As mlb_saver_open, on a host of that name. */
struct mlb_saver *saver_open_on(const struct mlb_saver_options *options,
                                const struct lease_holder *self,
                                struct mlb_error *err);

/* Collective: have the plan for what the ranks hold. */
int saver_plan(struct mlb_saver *s, const struct mlb_checkpoint *c,
               struct mlb_error *err);
void saver_plan_clear(struct saver_plan *p);

/* Collective: make the files and learn what this rank writes where. */
int saver_files(struct save *save, const struct mlb_checkpoint *c,
                struct mlb_error *err);

/* Rank 0: write the manifest, of node files with these identities. */
int saver_manifest(struct save *save, const struct exchange_lists *files,
                   struct mlb_error *err);

/* Collective: begin a save; write this rank's part (from any thread); and
 * publish or remove what was written. saver_finish frees save. */
struct save *saver_begin(struct mlb_checkpoint *c, struct mlb_error *err);
void saver_write(struct save *save);
int saver_finish(struct save *save, struct mlb_error *err);

/* End the life of a checkpoint that was begun. */
void saver_forget(struct mlb_checkpoint *c);

/* Does the file system that directory is on keep what several hosts write to
 * one file at the same time? */
bool saver_is_coherent(const char *directory);

#endif
