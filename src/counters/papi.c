/* SPDX-License-Identifier: BSD-3-Clause */
/* PAPI: hardware counters under names that hold on every processor.
 *
 * Events that do not fit into the hardware at once are in several sets, one
 * of which runs at a time; what a set would have counted in the others' turns
 * follows from its rate per cycle, as cycles are in each set. */
#include "config.h"

#include <linux/perf_event.h>
#include <papi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "counters/estimate.h"
#include "counters/papi_events.h"
#include "counters/threads.h"

/* Of a program that already runs: so many threads, each with all sets. */
#define LATE_MAX 256
#define COVERED_ENOUGH 95            /* percent: as good as all */
#define COVERED_TOO_LITTLE 10
/* CPU time, ns, in which no program is without a single cycle. */
#define NO_CYCLES_SINCE 1000000

struct target {
    int sets[PAPI_EVENTS_MAX];
    int clock;                       /* the kernel's, of CPU time; -1: none */
    uint64_t clock_from;
    /* As it stood when the window began: resetting a set leaves what ended
     * children have added to it. */
    long long from[PAPI_IN_SET_MAX];
};

struct papi_task {
    struct target *targets;
    int count, running;              /* the set whose turn it is */
    bool started, failing, late;
    double began, ended;             /* of the window, the one before, ns */
    struct estimate events[PAPI_EVENTS_MAX];
};

/* What this machine counts; PAPI itself has but one state a process. */
static struct papi_plan plan;
static bool planned;

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- a witness ---- */

/* PAPI keeps its counters pinned: one that finds no room in the hardware is
 * in error until it is started again. PAPI says nothing of that; it gives
 * the last value once more. So the task clock tells if there was work. */
static int clock_open(pid_t tid)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_SW_TASK_CLOCK,
        .inherit = 1,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };

    return (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1,
                        PERF_FLAG_FD_CLOEXEC);
}

static uint64_t clock_read(const struct target *target)
{
    uint64_t value = 0;

    if (target->clock < 0 ||
        read(target->clock, &value, sizeof(value)) != (ssize_t)sizeof(value))
        return 0;
    return value;
}

static bool is_starved(const struct target *target, const long long *to)
{
    return to[0] == target->from[0] &&
           clock_read(target) > target->clock_from + NO_CYCLES_SINCE;
}

/* ---- windows ---- */

static int set_now(const struct papi_task *task, int target)
{
    return task->targets[target].sets[task->running];
}

static void stop_running(struct papi_task *task)
{
    long long ignored[PAPI_IN_SET_MAX];

    for (int i = 0; task->started && i < task->count; i++)
        PAPI_stop(set_now(task, i), ignored);
    task->started = false;
}

/* Let the running set count on every target. One that fails spoils the
 * window: a part of a program would look like the whole. */
static void window_open(struct papi_task *task)
{
    task->failing = false;
    for (int i = 0; i < task->count; i++) {
        struct target *target = &task->targets[i];
        int set = set_now(task, i);
        if ((!task->started && PAPI_start(set) != PAPI_OK) ||
            PAPI_read(set, target->from) != PAPI_OK)
            task->failing = true;
        target->clock_from = clock_read(target);
    }
    task->started = true;
    task->began = now_ns();
}

/* Read it, and stop it if its turn is over. */
static int window_close(struct papi_task *task, bool stop,
                        double counted[PAPI_IN_SET_MAX])
{
    int rc = task->failing ? -1 : 0;

    memset(counted, 0, PAPI_IN_SET_MAX * sizeof(counted[0]));
    for (int i = 0; i < task->count; i++) {
        long long to[PAPI_IN_SET_MAX] = { 0 };
        const struct target *target = &task->targets[i];
        const long long *from = target->from;
        if (PAPI_read(set_now(task, i), to) != PAPI_OK ||
            is_starved(target, to))
            rc = -1;
        for (int j = 0; rc == 0 && j < plan.in_set[task->running]; j++)
            counted[j] += to[j] > from[j] ? (double)(to[j] - from[j]) : 0;
    }
    if (stop || rc < 0)
        stop_running(task);
    return rc;
}

/* Book time in which nothing was counted: cycles and instructions per time,
 * all else per cycle. */
static void gap_book(struct papi_task *task, double ns)
{
    double cycles = estimate_missed(&task->events[0], ns);

    for (int i = 1; i < plan.count; i++)
        estimate_missed(&task->events[i], i == 1 ? ns : cycles);
}

/* Book a window. */
static void window_book(struct papi_task *task, double ns,
                        const double *counted)
{
    double cycles = counted[0];

    for (int i = 0; i < 2; i++)
        estimate_counted(&task->events[i], counted[i], ns);
    for (int i = 2; i < plan.count; i++) {
        const struct papi_event *event = &plan.events[i];
        if (event->set == task->running)
            estimate_counted(&task->events[i], counted[event->slot], cycles);
        else
            estimate_missed(&task->events[i], cycles);
    }
}

/* ---- what is said of the values ---- */

/* The least covered event of a metric; *value: the sum of all of them. */
static int sum_events(const struct papi_task *task, enum metric_id metric,
                      int64_t *value)
{
    int coverage = 100;

    *value = 0;
    for (int i = 0; i < plan.count; i++) {
        if (plan.events[i].metric != metric)
            continue;
        int64_t part = estimate_value(&task->events[i]);
        int covered = estimate_coverage(&task->events[i]);
        if (covered < coverage)
            coverage = covered;
        if (*value == METRIC_MISSING || part == METRIC_MISSING ||
            part > INT64_MAX - *value)
            *value = METRIC_MISSING;
        else
            *value += part;
    }
    return coverage;
}

/* Add words to what is said; the worse state stands. */
static void worsen(struct metric_status *status, enum metric_state state,
                   enum metric_cause cause, const char *words)
{
    size_t used = strlen(status->reason);

    snprintf(status->reason + used, sizeof(status->reason) - used, "%s%s",
             used > 0 ? "; " : "", words);
    if (state <= status->state)
        return;
    status->state = state;
    status->cause = cause;
}

static void tell(const struct papi_task *task, enum metric_id metric,
                 int64_t *values, struct metric_status *status)
{
    struct metric_status *told = &status[metric];
    bool by_time = metric == METRIC_CYCLES || metric == METRIC_INSTRUCTIONS;
    int coverage;
    char words[64];

    *told = plan.status[metric];
    if (told->state == METRIC_UNAVAILABLE)
        return;
    coverage = sum_events(task, metric, &values[metric]);
    told->coverage = coverage;
    if (task->late)
        worsen(told, METRIC_PARTIAL, METRIC_LATE,
               "counted from the middle of the program on");
    if (coverage >= COVERED_ENOUGH)
        return;
    snprintf(words, sizeof(words), "%s for %d %% of the %s",
             coverage < COVERED_TOO_LITTLE ? "counted only"
                                           : "scaled up: counted",
             coverage, by_time ? "time" : "cycles");
    worsen(told, coverage < COVERED_TOO_LITTLE ? METRIC_UNAVAILABLE
                                               : METRIC_ESTIMATED,
           METRIC_CONTENDED, words);
    if (coverage < COVERED_TOO_LITTLE)
        values[metric] = METRIC_MISSING;
}

/* ---- the source ---- */

static void open_papi(const struct counters_options *options)
{
    (void)options;
    if (!planned)
        papi_plan_make(&plan);
    planned = true;
}

static void set_all(struct metric_status *status,
                    const struct metric_status *why)
{
    for (int m = 0; m < METRIC_COUNT; m++)
        if (*plan.status[m].source)
            status[m] = why ? *why : plan.status[m];
}

static void end(void *state)
{
    struct papi_task *task = state;

    if (!task)
        return;
    stop_running(task);
    for (int i = 0; i < task->count; i++) {
        for (int set = 0; set < plan.sets; set++)
            papi_set_destroy(task->targets[i].sets[set]);
        if (task->targets[i].clock >= 0)
            close(task->targets[i].clock);
    }
    free(task->targets);
    free(task);
}

/* All sets of one thread, or none of them. */
static int add_target(struct papi_task *task, pid_t tid,
                      struct metric_status *why)
{
    struct target *target = &task->targets[task->count];

    for (int set = 0; set < plan.sets; set++) {
        target->sets[set] = papi_set_build(&plan, set, tid, why);
        if (target->sets[set] >= 0)
            continue;
        while (set > 0)
            papi_set_destroy(target->sets[--set]);
        return -1;
    }
    target->clock = clock_open(tid);
    task->count++;
    return 0;
}

/* The threads to count: those that a late one has by now. Listed before any
 * is attached to, as whatever they start afterwards is counted with them. */
static int add_targets(struct papi_task *task, pid_t pid,
                       struct metric_status *why)
{
    pid_t tids[LATE_MAX] = { pid };
    size_t found = task->late ? threads_list(pid, tids, LATE_MAX) : 1;
    int rc = -1;

    if (found > LATE_MAX) {
        metric_status_set(why, METRIC_UNAVAILABLE, METRIC_LATE, "papi",
                          "the program already had too many threads to "
                          "begin to count them all");
        return -1;
    }
    if (found == 0)
        found = 1;                   /* attaching says why it has gone */
    task->targets = xcalloc(found, sizeof(*task->targets));
    for (size_t i = 0; i < found; i++)
        if (add_target(task, tids[i], why) == 0)
            rc = 0;
        else if (why->cause != METRIC_LOST)
            return -1;               /* a part would look like the whole */
    return rc;
}

static void *begin(const struct counters_entity *entity,
                   struct metric_status *status)
{
    struct metric_status why = { .state = METRIC_OK };
    struct papi_task *task;
    int64_t ignored[METRIC_COUNT];

    if (entity->scope != METRIC_TASK)
        return NULL;
    open_papi(NULL);
    if (plan.count == 0) {
        set_all(status, NULL);
        return NULL;
    }
    task = xcalloc(1, sizeof(*task));
    task->late = entity->late;
    if (add_targets(task, entity->pid, &why) < 0) {
        set_all(status, &why);
        end(task);
        return NULL;
    }
    set_all(status, NULL);
    window_open(task);
    for (int m = 0; m < METRIC_COUNT; m++)
        if (*plan.status[m].source)
            tell(task, m, ignored, status);
    return task;
}

static void read_task(void *state, int64_t *values,
                      struct metric_status *status)
{
    struct papi_task *task = state;
    double counted[PAPI_IN_SET_MAX];
    bool good = window_close(task, plan.sets > 1, counted) == 0;
    double ended = now_ns();

    /* Changing sets takes a moment; not after the last read, so it is
     * booked now. */
    if (task->ended > 0)
        gap_book(task, task->began - task->ended);
    if (good)
        window_book(task, ended - task->began, counted);
    else
        gap_book(task, ended - task->began);
    task->ended = ended;
    task->running = (task->running + 1) % plan.sets;
    window_open(task);
    for (int m = 0; m < METRIC_COUNT; m++)
        if (*plan.status[m].source)
            tell(task, m, values, status);
}

static void probe(struct mlb_text *out)
{
    const char *separator = " counts ";

    open_papi(NULL);
    if (plan.count == 0) {
        text_addf(out, "unavailable: %s",
                  plan.status[METRIC_CYCLES].reason);
        return;
    }
    text_addf(out, "ok: PAPI %d.%d.%d", PAPI_VERSION_MAJOR(PAPI_VERSION),
              PAPI_VERSION_MINOR(PAPI_VERSION),
              PAPI_VERSION_REVISION(PAPI_VERSION));
    for (int m = 0; m < METRIC_COUNT; m++) {
        if (!*plan.status[m].source ||
            plan.status[m].state == METRIC_UNAVAILABLE)
            continue;
        text_addf(out, "%s%s", separator, metrics[m].name);
        separator = ", ";
    }
    if (plan.sets > 1)
        text_addf(out, " (%d sets in turns)", plan.sets);
}

const struct counters_source papi_source = {
    .name = "papi",
    .slow = true,
    .probe = probe,
    .begin = begin,
    .read = read_task,
    .end = end,
    .open = open_papi,
};
