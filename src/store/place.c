/* SPDX-License-Identifier: BSD-3-Clause */
/* Files on their way to their final name. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/process.h"
#include "store/fault.h"
#include "store/place.h"

#define TEMPORARY ".mlb-tmp."
#define BOOT_BYTES 8      /* of the boot id: enough to tell two boots apart */

int place_directory(const char *path, char *out, size_t size,
                    struct mlb_error *err)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 1;

    if (slash == path)
        length = 1;
    if (length >= size)
        return mlb_error_set(err, MLB_ERR_USAGE, "path too long: %s", path);
    memcpy(out, slash ? path : ".", length);
    out[length] = '\0';
    return 0;
}

int place_mkdirs(const char *path, struct mlb_error *err)
{
    char part[PATH_MAX];
    size_t length = strlen(path);

    if (length == 0 || length >= sizeof(part))
        return mlb_error_set(err, MLB_ERR_USAGE,
                             length ? "path too long: %s" : "empty path%s",
                             path);
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (!files_is_dir(part) && mkdir(part, 0700) < 0 && errno != EEXIST)
            return mlb_error_errno(err, MLB_ERR_IO,
                                   "cannot make directory %s", part);
    }
    if (!files_is_dir(path)) {
        errno = ENOTDIR;
        return mlb_error_errno(err, MLB_ERR_IO, "%s", path);
    }
    return 0;
}

int place_temporary(const char *directory, char *out, size_t size,
                    struct mlb_error *err)
{
    static atomic_uint serial;
    pid_t self = getpid();
    int n = snprintf(out, size, "%s/" TEMPORARY "%ld.%llu.%u.%.*s.%s",
                     directory, (long)self, process_start_time(self),
                     atomic_fetch_add(&serial, 1), BOOT_BYTES,
                     process_boot_id(), process_host());

    if (n < 0 || (size_t)n >= size)
        return mlb_error_set(err, MLB_ERR_USAGE, "path too long: %s",
                             directory);
    return 0;
}

/* Who writes the file of that name; host is in name, boot in boot. */
static bool parse_temporary(const char *name, struct place_writer *w,
                            char boot[BOOT_BYTES + 1])
{
    int end = 0;

    if (strncmp(name, TEMPORARY, strlen(TEMPORARY)) != 0)
        return false;
    name += strlen(TEMPORARY);
    if (sscanf(name, "%lld.%llu.%*u.%8[0-9a-f].%n", &w->pid, &w->start, boot,
               &end) != 3 || end == 0 || w->pid <= 0)
        return false;
    w->boot = boot;
    w->host = name + end;
    return true;
}

bool place_is_dead(const char *name)
{
    struct place_writer w;
    char boot[BOOT_BYTES + 1] = "";

    if (!parse_temporary(name, &w, boot) ||
        strcmp(w.host, process_host()) != 0)
        return false;
    if (strncmp(boot, process_boot_id(), BOOT_BYTES) != 0)
        return true;
    return process_start_time((pid_t)w.pid) != w.start;
}

bool place_is_of(const char *name, const struct place_writer *writer)
{
    struct place_writer w;
    char boot[BOOT_BYTES + 1] = "";

    return parse_temporary(name, &w, boot) && w.pid == writer->pid &&
           w.start == writer->start && strcmp(w.host, writer->host) == 0 &&
           strncmp(boot, writer->boot, BOOT_BYTES) == 0;
}

void place_clean(const char *directory)
{
    DIR *dir = opendir(directory);

    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir));)
        if (place_is_dead(e->d_name))
            unlinkat(dirfd(dir), e->d_name, 0);
    closedir(dir);
}

/* Rename without replacing, where the file system cannot do it in one call
 * (NFS): link fails if the name is taken, which rename would not. */
static int link_and_unlink(const char *from, const char *to)
{
    struct stat st;

    if (link(from, to) < 0) {
        int saved = errno;
        /* Over NFS the answer to a link that was made can get lost and the
         * second try say EEXIST; the count of links tells. */
        bool made = saved == EEXIST && stat(from, &st) == 0 &&
                    st.st_nlink == 2;
        errno = saved;
        if (!made)
            return -1;
    }
    unlink(from);
    return 0;
}

static int move(const char *from, const char *to, bool replace)
{
    struct stat st;

    if (replace)
        return rename(from, to);
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
        return -1;
    if (stat(from, &st) < 0)
        return -1;
    if (!S_ISDIR(st.st_mode))
        return link_and_unlink(from, to);
    /* A directory replaces only an empty one, and ours never are. */
    if (rename(from, to) == 0)
        return 0;
    if (errno == ENOTEMPTY)
        errno = EEXIST;
    return -1;
}

int place_sync_directory(const char *path, struct mlb_error *err)
{
    char directory[PATH_MAX];

    if (place_directory(path, directory, sizeof(directory), err) < 0)
        return -1;
    errno = fault_check(FAULT_FSYNC, NULL);
    if (errno)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot sync %s", directory);
    return files_sync_dir(directory, err);
}

int place_publish(const char *from, const char *to, bool replace,
                  struct mlb_error *err)
{
    errno = fault_check(FAULT_RENAME, NULL);
    if (errno || move(from, to, replace) < 0) {
        if (errno == EEXIST)
            return mlb_error_set(err, MLB_ERR_FAILED,
                                 "%s is there already, and published files "
                                 "are never replaced", to);
        return mlb_error_errno(err, MLB_ERR_IO, "cannot publish %s", to);
    }
    return place_sync_directory(to, err);
}

int place_pread(int fd, void *out, size_t length, uint64_t offset)
{
    char *p = out;

    while (length > 0) {
        size_t part = length;
        errno = fault_check(FAULT_READ, &part);
        ssize_t n = errno ? -1 : pread(fd, p, part, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = ENODATA;
        if (n <= 0)
            return -1;
        p += n;
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
    return 0;
}

int place_pwrite(int fd, const void *bytes, size_t length, uint64_t offset)
{
    const char *p = bytes;

    while (length > 0) {
        size_t part = length;
        errno = fault_check(FAULT_WRITE, &part);
        ssize_t n = errno ? -1 : pwrite(fd, p, part, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = ENOSPC;       /* a file that takes nothing is full */
        if (n <= 0)
            return -1;
        p += n;
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
    return 0;
}

int place_sync(int fd, bool data_only)
{
    errno = fault_check(FAULT_FSYNC, NULL);
    if (errno)
        return -1;
    return data_only ? fdatasync(fd) : fsync(fd);
}
