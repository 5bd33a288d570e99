/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes of a source in order: a file, plain or gzip, or a member of an
 * archive. For the tools. */
#ifndef STORE_IMPORT_INPUT_H
#define STORE_IMPORT_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mlbatch/error.h"
#include "store/gzip.h"

struct archive;

struct input {
    char *path;                   /* and member, for messages */
    struct gzip *file;            /* NULL: */
    struct archive *archive;      /* at the data of a member */
};

int input_open(struct input *in, const char *path, struct mlb_error *err);
/* A zip file's member of that name. */
int input_open_member(struct input *in, const char *path, const char *member,
                      struct mlb_error *err);
void input_close(struct input *in);           /* fine for all zero */

/* The next length bytes, fewer only at the end; -1: damaged, unreadable. */
ssize_t input_read(struct input *in, void *out, size_t length,
                   struct mlb_error *err);
/* Pass over bytes; -1 also if there are fewer. */
int input_skip(struct input *in, uint64_t length, struct mlb_error *err);
/* Bytes of the file read so far, as it is on disk. */
uint64_t input_done(const struct input *in);

/* Begin to read an archive: tar files (plain or compressed) or a zip file.
 * NULL with err. And an error of one. */
struct archive *input_open_tar(const char *path, struct mlb_error *err);
struct archive *input_open_zip(const char *path, struct mlb_error *err);
int input_archive_error(struct archive *archive, const char *path,
                        struct mlb_error *err);
uint64_t input_archive_done(struct archive *archive);

#endif
