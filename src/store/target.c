/* SPDX-License-Identifier: BSD-3-Clause */
/* Files and directories of exports: whole or not there. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/text.h"
#include "store/place.h"
#include "store/target.h"

static bool is_empty(const char *directory)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    bool empty = files_list(directory, &names, NULL) == 0 &&
                 names.count == 0;

    strings_clear(&names);
    return empty;
}

/* A temporary name beside path, in a directory that is there. */
static int prepare(struct target *t, const char *path, struct mlb_error *err)
{
    char directory[PATH_MAX], temporary[PATH_MAX];
    size_t n = strlen(path);

    *t = (struct target){ .fd = -1 };
    while (n > 1 && path[n - 1] == '/')
        n--;
    t->path = xstrndup(path, n);
    if (n == 0)
        return mlb_error_set(err, MLB_ERR_USAGE, "--to: no path");
    if (place_directory(t->path, directory, sizeof(directory), err) < 0)
        return -1;
    if (!files_is_dir(directory))
        return mlb_error_set(err, MLB_ERR_NOT_FOUND,
                             "there is no directory %s", directory);
    place_clean(directory);
    if (place_temporary(directory, temporary, sizeof(temporary), err) < 0)
        return -1;
    t->temporary = xstrdup(temporary);
    return 0;
}

int target_open(struct target *t, const char *path, bool force,
                struct mlb_error *err)
{
    struct stat st;

    if (prepare(t, path, err) < 0)
        return -1;
    t->replace = force;
    if (lstat(t->path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return mlb_error_set(err, MLB_ERR_FAILED, "%s is a directory",
                                 t->path);
        if (!force)
            return mlb_error_set(err, MLB_ERR_FAILED, "%s is there already "
                                 "(--force replaces it)", t->path);
    }
    t->fd = open(t->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (t->fd < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot write %s", t->path);
    return 0;
}

int target_open_directory(struct target *t, const char *path,
                          struct mlb_error *err)
{
    struct stat st;

    if (prepare(t, path, err) < 0)
        return -1;
    t->is_directory = true;
    if (lstat(t->path, &st) == 0) {
        if (!S_ISDIR(st.st_mode) || !is_empty(t->path))
            return mlb_error_set(err, MLB_ERR_FAILED, "%s is there already "
                                 "(an export makes a new directory, or "
                                 "fills an empty one)", t->path);
        t->replace = true;
    }
    if (mkdir(t->temporary, 0777) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot make %s", t->path);
    t->fd = open(t->temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->fd < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot open %s",
                               t->temporary);
    return 0;
}

int target_write(struct target *t, const void *bytes, size_t length,
                 struct mlb_error *err)
{
    if (files_write_all(t->fd, bytes, length) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot write %s", t->path);
    t->bytes += length;
    return 0;
}

int target_publish(struct target *t, struct mlb_error *err)
{
    /* Of a directory all files, with one wait instead of one for each. */
    int rc = t->is_directory ? syncfs(t->fd) : fsync(t->fd);

    if (rc < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot sync %s", t->path);
    if (place_publish(t->temporary, t->path, t->replace, err) < 0)
        return -1;
    free(t->temporary);
    t->temporary = NULL;
    return 0;
}

void target_clear(struct target *t)
{
    if (t->fd >= 0)
        close(t->fd);
    if (t->temporary && t->is_directory)
        files_remove_tree(t->temporary, NULL);
    else if (t->temporary)
        unlink(t->temporary);
    free(t->temporary);
    free(t->path);
    *t = (struct target){ .fd = -1 };
}
