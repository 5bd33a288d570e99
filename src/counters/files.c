/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading /proc: small files, each with one system call once it is open. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "counters/files.h"

ssize_t counters_file_again(int fd, char text[FILES_TEXT])
{
    ssize_t n = pread(fd, text, FILES_TEXT - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    return n;
}

ssize_t counters_file(const char *path, char text[FILES_TEXT])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    text[0] = '\0';
    if (fd < 0)
        return -1;
    ssize_t n = counters_file_again(fd, text);
    int saved = errno;
    close(fd);
    errno = saved;
    return n;
}

int counters_parse_io(const char *text, int64_t values[FILES_IO])
{
    static const char *const names[FILES_IO] = {
        "rchar: ", "wchar: ", "\nread_bytes: ", "\nwrite_bytes: ",
    };

    for (int i = 0; i < FILES_IO; i++) {
        const char *p = strstr(text, names[i]);
        if (!p)
            return -1;
        values[i] = strtoll(p + strlen(names[i]), NULL, 10);
    }
    return 0;
}

int counters_parse_stat(const char *text, struct counters_stat *stat)
{
    /* The name before the last ')' may hold anything. */
    const char *p = strrchr(text, ')');
    int64_t user, system, child_user, child_system;
    int64_t tick = 1000000000 / sysconf(_SC_CLK_TCK);

    if (!p || sscanf(p + 1,
                     " %c %d %d %*s %*s %*s %*s %" SCNd64 " %" SCNd64
                     " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64
                     " %" SCNd64 " %" SCNd64 " %*s %*s %ld %*s %llu",
                     &stat->state, &stat->parent, &stat->group, &stat->minor,
                     &stat->child_minor, &stat->major, &stat->child_major,
                     &user, &system, &child_user, &child_system,
                     &stat->threads, &stat->start) != 13)
        return -1;
    stat->cpu = (user + system) * tick;
    stat->child_cpu = (child_user + child_system) * tick;
    return 0;
}

int counters_parse_schedstat(const char *text, int64_t values[3])
{
    char *end;

    for (int i = 0; i < 3; i++) {
        values[i] = strtoll(text, &end, 10);
        if (end == text)
            return -1;
        text = end;
    }
    return 0;
}

int64_t counters_parse_statm(const char *text)
{
    static int64_t page;
    char *end;

    if (!page)
        page = sysconf(_SC_PAGESIZE);
    strtoll(text, &end, 10);
    return strtoll(end, NULL, 10) * page;
}
