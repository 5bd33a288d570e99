/* SPDX-License-Identifier: BSD-3-Clause */
/* What this node can count: the sources asked in turn. */
#include "config.h"

#include <stddef.h>
#include <time.h>

#include "counters/sources.h"
#include "counters/counters.h"

static const struct {
    const char *name;
    void (*probe)(struct mlb_text *out);
} sources[] = {
    { "papi", papi_probe },
    { "perf", perf_probe },
    { "proc", proc_probe },
    { "cgroup", cgroup_probe },
};

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

void counters_probe(struct mlb_text *out)
{
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        text_addf(out, "%s: ", sources[i].name);
        sources[i].probe(out);
        text_add(out, "\n");
    }
}
