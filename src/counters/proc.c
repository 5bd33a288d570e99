/* SPDX-License-Identifier: BSD-3-Clause */
/* What /proc tells of a task. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "counters/proc_parts.h"
#include "counters/source.h"

#define LOOK_EVERY 5.0           /* seconds */
#define LOOK_SELDOM 60.0         /* where one look takes very long */
#define LOOK_SHARE 4e-6          /* of a core, for the looks at one task */

struct proc_state {
    struct proc_task task;
    struct proc_state *next;
    bool late, fresh;
    bool ours;                   /* its parent is an agent */
    double begun, look_at;
    int64_t sums[SUM_COUNT], thread_sums[THREAD_SUMS];
    int64_t others;              /* resident memory of the descendants */
};

/* All tasks of the sampler: may orphans of an agent be given to one? */
static struct proc_state *states;

static double seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void set_alone(void)
{
    for (struct proc_state *s = states; s; s = s->next) {
        s->task.tree.alone = s->ours;
        for (struct proc_state *o = states; o; o = o->next)
            if (o != s && o->task.tree.agent == s->task.tree.agent)
                s->task.tree.alone = false;
    }
}

/* ---- what may be said of the values ---- */

static const enum metric_id sum_metrics[SUM_COUNT] = {
    METRIC_CPU_TIME, METRIC_MINOR_FAULTS, METRIC_MAJOR_FAULTS,
    METRIC_READ_CHARS, METRIC_WRITE_CHARS, METRIC_READ_BYTES,
    METRIC_WRITE_BYTES,
};

static void set_sum_status(const struct proc_state *state,
                           struct metric_status *status)
{
    if (state->late)
        metric_status_set(status, METRIC_PARTIAL, METRIC_LATE, "proc",
                          "looked at when it was running already: of what "
                          "had ended by then, only that is known which "
                          "was waited for");
    else if (state->task.lost)
        metric_status_set(status, METRIC_PARTIAL, METRIC_LOST, "proc",
                          "some descendants ended unseen: what they did "
                          "since the last look at them is missing");
    else
        metric_status_set(status, METRIC_OK, METRIC_FINE, "proc", NULL);
}

static void set_io_refused(int errnum, struct metric_status *status)
{
    if (errnum == EACCES || errnum == EPERM)
        metric_status_set(status, METRIC_UNAVAILABLE, METRIC_FORBIDDEN,
                          "proc", "another user's process: its I/O is not "
                          "shown");
    else
        metric_status_set(status, METRIC_UNAVAILABLE, METRIC_UNSUPPORTED,
                          "proc", "this kernel keeps no account of I/O");
}

/* A descendant of another user hides a part, the program itself all. */
static void set_io_status(const struct proc_state *state,
                          struct metric_status *status)
{
    bool some = false;

    for (size_t i = 0; i < state->task.alive.count; i++) {
        const struct proc_member *m = &state->task.alive.items[i];
        if (!m->io_error || m->io_error == ESRCH)
            continue;
        some = true;
        if (m->pid != state->task.tree.pid)
            continue;
        set_io_refused(m->io_error, status);
        return;
    }
    if (some)
        metric_status_set(status, METRIC_PARTIAL, METRIC_FORBIDDEN, "proc",
                          "without descendants that run as another user");
    else
        set_sum_status(state, status);
}

/* How much of the task's CPU time went to threads that were looked at. */
static int thread_coverage(const struct proc_state *state)
{
    int64_t all = state->sums[SUM_CPU];
    int64_t seen = state->thread_sums[THREAD_RUN];
    /* CPU time is told in ticks. */
    int64_t slack = 30000000 + all / 50;

    if (seen + slack >= all)
        return 100;
    return (int)(seen * 100 / all);
}

static void set_thread_status(const struct proc_state *state,
                              struct metric_status *status)
{
    int coverage = thread_coverage(state);

    if (state->thread_sums[THREAD_RUN] == 0 &&
        state->sums[SUM_CPU] > 30000000)
        metric_status_set(status, METRIC_UNAVAILABLE, METRIC_UNSUPPORTED,
                          "proc", "this kernel keeps no account of waiting "
                          "for a CPU");
    else if (state->late)
        metric_status_set(status, METRIC_PARTIAL, METRIC_LATE, "proc",
                          "threads that had ended when looking began are "
                          "missing");
    else if (coverage < 100)
        metric_status_set(status, METRIC_PARTIAL, METRIC_LOST, "proc",
                          "of threads that end, what they did since the "
                          "last look at them is missing");
    else
        metric_status_set(status, METRIC_OK, METRIC_FINE, "proc", NULL);
    if (status->state != METRIC_UNAVAILABLE)
        status->coverage = coverage;
}

static void set_status(const struct proc_state *state,
                       struct metric_status *status)
{
    struct metric_status one;

    set_sum_status(state, &one);
    for (int i = 0; i < SUM_IO; i++)
        status[sum_metrics[i]] = one;
    set_io_status(state, &one);
    for (int i = SUM_IO; i < SUM_COUNT; i++)
        status[sum_metrics[i]] = one;
    set_thread_status(state, &one);
    status[METRIC_RUN_DELAY] = status[METRIC_SWITCHES] = one;
    if (state->late)
        metric_status_set(&status[METRIC_RSS], METRIC_PARTIAL, METRIC_LATE,
                          "proc", "from when looking began");
    else
        metric_status_set(&status[METRIC_RSS], METRIC_OK, METRIC_FINE,
                          "proc", NULL);
}

/* ---- looking ---- */

static struct proc_member *program(struct proc_state *state)
{
    struct proc_list *alive = &state->task.alive;

    return alive->count && alive->items[0].pid == state->task.tree.pid
               ? &alive->items[0] : NULL;
}

/* All of the task. When the next look is due depends on its age, and on
 * what this one took. */
static void look(struct proc_state *state)
{
    double now = seconds(CLOCK_MONOTONIC);
    double start = seconds(CLOCK_THREAD_CPUTIME_ID);
    double every = (now - state->begun) / 4;

    proc_look(&state->task, state->fresh);
    proc_sum_up(&state->task, state->sums, state->thread_sums);
    state->fresh = false;
    state->others = 0;
    for (size_t i = 0; i < state->task.alive.count; i++)
        if (&state->task.alive.items[i] != program(state))
            state->others += state->task.alive.items[i].resident;
    double dear = (seconds(CLOCK_THREAD_CPUTIME_ID) - start) / LOOK_SHARE;
    if (every > LOOK_EVERY)
        every = LOOK_EVERY;
    if (every == LOOK_EVERY && dear > every)
        every = dear < LOOK_SELDOM ? dear : LOOK_SELDOM;
    state->look_at = now + every;
}

static pid_t parent_of(pid_t pid)
{
    struct counters_stat stat;
    char path[64], text[FILES_TEXT];

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    return counters_file(path, text) > 0 &&
                   counters_parse_stat(text, &stat) == 0 ? stat.parent : 0;
}

static void *begin(const struct counters_entity *entity,
                   struct metric_status *status)
{
    if (entity->scope != METRIC_TASK)
        return NULL;
    struct proc_state *state = xcalloc(1, sizeof(*state));
    state->task.tree.pid = entity->pid;
    state->task.tree.agent = parent_of(entity->pid);
    state->ours = state->task.tree.agent > 1 &&
                  tree_is_ours(state->task.tree.agent);
    state->late = entity->late;
    state->begun = seconds(CLOCK_MONOTONIC);
    state->next = states;
    states = state;
    set_alone();
    look(state);
    set_status(state, status);
    return state;
}

static void read_task(void *of, int64_t *values,
                      struct metric_status *status)
{
    struct proc_state *state = of;
    struct proc_member *main_process = program(state);

    if (state->fresh || seconds(CLOCK_MONOTONIC) >= state->look_at) {
        look(state);
        set_status(state, status);
        main_process = program(state);
    } else if (main_process) {
        proc_member_read_resident(main_process);
    }
    for (int i = 0; i < SUM_COUNT; i++)
        values[sum_metrics[i]] = state->sums[i];
    for (int i = SUM_IO; i < SUM_COUNT; i++)
        if (status[sum_metrics[i]].state == METRIC_UNAVAILABLE)
            values[sum_metrics[i]] = METRIC_MISSING;
    if (status[METRIC_RUN_DELAY].state != METRIC_UNAVAILABLE) {
        values[METRIC_RUN_DELAY] = state->thread_sums[THREAD_DELAY];
        values[METRIC_SWITCHES] = state->thread_sums[THREAD_SWITCHES];
    }
    /* No process has no memory at all: nobody is left to ask. */
    int64_t resident = state->others +
                       (main_process ? main_process->resident : 0);
    if (resident > 0)
        values[METRIC_RSS] = resident;
}

static void refresh(void *of)
{
    ((struct proc_state *)of)->fresh = true;
}

static void end(void *of)
{
    struct proc_state *state = of;

    for (struct proc_state **p = &states; *p; p = &(*p)->next)
        if (*p == state) {
            *p = state->next;
            break;
        }
    set_alone();
    for (size_t i = 0; i < state->task.alive.count; i++)
        proc_member_close(&state->task.alive.items[i]);
    free(state->task.alive.items);
    free(state->task.gone.items);
    free(state);
}

/* ---- doctor ---- */

static int read_self(struct counters_stat *stat, int64_t *resident)
{
    char text[FILES_TEXT];

    if (counters_file("/proc/self/statm", text) <= 0)
        return -1;
    *resident = counters_parse_statm(text);
    return counters_file("/proc/self/stat", text) > 0
               ? counters_parse_stat(text, stat) : -1;
}

static void probe(struct mlb_text *out)
{
    struct counters_stat before, after;
    int64_t resident, io[FILES_IO];
    char text[FILES_TEXT];

    if (read_self(&before, &resident) < 0) {
        text_add(out, "unavailable: /proc/self/stat cannot be read (is /proc "
                      "mounted?)");
        return;
    }
    /* A few ticks of the usual 100 a second. */
    counters_burn(30);
    if (read_self(&after, &resident) < 0 || after.cpu <= before.cpu ||
        resident == 0)
        text_add(out, "unavailable: /proc/self/stat stayed the same under "
                      "work");
    else if (counters_file("/proc/self/io", text) <= 0 ||
             counters_parse_io(text, io) < 0)
        text_add(out, "ok: CPU time and memory (no I/O: /proc/self/io cannot "
                      "be read)");
    else
        text_add(out, "ok: CPU time, memory and I/O");
}

const struct counters_source proc_source = {
    .name = "proc",
    .probe = probe,
    .begin = begin,
    .read = read_task,
    .refresh = refresh,
    .end = end,
    .close = tree_forget,
};
