/* SPDX-License-Identifier: BSD-3-Clause */
/* A sweep as the commands see it: its points, and what they are together. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "cmd/cmd.h"
#include "run/points.h"

/* A point that has not begun has no log of its own: what the sweep's says of
 * its submission holds for it. */
static int borrow_log(struct cmd_run *point, struct mlb_error *err)
{
    struct mlb_events all = MLB_EVENTS_INIT;
    struct mlb_events *own = &point->events;

    if (events_read(point->run.sweep, &all, err) < 0)
        return -1;
    own->items = xcalloc(all.count, sizeof(*own->items));
    for (size_t i = 0; i < all.count; i++) {
        struct mlb_event *e = &all.items[i];
        bool submitted = strcmp(e->name, "submitted") == 0;
        if (!submitted && strncmp(e->name, "cancel", 6) != 0)
            continue;
        if (submitted)
            json_object_set_new(e->fields, "job",
                                json_string(point->submission.id));
        own->items[own->count] = *e;
        own->items[own->count++].fields = json_incref(e->fields);
    }
    events_clear(&all);
    return 0;
}

int cmd_point_log(struct cmd_run *point, struct mlb_error *err)
{
    if (point->events.count > 0 || !*point->submission.id)
        return 0;
    events_clear(&point->events);
    return borrow_log(point, err);
}

void cmd_points_clear(struct cmd_run *sweep)
{
    for (size_t i = 0; i < sweep->point_count; i++)
        cmd_run_clear(&sweep->points[i]);
    free(sweep->points);
    sweep->points = NULL;
    sweep->point_count = 0;
}

int cmd_points_read(struct cmd_run *sweep, struct mlb_error *err)
{
    long count = sweep->run.sweep ? 0 : points_count(sweep->run.path);

    cmd_points_clear(sweep);
    sweep->points = xcalloc((size_t)count, sizeof(*sweep->points));
    sweep->point_count = (size_t)count;
    for (long i = 0; i < count; i++) {
        points_run(&sweep->run, i, &sweep->points[i].run);
        if (cmd_run_read(&sweep->points[i], err) < 0)
            return -1;
    }
    if (count > 0)
        cmd_points_sum(sweep);
    return 0;
}

/* What the sweep is, by how many of its points are what. */
static enum mlb_state sum_up(const size_t counts[], size_t all)
{
    static const enum mlb_state first[] = {
        MLB_STATE_RUNNING, MLB_STATE_PENDING, MLB_STATE_UNKNOWN,
    };

    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
        if (counts[first[i]] > 0)
            return first[i];
    for (enum mlb_state s = MLB_STATE_NOT_SUBMITTED; s <= MLB_STATE_STALLED;
         s++)
        if (counts[s] == all)
            return s;
    return MLB_STATE_FAILED;
}

static void add_times(struct mlb_run_state *sum, const struct mlb_run_state *s)
{
    if (s->submitted > 0 &&
        (sum->submitted <= 0 || s->submitted < sum->submitted))
        sum->submitted = s->submitted;
    if (s->started > 0 && (sum->started <= 0 || s->started < sum->started))
        sum->started = s->started;
    if (s->ended > sum->ended)
        sum->ended = s->ended;
    sum->attempts += s->attempts;
}

void cmd_points_sum(struct cmd_run *sweep)
{
    size_t counts[MLB_STATE_STALLED + 1] = { 0 }, lost = 0;
    struct mlb_run_state sum = { .exit_code = -1, .step = -1 };
    struct mlb_text text = MLB_TEXT_INIT;

    for (size_t i = 0; i < sweep->point_count; i++) {
        const struct cmd_run *point = &sweep->points[i];
        counts[point->state.state]++;
        lost += point->lost;
        add_times(&sum, &point->state);
    }
    sum.state = sum_up(counts, sweep->point_count);
    if (!state_is_final(sum.state))
        sum.ended = 0;
    text_addf(&text, "%zu point%s", sweep->point_count,
              sweep->point_count == 1 ? "" : "s");
    for (enum mlb_state s = MLB_STATE_UNKNOWN; s <= MLB_STATE_STALLED; s++)
        if (counts[s] > 0)
            text_addf(&text, ", %zu %s", counts[s], state_name(s));
    snprintf(sum.text, sizeof(sum.text), "%s", text.data);
    sweep->state = sum;
    sweep->lost = lost > 0 && counts[MLB_STATE_RUNNING] == 0 &&
                  counts[MLB_STATE_PENDING] == 0;
    text_clear(&text);
}

static bool is_open(const struct cmd_run *point)
{
    return *point->submission.id && !state_is_final(point->state.state);
}

void cmd_run_jobs(const struct cmd_run *run, struct mlb_strings *ids)
{
    if (run->point_count == 0)
        strings_push(ids, run->submission.id);
    for (size_t i = 0; i < run->point_count; i++) {
        const char *id = run->points[i].submission.id;
        /* The array's, whose points wait or run all of them. */
        const char *mark = strrchr(id, '_');
        char *job = xstrndup(id, mark ? (size_t)(mark - id) : strlen(id));
        if (is_open(&run->points[i]) && !strings_have(ids, job))
            strings_push(ids, job);
        free(job);
    }
}

int cmd_run_note(const struct cmd_run *run, const char *event, json_t *fields,
                 struct mlb_error *err)
{
    int rc = 0;

    if (run->run.sweep)
        rc = points_make(&run->run, run->submission.id, err);
    for (size_t i = 0; rc == 0 && i < run->point_count; i++) {
        const struct mlb_run *point = &run->points[i].run;
        char *events = run_path(point, "events");
        /* One that has none reads the sweep's. */
        if (is_open(&run->points[i]) && files_is_dir(events))
            rc = events_append(point->path, "submit", event,
                               json_copy(fields), err);
        free(events);
    }
    if (rc == 0)
        return events_append(run->run.path, "submit", event, fields, err);
    json_decref(fields);
    return rc;
}
