/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's software counters of a task: one group, inherited by all its
 * descendants, read by one system call. Context switches are not among
 * them: without the right to count in the kernel they silently stay 0. */
#include "config.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "counters/perf.h"
#include "counters/source.h"

/* In the order in which the kernel gives them. */
static const struct {
    uint64_t config;
    enum metric_id metric;
} events[] = {
    { PERF_COUNT_SW_TASK_CLOCK, METRIC_CPU_TIME },
    { PERF_COUNT_SW_PAGE_FAULTS_MIN, METRIC_MINOR_FAULTS },
    { PERF_COUNT_SW_PAGE_FAULTS_MAJ, METRIC_MAJOR_FAULTS },
};
#define EVENTS (sizeof(events) / sizeof(events[0]))

/* A group that this process opened: its members must stay open. */
struct group {
    int fds[EVENTS];
    int64_t taken;           /* from all tasks when it was opened, ns */
    struct group *next;
};
static struct group *groups;
static pthread_mutex_t groups_lock = PTHREAD_MUTEX_INITIALIZER;

static int open_event(pid_t pid, uint64_t config, int leader, bool user_only)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(attr),
        .config = config,
        .read_format = PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED |
                       PERF_FORMAT_TOTAL_TIME_RUNNING,
        .disabled = leader < 0,
        .enable_on_exec = leader < 0,
        .inherit = 1,
        .exclude_kernel = user_only,
        .exclude_hv = user_only,
    };

    return (int)syscall(SYS_perf_event_open, &attr, pid, -1, leader,
                        PERF_FLAG_FD_CLOEXEC);
}

static void close_all(const int *fds)
{
    /* Members first: without its leader a member would go on alone. */
    for (size_t i = EVENTS; i-- > 0;)
        if (fds[i] >= 0)
            close(fds[i]);
}

static int open_group(pid_t pid, bool user_only, int *fds)
{
    for (size_t i = 0; i < EVENTS; i++)
        fds[i] = -1;
    for (size_t i = 0; i < EVENTS; i++) {
        fds[i] = open_event(pid, events[i].config, i ? fds[0] : -1,
                            user_only);
        if (fds[i] < 0) {
            int saved = errno;
            close_all(fds);
            errno = saved;
            return -1;
        }
    }
    return 0;
}

/* Must the kernel's part be left out? Who opened a group that was passed on
 * had the same rights as this process. */
static bool user_only(void)
{
    int fd = open_event(0, PERF_COUNT_SW_TASK_CLOCK, -1, false);

    if (fd >= 0)
        close(fd);
    return fd < 0;
}

/* What interrupts and a hypervisor took from this machine's CPUs so far, ns:
 * the scheduler does not count it, the task clock does. -1: cannot tell. */
static int64_t taken_by_others(void)
{
    long long irq, softirq, steal;
    FILE *f = fopen("/proc/stat", "re");
    int n = f ? fscanf(f, "cpu %*d %*d %*d %*d %*d %lld %lld %lld", &irq,
                       &softirq, &steal)
              : 0;

    if (f)
        fclose(f);
    return n == 3 ? (irq + softirq + steal) *
                        (INT64_C(1000000000) / sysconf(_SC_CLK_TCK))
                  : -1;
}

int64_t perf_taken_since(int group_fd)
{
    int64_t from = -1, now = taken_by_others();

    pthread_mutex_lock(&groups_lock);
    for (struct group *g = groups; g; g = g->next)
        if (g->fds[0] == group_fd)
            from = g->taken;
    pthread_mutex_unlock(&groups_lock);
    return from < 0 || now < from ? -1 : now - from;
}

int counters_task_open(pid_t pid, struct metric_status *status)
{
    struct group *group = xcalloc(1, sizeof(*group));
    const char *words;

    if (open_group(pid, false, group->fds) < 0 &&
        ((errno != EACCES && errno != EPERM) ||
         open_group(pid, true, group->fds) < 0)) {
        enum metric_cause cause = perf_refusal(errno, &words);
        metric_status_set(status, METRIC_UNAVAILABLE, cause, "perf", words);
        free(group);
        return -1;
    }
    metric_status_set(status, METRIC_OK, METRIC_FINE, "perf", NULL);
    group->taken = taken_by_others();
    pthread_mutex_lock(&groups_lock);
    group->next = groups;
    groups = group;
    pthread_mutex_unlock(&groups_lock);
    return group->fds[0];
}

void counters_task_close(int group_fd)
{
    struct group *found = NULL;

    pthread_mutex_lock(&groups_lock);
    for (struct group **p = &groups; *p; p = &(*p)->next)
        if ((*p)->fds[0] == group_fd) {
            found = *p;
            *p = found->next;
            break;
        }
    pthread_mutex_unlock(&groups_lock);
    if (found)
        close_all(found->fds);
    free(found);
}

/* ---- reading ---- */

/* Faults within system calls are the kernel's: counted only with the right
 * to look there. */
static void set_status(struct metric_status *status, bool user_only)
{
    for (size_t i = 0; i < EVENTS; i++) {
        enum metric_id m = events[i].metric;
        if (user_only && m != METRIC_CPU_TIME)
            metric_status_set(&status[m], METRIC_PARTIAL, METRIC_FORBIDDEN,
                              "perf", "faults within system calls are not "
                              "counted (perf_event_paranoid is above 1)");
        else
            metric_status_set(&status[m], METRIC_OK, METRIC_FINE, "perf",
                              NULL);
    }
}

static void set_lost(struct metric_status *status, enum metric_cause cause,
                     const char *words)
{
    for (size_t i = 0; i < EVENTS; i++)
        metric_status_set(&status[events[i].metric], METRIC_UNAVAILABLE,
                          cause, "perf", words);
}

int perf_read(int group_fd, int64_t *values, struct metric_status *status)
{
    struct {
        uint64_t count, enabled, running, value[EVENTS];
    } got;
    ssize_t n = read(group_fd, &got, sizeof(got));

    if (n < 0) {
        const char *words;
        enum metric_cause cause = perf_refusal(errno, &words);
        set_lost(status, cause, words);
        return -1;
    }
    if (n != (ssize_t)sizeof(got) || got.count != EVENTS) {
        set_lost(status, METRIC_LOST,
                 "the agent that had opened these counters has gone");
        return -1;
    }
    for (size_t i = 0; i < EVENTS; i++)
        values[events[i].metric] = (int64_t)got.value[i];
    return 0;
}

struct perf_state {
    int fd;
};

static void *begin(const struct counters_entity *entity,
                   struct metric_status *status)
{
    if (entity->scope != METRIC_TASK)
        return NULL;
    if (entity->group_fd < 0) {
        set_lost(status, METRIC_NOT_ASKED, "no counter was opened before "
                 "the program began");
        return NULL;
    }
    struct perf_state *state = xcalloc(1, sizeof(*state));
    state->fd = entity->group_fd;
    set_status(status, user_only());
    return state;
}

static void read_group(void *state, int64_t *values,
                       struct metric_status *status)
{
    const struct perf_state *perf = state;

    perf_read(perf->fd, values, status);
}

/* ---- doctor ---- */

static void probe(struct mlb_text *out)
{
    int64_t values[METRIC_COUNT];
    struct metric_status status[METRIC_COUNT];
    bool limited = user_only();
    const char *words;
    int fds[EVENTS];

    if (open_group(0, limited, fds) < 0) {
        perf_refusal(errno, &words);
        text_addf(out, "unavailable: %s", words);
        return;
    }
    ioctl(fds[0], PERF_EVENT_IOC_ENABLE, PERF_IOC_FLAG_GROUP);
    counters_burn(5);
    if (perf_read(fds[0], values, status) < 0)
        text_addf(out, "unavailable: %s", status[METRIC_CPU_TIME].reason);
    else if (values[METRIC_CPU_TIME] <= 0)
        text_add(out, "unavailable: the task clock stayed zero");
    else
        text_addf(out, "ok: task clock and page faults%s",
                  limited ? " (without those within system calls)" : "");
    close_all(fds);
}

const struct counters_source perf_source = {
    .name = "perf",
    .probe = probe,
    .begin = begin,
    .read = read_group,
    .end = free,
};
