/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing a version of a data set row by row: hashes, statistics, shards,
 * manifest, publish. Memory is bounded whatever the size, each byte is asked
 * for once, and what a killed writer finished is not written again. For the
 * tools.
 *
 *     w = version_begin(&request, &err);
 *     ... pass over version_rows(w) rows of the source ...
 *     version_append(w, cells, rows, &err); ...
 *     version_finish(w, provenance, version, &existed, &err); */
#ifndef STORE_VERSION_H
#define STORE_VERSION_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/text.h"
#include "mlbatch/dataset.h"
#include "store/manifest.h"

#define VERSION_MAX_FIELDS 256

/* A column. Ragged: each row is [length, shape...]. Names are borrowed. */
struct version_field {
    const char *name;
    enum mlb_dtype dtype;
    int rank;
    uint64_t shape[MLB_MAX_RANK];
    bool ragged;
    const char *codec;            /* "jpeg", "utf8", "tokens"; NULL: none */
    const struct mlb_strings *classes;    /* of values 0, 1, ...; or NULL */
};

/* Bytes of one field in the rows that are appended. */
struct version_cell {
    const void *data;
    uint64_t length;
};

struct version_split {
    const char *name;
    double share;                 /* of the rows: 0.8 */
};

struct version_request {
    const char *directory;        /* STORE/datasets/NAME */
    const char *name;
    const struct version_field *fields;
    size_t field_count;
    const struct version_split *splits;
    size_t split_count;
    uint64_t seed;                /* who falls into which split */
    uint64_t shard_bytes;         /* a shard's size, about; 0: any */
    const char *key;              /* what is imported and how: a dead writer
                                   * with the same one is continued */
};

struct version_writer;

/* Begin, or go on where a dead writer with the same key stopped: its
 * finished shards are read, checked and counted. All that request points to
 * must live until the end. MLB_ERR_USAGE: bad fields or splits. */
struct version_writer *version_begin(const struct version_request *request,
                                     struct mlb_error *err);

/* Rows that are written already. */
uint64_t version_rows(const struct version_writer *w);

/* Append rows: cells[i] holds those of field i, one behind the other. With
 * a ragged field among them it is one row at a time. */
int version_append(struct version_writer *w, const struct version_cell *cells,
                   uint64_t rows, struct mlb_error *err);

/* Publish DIRECTORY/VERSION; VERSION is a hash of the content, so that
 * shard size, time and provenance (borrowed) do not change it. If it is
 * there already, *existed is true and nothing new is written. Destroys w
 * whatever the outcome; on failure nothing of it is left. */
int version_finish(struct version_writer *w, json_t *provenance,
                   char version[MANIFEST_VERSION_LENGTH + 1], bool *existed,
                   struct mlb_error *err);

/* Remove all that was written. NULL is fine. */
void version_abandon(struct version_writer *w);

/* The XXH3-128 of a file as 32 hex digits. */
int version_hash_file(const char *path, char out[33], struct mlb_error *err);

#endif
