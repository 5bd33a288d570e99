/* SPDX-License-Identifier: BSD-3-Clause */
/* Files on their way to their final name: temporary names that tell who
 * writes them, publishing without replacing, whole reads and writes. For
 * the library: no allocation, nothing printed. */
#ifndef STORE_PLACE_H
#define STORE_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mlbatch/error.h"

/* The directory part of path, "." if it has none. -1: longer than size. */
int place_directory(const char *path, char *out, size_t size,
                    struct mlb_error *err);

/* Make a directory and those above it, 0700 each. */
int place_mkdirs(const char *path, struct mlb_error *err);

/* A new name for a temporary file or directory: "DIRECTORY/.mlb-tmp.PID.
 * START.SERIAL.BOOT.HOST", so that place_clean can tell whether its writer
 * lives. Nothing is made. */
int place_temporary(const char *directory, char *out, size_t size,
                    struct mlb_error *err);

/* Is name (without directory) a temporary of this host whose writer is no
 * more? Those of other hosts are never called dead: nobody here can tell. */
bool place_is_dead(const char *name);

/* Is name a temporary of that process? boot: its host's boot id. */
struct place_writer {
    long long pid;
    unsigned long long start;
    const char *boot, *host;
};
bool place_is_of(const char *name, const struct place_writer *writer);

/* Remove the temporary files of dead writers in directory. What cannot be
 * removed stays: the next one may have more luck. */
void place_clean(const char *directory);

/* Sync the directory that path is in. */
int place_sync_directory(const char *path, struct mlb_error *err);

/* Give the file or directory at from its final name and sync the directory.
 * Without replace it fails with MLB_ERR_FAILED (errno EEXIST) where to is
 * there already; of two callers exactly one wins. */
int place_publish(const char *from, const char *to, bool replace,
                  struct mlb_error *err);

/* Read or write all bytes at offset, through EINTR and short counts. 0, or
 * -1 with errno; reading past the end is -1 with errno ENODATA. */
int place_pread(int fd, void *out, size_t length, uint64_t offset);
int place_pwrite(int fd, const void *bytes, size_t length, uint64_t offset);

/* fsync, or fdatasync: 0, or -1 with errno. After a failure nobody knows
 * what is on the disk, and a second call may say 0: never try again. */
int place_sync(int fd, bool data_only);

#endif
