/* SPDX-License-Identifier: BSD-3-Clause */
/* A container that is written by several threads or processes: one of them,
 * the leader, makes the file and publishes it; all write parts of the data
 * into it; container_publish is this with one writer.
 *
 *     leader   s = staging_create(w, slot, &e);
 *     each     staging_write(path, parts, count, crcs, &e);
 *     leader   staging_sum(s, &parts[i], crcs, &e); ...
 *     leader   staging_publish(s, replace, &e);
 *
 * The structure that libhdf5 makes is kept in memory for the next file of
 * the same arrays, and a slot of the same structure is written over as it
 * is. For the library. */
#ifndef STORE_STAGING_H
#define STORE_STAGING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mlbatch/error.h"
#include "store/container.h"

struct staging;

/* Bytes [offset, offset + length) of an array. */
struct staging_part {
    size_t array;                /* its number, in the order of adding */
    uint64_t offset, length;
    uint64_t file_offset;        /* where these bytes go in the file */
    const void *data;
    size_t padding;              /* staging_padding, or 0; see there */
};

/* Make the file under a temporary name beside w's path, with space for all
 * and no sound commit record. Arrays of w may lack data and source here.
 * Takes w, whatever the outcome. slot (or NULL): a file that nobody needs
 * any more, which is renamed and written over if its structure is the same,
 * else removed. */
struct staging *staging_create(struct container_writer *w, const char *slot,
                               struct mlb_error *err);

/* The file's temporary path, and where array number i lies in it. */
const char *staging_path(const struct staging *s);
uint64_t staging_offset(const struct staging *s, size_t array);

/* How many zero bytes that are in no array follow the last one of array
 * number i. A part that ends with its array may say so, and is then joined
 * with the next part into one large write. */
size_t staging_padding(const struct staging *s, size_t array);

/* Checksums that a part has: one for each block of LAYOUT_BLOCK bytes of
 * its array, counted from the array's beginning, that it touches. */
uint64_t staging_sums(const struct staging_part *part);

/* Write parts into the file at path and sync them; crcs gets staging_sums
 * of each part, in their order. Callable from any thread or process, also
 * from several at once with parts that do not overlap. Ascending file
 * offsets are fastest. MLB_ERR_IO. */
int staging_write(const char *path, const struct staging_part *parts,
                  size_t count, uint32_t *crcs, struct mlb_error *err);

/* Enter the checksums of a part that was written. The parts of an array
 * come in ascending order, without gaps. MLB_ERR_USAGE if they do not. */
int staging_sum(struct staging *s, const struct staging_part *part,
                const uint32_t *crcs, struct mlb_error *err);

/* Write checksums and commit record, sync, give it its name, sync the
 * directory; as container_publish. MLB_ERR_USAGE if checksums of some array
 * were not entered. Destroys s. */
int staging_publish(struct staging *s, bool replace, struct mlb_error *err);
/* Remove the file. NULL is fine. */
void staging_abandon(struct staging *s);

#endif
