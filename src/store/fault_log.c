/* SPDX-License-Identifier: BSD-3-Clause */
/* The log of what is done to files: the calls of libc by which it is done,
 * put before libc's own. A program that has them is asked by libhdf5, too.
 * Only in the library of the tests. */
#include "config.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "store/fault.h"

#ifdef MLB_FAULTS

static struct {
    pthread_mutex_t lock;
    int fd;
    pid_t owner;               /* a child's log is its own affair */
} journal = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

/* libc's function of that name into *real, a pointer to a function. */
static void find_real(const char *name, void *real)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (!found)
        abort();
    memcpy(real, &found, sizeof(found));
}

#define REAL(name) __typeof__(name) *real; find_real(#name, &real)

void fault_log_reset(void)
{
    const char *path = getenv("MLB_FAULT_LOG");

    pthread_mutex_lock(&journal.lock);
    if (journal.fd >= 0)
        close(journal.fd);
    journal.fd = path && *path ? open(path, O_WRONLY | O_CREAT | O_APPEND |
                                  O_CLOEXEC, 0600) : -1;
    journal.owner = getpid();
    if (path && *path && journal.fd < 0)
        abort();
    pthread_mutex_unlock(&journal.lock);
}

static bool is_logging(void)
{
    return journal.fd >= 0 && journal.owner == getpid();
}

static void append(const struct fault_event *event, const char *path,
                   const char *other, const void *bytes)
{
    struct fault_event e = *event;
    REAL(writev);

    e.path_length = (uint32_t)strlen(path);
    e.other_length = (uint32_t)strlen(other);
    struct iovec parts[] = {
        { &e, sizeof(e) }, { (void *)(uintptr_t)path, e.path_length },
        { (void *)(uintptr_t)other, e.other_length },
        { (void *)(uintptr_t)bytes, bytes ? e.length : 0 },
    };
    size_t total = sizeof(e) + e.path_length + e.other_length +
                   parts[3].iov_len;
    /* A log with a hole would prove what is not so. */
    pthread_mutex_lock(&journal.lock);
    if (real(journal.fd, parts, 4) != (ssize_t)total)
        abort();
    pthread_mutex_unlock(&journal.lock);
}

/* An event of an open file. */
static void note_fd(int fd, const struct fault_event *event,
                    const void *bytes)
{
    struct fault_event e = *event;
    char link[64], path[PATH_MAX];
    struct stat st;

    if (!is_logging() || fstat(fd, &st) < 0 ||
        !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
        return;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    if (n < 0)
        abort();
    path[n] = '\0';
    e.file = st.st_ino;
    append(&e, path, "", bytes);
}

/* path below the directory that is open as fd, as it is told to the log. */
static void absolute(int fd, const char *path, char out[PATH_MAX])
{
    char link[64], base[PATH_MAX] = "";

    if (!is_logging())
        return;
    if (fd == AT_FDCWD)
        snprintf(link, sizeof(link), "/proc/self/cwd");
    else
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    if (path[0] != '/' && readlink(link, base, sizeof(base) - 1) < 0)
        abort();
    if (snprintf(out, PATH_MAX, "%s%s%s", base, base[0] ? "/" : "",
                 path) >= PATH_MAX)
        abort();
}

static void note_names(enum fault_event_op op, const char *path,
                       const char *other, bool is_link)
{
    struct fault_event e = { .op = op, .is_link = is_link };
    struct stat st;

    if (!is_logging())
        return;
    if (other[0] && lstat(other, &st) == 0)
        e.file = st.st_ino;
    append(&e, path, other, NULL);
}

void fault_wrote(int fd, const void *bytes, size_t length, uint64_t offset)
{
    const struct fault_event e = { .op = FAULT_WROTE, .offset = offset,
                                   .length = length };

    note_fd(fd, &e, bytes);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    REAL(pwrite);
    ssize_t n = real(fd, bytes, length, offset);

    if (n > 0)
        fault_wrote(fd, bytes, (size_t)n, (uint64_t)offset);
    return n;
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    REAL(write);
    ssize_t n = real(fd, bytes, length);

    if (n > 0 && is_logging())
        fault_wrote(fd, bytes, (size_t)n,
                    (uint64_t)(lseek(fd, 0, SEEK_CUR) - n));
    return n;
}

int ftruncate(int fd, off_t length)
{
    const struct fault_event e = { .op = FAULT_RESIZED,
                                   .offset = (uint64_t)length };
    REAL(ftruncate);
    int rc = real(fd, length);

    if (rc == 0)
        note_fd(fd, &e, NULL);
    return rc;
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
    const struct fault_event e = { .op = FAULT_ALLOCATED,
                                   .offset = (uint64_t)(offset + length) };
    REAL(fallocate);
    int rc = real(fd, mode, offset, length);

    if (rc == 0 && mode == 0)
        note_fd(fd, &e, NULL);
    return rc;
}

int fsync(int fd)
{
    const struct fault_event e = { .op = FAULT_SYNCED };
    REAL(fsync);
    int rc = real(fd);

    if (rc == 0)
        note_fd(fd, &e, NULL);
    return rc;
}

int fdatasync(int fd)
{
    const struct fault_event e = { .op = FAULT_SYNCED };
    REAL(fdatasync);
    int rc = real(fd);

    if (rc == 0)
        note_fd(fd, &e, NULL);
    return rc;
}

int rename(const char *from, const char *to)
{
    char path[PATH_MAX], other[PATH_MAX];
    REAL(rename);

    absolute(AT_FDCWD, from, path);
    absolute(AT_FDCWD, to, other);
    int rc = real(from, to);
    if (rc == 0)
        note_names(FAULT_RENAMED, path, other, false);
    return rc;
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to,
              unsigned flags)
{
    char path[PATH_MAX], other[PATH_MAX];
    REAL(renameat2);

    absolute(from_fd, from, path);
    absolute(to_fd, to, other);
    int rc = real(from_fd, from, to_fd, to, flags);
    if (rc == 0)
        note_names(FAULT_RENAMED, path, other, false);
    return rc;
}

int link(const char *from, const char *to)
{
    char path[PATH_MAX], other[PATH_MAX];
    REAL(link);

    absolute(AT_FDCWD, from, path);
    absolute(AT_FDCWD, to, other);
    int rc = real(from, to);
    if (rc == 0)
        note_names(FAULT_RENAMED, path, other, true);
    return rc;
}

int unlinkat(int fd, const char *name, int flags)
{
    char path[PATH_MAX];
    REAL(unlinkat);

    absolute(fd, name, path);
    int rc = real(fd, name, flags);
    if (rc == 0)
        note_names(FAULT_UNLINKED, path, "", false);
    return rc;
}

int unlink(const char *name)
{
    return unlinkat(AT_FDCWD, name, 0);
}

#endif
