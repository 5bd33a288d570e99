/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing a version of a data set: hash, shards, manifest, publish. For the
 * tools. */
#ifndef STORE_VERSION_H
#define STORE_VERSION_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "mlbatch/dataset.h"
#include "store/container.h"
#include "store/manifest.h"

/* source gives bytes of the field over all rows; it is asked more than once
 * and from any row. */
struct version_field {
    struct mlb_field field;               /* row_bytes is filled in */
    container_source *source;
    void *from;
};

struct version_split {
    const char *name;
    double share;                         /* of the rows: 0.8 */
};

struct version_request {
    const char *directory;                /* STORE/datasets/NAME */
    const char *name;
    uint64_t rows;
    struct version_field *fields;
    size_t field_count;
    const struct version_split *splits;
    size_t split_count;
    uint64_t seed;                        /* who falls into which split */
    uint64_t shard_bytes;                 /* a shard's size, about */
    json_t *provenance;                   /* borrowed */
};

/* Publish DIRECTORY/VERSION, VERSION being the first 16 hex digits of the
 * XXH3-128 over fields, rows and splits. If it is there already nothing is
 * written, and *existed is true. MLB_ERR_USAGE: bad splits. */
int version_publish(const struct version_request *request,
                    char version[MANIFEST_VERSION_LENGTH + 1], bool *existed,
                    struct mlb_error *err);

/* The XXH3-128 of a file as 32 hex digits. */
int version_hash_file(const char *path, char out[33], struct mlb_error *err);

#endif
