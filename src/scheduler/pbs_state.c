/* SPDX-License-Identifier: BSD-3-Clause */
/* See pbs_state.h. OpenPBS and Torque use the same negative numbers for
 * different things, so each has a table. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "scheduler/pbs_state.h"

/* Substates of OpenPBS. */
#define STARTING 41
#define WAITS_FOR_JOB 22
#define DELETED 91
#define FINISHED 92
#define FAILED 93

/* The top process ended by signal n: this + n. */
#define SIGNALLED 256
#define LAST_SIGNAL 64

#define NODE_FAILED (-20)

enum phase { WAITING, GOING, ENDING, ENDED, ELSEWHERE };

static const struct {
    char letter;
    enum phase phase;
} phases[] = {
    { 'Q', WAITING }, { 'H', WAITING }, { 'W', WAITING }, { 'T', WAITING },
    { 'R', GOING },   { 'S', GOING },   { 'U', GOING },   { 'B', GOING },
    { 'E', ENDING },  { 'F', ENDED },   { 'X', ENDED },   { 'C', ENDED },
    { 'M', ELSEWHERE },
};

struct outcome {
    int status;
    enum mlb_state state;
    const char *reason;
};

static const struct outcome openpbs[] = {
    { -1, MLB_STATE_FAILED, "the node could not start it" },
    { -2, MLB_STATE_FAILED, "the node could not start it" },
    { -3, MLB_STATE_FAILED, "the node could not start it for now" },
    { -4, MLB_STATE_NODE_FAILURE, "the node's PBS was started anew" },
    { -10, MLB_STATE_FAILED, "the node does not know the user" },
    { -11, MLB_STATE_FAILED, "it was to run again" },
    { -16, MLB_STATE_FAILED, "a hook of the site ended it" },
    { -17, MLB_STATE_FAILED, "a hook of the site ended it" },
    { -18, MLB_STATE_FAILED, "a hook of the site ended it" },
    { -19, MLB_STATE_FAILED, "a hook of the site ended it" },
    { NODE_FAILED, MLB_STATE_NODE_FAILURE, "PBS lost a node" },
    { -24, MLB_STATE_FAILED, "CPU limit" },
    { -25, MLB_STATE_FAILED, "CPU limit" },
    { -26, MLB_STATE_OUT_OF_MEMORY, "virtual memory limit" },
    { -27, MLB_STATE_OUT_OF_MEMORY, "memory limit" },
    { -28, MLB_STATE_FAILED, "CPU time limit" },
    { -29, MLB_STATE_TIMEOUT, "walltime" },
    { -30, MLB_STATE_FAILED, "its nodes did not come together" },
    { 0, MLB_STATE_UNKNOWN, NULL },
};

static const struct outcome torque[] = {
    { -1, MLB_STATE_FAILED, "the node could not start it" },
    { -2, MLB_STATE_FAILED, "the node could not start it" },
    { -3, MLB_STATE_FAILED, "the node could not start it for now" },
    { -4, MLB_STATE_NODE_FAILURE, "the node's PBS was started anew" },
    { -10, MLB_STATE_OUT_OF_MEMORY, "memory limit" },
    { -11, MLB_STATE_TIMEOUT, "walltime" },
    { -12, MLB_STATE_FAILED, "CPU time limit" },
    { 0, MLB_STATE_UNKNOWN, NULL },
};

static bool is_torque(const struct pbs_job *job)
{
    return job->state == 'C' || job->substate < 0;
}

static bool is_array(const struct pbs_job *job)
{
    for (size_t i = 0; i + 1 < job->id.length; i++)
        if (memcmp(job->id.text + i, "[]", 2) == 0)
            return true;
    return false;
}

static bool says(struct pbs_span s, const char *text)
{
    return s.length == strlen(text) && memcmp(s.text, text, s.length) == 0;
}

static void say(struct mlb_job_status *status, const char *reason)
{
    snprintf(status->reason, sizeof(status->reason), "%s", reason);
}

/* The hosts of "pbs1/0*2+pbs2/0", each once; as many as there is room for. */
static void fill_nodes(const struct pbs_job *job,
                       struct mlb_job_status *status)
{
    struct pbs_span s = job->exec_host, last = { "", 0 };
    size_t used = 0;

    for (size_t i = 0; i < s.length; i++) {
        size_t start = i, n = 0;
        while (i < s.length && s.text[i] != '/' && s.text[i] != '+')
            i++;
        n = i - start;
        while (i < s.length && s.text[i] != '+')
            i++;
        bool again = n == last.length &&
                     memcmp(s.text + start, last.text, n) == 0;
        last = (struct pbs_span){ s.text + start, n };
        if (n == 0 || again)
            continue;
        bool more = used + n + sizeof(",...") + 1 > sizeof(status->nodes);
        used += (size_t)snprintf(status->nodes + used,
                                 sizeof(status->nodes) - used, "%s%.*s",
                                 used ? "," : "", more ? 3 : (int)n,
                                 more ? "..." : s.text + start);
        if (more)
            break;
    }
}

/* A comment, for one line of a terminal. */
static void say_comment(struct mlb_job_status *status, struct pbs_span s)
{
    size_t n = s.length;

    if (n >= sizeof(status->reason))
        n = sizeof(status->reason) - 1;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s.text[i];
        status->reason[i] = c < ' ' || c == 0x7f ? '?' : (char)c;
    }
    status->reason[n] = '\0';
}

/* As a shell says it; -1 if it tells nothing of the program. */
static int exit_code(int status)
{
    if (status > SIGNALLED && status <= SIGNALLED + LAST_SIGNAL)
        return 128 + status - SIGNALLED;
    return status >= 0 && status < SIGNALLED ? status : -1;
}

/* Ended by PBS itself: negative statuses. */
static enum mlb_state ended_by_pbs(const struct pbs_job *job,
                                   struct mlb_job_status *status)
{
    const struct outcome *o = is_torque(job) ? torque : openpbs;

    while (o->reason && o->status != job->exit_status)
        o++;
    if (!o->reason) {
        snprintf(status->reason, sizeof(status->reason),
                 "PBS ended it (Exit_status %d)", job->exit_status);
        return MLB_STATE_FAILED;
    }
    say(status, o->reason);
    return o->state;
}

static enum mlb_state without_status(const struct pbs_job *job,
                                     struct mlb_job_status *status)
{
    /* "Finished", it says, and removed it, for what it waited for failed. */
    if (job->substate == FINISHED) {
        say(status, "the job it waited for cannot end as asked");
        return MLB_STATE_FAILED;
    }
    if (job->substate == FAILED)
        return MLB_STATE_FAILED;
    say(status, "PBS does not say how it ended");
    return MLB_STATE_UNKNOWN;
}

static enum mlb_state end_of(const struct pbs_job *job,
                             struct mlb_job_status *status)
{
    if (job->substate == DELETED) {
        /* Of an array that was deleted: whatever its tasks ended with
         * before has been overwritten with a 1. */
        if (job->exited && !says(job->comment, "Subjob finished"))
            status->exit_code = exit_code(job->exit_status);
        return MLB_STATE_CANCELLED;
    }
    if (!job->exited)
        return without_status(job, status);
    /* The status of a whole array is that of no one. */
    if (is_array(job) && (job->substate == FINISHED ||
                          job->substate == FAILED)) {
        if (job->substate == FAILED)
            return MLB_STATE_FAILED;
        status->exit_code = 0;
        return MLB_STATE_COMPLETED;
    }
    if (job->exit_status < 0)
        return ended_by_pbs(job, status);
    status->exit_code = exit_code(job->exit_status);
    if (status->exit_code < 0)
        snprintf(status->reason, sizeof(status->reason), "Exit_status %d",
                 job->exit_status);
    return status->exit_code == 0 && job->substate != FAILED
               ? MLB_STATE_COMPLETED
               : MLB_STATE_FAILED;
}

static void fill_end(const struct pbs_job *job, struct mlb_job_status *status)
{
    status->state = end_of(job, status);
    /* Zero would look like success. */
    if (status->exit_code == 0 && status->state != MLB_STATE_COMPLETED)
        status->exit_code = -1;
    /* Versions before 23 do not tell the end; what they last wrote of the
     * job is that. */
    status->end = job->ended ? job->ended : job->modified;
}

static void fill_waiting(const struct pbs_job *job,
                         struct mlb_job_status *status)
{
    status->state = MLB_STATE_PENDING;
    if (job->exited && job->exit_status == NODE_FAILED)
        say(status, "requeued: PBS lost a node");
    else if (job->substate == STARTING)
        say(status, "on its way to its nodes");
    else if (job->comment.length > 0)
        say_comment(status, job->comment);
    else if (job->state == 'H')
        say(status, job->substate == WAITS_FOR_JOB ? "waits for another job"
                                                   : "held");
}

void pbs_state_fill(const struct pbs_job *job, struct mlb_job_status *status)
{
    enum phase phase = ELSEWHERE;

    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
        if (phases[i].letter == job->state)
            phase = phases[i].phase;
    status->known = true;
    status->state = status->ending = MLB_STATE_UNKNOWN;
    status->reason[0] = status->nodes[0] = '\0';
    status->exit_code = -1;
    status->start = status->end = 0;
    if (phase == WAITING ||
        (phase == GOING && job->substate == STARTING)) {
        fill_waiting(job, status);
        return;
    }
    status->start = job->started;
    fill_nodes(job, status);
    if (phase == ENDED) {
        fill_end(job, status);
    } else if (phase != ELSEWHERE) {
        status->state = MLB_STATE_RUNNING;
        /* What a program ended with may yet turn out to come of qdel. */
        if (phase == ENDING && job->exited && job->exit_status < 0)
            status->ending = ended_by_pbs(job, status);
    } else if (job->state == 'M') {
        say(status, "moved to another server");
    } else {
        say(status, "PBS does not say where it stands");
    }
}
