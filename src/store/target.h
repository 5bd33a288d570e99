/* SPDX-License-Identifier: BSD-3-Clause */
/* What an export writes: a file or a directory that gets its name when it is
 * whole and on the disk. For the tools. */
#ifndef STORE_TARGET_H
#define STORE_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mlbatch/error.h"

struct target {
    char *path, *temporary;
    bool replace;
    int fd;                       /* of the file, or of the directory */
    bool is_directory;
    uint64_t bytes;               /* written by target_write */
};

/* Begin a file at path, under a temporary name beside it. MLB_ERR_FAILED if
 * it is there and force is not set; what is there stays until the new one
 * is whole. Directories are never replaced. */
int target_open(struct target *t, const char *path, bool force,
                struct mlb_error *err);

/* The same for a directory, which may be there if it is empty. */
int target_open_directory(struct target *t, const char *path,
                          struct mlb_error *err);

int target_write(struct target *t, const void *bytes, size_t length,
                 struct mlb_error *err);

/* Sync, rename, sync the directory around it. */
int target_publish(struct target *t, struct mlb_error *err);

/* Remove what was not published, free all. */
void target_clear(struct target *t);

#endif
