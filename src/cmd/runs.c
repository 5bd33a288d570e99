/* SPDX-License-Identifier: BSD-3-Clause */
/* A run as the commands see it: its log and the scheduler's word. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "cmd/cmd.h"

void cmd_run_clear(struct cmd_run *run)
{
    run_clear(&run->run);
    events_clear(&run->events);
    submission_forget(&run->submission);
    free(run->nodes);
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
    run_state(&run->events, &nobody, &nobody, &run->state);
    return 0;
}

/* Must the scheduler be asked? Not for what never reached it, and not when
 * the log holds an end that nobody knows better. */
static bool is_open(const struct cmd_run *run, const char *scheduler)
{
    enum mlb_state state = run->state.state;

    return *run->submission.id &&
           strcmp(run->submission.scheduler, scheduler) == 0 &&
           (state == MLB_STATE_FAILED || state == MLB_STATE_CANCELLED ||
            !state_is_final(state));
}

static struct mlb_witness make_witness(const struct mlb_job_status *status,
                                       const struct mlb_error *failure)
{
    if (failure)
        return (struct mlb_witness){ .answer = MLB_SILENT,
                                     .why = failure->text, .exit_code = -1 };
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

/* failure: why there is no answer, or NULL. */
static void apply(struct cmd_run *run, const struct mlb_job_status *status,
                  const struct mlb_error *failure)
{
    const struct mlb_witness nobody = { .exit_code = -1 };
    struct mlb_witness live = make_witness(status, failure);

    /* The log was read before the scheduler was asked; an end that came in
     * between must not look like one without a word from the agent. */
    if (!failure && (!status->known || state_is_final(status->state))) {
        struct mlb_events events = MLB_EVENTS_INIT;
        if (events_read(run->run.path, &events, NULL) == 0) {
            events_clear(&run->events);
            run->events = events;
        }
    }
    run_state(&run->events, &live, &nobody, &run->state);
    run->lost = !failure && !status->known &&
                !state_is_final(run->state.state);
    free(run->nodes);
    run->nodes = status->nodes[0] ? xstrdup(status->nodes) : NULL;
}

static void query_one(const struct cmd_context *context,
                      const struct mlb_scheduler *scheduler,
                      struct cmd_run *runs, size_t count)
{
    struct mlb_job_status *jobs = xcalloc(count, sizeof(*jobs));
    size_t *which = xcalloc(count, sizeof(*which)), open = 0;
    struct mlb_error err = { 0 };

    for (size_t i = 0; i < count; i++) {
        if (!is_open(&runs[i], scheduler->name))
            continue;
        jobs[open].id = runs[i].submission.id;
        jobs[open].token = runs[i].submission.token;
        jobs[open].exit_code = -1;
        which[open++] = i;
    }
    if (open > 0) {
        int rc = scheduler->query(context->site, jobs, open, &err);
        for (size_t i = 0; i < open; i++)
            apply(&runs[which[i]], &jobs[i], rc < 0 ? &err : NULL);
    }
    free(jobs);
    free(which);
}

void cmd_runs_query(const struct cmd_context *context, struct cmd_run *runs,
                    size_t count)
{
    for (size_t i = 0; schedulers[i]; i++)
        query_one(context, schedulers[i], runs, count);
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
