/* SPDX-License-Identifier: BSD-3-Clause */
/* What is told of a task when it has ended. */
#include "config.h"

#include <stdlib.h>

#include "base/text.h"
#include "counters/counters.h"

#include "agent/metrics.h"
#include "agent/task_end.h"

/* What the program told; nothing if it never did. */
static void add_progress(const struct mlb_channel *channel, json_t *fields)
{
    uint64_t step, samples, dropped;

    if (!channel)
        return;
    bool told = channel_progress(channel, &step, &samples, &dropped);
    if (told) {
        json_object_set_new(fields, "step", json_integer((json_int_t)step));
        json_object_set_new(fields, "samples",
                            json_integer((json_int_t)samples));
    }
    if (dropped > 0)
        json_object_set_new(fields, "dropped",
                            json_integer((json_int_t)dropped));
}

/* The kernel's own accounts are the last word; what it does not account is
 * what the sampler saw of it. */
static void find_totals(const struct task_end *end, struct totals *totals)
{
    struct counters_io io;
    bool have_io = end->counted && counters_io_inherited(&io) == 0;

    totals_clear(totals);
    counters_task_totals(end->group, end->usage, have_io ? &io : NULL,
                         totals->values, totals->status);
    for (int i = 0; i < METRIC_COUNT; i++) {
        struct metric_status *status = &totals->status[i];
        if (status->state != METRIC_UNAVAILABLE)
            continue;
        if (end->sampled) {
            totals->values[i] = end->sampled->values[i];
            *status = end->sampled->status[i];
        } else if (!end->counted) {
            metric_status_set(status, METRIC_UNAVAILABLE, METRIC_NOT_ASKED,
                              "agent", "counters are switched off");
        } else if (i >= METRIC_CYCLES && i <= METRIC_BRANCH_MISSES) {
            metric_status_set(status, METRIC_UNAVAILABLE, METRIC_LOST,
                              "agent", "nobody sampled this task");
        }
    }
    metrics_told(end->channel, end->mpi_asked, totals->values,
                 totals->status);
}

/* Most metrics lack for a few reasons: each is said once, of them all. */
static void add_missing(json_t *missing, const char *reason, const char *name)
{
    json_t *names;

    if (!*reason)
        reason = "it was never read";
    names = json_object_get(missing, reason);
    if (!names) {
        names = json_array();
        json_object_set_new(missing, reason, names);
    }
    json_array_append_new(names, json_string(name));
}

void task_end_add(const struct task_end *end, json_t *fields)
{
    json_t *values = json_object(), *missing = json_object();
    json_t *states = json_object();
    struct totals *totals = xcalloc(1, sizeof(*totals));

    add_progress(end->channel, fields);
    find_totals(end, totals);
    for (int i = 0; i < METRIC_COUNT; i++) {
        const struct metric_status *status = &totals->status[i];
        const char *name = metrics[i].name;
        if (metrics[i].scope != METRIC_TASK)
            continue;
        if (status->state == METRIC_UNAVAILABLE ||
            totals->values[i] == METRIC_MISSING) {
            add_missing(missing, status->reason, name);
            continue;
        }
        json_object_set_new(values, name, json_integer(totals->values[i]));
        if (status->state != METRIC_OK)
            json_object_set_new(states, name, json_string(
                metric_state_name(status->state)));
    }
    free(totals);
    json_object_set_new(fields, "totals", values);
    json_object_set_new(fields, "missing", missing);
    json_object_set_new(fields, "states", states);
}
