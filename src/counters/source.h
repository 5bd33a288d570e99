/* SPDX-License-Identifier: BSD-3-Clause */
/* One source of counters: a table of callbacks. (Inside src/counters.)
 * counters.c asks them in the order of its list; the first whose status for
 * a metric is not METRIC_UNAVAILABLE fills it (perf, proc, cgroup, agent,
 * papi, nvml). NULL callbacks are skipped. */
#ifndef COUNTERS_SOURCE_H
#define COUNTERS_SOURCE_H

#include "counters/counters.h"

struct counters_source {
    const char *name;
    bool slow;                       /* read at the hardware's interval */
    /* For doctor: "ok: ..." or "unavailable: ...". */
    void (*probe)(struct mlb_text *out);
    /* Begin with an entity: its state, which end frees; sets status[m] of
     * each metric that this source knows, also if it cannot give it (all
     * else has an empty status[m].source then). NULL if it gives nothing. */
    void *(*begin)(const struct counters_entity *entity,
                   struct metric_status *status);
    /* values[m] for those it gives; may change status of those that begin
     * set. */
    void (*read)(void *state, int64_t *values, struct metric_status *status);
    /* The next read shall take nothing from an earlier one. */
    void (*refresh)(void *state);
    void (*end)(void *state);
    /* The GPUs of this job here, at most room of them: scope, index, uuid,
     * product, capacity of each. How many; if none, *why says why. */
    size_t (*gpus)(long expected, struct counters_entity *found, size_t room,
                   struct metric_status *why);
    /* At the start and end of a sampler. */
    void (*open)(const struct counters_options *options);
    void (*close)(void);
};

/* What sources may know of an entity. */
struct counters_slot;
struct counters_entity {
    enum metric_scope scope;
    pid_t pid;                       /* METRIC_TASK */
    int group_fd;
    bool late;
    char uuid[96], product[96];      /* METRIC_GPU */
    long index;                      /* of the GPU in its source */
    int64_t capacity;
    /* counters.c's own: what each source said of it. */
    struct counters_slot *slots;
    size_t slot_count;
    int64_t *last;                   /* what each counter had come to */
};

extern const struct counters_source perf_source, proc_source, cgroup_source,
    agent_source, papi_source, nvml_source;

/* What the kernel says to counting instructions in hardware: 0, or the cause
 * with words. Every code of PAPI is explained by it. */
enum metric_cause perf_hardware_refusal(const char **words);
/* The same for an errno of perf_event_open(2). */
enum metric_cause perf_refusal(int errnum, const char **words);

/* PAPI's source from its module (told, or the one beside this program),
 * which stays loaded; NULL: none, and *why says so. */
const struct counters_source *counters_load_papi(const char *told,
                                                 struct metric_status *why);

/* Keep a core busy for ms milliseconds of this process's own CPU time. */
void counters_burn(int ms);

/* A sampler with these sources (count of them) rather than the usual ones:
 * for tests. The list must outlive it. */
struct counters *counters_create_from(
    const struct counters_source *const *sources, size_t count,
    const struct counters_options *options);

#endif
