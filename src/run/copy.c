/* SPDX-License-Identifier: BSD-3-Clause */
/* Copying trees on directory handles, so that no link is followed. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "run/copy.h"

#define DEPTH 64             /* two descriptors a level */
#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

struct place {
    int from, to;            /* directories */
    int depth;
};

static int copy_bytes(int in, int out, struct copy_rules *rules)
{
    char part[65536];
    ssize_t n;

    while ((n = read(in, part, sizeof(part))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if ((uint64_t)n > rules->left) {
            errno = EFBIG;
            return -1;
        }
        rules->left -= (uint64_t)n;
        if (files_write_all(out, part, (size_t)n) < 0)
            return -1;
    }
    return 0;
}

static int copy_file(const struct place *at, const char *name,
                     struct copy_rules *rules)
{
    struct stat st;
    int in = openat(at->from, name,
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int out = -1, rc = -1;

    if (in < 0 || fstat(in, &st) < 0)
        goto out;
    if ((uint64_t)st.st_size > rules->left) {
        errno = EFBIG;
        goto out;
    }
    out = openat(at->to, name,
                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                 0600 | (st.st_mode & 0100));
    if (out >= 0)
        rc = copy_bytes(in, out, rules);
    else if (errno == EEXIST)
        rc = 0;
out:;
    int saved = errno;
    if (out >= 0)
        close(out);
    if (in >= 0)
        close(in);
    errno = saved;
    return rc;
}

static int copy_link(const struct place *at, const char *name)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(at->from, name, target, sizeof(target) - 1);

    if (n < 0)
        return -1;
    target[n] = '\0';
    if (symlinkat(target, at->to, name) < 0 && errno != EEXIST)
        return -1;
    return 0;
}

static int copy_entry(const struct place *at, const char *name,
                      struct copy_rules *rules);

/* All entries of from into to. Both handles are closed. */
static int copy_entries(int from, int to, int depth,
                        struct copy_rules *rules)
{
    DIR *dir = from < 0 ? NULL : fdopendir(from);
    struct place below = { .from = from, .to = to, .depth = depth };
    int rc = dir && to >= 0 ? 0 : -1;

    for (struct dirent *e; rc == 0 && (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            strcmp(e->d_name, ".git") != 0)
            rc = copy_entry(&below, e->d_name, rules);
    }
    int saved = errno;
    if (dir)
        closedir(dir);
    else if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    errno = saved;
    return rc;
}

/* The directory name in at, made if missing. */
static int make_dir(int at, const char *name)
{
    if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
        return -1;
    return openat(at, name, OPEN_DIR | O_NOFOLLOW);
}

static int copy_entry(const struct place *at, const char *name,
                      struct copy_rules *rules)
{
    struct stat st;

    if (fstatat(at->from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (S_ISREG(st.st_mode))
        return copy_file(at, name, rules);
    if (S_ISLNK(st.st_mode))
        return copy_link(at, name);
    bool skip = st.st_dev == rules->skip_device &&
                st.st_ino == rules->skip_inode;
    if (!S_ISDIR(st.st_mode) || skip) {
        char *shown = text_printable(name);
        text_addf(rules->notes, "%s: %s, not stored\n", shown,
                  skip ? "holds the runs" : "not a file");
        free(shown);
        return 0;
    }
    if (at->depth >= DEPTH) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int from = openat(at->from, name, OPEN_DIR | O_NOFOLLOW);
    int to = from < 0 ? -1 : make_dir(at->to, name);
    return copy_entries(from, to, at->depth + 1, rules);
}

/* Go down path in both trees, making what is missing in the copy, up to its
 * last part, which is returned (NULL with errno on failure). Links on the
 * way are followed where the user's files are, never in the copy. */
static const char *go_down(struct place *at, char *path)
{
    char *slash;

    for (; (slash = strchr(path, '/')); path = slash + 1) {
        *slash = '\0';
        int from = openat(at->from, path, OPEN_DIR);
        int to = from < 0 ? -1 : make_dir(at->to, path);
        int saved = errno;
        close(at->from);
        close(at->to);
        *at = (struct place){ .from = from, .to = to };
        errno = saved;
        if (from < 0 || to < 0)
            return NULL;
    }
    return path;
}

int copy_path(const char *directory, const char *path, const char *into,
              struct copy_rules *rules, struct mlb_error *err)
{
    char *copy = xstrdup(path);
    const char *last = NULL;
    int rc = files_mkdirs(into, err);
    struct place at = { .from = -1, .to = -1 };

    if (rc < 0)
        goto out;
    at.from = open(directory, OPEN_DIR);
    at.to = open(into, OPEN_DIR);
    if (*path == '\0') {
        rc = copy_entries(at.from, at.to, 0, rules);
        at.from = at.to = -1;
    } else {
        if (at.from >= 0 && at.to >= 0)
            last = go_down(&at, copy);
        rc = last ? copy_entry(&at, last, rules) : -1;
    }
    if (rc < 0 && errno == EFBIG)
        mlb_error_set(err, MLB_ERR_USAGE, "the files to store with the run "
                      "are too large; list code, not data");
    else if (rc < 0)
        mlb_error_errno(err, errno == ENOENT ? MLB_ERR_NOT_FOUND : MLB_ERR_IO,
                        "cannot copy %s/%s", directory, path);
out:
    if (at.from >= 0)
        close(at.from);
    if (at.to >= 0)
        close(at.to);
    free(copy);
    return rc;
}
