/* SPDX-License-Identifier: BSD-3-Clause */
/* One published file of arrays: HDF5 that h5py and h5dump read, with a
 * commit record and checksums that we read without libhdf5 (layout.h).
 *
 *     struct container_writer *w = container_create(path, KIND, &e);
 *     container_add(w, &array, &e); ...
 *     container_publish(w, false, &e);
 *
 *     struct container *c = container_open(path, KIND, &e);
 *     const struct container_info *a = container_find(c, "/x/y");
 *     container_read(c, a, &range, out, &e);
 *
 * A name is "/" and parts joined by "/"; all parts but the last become HDF5
 * groups, and "/index", "/names" and "/blocks" are taken. Nothing here
 * prints or ends the program. One handle belongs to one thread at a time.
 * Functions return 0, or -1 (NULL) with err filled. */
#ifndef STORE_CONTAINER_H
#define STORE_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mlbatch/dataset.h"
#include "mlbatch/dtype.h"
#include "mlbatch/error.h"

/* Part of the file format: never renumbered. */
enum container_kind {
    CONTAINER_DATASET = 1,
    CONTAINER_CHECKPOINT = 2,
    CONTAINER_RECORD = 3,
};

struct container_writer;      /* one being written */
struct container;             /* a published one */

/* Gives bytes [offset, offset + length) of an array; called in ascending
 * order without gaps from 0, once for each byte, lengths to 1 MiB. */
typedef int container_source(void *from, uint64_t offset, void *out,
                             size_t length, struct mlb_error *err);

/* An array to write, in C order: data, or, if that is NULL, source. */
struct container_array {
    const char *name;
    enum mlb_dtype dtype;
    int rank;                          /* 0: a scalar */
    uint64_t shape[MLB_MAX_RANK];
    const void *data;
    container_source *source;
    void *from;                        /* handed to source */
};

/* Begin a file. Nothing is made on disk before container_publish. */
struct container_writer *container_create(const char *path,
                                          enum container_kind kind,
                                          struct mlb_error *err);

/* Add an array. The name is copied; data is read in publish, and refused if
 * missing there. MLB_ERR_USAGE: bad name, one that is there or is a group,
 * bad shape. */
int container_add(struct container_writer *w,
                  const struct container_array *array,
                  struct mlb_error *err);

/* Write under a temporary name in the same directory, sync, give it its
 * name, sync the directory. Destroys w whatever the outcome; on failure no
 * file of the new one is left. If path is there already: replaced in one
 * rename if replace is set, else MLB_ERR_FAILED. MLB_ERR_IO: disk full and
 * the like. */
int container_publish(struct container_writer *w, bool replace,
                      struct mlb_error *err);
void container_abandon(struct container_writer *w);          /* NULL is fine */

/* An array of a published file. Owned by the container. */
struct container_info {
    const char *name;
    enum mlb_dtype dtype;
    int rank;
    uint64_t shape[MLB_MAX_RANK];
    uint64_t bytes;
    uint64_t offset;                   /* in the file */
};

struct container_range {
    uint64_t offset, length;           /* bytes of the array */
};

/* Open a file and check commit record, index and every size in it (not the
 * data). kind 0: any. MLB_ERR_NOT_FOUND, MLB_ERR_BAD_INPUT (foreign, not
 * complete, damaged, truncated), MLB_ERR_UNSUPPORTED (a newer format). */
struct container *container_open(const char *path, enum container_kind kind,
                                 struct mlb_error *err);
void container_close(struct container *c);                   /* NULL is fine */

uint64_t container_file_size(const struct container *c);
uint64_t container_created(const struct container *c);       /* ns, 1970 */
size_t container_count(const struct container *c);           /* arrays */
/* The i-th array, in the order they were added (i < count). */
const struct container_info *container_get(const struct container *c,
                                           size_t i);
/* The array of that name, or NULL. */
const struct container_info *container_find(const struct container *c,
                                            const char *name);

/* Read a range of an array (NULL: all of it) into out, comparing the
 * checksum of each block touched. MLB_ERR_BAD_INPUT names the array and the
 * damaged block. MLB_ERR_USAGE: out of the array. */
int container_read(struct container *c, const struct container_info *array,
                   const struct container_range *range, void *out,
                   struct mlb_error *err);

/* The same without comparing, for callers with checksums of their own. */
int container_read_raw(struct container *c,
                       const struct container_info *array,
                       const struct container_range *range, void *out,
                       struct mlb_error *err);

/* Read all of an array, or of all arrays, and compare the checksums. */
int container_check(struct container *c, const struct container_info *array,
                    struct mlb_error *err);
int container_check_all(struct container *c, struct mlb_error *err);

/* container_check_all, and that the rest of the file is as published, too:
 * both copies of the commit record and what libhdf5 wrote. */
int container_verify(struct container *c, struct mlb_error *err);

/* "1.10.8": the libhdf5 in use. */
const char *container_hdf5_version(void);

#endif
