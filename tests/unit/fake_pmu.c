/* SPDX-License-Identifier: BSD-3-Clause */
/* A processor's counters where there are none, for tests: loaded with
 * LD_PRELOAD, each hardware counter that is asked for is the software task
 * clock instead, so all of them read ns of CPU time, which tests know.
 * LIBPFM_FORCE_PMU=skl makes libpfm, and so PAPI, see a processor.
 *
 * FAKE_PMU, looked at with each call, is what goes wrong:
 *   enoent, eacces, eperm, ebusy, emfile, enosys   the kernel says so
 *   zero      counters open and stay 0
 *   starved   reads give nothing, as of a pinned counter that found no room
 * FAKE_PMU_GROUP=N: a group may have so many counters (else EINVAL);
 * FAKE_PMU_PID=deny: other processes may not be counted (EACCES). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILES 4096

static bool ours[FILES];             /* fds that stand for the hardware */
static int members[FILES];           /* of the group that fd leads */

static const struct {
    const char *name;
    int errnum;
} refusals[] = {
    { "enoent", ENOENT }, { "eacces", EACCES }, { "eperm", EPERM },
    { "ebusy", EBUSY }, { "emfile", EMFILE }, { "enosys", ENOSYS },
};

long syscall(long number, ...);

static bool wrong(const char *how)
{
    const char *knob = getenv("FAKE_PMU");

    return knob && strcmp(knob, how) == 0;
}

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static int refusal(const long *args)
{
    const char *room = getenv("FAKE_PMU_GROUP");
    int leader = (int)args[3];

    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (wrong(refusals[i].name))
            return refusals[i].errnum;
    if (args[1] > 0 && getenv("FAKE_PMU_PID"))
        return EACCES;
    if (room && leader >= 0 && leader < FILES &&
        members[leader] >= atoi(room))
        return EINVAL;
    return 0;
}

static long open_event(long (*real)(long, ...), const long *args)
{
    struct perf_event_attr attr = *(const struct perf_event_attr *)args[0];
    int leader = (int)args[3];

    if (attr.type != PERF_TYPE_HARDWARE && attr.type != PERF_TYPE_RAW &&
        attr.type != PERF_TYPE_HW_CACHE)
        return real(SYS_perf_event_open, args[0], args[1], args[2], args[3],
                    args[4]);
    errno = refusal(args);
    if (errno != 0)
        return -1;
    attr.type = PERF_TYPE_SOFTWARE;
    attr.config = wrong("zero") ? PERF_COUNT_SW_DUMMY
                                : PERF_COUNT_SW_TASK_CLOCK;
    attr.config1 = attr.config2 = 0;
    attr.precise_ip = 0;
    long fd = real(SYS_perf_event_open, &attr, args[1], args[2], args[3],
                   args[4]);
    if (fd >= 0 && fd < FILES) {
        ours[fd] = true;
        members[fd] = 1;
        if (leader >= 0 && leader < FILES)
            members[leader]++;
    }
    return fd;
}

long syscall(long number, ...)
{
    static long (*real)(long, ...);
    long args[6];
    va_list list;

    if (!real)
        real = (long (*)(long, ...))next("syscall");
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        args[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_perf_event_open)
        return open_event(real, args);
    return real(number, args[0], args[1], args[2], args[3], args[4],
                args[5]);
}

ssize_t read(int fd, void *bytes, size_t length)
{
    static ssize_t (*real)(int, void *, size_t);

    if (!real)
        real = (ssize_t (*)(int, void *, size_t))next("read");
    if (fd >= 0 && fd < FILES && ours[fd] && wrong("starved"))
        return 0;
    return real(fd, bytes, length);
}

int close(int fd)
{
    static int (*real)(int);

    if (!real)
        real = (int (*)(int))next("close");
    if (fd >= 0 && fd < FILES) {
        ours[fd] = false;
        members[fd] = 0;
    }
    return real(fd);
}
