/* SPDX-License-Identifier: BSD-3-Clause */
/* Choosing PAPI's events by trial: that one exists says nothing. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <papi.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "counters/papi_events.h"

#define LENGTH(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define COMPONENT "perf_event"

/* What may stand for a metric, best first; events of one line are added. */
static const struct candidate {
    enum metric_id metric;
    const char *names[2];
    const char *stand_in;            /* what it is instead, NULL: the thing */
} candidates[] = {
    { METRIC_CYCLES, { "PAPI_TOT_CYC" }, NULL },
    { METRIC_INSTRUCTIONS, { "PAPI_TOT_INS" }, NULL },
    { METRIC_LLC_MISSES, { "PAPI_L3_TCM" }, NULL },
    { METRIC_LLC_MISSES, { "LONGEST_LAT_CACHE:MISS" }, NULL },
    { METRIC_LLC_MISSES, { "LLC_MISSES" }, NULL },
    { METRIC_LLC_MISSES, { "perf::LLC-LOAD-MISSES" },
      "misses of loads only" },
    { METRIC_FP_OPS, { "PAPI_DP_OPS", "PAPI_SP_OPS" }, NULL },
    { METRIC_FP_OPS, { "PAPI_FP_OPS" }, NULL },
    { METRIC_STALL_CYCLES, { "PAPI_RES_STL" }, NULL },
    { METRIC_BRANCH_MISSES, { "PAPI_BR_MSP" }, NULL },
};

/* ---- why it failed ---- */

/* Can this process open so many more files? */
static bool few_files(int wanted)
{
    int fds[32], count = 0;

    while (count < wanted && count < LENGTH(fds)) {
        fds[count] = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
        if (fds[count] < 0 && errno == EBADF)
            fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fds[count] < 0)
            break;
        count++;
    }
    bool few = count < wanted && errno == EMFILE;
    while (count > 0)
        close(fds[--count]);
    return few;
}

/* Why PAPI's CPU component is switched off, NULL if it is not. */
static const char *disabled_reason(void)
{
    int index = PAPI_get_component_index(COMPONENT);
    const PAPI_component_info_t *cpu =
        index >= 0 ? PAPI_get_component_info(index) : NULL;

    if (!cpu)
        return "this PAPI has no component for CPUs";
    return cpu->disabled ? cpu->disabled_reason : NULL;
}

static void refuse(struct metric_status *why, enum metric_cause cause,
                   const char *words)
{
    metric_status_set(why, METRIC_UNAVAILABLE, cause, "papi", words);
}

void papi_explain(int rc, int wanted, pid_t tid, struct metric_status *why)
{
    const char *words;
    const char *disabled = disabled_reason();
    enum metric_cause cause = perf_hardware_refusal(&words);
    char reason[sizeof(why->reason)];

    if (cause != METRIC_FINE) {
        refuse(why, cause, words);
    } else if (few_files(wanted)) {
        refuse(why, METRIC_FEW_FILES, "too many open files (raise ulimit "
                                      "-n)");
    } else if (tid > 0 && kill(tid, 0) < 0 && errno == ESRCH) {
        refuse(why, METRIC_LOST, "the process had gone before it could be "
                                 "counted");
    } else if (disabled) {
        snprintf(reason, sizeof(reason), "the kernel counts, but PAPI does "
                 "not (a newer one may): %.90s", disabled);
        refuse(why, METRIC_UNSUPPORTED, reason);
    } else if (rc == PAPI_EPERM) {
        refuse(why, METRIC_FORBIDDEN, "the kernel does not let this user "
                                      "count that process");
    } else if (rc == PAPI_ECNFLCT || rc == PAPI_ESYS) {
        refuse(why, METRIC_CONTENDED, "too few of the CPU's counters are "
                                      "free (a profiler, the NMI watchdog?)");
    } else if (rc == PAPI_ENOEVNT) {
        refuse(why, METRIC_UNSUPPORTED, "this processor has no such counter, "
                                        "or this PAPI does not know it");
    } else {
        snprintf(reason, sizeof(reason), "PAPI cannot count: %s",
                 PAPI_strerror(rc));
        refuse(why, METRIC_ERROR, reason);
    }
}

/* ---- sets ---- */

void papi_set_destroy(int set)
{
    if (set == PAPI_NULL || set < 0)
        return;
    PAPI_cleanup_eventset(set);
    PAPI_destroy_eventset(&set);
}

/* Component, inherit, attach, then events: in another order PAPI says yes
 * and counts nothing, or itself. */
static int prepare(int set, pid_t tid)
{
    PAPI_option_t inherit;
    int rc = PAPI_assign_eventset_component(
        set, PAPI_get_component_index(COMPONENT));

    if (rc != PAPI_OK || tid == 0)
        return rc;
    memset(&inherit, 0, sizeof(inherit));
    inherit.inherit.eventset = set;
    inherit.inherit.inherit = PAPI_INHERIT_ALL;
    rc = PAPI_set_opt(PAPI_INHERIT, &inherit);
    return rc == PAPI_OK ? PAPI_attach(set, (unsigned long)tid) : rc;
}

static bool is_in(const struct papi_event *event, int set)
{
    return event->set < 0 || event->set == set;
}

int papi_set_build(const struct papi_plan *plan, int set, pid_t tid,
                   struct metric_status *why)
{
    int made = PAPI_NULL, wanted = 0;
    int rc = PAPI_create_eventset(&made);

    if (rc == PAPI_OK)
        rc = prepare(made, tid);
    for (int i = 0; i < plan->count; i++) {
        if (!is_in(&plan->events[i], set))
            continue;
        wanted += plan->events[i].natives;
        if (rc == PAPI_OK)
            rc = PAPI_add_event(made, plan->events[i].code);
    }
    if (rc == PAPI_OK)
        return made;
    papi_set_destroy(made);
    papi_explain(rc, wanted, tid, why);
    return -1;
}

/* ---- trials ---- */

/* Something of all that is counted: floating-point operations of both
 * widths, branches that cannot be foreseen, loads that miss all caches. */
static void feed(void)
{
    static volatile char memory[64 * 256];
    static volatile double wide;
    static volatile float narrow;
    uint32_t dice = 2463534242u;

    for (int i = 0; i < 20000; i++) {
        dice ^= dice << 13;
        dice ^= dice >> 17;
        dice ^= dice << 5;
        if (dice & 1)
            wide = wide * 0.5 + 1.0;
        else
            narrow = narrow * 0.5f + 1.0f;
#ifdef __SSE2__
        if (i % 8 == 0)
            __builtin_ia32_clflush((const void *)&memory[dice % 256 * 64]);
#endif
        memory[dice % 256 * 64]++;
    }
}

/* Does each event of a set read more than zero? The first that does not is
 * *zero. */
static int try_set(const struct papi_plan *plan, int number, int *zero,
                   struct metric_status *why)
{
    long long values[PAPI_IN_SET_MAX] = { 0 };
    int set = papi_set_build(plan, number, 0, why);
    int rc;

    *zero = -1;
    if (set < 0)
        return -1;
    rc = PAPI_start(set);
    if (rc == PAPI_OK) {
        feed();
        rc = PAPI_stop(set, values);
    }
    papi_set_destroy(set);
    if (rc != PAPI_OK) {
        papi_explain(rc, 0, 0, why);
        return -1;
    }
    for (int i = plan->count - 1; i >= 0; i--)
        if (is_in(&plan->events[i], number) &&
            values[plan->events[i].slot] <= 0)
            *zero = i;
    if (*zero < 0)
        return 0;
    refuse(why, METRIC_ALWAYS_ZERO, "the counter opens but stays zero (a "
                                    "hypervisor that does not pass it on?)");
    return -1;
}

/* The same for a whole plan. */
static int try_plan(const struct papi_plan *plan, struct metric_status *why)
{
    int zero;

    for (int set = 0; set < plan->sets; set++)
        if (try_set(plan, set, &zero, why) < 0)
            return -1;
    return 0;
}

/* ---- the plan ---- */

/* Put the events after the first two into sets of at most budget counters;
 * one that needs more has a set for itself. */
static void pack(struct papi_plan *plan, int budget)
{
    int used[PAPI_EVENTS_MAX] = { 0 };

    plan->sets = 1;
    for (int i = 0; i < PAPI_EVENTS_MAX; i++)
        plan->in_set[i] = 2;
    for (int i = 2; i < plan->count; i++) {
        struct papi_event *event = &plan->events[i];
        int set = 0;
        while (used[set] > 0 && (used[set] + event->natives > budget ||
                                 plan->in_set[set] == PAPI_IN_SET_MAX))
            set++;
        used[set] += event->natives;
        event->set = set;
        event->slot = plan->in_set[set]++;
        if (set >= plan->sets)
            plan->sets = set + 1;
    }
}

/* Add a candidate's events; none if PAPI lacks one of them. */
static int add_candidate(struct papi_plan *plan, const struct candidate *c)
{
    int count = plan->count;

    for (int i = 0; i < LENGTH(c->names) && c->names[i]; i++) {
        struct papi_event *event = &plan->events[count++];
        PAPI_event_info_t info;
        *event = (struct papi_event){ .metric = c->metric,
                                      .name = c->names[i], .natives = 1 };
        if (PAPI_event_name_to_code(c->names[i], &event->code) != PAPI_OK ||
            PAPI_query_event(event->code) != PAPI_OK)
            return -1;
        if (PAPI_get_event_info(event->code, &info) == PAPI_OK &&
            info.count > 1)
            event->natives = (int)info.count;
    }
    plan->count = count;
    return 0;
}

static void set_source(struct papi_plan *plan, const struct candidate *c)
{
    char source[sizeof(plan->status[0].source)];

    snprintf(source, sizeof(source), "papi:%s%s%s", c->names[0],
             c->names[1] ? "+" : "", c->names[1] ? c->names[1] : "");
    metric_status_set(&plan->status[c->metric],
                      c->stand_in ? METRIC_ESTIMATED : METRIC_OK,
                      c->stand_in ? METRIC_UNSUPPORTED : METRIC_FINE, source,
                      c->stand_in);
}

/* The first candidate of a metric that PAPI knows and, if it is to be tried,
 * that counts; else the reason of the last one is the metric's. */
static void choose(struct papi_plan *plan, enum metric_id metric, bool tried)
{
    refuse(&plan->status[metric], METRIC_UNSUPPORTED,
           "PAPI knows no event for it on this processor");
    for (int i = 2; i < LENGTH(candidates); i++) {
        struct papi_plan one = *plan;
        int zero;
        if (candidates[i].metric != metric)
            continue;
        one.count = 2;
        if (add_candidate(&one, &candidates[i]) < 0)
            continue;
        pack(&one, 1);
        if (tried && try_plan(&one, &plan->status[metric]) < 0)
            continue;
        zero = add_candidate(plan, &candidates[i]);
        if (zero == 0)
            set_source(plan, &candidates[i]);
        return;
    }
}

static void choose_all(struct papi_plan *plan, bool tried)
{
    plan->count = 2;
    choose(plan, METRIC_LLC_MISSES, tried);
    choose(plan, METRIC_BRANCH_MISSES, tried);
    choose(plan, METRIC_FP_OPS, tried);
    choose(plan, METRIC_STALL_CYCLES, tried);
}

static int init(struct metric_status *why)
{
    char reason[sizeof(why->reason)];
    const int version = (int)PAPI_VER_CURRENT;
    int rc = PAPI_is_initialized() ? version : PAPI_library_init(version);

    if (rc == version)
        return 0;
    snprintf(reason, sizeof(reason), "PAPI cannot be initialised: %s",
             rc > 0 ? "it is another version than this build's"
                    : PAPI_strerror(rc));
    refuse(why, METRIC_ERROR, reason);
    return -1;
}

/* Cycles and instructions: without them nothing else is chosen. */
static int choose_base(struct papi_plan *plan, struct metric_status *why)
{
    for (int i = 0; i < 2; i++) {
        if (add_candidate(plan, &candidates[i]) < 0) {
            papi_explain(PAPI_ENOEVNT, 0, 0, why);
            return -1;
        }
        plan->events[i].set = -1;
        plan->events[i].slot = i;
        set_source(plan, &candidates[i]);
    }
    return 0;
}

static int give_up(struct papi_plan *plan, const struct metric_status *why)
{
    for (int i = 0; i < LENGTH(candidates); i++)
        plan->status[candidates[i].metric] = *why;
    plan->count = plan->sets = 0;
    return -1;
}

int papi_plan_make(struct papi_plan *plan)
{
    static const int budgets[] = { 4, 2, 1 };
    struct metric_status why = { .state = METRIC_OK };

    memset(plan, 0, sizeof(*plan));
    if (init(&why) < 0 || choose_base(plan, &why) < 0)
        return give_up(plan, &why);
    choose_all(plan, false);
    pack(plan, budgets[0]);
    if (try_plan(plan, &why) == 0)
        return 0;
    plan->count = 2;
    pack(plan, budgets[0]);
    if (try_plan(plan, &why) < 0)
        return give_up(plan, &why);
    choose_all(plan, true);
    for (int i = 0; i < LENGTH(budgets); i++) {
        pack(plan, budgets[i]);
        if (try_plan(plan, &why) == 0)
            return 0;
    }
    /* Each counts by itself, but not in any set: only these two are left. */
    for (int i = 2; i < plan->count; i++)
        plan->status[plan->events[i].metric] = why;
    plan->count = 2;
    pack(plan, budgets[0]);
    return 0;
}
