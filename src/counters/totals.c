/* SPDX-License-Identifier: BSD-3-Clause */
/* The last word on a task whose processes have all been waited for. */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "counters/files.h"
#include "counters/perf.h"
#include "counters/source.h"

/* ---- I/O that was inherited ---- */

/* What threads of this process that have ended did themselves. */
static struct counters_io disowned;
static pthread_mutex_t disowned_lock = PTHREAD_MUTEX_INITIALIZER;

static void add_io(struct counters_io *sum, const struct counters_io *io,
                   int sign)
{
    sum->read_chars += sign * io->read_chars;
    sum->write_chars += sign * io->write_chars;
    sum->read_bytes += sign * io->read_bytes;
    sum->write_bytes += sign * io->write_bytes;
}

/* An io file; *size: its bytes, whose reading counts as I/O itself. */
static int read_io(const char *path, struct counters_io *io, int64_t *size)
{
    char text[FILES_TEXT];
    int64_t values[FILES_IO];
    ssize_t n = counters_file(path, text);

    if (n <= 0 || counters_parse_io(text, values) < 0)
        return -1;
    *size = n;
    *io = (struct counters_io){ values[0], values[1], values[2], values[3] };
    return 0;
}

void counters_io_disown(void)
{
    struct counters_io io;
    int64_t size;

    if (read_io("/proc/thread-self/io", &io, &size) < 0)
        return;
    io.read_chars += size;
    pthread_mutex_lock(&disowned_lock);
    add_io(&disowned, &io, 1);
    pthread_mutex_unlock(&disowned_lock);
}

/* Take away what each thread of this process did. */
static int subtract_threads(struct counters_io *io, int64_t own_reads)
{
    DIR *dir = opendir("/proc/self/task");
    struct counters_io one;
    int rc = dir ? 0 : -1;
    int64_t size;

    for (struct dirent *e; dir && (e = readdir(dir));) {
        char path[64];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/self/task/%.20s/io", e->d_name);
        if (read_io(path, &one, &size) < 0)
            continue;                /* it has just ended */
        add_io(io, &one, -1);
        /* This thread's reads since the whole was read are not in it; what
         * other threads did meanwhile is too little to matter. */
        if (atoi(e->d_name) == gettid())
            io->read_chars += own_reads;
        own_reads += size;
    }
    if (dir)
        closedir(dir);
    return rc;
}

static int64_t at_least_0(int64_t value)
{
    return value > 0 ? value : 0;
}

int counters_io_inherited(struct counters_io *io)
{
    int64_t size;

    if (read_io("/proc/self/io", io, &size) < 0 ||
        subtract_threads(io, size) < 0)
        return -1;
    pthread_mutex_lock(&disowned_lock);
    add_io(io, &disowned, -1);
    pthread_mutex_unlock(&disowned_lock);
    io->read_chars = at_least_0(io->read_chars);
    io->write_chars = at_least_0(io->write_chars);
    io->read_bytes = at_least_0(io->read_bytes);
    io->write_bytes = at_least_0(io->write_bytes);
    return 0;
}

/* ---- totals ---- */

struct totals {
    int64_t *values;
    struct metric_status *status;
    bool incomplete;             /* some were never waited for */
};

static int64_t nanoseconds(const struct timeval *t)
{
    return (int64_t)t->tv_sec * 1000000000 + (int64_t)t->tv_usec * 1000;
}

/* What the kernel summed up when processes were waited for. */
static void set(const struct totals *t, enum metric_id metric, int64_t value,
                const char *source)
{
    t->values[metric] = value;
    if (t->incomplete)
        metric_status_set(&t->status[metric], METRIC_PARTIAL, METRIC_LOST,
                          source, "of processes that nobody waited for, the "
                          "kernel keeps no account");
    else
        metric_status_set(&t->status[metric], METRIC_OK, METRIC_FINE, source,
                          NULL);
}

/* The kernel's sum, unless some are missing from it. The task clock alone
 * is no sum's equal: it goes on while interrupts or a hypervisor take the
 * CPU. */
static void set_larger(const struct totals *t, enum metric_id metric,
                       int64_t summed, const int64_t *counted)
{
    if (t->incomplete && counted[metric] > summed) {
        t->values[metric] = counted[metric];
        metric_status_set(&t->status[metric], METRIC_OK, METRIC_FINE, "perf",
                          NULL);
    } else {
        set(t, metric, summed, "rusage");
    }
}

/* A hypervisor may take that much of a second or two, and tell of less: what
 * is taken is counted in ticks, and by some not at all. */
#define NOISE 250000000

/* Were some never waited for? Both count faults at the same place, so the
 * counter can have more only then; but the sum has those before exec as
 * well. So more time tells, too: more than was taken from all tasks of this
 * machine, or much more where nobody knows that. */
static bool misses(const struct rusage *sum, int64_t cpu,
                   const int64_t *counted, int64_t taken)
{
    int64_t more = counted[METRIC_CPU_TIME] - cpu;

    return counted[METRIC_MINOR_FAULTS] > sum->ru_minflt ||
           (taken >= 0 && more > taken + cpu / 20 + NOISE) ||
           more > cpu / 4 + 2 * NOISE;
}

static void set_io(const struct totals *t, const struct counters_io *io)
{
    static const enum metric_id ids[] = {
        METRIC_READ_CHARS, METRIC_WRITE_CHARS, METRIC_READ_BYTES,
        METRIC_WRITE_BYTES,
    };

    for (int i = 0; i < 4; i++)
        if (io)
            set(t, ids[i],
                (const int64_t[]){ io->read_chars, io->write_chars,
                                   io->read_bytes, io->write_bytes }[i],
                "proc");
        else
            metric_status_set(&t->status[ids[i]], METRIC_UNAVAILABLE,
                              METRIC_UNSUPPORTED, "proc",
                              "/proc/self/io cannot be read");
}

void counters_task_totals(int group_fd, const struct rusage *sum,
                          const struct counters_io *io,
                          int64_t values[METRIC_COUNT],
                          struct metric_status status[METRIC_COUNT])
{
    int64_t counted[METRIC_COUNT];
    struct metric_status ignored[METRIC_COUNT];
    struct totals t = { .values = values, .status = status };
    int64_t cpu = nanoseconds(&sum->ru_utime) + nanoseconds(&sum->ru_stime);
    bool perf = group_fd >= 0 && perf_read(group_fd, counted, ignored) == 0;

    for (int m = 0; m < METRIC_COUNT; m++) {
        values[m] = METRIC_MISSING;
        metric_status_set(&status[m], METRIC_UNAVAILABLE, METRIC_NOT_ASKED,
                          "rusage", "the kernel keeps no total of it");
    }
    t.incomplete = perf && misses(sum, cpu, counted,
                                  perf_taken_since(group_fd));
    set_larger(&t, METRIC_CPU_TIME, cpu, counted);
    set_larger(&t, METRIC_MINOR_FAULTS, sum->ru_minflt, counted);
    set_larger(&t, METRIC_MAJOR_FAULTS, sum->ru_majflt, counted);
    set(&t, METRIC_RSS, (int64_t)sum->ru_maxrss * 1024, "rusage");
    set(&t, METRIC_SWITCHES, (int64_t)sum->ru_nvcsw + sum->ru_nivcsw,
        "rusage");
    set_io(&t, io);
}
