/* SPDX-License-Identifier: BSD-3-Clause */
/* What sampling itself costs: this process, the node's leader. */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "counters/source.h"

struct self {
    int statm;                   /* -1: cannot be read */
    int64_t since, page;
};

static int64_t cpu_time(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *begin(const struct counters_entity *entity,
                   struct metric_status *status)
{
    if (entity->scope != METRIC_NODE)
        return NULL;
    struct self *self = xcalloc(1, sizeof(*self));
    self->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    self->since = cpu_time();
    self->page = sysconf(_SC_PAGESIZE);
    metric_status_set(&status[METRIC_AGENT_CPU_TIME], METRIC_OK, METRIC_FINE,
                      "agent", NULL);
    if (self->statm < 0)
        metric_status_set(&status[METRIC_AGENT_RSS], METRIC_UNAVAILABLE,
                          METRIC_ERROR, "agent",
                          "/proc/self/statm cannot be read");
    else
        metric_status_set(&status[METRIC_AGENT_RSS], METRIC_OK, METRIC_FINE,
                          "agent", NULL);
    return self;
}

static void read_self(void *state, int64_t *values,
                      struct metric_status *status)
{
    struct self *self = state;
    char text[128] = "", *end = text;

    (void)status;
    values[METRIC_AGENT_CPU_TIME] = cpu_time() - self->since;
    if (self->statm < 0 || pread(self->statm, text, sizeof(text) - 1, 0) <= 0)
        return;
    strtoll(text, &end, 10);
    int64_t resident = strtoll(end, NULL, 10);
    if (resident > 0)
        values[METRIC_AGENT_RSS] = resident * self->page;
}

static void end(void *state)
{
    struct self *self = state;

    if (self->statm >= 0)
        close(self->statm);
    free(self);
}

const struct counters_source agent_source = {
    .name = "agent",
    .begin = begin,
    .read = read_self,
    .end = end,
};
