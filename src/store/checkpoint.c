/* SPDX-License-Identifier: BSD-3-Clause */
/* The names of checkpoints in their directory. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/checkpoint.h"
#include "store/place.h"
#include "store/reader.h"

int checkpoint_new_path(const char *directory, uint64_t step, bool nodes,
                        char *out, size_t size, struct mlb_error *err)
{
    int n = snprintf(out, size, "%s/step-%012" PRIu64 ".%s", directory, step,
                     nodes ? "d" : "h5");

    if (n < 0 || (size_t)n >= size)
        return mlb_error_set(err, MLB_ERR_USAGE, "path too long: %s",
                             directory);
    return 0;
}

int checkpoint_path(const char *directory, uint64_t step, char *out,
                    size_t size, struct mlb_error *err)
{
    if (checkpoint_new_path(directory, step, true, out, size, err) < 0)
        return -1;
    if (access(out, F_OK) == 0)
        return 0;
    return checkpoint_new_path(directory, step, false, out, size, err);
}

/* The step that a file name tells. -1: the name is not one of ours. */
static int parse_name(const char *name, uint64_t *step)
{
    char file[64], directory[64];

    if (sscanf(name, "step-%" SCNu64, step) != 1)
        return -1;
    snprintf(file, sizeof(file), "step-%012" PRIu64 ".h5", *step);
    snprintf(directory, sizeof(directory), "step-%012" PRIu64 ".d", *step);
    return strcmp(name, file) == 0 || strcmp(name, directory) == 0 ? 0 : -1;
}

static int descending(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x < *y) - (*x > *y);
}

static int collect_steps(DIR *dir, uint64_t **steps, size_t *count,
                         struct mlb_error *err)
{
    size_t size = 0, kept = 0;

    for (struct dirent *e; (e = readdir(dir));) {
        uint64_t step;
        if (parse_name(e->d_name, &step) < 0)
            continue;
        if (*count == size) {
            size = size ? size * 2 : 64;
            uint64_t *grown = realloc(*steps, size * sizeof(*grown));
            if (!grown)
                return mlb_error_set(err, MLB_ERR_IO, "out of memory");
            *steps = grown;
        }
        (*steps)[(*count)++] = step;
    }
    if (*count > 0)
        qsort(*steps, *count, sizeof(**steps), descending);
    /* A step may have both a file and a directory. */
    for (size_t i = 0; i < *count; i++)
        if (kept == 0 || (*steps)[kept - 1] != (*steps)[i])
            (*steps)[kept++] = (*steps)[i];
    *count = kept;
    return 0;
}

int checkpoint_steps(const char *directory, uint64_t **steps, size_t *count,
                     struct mlb_error *err)
{
    DIR *dir = opendir(directory);

    *steps = NULL;
    *count = 0;
    if (!dir && errno == ENOENT)
        return 0;
    if (!dir)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot list %s", directory);
    int rc = collect_steps(dir, steps, count, err);
    closedir(dir);
    if (rc < 0) {
        free(*steps);
        *steps = NULL;
        *count = 0;
    }
    return rc;
}

/* Does the disk refuse to give a byte of the file? */
static bool is_bad_file(int directory, const char *name)
{
    unsigned char part[65536];
    uint64_t at = 0;
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return false;
    while (place_pread(fd, part, sizeof(part), at) == 0)
        at += sizeof(part);
    bool bad = errno == EIO;
    close(fd);
    return bad;
}

bool checkpoint_is_bad(const char *path)
{
    DIR *dir = opendir(path);
    bool bad = false;

    if (!dir)
        return is_bad_file(AT_FDCWD, path);
    for (struct dirent *e; !bad && (e = readdir(dir));)
        if (e->d_name[0] != '.')
            bad = is_bad_file(dirfd(dir), e->d_name);
    closedir(dir);
    return bad;
}

/* What we put in a directory is files only. */
static void remove_files(const char *path)
{
    DIR *dir = opendir(path);

    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(dirfd(dir), e->d_name, 0);
    closedir(dir);
}

int checkpoint_remove(const char *path, struct mlb_error *err)
{
    char directory[PATH_MAX], aside[PATH_MAX];

    if (unlink(path) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot remove %s", path);
    /* Renamed first, so that there is never half of one. */
    if (place_directory(path, directory, sizeof(directory), err) < 0 ||
        place_temporary(directory, aside, sizeof(aside), err) < 0)
        return -1;
    if (rename(path, aside) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot remove %s", path);
    remove_files(aside);
    if (rmdir(aside) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot remove %s", aside);
    return 0;
}

void checkpoint_identity(const struct container *c, char *out)
{
    for (size_t i = 0; i < sizeof(c->record.uuid); i++)
        snprintf(out + 2 * i, 3, "%02x", c->record.uuid[i]);
    /* The record's checksum covers the index's and the blocks', and those
     * cover all else. */
    snprintf(out + 32, 9, "%08" PRIx32, c->record.crc);
}
