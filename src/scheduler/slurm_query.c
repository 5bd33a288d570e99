/* SPDX-License-Identifier: BSD-3-Clause */
/* What Slurm says of jobs: one call for all of them. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <slurm/slurm_errno.h>

#include "base/process.h"
#include "scheduler/slurm_parts.h"

/* What slurmstepd gives instead of a signal when a job ran out of memory. */
#define OOM_SIGNAL 125

/* So long after its end a job may still be requeued by the controller. */
#define RETURN_SECONDS 60

/* libslurm exports this function, but not all versions declare it. */
extern const char *reason_words(enum job_state_reason reason)
    __asm__("slurm_job_reason_string");

static const enum mlb_state states[JOB_END] = {
    [JOB_PENDING] = MLB_STATE_PENDING,
    [JOB_RUNNING] = MLB_STATE_RUNNING,
    [JOB_SUSPENDED] = MLB_STATE_RUNNING,
    [JOB_COMPLETE] = MLB_STATE_COMPLETED,
    [JOB_CANCELLED] = MLB_STATE_CANCELLED,
    [JOB_FAILED] = MLB_STATE_FAILED,
    [JOB_TIMEOUT] = MLB_STATE_TIMEOUT,
    [JOB_NODE_FAIL] = MLB_STATE_NODE_FAILURE,
    [JOB_PREEMPTED] = MLB_STATE_PREEMPTED,
    [JOB_BOOT_FAIL] = MLB_STATE_NODE_FAILURE,
    [JOB_DEADLINE] = MLB_STATE_TIMEOUT,
    [JOB_OOM] = MLB_STATE_OUT_OF_MEMORY,
};

enum mlb_state slurm_state(uint32_t job_state)
{
    uint32_t base = job_state & JOB_STATE_BASE;

    /* On its way back into the queue, whatever ended it this time. */
    if (job_state & (JOB_REQUEUE | JOB_REQUEUE_HOLD | JOB_REQUEUE_FED |
                     JOB_SPECIAL_EXIT))
        return MLB_STATE_PENDING;
    if (job_state & JOB_REVOKED)
        return MLB_STATE_CANCELLED;
    if (base == JOB_RUNNING && (job_state & JOB_CONFIGURING))
        return MLB_STATE_PENDING;
    /* The end is known, but processes and files may still be there. */
    if (job_state & (JOB_COMPLETING | JOB_STAGE_OUT))
        return MLB_STATE_RUNNING;
    return base < JOB_END ? states[base] : MLB_STATE_UNKNOWN;
}

bool slurm_is_returnable(uint32_t base)
{
    return base == JOB_NODE_FAIL || base == JOB_PREEMPTED ||
           base == JOB_BOOT_FAIL;
}

int slurm_exit_code(uint32_t from, enum mlb_state state)
{
    int status = (int)from;

    /* Cancelled while it waited, or ended by the limit: nobody exited, and
     * zero would look like success. */
    if (status == 0 && state != MLB_STATE_COMPLETED)
        return -1;
    if (WIFSIGNALED(status) && WTERMSIG(status) == OOM_SIGNAL)
        return 128 + SIGKILL;
    return process_exit_code(status);
}

const char *slurm_reason(const slurm_job_info_t *job)
{
    if (job->state_desc)
        return job->state_desc;
    if (job->state_reason == WAIT_NO_REASON)
        return "";
    return reason_words((enum job_state_reason)job->state_reason);
}

/* Why it waits or failed. A job that was cancelled, or is through, still
 * has the reason for which it waited before. */
static const char *reason_of(const slurm_job_info_t *job,
                             enum mlb_state state)
{
    if (state == MLB_STATE_CANCELLED || state == MLB_STATE_COMPLETED)
        return "";
    /* As every scheduler of ours says it. */
    if (state == MLB_STATE_PENDING && job->state_reason == WAIT_HELD_USER)
        return "held";
    return slurm_reason(job);
}

/* The controller requeues by itself what a node or a preemption ended, if the
 * job allows that, but not at the very moment of the end. */
static bool may_return(const slurm_job_info_t *job, time_t now)
{
    uint32_t base = job->job_state & JOB_STATE_BASE;

    return job->requeue == 1 && slurm_is_returnable(base) &&
           now - job->end_time < RETURN_SECONDS;
}

void slurm_fill(const slurm_job_info_t *job, time_t now,
                struct mlb_job_status *status)
{
    status->known = true;
    status->state = slurm_state(job->job_state);
    if (status->state == MLB_STATE_RUNNING &&
        (job->job_state & JOB_COMPLETING))
        status->ending = slurm_state(job->job_state & JOB_STATE_BASE);
    snprintf(status->reason, sizeof(status->reason), "%s",
             reason_of(job, status->state));
    snprintf(status->nodes, sizeof(status->nodes), "%s",
             job->nodes ? job->nodes : "");
    if (state_is_final(status->state)) {
        status->exit_code = slurm_exit_code(job->exit_code, status->state);
        status->may_return = may_return(job, now);
    }
    /* While a job waits these are guesses, and change. */
    if (status->state != MLB_STATE_PENDING) {
        status->start = job->start_time;
        status->end = job->end_time;
    }
}

int slurm_load(uint32_t id, job_info_msg_t **jobs, struct mlb_error *err)
{
    if (slurm_enter(err) < 0)
        return -1;
    int rc = id ? slurm_load_job(jobs, id, SHOW_ALL)
                : slurm_load_job_user(jobs, getuid(), SHOW_ALL);
    int number = errno;
    slurm_leave();
    if (rc == SLURM_SUCCESS)
        return 1;
    if (number == ESLURM_INVALID_JOB_ID)
        return 0;
    return slurm_failed(err, "Slurm did not say where jobs stand", number);
}

int slurm_find(const struct mlb_plan *plan, const struct mlb_site *site,
               char *id, struct mlb_error *err)
{
    job_info_msg_t *jobs = NULL;
    int rc = slurm_load(0, &jobs, err), found = 0;

    (void)site;
    if (rc <= 0)
        return rc;
    /* One that has ended counts too: it was accepted. */
    for (uint32_t i = 0; i < jobs->record_count && !found; i++) {
        const slurm_job_info_t *job = &jobs->job_array[i];
        if (!job->comment || strcmp(job->comment, plan->comment) != 0)
            continue;
        snprintf(id, SCHEDULER_ID_SIZE, "%u",
                 job->array_job_id ? job->array_job_id : job->job_id);
        found = 1;
    }
    slurm_free_job_info_msg(jobs);
    return found;
}

/* ---- whose job is it? ---- */

bool slurm_is_ours(const char *comment, const char *token)
{
    const char *at = comment ? strstr(comment, " token=") : NULL;

    return at && token && strcmp(at + strlen(" token="), token) == 0;
}

static int compare_entry(const void *a, const void *b)
{
    const struct slurm_entry *x = a, *y = b;

    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return (x->which > y->which) - (x->which < y->which);
}

size_t slurm_index(const struct mlb_job_status *statuses, size_t count,
                   struct slurm_entry **entries)
{
    struct slurm_entry *all = xcalloc(count, sizeof(*all));
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        all[kept] = (struct slurm_entry){ slurm_id(statuses[i].id), i };
        kept += all[kept].id != 0;
    }
    if (kept > 0)
        qsort(all, kept, sizeof(*all), compare_entry);
    *entries = all;
    return kept;
}

size_t slurm_lookup(const struct slurm_entry *entries, size_t count,
                    uint32_t id)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (entries[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void slurm_answer(const job_info_msg_t *jobs, time_t now,
                  struct mlb_job_status *statuses, size_t count)
{
    struct slurm_entry *entries;
    size_t n = slurm_index(statuses, count, &entries);

    for (uint32_t j = 0; j < jobs->record_count; j++) {
        const slurm_job_info_t *job = &jobs->job_array[j];
        for (size_t i = slurm_lookup(entries, n, job->job_id);
             i < n && entries[i].id == job->job_id; i++) {
            struct mlb_job_status *status = &statuses[entries[i].which];
            if (slurm_is_ours(job->comment, status->token))
                slurm_fill(job, now, status);
        }
    }
    free(entries);
    slurm_array_answer(jobs, now, statuses, count);
}

void slurm_forget(struct mlb_job_status *statuses, size_t count)
{
    for (size_t i = 0; i < count; i++)
        statuses[i] = (struct mlb_job_status){
            .id = statuses[i].id,
            .token = statuses[i].token,
            .submitted = statuses[i].submitted,
            .exit_code = -1,
        };
}

int slurm_query(const struct mlb_site *site, struct mlb_job_status *statuses,
                size_t count, struct mlb_error *err)
{
    job_info_msg_t *jobs = NULL;

    (void)site;
    slurm_forget(statuses, count);
    if (count == 0)
        return 0;
    /* For one job the controller need not send all the user's. */
    uint32_t index, one = slurm_id(statuses[0].id);
    if (one == 0)
        one = slurm_array_id(statuses[0].id, &index);
    int rc = slurm_load(count == 1 ? one : 0, &jobs, err);
    if (rc <= 0)
        return rc;
    slurm_answer(jobs, time(NULL), statuses, count);
    slurm_free_job_info_msg(jobs);
    return 0;
}
