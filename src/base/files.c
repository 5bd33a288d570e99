/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that are whole or not there: atomic publish, reading, directories. */
#include "config.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/process.h"

#define TRIES 100            /* of names for a temporary file */

int files_write_all(int fd, const void *bytes, size_t length)
{
    const char *p = bytes;

    while (length > 0) {
        ssize_t n = write(fd, p, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        length -= (size_t)n;
    }
    return 0;
}

/* The directory part of path: "." if there is none. Caller frees. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return xstrdup(".");
    return slash == path ? xstrdup("/")
                         : xstrndup(path, (size_t)(slash - path));
}

int files_sync_dir(const char *path, struct mlb_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);

    /* Some network file systems cannot sync a directory: nothing to gain. */
    if (rc < 0 && fd >= 0 && (errno == EINVAL || errno == ENOTSUP))
        rc = 0;
    if (rc < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot sync directory %s", path);
    if (fd >= 0)
        close(fd);
    return rc;
}

/* A temporary file beside the item's path, written but not yet synced: its
 * descriptor, or -1 and no file left. Its name goes to *tmp (caller frees,
 * and unlinks if it comes to nothing). */
static int write_beside(const struct files_item *item, char **tmp,
                        struct mlb_error *err)
{
    static atomic_uint serial;
    int fd = -1, tries = 0;

    /* One that was killed may have had this pid, and left its file. */
    do {
        free(*tmp);
        *tmp = xasprintf("%s.tmp-%s-%ld-%u", item->path, process_host(),
                         (long)getpid(), atomic_fetch_add(&serial, 1));
        fd = open(*tmp,
                  O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                  item->mode);
    } while (fd < 0 && errno == EEXIST && ++tries < TRIES);
    if (fd < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot create %s", *tmp);
    if (files_write_all(fd, item->bytes, item->length) == 0)
        return fd;
    mlb_error_errno(err, MLB_ERR_IO, "cannot write %s", item->path);
    close(fd);
    unlink(*tmp);
    return -1;
}

/* On disk, and closed. */
static int settle(int fd, const char *path, struct mlb_error *err)
{
    int rc = fsync(fd), saved = errno;

    if (close(fd) < 0 && rc == 0) {
        rc = -1;
        saved = errno;
    }
    errno = saved;
    return rc < 0 ? mlb_error_errno(err, MLB_ERR_IO, "cannot write %s", path)
                  : 0;
}

static int sync_parent(const char *path, struct mlb_error *err)
{
    char *dir = parent_of(path);
    int rc = files_sync_dir(dir, err);

    free(dir);
    return rc;
}

int files_publish_set(const struct files_item *items, size_t count,
                      struct mlb_error *err)
{
    int fds[FILES_SET_MAX], rc = 0;
    char *tmp[FILES_SET_MAX] = { NULL };
    size_t written = 0, renamed = 0;

    assert(count > 0 && count <= FILES_SET_MAX);
    for (; rc == 0 && written < count; written += rc == 0) {
        fds[written] = write_beside(&items[written], &tmp[written], err);
        rc = fds[written] < 0 ? -1 : 0;
    }
    for (size_t i = 0; i < written; i++)
        if (settle(fds[i], items[i].path, rc < 0 ? NULL : err) < 0)
            rc = -1;
    for (; rc == 0 && renamed < count; renamed += rc == 0)
        if (rename(tmp[renamed], items[renamed].path) < 0)
            rc = mlb_error_errno(err, MLB_ERR_IO, "cannot rename to %s",
                                 items[renamed].path);
    for (size_t i = renamed; i < written; i++)
        unlink(tmp[i]);
    for (size_t i = 0; i < count; i++)
        free(tmp[i]);
    return rc < 0 ? -1 : sync_parent(items[0].path, err);
}

int files_publish(const char *path, const void *bytes, size_t length,
                  mode_t mode, struct mlb_error *err)
{
    const struct files_item item = { path, bytes, length, mode };

    return files_publish_set(&item, 1, err);
}

int files_publish_new(const char *path, const void *bytes, size_t length,
                      mode_t mode, struct mlb_error *err)
{
    const struct files_item item = { path, bytes, length, mode };
    char *tmp = NULL;
    int fd = write_beside(&item, &tmp, err), rc = -1;

    if (fd < 0)
        goto out;
    rc = settle(fd, path, err);
    if (rc == 0) {
        /* link, unlike rename, never replaces. */
        rc = link(tmp, path);
        if (rc < 0)
            mlb_error_errno(err, errno == EEXIST ? MLB_ERR_FAILED : MLB_ERR_IO,
                            "cannot create %s", path);
    }
    int saved = errno;
    unlink(tmp);
    errno = saved;
    if (rc == 0)
        rc = sync_parent(path, err);
out:
    free(tmp);
    return rc;
}

int files_append(const char *path, const void *bytes, size_t length,
                 struct mlb_error *err)
{
    int fd = open(path,
                  O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                  0600);
    int rc = fd < 0 ? -1 : files_write_all(fd, bytes, length);

    if (rc < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot append to %s", path);
    if (fd >= 0)
        close(fd);
    return rc;
}

int files_read(const char *path, size_t limit, struct mlb_text *out,
               struct mlb_error *err)
{
    char part[65536];
    size_t start = out->length;
    int rc = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return mlb_error_errno(err,
                               errno == ENOENT ? MLB_ERR_NOT_FOUND
                                               : MLB_ERR_IO,
                               "cannot read %s", path);
    for (;;) {
        ssize_t n = read(fd, part, sizeof(part));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            mlb_error_errno(err, MLB_ERR_IO, "cannot read %s", path);
            break;
        }
        if (n == 0) {
            rc = 0;
            break;
        }
        if (out->length - start + (size_t)n > limit) {
            mlb_error_set(err, MLB_ERR_BAD_INPUT,
                          "%s: longer than %zu bytes", path, limit);
            break;
        }
        text_addn(out, part, (size_t)n);
    }
    close(fd);
    return rc;
}

int files_mkdirs(const char *path, struct mlb_error *err)
{
    char *copy = xstrdup(path);
    int rc = 0;

    for (char *p = copy + 1; rc == 0 && *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        /* The reason is that of the first that is missing. */
        if (!files_is_dir(copy) && mkdir(copy, 0700) < 0 && errno != EEXIST)
            rc = -1;
        *p = '/';
    }
    if (rc == 0 && mkdir(copy, 0700) < 0 && errno != EEXIST)
        rc = -1;
    if (rc == 0 && !files_is_dir(copy)) {
        errno = ENOTDIR;
        rc = -1;
    }
    if (rc < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot make directory %s", path);
    free(copy);
    return rc;
}

/* Works on directory handles, so that no link put in the way is followed. */
static int remove_at(int at, const char *name)
{
    if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    int fd = openat(at, name,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    int rc = 0;
    for (struct dirent *e; rc == 0 && (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = remove_at(dirfd(dir), e->d_name);
    closedir(dir);
    return rc < 0 ? -1 : unlinkat(at, name, AT_REMOVEDIR);
}

int files_remove_tree(const char *path, struct mlb_error *err)
{
    if (remove_at(AT_FDCWD, path) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot remove %s", path);
    return 0;
}

char *files_cache_path(const char *name)
{
    const char *home = getenv("HOME"), *cache = getenv("XDG_CACHE_HOME");
    char *directory = NULL, *path = NULL;

    if (cache && *cache == '/')
        directory = xasprintf("%s/mlbatch", cache);
    else if (home && *home == '/')
        directory = xasprintf("%s/.cache/mlbatch", home);
    if (directory && (files_is_dir(directory) ||
                      files_mkdirs(directory, NULL) == 0))
        path = xasprintf("%s/%s", directory, name);
    free(directory);
    return path;
}

bool files_is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool files_is_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

long long files_size(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode)
               ? (long long)st.st_size : 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int files_list(const char *path, struct mlb_strings *out,
               struct mlb_error *err)
{
    size_t start = out->count;
    DIR *dir = opendir(path);

    if (!dir && errno == ENOENT)
        return 0;
    if (!dir)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot list %s", path);
    for (struct dirent *e; (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            strings_push(out, e->d_name);
    closedir(dir);
    if (out->count > start)
        qsort(out->items + start, out->count - start, sizeof(char *),
              compare);
    return 0;
}

/* Drop the last part of an absolute path being built. */
static void pop(struct mlb_text *t)
{
    while (t->length > 0 && t->data[t->length - 1] != '/')
        t->length--;
    if (t->length > 0)
        t->length--;
}

char *files_absolute(const char *path)
{
    struct mlb_text out = MLB_TEXT_INIT, in = MLB_TEXT_INIT;

    if (*path != '/') {
        char *here = getcwd(NULL, 0);
        text_addf(&in, "%s/", here ? here : "");
        free(here);
    }
    text_add(&in, path);
    for (const char *p = in.data; *p;) {
        p += strspn(p, "/");
        size_t n = strcspn(p, "/");
        if (n == 2 && strncmp(p, "..", 2) == 0) {
            pop(&out);
        } else if (n > 0 && !(n == 1 && *p == '.')) {
            text_add(&out, "/");
            text_addn(&out, p, n);
        }
        p += n;
    }
    text_clear(&in);
    if (out.length == 0)
        text_add(&out, "/");
    out.data[out.length] = '\0';
    return text_detach(&out);
}
