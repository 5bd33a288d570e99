/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the files that write a version. */
#ifndef STORE_VERSION_PARTS_H
#define STORE_VERSION_PARTS_H

#include <limits.h>

#include "store/container.h"
#include "store/split.h"
#include "store/version.h"
#include "store/version_measure.h"
#include "store/version_spool.h"

#define VERSION_PART ((size_t)1 << 20)    /* bytes moved at once */
#define VERSION_KEY ".key"        /* behind the temporary directory's name:
                                   * beside it, so that what is published
                                   * has never held it */

struct column {
    const struct version_field *field;
    uint64_t unit;                /* bytes of a row; ragged: of one element
                                   * of its first dimension */
    struct measure measure;
    struct spool data, offsets, crcs;     /* of the open shard */
    uint64_t elements;            /* ragged: in the open shard */
    char *classes;                /* names padded with NULs, or NULL */
    size_t class_width;
    double stats[5];              /* at the end */
};

struct version_writer {
    const struct version_request *r;
    struct column *columns;       /* r->field_count */
    size_t column_count;          /* of them set up */
    uint64_t rows;                /* all that were appended */
    uint64_t open_rows;           /* those in the open shard */
    uint64_t open_bytes;
    struct split *splits;         /* cut at the end */
    json_t *shards;               /* as in the manifest */
    char *provenance;             /* at the end, as JSON */
    unsigned char *buffer;        /* VERSION_PART bytes */
    char temporary[PATH_MAX];
    char version[MANIFEST_VERSION_LENGTH + 1];
};

/* Shards: write the open one; with what goes into the first one only, if
 * is_whole (it is the first and the last). */
int shard_close(struct version_writer *w, bool is_whole,
                struct mlb_error *err);
/* Write the first shard anew with what is known only at the end. */
int shard_complete_first(struct version_writer *w, struct mlb_error *err);
/* Note in w what the manifest says of a finished shard. */
int shard_describe(struct version_writer *w, const char *path, uint64_t rows,
                   const uint64_t *elements, struct mlb_error *err);
/* Path of the next shard or of number i; caller frees. */
char *shard_path(const struct version_writer *w, size_t i);

/* Make w->temporary, from what a dead writer left if that fits, and remove
 * what others left. */
int adopt_or_make(struct version_writer *w, struct mlb_error *err);

/* Remove the key of w->temporary, when that is published or given up. */
void adopt_forget(const struct version_writer *w);

/* w->version from the hashes. */
int manifest_find_version(struct version_writer *w, struct mlb_error *err);
int manifest_write(const struct version_writer *w, json_t *provenance,
                   struct mlb_error *err);

#endif
