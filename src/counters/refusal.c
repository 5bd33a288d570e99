/* SPDX-License-Identifier: BSD-3-Clause */
/* Why the kernel does not count: errno of perf_event_open(2) as a cause. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "counters/source.h"

static const struct {
    int errnum;
    enum metric_cause cause;
    const char *words;
} refusals[] = {
    { ENOENT, METRIC_NO_PMU,
      "this machine shows no hardware counters (a virtual machine without "
      "a PMU)" },
    { EACCES, METRIC_FORBIDDEN,
      "the kernel does not let users count (2 or less is needed in "
      "/proc/sys/kernel/perf_event_paranoid)" },
    { ENOSYS, METRIC_CONTAINER,
      "there is no perf_event_open here (a container's filter, or a kernel "
      "without it)" },
    { EMFILE, METRIC_FEW_FILES, "too many open files (raise ulimit -n)" },
    { ENFILE, METRIC_FEW_FILES, "the machine has too many open files" },
    { EBUSY, METRIC_CONTENDED,
      "the counters are taken (the NMI watchdog or another profiler)" },
    { ESRCH, METRIC_LOST, "the process has gone" },
    { EINVAL, METRIC_UNSUPPORTED, "the kernel does not know this counter" },
    { EOPNOTSUPP, METRIC_UNSUPPORTED,
      "this machine's hardware cannot count this" },
    { ENODEV, METRIC_UNSUPPORTED,
      "this machine's hardware cannot count this" },
    { ENOMEM, METRIC_ERROR, "the kernel has no memory for a counter" },
};

/* The level up to which the kernel lets users count; 2 if it is not told. */
static long paranoid(void)
{
    char text[16] = "";
    int fd = open("/proc/sys/kernel/perf_event_paranoid",
                  O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 2;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    return n > 0 ? strtol(text, NULL, 10) : 2;
}

/* EPERM is what filters say; but kernels that were taught a level of 3 say
 * the same to all. */
static enum metric_cause forbidden(const char **words)
{
    if (paranoid() > 2) {
        *words = "perf_event_paranoid is above 2: users may not count "
                 "(ask for 2)";
        return METRIC_FORBIDDEN;
    }
    *words = "perf_event_open is forbidden here, though "
             "perf_event_paranoid would allow it (a container's filter)";
    return METRIC_CONTAINER;
}

enum metric_cause perf_refusal(int errnum, const char **words)
{
    if (errnum == EPERM)
        return forbidden(words);
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (refusals[i].errnum == errnum) {
            *words = refusals[i].words;
            return refusals[i].cause;
        }
    *words = strerror(errnum);
    return METRIC_ERROR;
}

enum metric_cause perf_hardware_refusal(const char **words)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_HW_INSTRUCTIONS,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1,
                          PERF_FLAG_FD_CLOEXEC);

    *words = "";
    if (fd < 0)
        return perf_refusal(errno, words);
    close(fd);
    return METRIC_FINE;
}

static double cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

void counters_burn(int ms)
{
    volatile unsigned long sum = 0;

    for (double end = cpu_ms() + ms; cpu_ms() < end;)
        for (int i = 0; i < 10000; i++)
            sum += (unsigned long)i;
}
