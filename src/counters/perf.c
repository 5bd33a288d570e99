/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's own counters, through perf_event_open(2). */
#include "config.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "counters/sources.h"

static const struct {
    int errnum;
    const char *text;
} refusals[] = {
    { ENOENT, "this machine shows no hardware counters (a virtual machine "
              "without a PMU)" },
    { EACCES, "the kernel does not let users count (see "
              "/proc/sys/kernel/perf_event_paranoid; 2 or less is needed)" },
    { EPERM, "perf_event_open is forbidden here (a container's seccomp "
             "filter, or perf_event_paranoid above 2)" },
    { ENOSYS, "this kernel has no perf_event_open" },
    { EMFILE, "too many open files (raise ulimit -n)" },
    { EBUSY, "the counters are taken (the NMI watchdog or another "
             "profiler)" },
    { EINVAL, "the kernel does not know this counter" },
    { EOPNOTSUPP, "this machine's hardware cannot count this" },
    { ENODEV, "this machine's hardware cannot count this" },
};

static const char *refusal(int errnum)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (refusals[i].errnum == errnum)
            return refusals[i].text;
    return strerror(errnum);
}

/* A counter of this process in user space, running. */
static int open_counter(uint32_t type, uint64_t config)
{
    struct perf_event_attr attr = {
        .type = type,
        .size = sizeof(attr),
        .config = config,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };

    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1,
                        PERF_FLAG_FD_CLOEXEC);
}

const char *perf_hardware_refusal(void)
{
    int fd = open_counter(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS);

    if (fd < 0)
        return refusal(errno);
    close(fd);
    return NULL;
}

void perf_probe(struct mlb_text *out)
{
    uint64_t value = 0;
    int fd = open_counter(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK);

    if (fd < 0) {
        text_addf(out, "unavailable: %s", refusal(errno));
        return;
    }
    counters_burn(5);
    if (read(fd, &value, sizeof(value)) != (ssize_t)sizeof(value))
        text_addf(out, "unavailable: cannot read a counter: %s",
                  strerror(errno));
    else if (value == 0)
        text_add(out, "unavailable: the task clock stayed zero");
    else
        text_add(out, "ok: software events (task clock, faults, switches)");
    close(fd);
}
