/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's small text files, read cheaply. (Inside src/counters.) */
#ifndef COUNTERS_FILES_H
#define COUNTERS_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define FILES_TEXT 1024
#define FILES_IO 4

/* A whole file, cut to FILES_TEXT - 1 bytes and ended by NUL: how many, or
 * -1 and errno. */
ssize_t counters_file(const char *path, char text[FILES_TEXT]);
/* The same of a file that is kept open. */
ssize_t counters_file_again(int fd, char text[FILES_TEXT]);

/* /proc/PID/io: rchar, wchar, read_bytes, write_bytes. */
int counters_parse_io(const char *text, int64_t values[FILES_IO]);

/* /proc/PID/stat; times in ns, with and without children waited for. */
struct counters_stat {
    char state;
    pid_t parent, group;
    long threads;
    unsigned long long start;
    int64_t minor, child_minor, major, child_major, cpu, child_cpu;
};
int counters_parse_stat(const char *text, struct counters_stat *stat);

/* /proc/PID/task/TID/schedstat: ns on a CPU, ns waited for one, how many
 * times it got one. */
int counters_parse_schedstat(const char *text, int64_t values[3]);

/* Resident bytes by /proc/PID/statm; 0: it has no memory (any more). */
int64_t counters_parse_statm(const char *text);

#endif
