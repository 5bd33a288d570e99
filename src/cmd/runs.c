/* SPDX-License-Identifier: BSD-3-Clause */
/* A run as the commands see it: its log and the scheduler's word. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "cmd/cmd.h"
#include "cmd/poll_cache.h"

void cmd_run_clear(struct cmd_run *run)
{
    run_clear(&run->run);
    events_clear(&run->events);
    submission_forget(&run->submission);
    free(run->nodes);
    cmd_points_clear(run);
    *run = (struct cmd_run){ 0 };
}

int cmd_run_read(struct cmd_run *run, struct mlb_error *err)
{
    const struct mlb_witness nobody = { .exit_code = -1 };

    events_clear(&run->events);
    submission_forget(&run->submission);
    if (run_submission(&run->run, &run->submission, err) < 0 ||
        events_read(run->run.path, &run->events, err) < 0)
        return -1;
    if (run->run.sweep && cmd_point_log(run, err) < 0)
        return -1;
    run_state(&run->events, &nobody, &nobody, &run->state);
    return cmd_points_read(run, err);
}

/* Must the scheduler be asked? Not for what never reached it, and not when
 * the log holds an end that nobody knows better. */
static bool is_open(const struct cmd_run *run, const char *scheduler)
{
    enum mlb_state state = run->state.state;

    return *run->submission.id && run->point_count == 0 &&
           strcmp(run->submission.scheduler, scheduler) == 0 &&
           (state == MLB_STATE_FAILED || state == MLB_STATE_CANCELLED ||
            !state_is_final(state));
}

/* A call to one witness about count of the runs. */
struct inquiry {
    struct mlb_job_status *jobs;
    size_t *which;                   /* jobs[i] is of runs[which[i]] */
    size_t count;
    int rc;
    struct mlb_error err;            /* why there is no answer */
};

static void inquiry_clear(struct inquiry *inquiry)
{
    free(inquiry->jobs);
    free(inquiry->which);
    *inquiry = (struct inquiry){ 0 };
}

static void inquiry_add(struct inquiry *inquiry, const struct cmd_run *run,
                        size_t which)
{
    inquiry->jobs[inquiry->count] = (struct mlb_job_status){
        .id = run->submission.id,
        .token = run->submission.token,
        .submitted = (time_t)run->state.submitted,
        .exit_code = -1,
    };
    inquiry->which[inquiry->count++] = which;
}

static struct inquiry inquiry_create(size_t room)
{
    return (struct inquiry){ .jobs = xcalloc(room, sizeof(struct
                                                          mlb_job_status)),
                             .which = xcalloc(room, sizeof(size_t)) };
}

/* Where the witness is not there at all, nothing has failed. */
static struct mlb_witness make_witness(const struct inquiry *inquiry, size_t i)
{
    const struct mlb_job_status *status = &inquiry->jobs[i];

    if (inquiry->rc < 0)
        return (struct mlb_witness){
            .answer = inquiry->err.code == MLB_ERR_UNSUPPORTED ? MLB_ABSENT
                                                               : MLB_SILENT,
            .why = inquiry->err.text,
            .exit_code = -1,
        };
    return (struct mlb_witness){
        .answer = MLB_ANSWERED,
        .known = status->known,
        .may_return = status->may_return,
        .state = status->state,
        .ending = status->ending,
        .reason = status->reason,
        .exit_code = status->exit_code,
        .ended = state_is_final(status->state) ? (double)status->end : 0,
    };
}

/* The log was read before the scheduler was asked; an end that came in
 * between must not look like one without a word from the agent. */
static void look_again(struct cmd_run *run)
{
    struct mlb_events events = MLB_EVENTS_INIT;

    if (state_is_final(run->state.state))
        return;
    if (events_read(run->run.path, &events, NULL) == 0 && events.count > 0) {
        events_clear(&run->events);
        run->events = events;
    }
}

/* late: accounting's answer about jobs[k], or NULL. */
static void apply(struct cmd_run *run, const struct inquiry *live, size_t i,
                  const struct inquiry *late, size_t k)
{
    const struct mlb_witness nobody = { .exit_code = -1 };
    struct mlb_witness said = make_witness(live, i);
    struct mlb_witness recalled = late ? make_witness(late, k) : nobody;
    bool told = said.answer == MLB_ANSWERED;
    const struct mlb_job_status *from =
        recalled.known && !said.known ? &late->jobs[k] : &live->jobs[i];

    if (!late && told && (!said.known || state_is_final(said.state)))
        look_again(run);
    run_state(&run->events, &said, &recalled, &run->state);
    run->lost = told && !said.known && !state_is_final(run->state.state);
    free(run->nodes);
    run->nodes = from->nodes[0] ? xstrdup(from->nodes) : NULL;
}

/* Accounting is slow and late: it is asked only of what the scheduler has no
 * word of, and where it could tell more than the log. */
static bool is_for_history(const struct cmd_run *run,
                           const struct inquiry *live, size_t i)
{
    const struct mlb_job_status *status = &live->jobs[i];
    bool told = live->rc == 0 && status->known &&
                status->state != MLB_STATE_UNKNOWN;

    return !told && (run->state.refinable ||
                     !state_is_final(run->state.state));
}

static void recall(const struct cmd_context *context,
                   const struct mlb_scheduler *scheduler,
                   struct cmd_run *runs, const struct inquiry *live)
{
    struct inquiry late = inquiry_create(live->count);
    size_t *at = xcalloc(live->count, sizeof(*at));

    for (size_t i = 0; i < live->count; i++) {
        if (!is_for_history(&runs[live->which[i]], live, i))
            continue;
        at[late.count] = i;
        inquiry_add(&late, &runs[live->which[i]], live->which[i]);
    }
    if (late.count > 0) {
        late.rc = scheduler->history
                      ? scheduler->history(context->site, late.jobs,
                                           late.count, &late.err)
                      : mlb_error_set(&late.err, MLB_ERR_UNSUPPORTED,
                                      "%s keeps no history", scheduler->name);
        for (size_t k = 0; k < late.count; k++)
            apply(&runs[late.which[k]], live, at[k], &late, k);
    }
    free(at);
    inquiry_clear(&late);
}

static void query_one(const struct cmd_context *context,
                      const struct mlb_scheduler *scheduler,
                      struct cmd_run *runs, size_t count)
{
    struct inquiry live = inquiry_create(count);

    for (size_t i = 0; i < count; i++)
        if (is_open(&runs[i], scheduler->name))
            inquiry_add(&live, &runs[i], i);
    if (live.count > 0) {
        const struct poll_request request = {
            .scheduler = scheduler, .site = context->site,
            .store = context->store, .age = context->answer_age,
        };
        live.rc = poll_cache_query(&request, live.jobs, live.count,
                                   &live.err);
        for (size_t i = 0; i < live.count; i++)
            apply(&runs[live.which[i]], &live, i, NULL, 0);
        recall(context, scheduler, runs, &live);
    }
    inquiry_clear(&live);
}

void cmd_runs_query(const struct cmd_context *context, struct cmd_run *runs,
                    size_t count)
{
    for (size_t i = 0; schedulers[i]; i++)
        query_one(context, schedulers[i], runs, count);
    for (size_t i = 0; i < count; i++)
        if (runs[i].point_count > 0) {
            cmd_runs_query(context, runs[i].points, runs[i].point_count);
            cmd_points_sum(&runs[i]);
        }
}

bool cmd_run_at_hand(const struct cmd_run *run)
{
    for (size_t i = 0; schedulers[i]; i++)
        if (strcmp(schedulers[i]->name, run->submission.scheduler) == 0)
            return schedulers[i]->at_hand;
    return false;
}

int cmd_run_get(const struct cmd_context *context, const char *which,
                struct cmd_run *run, struct mlb_error *err)
{
    *run = (struct cmd_run){ 0 };
    if (run_find(context->store, which, &run->run, err) < 0)
        return -1;
    if (cmd_run_read(run, err) < 0)
        return -1;
    cmd_runs_query(context, run, 1);
    return 0;
}

char *cmd_newest_checkpoint(const struct mlb_run *run)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    char *directory = run_path(run, "checkpoints"), *path = NULL;

    /* The numbers have leading zeros: the order of names is theirs. */
    files_list(directory, &names, NULL);
    for (size_t i = names.count; !path && i-- > 0;) {
        const char *dot = strrchr(names.items[i], '.');
        if (strncmp(names.items[i], "step-", 5) == 0 && dot &&
            (strcmp(dot, ".h5") == 0 || strcmp(dot, ".d") == 0))
            path = xasprintf("%s/%s", directory, names.items[i]);
    }
    strings_clear(&names);
    free(directory);
    return path;
}
