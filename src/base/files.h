/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that are whole or not there: atomic publish, reading, directories. */
#ifndef BASE_FILES_H
#define BASE_FILES_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/text.h"
#include "mlbatch/error.h"

/* Write length bytes to path: temporary file in the same directory, fsync,
 * rename, fsync of the directory. A reader sees the old file or the new one,
 * never a part. */
int files_publish(const char *path, const void *bytes, size_t length,
                  mode_t mode, struct mlb_error *err);

/* The same for several files of one directory, with one wait for the disk
 * rather than one for each. On failure the first few may be published, each
 * of them whole. */
#define FILES_SET_MAX 8
struct files_item {
    const char *path;
    const void *bytes;
    size_t length;
    mode_t mode;
};
int files_publish_set(const struct files_item *items, size_t count,
                      struct mlb_error *err);

/* As files_publish, but fail with MLB_ERR_FAILED and errno EEXIST if path
 * is there already: of two callers exactly one wins. */
int files_publish_new(const char *path, const void *bytes, size_t length,
                      mode_t mode, struct mlb_error *err);

/* Append bytes with one write(2) to path, created 0600 if missing; a line
 * appended so is whole or missing whoever else appends on this host. */
int files_append(const char *path, const void *bytes, size_t length,
                 struct mlb_error *err);

/* The whole of a file, added to out. At most limit bytes, else an error.
 * MLB_ERR_NOT_FOUND if there is none. */
int files_read(const char *path, size_t limit, struct mlb_text *out,
               struct mlb_error *err);

/* Make a directory and those above it (0700 each where made). No error if
 * it is there. */
int files_mkdirs(const char *path, struct mlb_error *err);

/* Remove a directory and what is in it; does not follow links. */
int files_remove_tree(const char *path, struct mlb_error *err);

/* fsync a directory, so that a rename in it survives a crash. */
int files_sync_dir(const char *path, struct mlb_error *err);

/* Write all bytes, through EINTR and short writes. 0, or -1 with errno. */
int files_write_all(int fd, const void *bytes, size_t length);

/* The path of a file in this user's cache of mlbatch, whose directory is made
 * if it can be: $XDG_CACHE_HOME/mlbatch/NAME, else ~/.cache/mlbatch/NAME.
 * NULL if there is no place. Caller frees. */
char *files_cache_path(const char *name);

/* Bytes in a regular file; 0 if there is none. */
long long files_size(const char *path);

bool files_is_dir(const char *path);
bool files_is_file(const char *path);

/* The names in a directory, sorted, without "." and "..", appended to out.
 * A missing directory is an empty one. */
int files_list(const char *path, struct mlb_strings *out,
               struct mlb_error *err);

/* path as absolute, "." and ".." resolved by text alone against the current
 * directory. Caller frees. */
char *files_absolute(const char *path);

#endif
