/* SPDX-License-Identifier: BSD-3-Clause */
/* Letting a run go on after an attempt of it ended. */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/process.h"

#include "agent/again.h"
#include "agent/agent.h"
#include "agent/resubmit.h"

static bool is_slurm(const struct attempt *a)
{
    return strcmp(a->settings.scheduler, "slurm") == 0;
}

/* Half as much again, where that is what was missing. Requests that were
 * never made cannot grow. */
static void grow(const struct settings *s, struct again *again)
{
    long memory = fields_get_long(&s->fields, "memory_per_node", -1);

    if (again->cause == MLB_STATE_OUT_OF_MEMORY && memory > 0 &&
        settings_has(&s->grow, "memory"))
        snprintf(again->change, sizeof(again->change),
                 "resources.memory_per_node=%ld", memory + memory / 2);
    if (again->cause == MLB_STATE_TIMEOUT && s->walltime > 0 &&
        settings_has(&s->grow, "walltime"))
        snprintf(again->change, sizeof(again->change),
                 "resources.walltime=%ld", s->walltime + s->walltime / 2);
}

static void note_restart(const struct attempt *a, const struct again *again,
                         const char *action)
{
    const char *by = again->requeued ? ", by Slurm itself" : "";
    char *text = xasprintf("%s%s%s%s", again->restart.text, by,
                           again->change[0] ? ", with " : "", again->change);

    attempt_note(a, "restart",
                 json_pack("{s:s, s:s, s:I, s:s}", "cause",
                           state_name(again->cause), "action", action,
                           "count", (json_int_t)again->restart.count, "text",
                           text));
    fprintf(stderr, "mlbatch-agent: goes on: %s\n", text);
    free(text);
}

static void note_none(const struct attempt *a, enum mlb_state cause,
                      const char *text)
{
    attempt_note(a, "not-restarted",
                 json_pack("{s:s, s:o}", "cause", state_name(cause), "text",
                           json_text(text)));
    fprintf(stderr, "mlbatch-agent: does not go on: %s\n", text);
}

/* Slurm requeues by itself what it preempts or what loses a node: a second
 * job of ours beside that one would only be in its way. */
static bool was_requeued(const struct attempt *a)
{
    struct slurm_job job;

    return is_slurm(a) && a->ending.asked &&
           slurm_job_ask(a->job, &job, NULL) == 0 &&
           slurm_job_is_requeued(&job);
}

void again_decide(const struct attempt *a, const struct mlb_events *events,
                  enum mlb_state state, struct again *again)
{
    const struct settings *s = &a->settings;
    const struct restart_policy policy = { s->restart_on, s->restart_max };
    struct restart_end end = { .attempt = a->number, .state = state };

    *again = (struct again){ .cause = state };
    restart_look(a->run_dir, &again->saved);
    end.saved = again->saved;
    restart_decide(events, &policy, &end, &again->restart);
    if (state != MLB_STATE_COMPLETED && was_requeued(a)) {
        again->requeued = again->restart.again = true;
        if (!again->restart.count)
            snprintf(again->restart.text, sizeof(again->restart.text),
                     "put back into the queue");
    }
    if (!again->restart.again) {
        if (again->restart.text[0])
            note_none(a, state, again->restart.text);
        return;
    }
    if (!again->requeued)
        grow(s, again);
    again->requeue = is_slurm(a) && !again->requeued && !again->change[0] &&
                     process_exists("scontrol");
    note_restart(a, again, again->requeued || again->requeue ? "requeue"
                                                             : "resubmit");
}

/* The same run once more, as another job. */
static int submit_again(const struct attempt *a, const char *change,
                        struct mlb_error *err)
{
    int code = resubmit(a->run_dir, &a->settings, a->job, change, NULL, err);

    if (code > 0)
        return mlb_error_set(err, MLB_ERR_REFUSED, "mlbatch submit exited "
                             "with %d (the batch log has its words)", code);
    return code;
}

/* Not done: said in the log, for it was promised there. */
static void give_up(const struct attempt *a, const struct again *again,
                    const struct mlb_error *err)
{
    char *text = xasprintf("%s; by hand: mlbatch submit --again %s",
                           err->text, a->settings.run);

    note_none(a, again->cause, text);
    free(text);
}

void again_perform(const struct attempt *a, const struct again *again)
{
    struct mlb_error err = { 0 };

    if (!again->restart.again || again->requeued)
        return;
    /* The scheduler's signals from here on: what they ask for is done, and
     * the programs below are to come to their end. */
    signal(SIGTERM, SIG_IGN);
    if (again->requeue) {
        if (slurm_job_requeue(a->job, &err) == 0)
            return;
        agent_complain(&err);
    }
    int rc = submit_again(a, again->change, &err);
    if (rc < 0 && again->change[0] && again->cause == MLB_STATE_TIMEOUT) {
        agent_complain(&err);
        rc = submit_again(a, "", &err);
    }
    if (rc < 0)
        give_up(a, again, &err);
}
