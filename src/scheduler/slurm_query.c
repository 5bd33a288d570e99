/* SPDX-License-Identifier: BSD-3-Clause */
/* What Slurm says of jobs: one call for all of them. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <slurm/slurm_errno.h>

#include "base/process.h"
#include "scheduler/slurm_parts.h"

/* What slurmstepd gives instead of a signal when a job ran out of memory. */
#define OOM_SIGNAL 125

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

static int exit_code_of(const slurm_job_info_t *job, enum mlb_state state)
{
    int status = (int)job->exit_code;

    /* Cancelled while it waited, or ended by the limit: nobody exited, and
     * zero would look like success. */
    if (status == 0 && state != MLB_STATE_COMPLETED)
        return -1;
    if (WIFSIGNALED(status) && WTERMSIG(status) == OOM_SIGNAL)
        return 128 + SIGKILL;
    return process_exit_code(status);
}

/* Why it waits or failed. A job that was cancelled, or is through, still
 * has the reason for which it waited before. */
static const char *reason_of(const slurm_job_info_t *job,
                             enum mlb_state state)
{
    if (state == MLB_STATE_CANCELLED || state == MLB_STATE_COMPLETED)
        return "";
    if (job->state_desc)
        return job->state_desc;
    if (job->state_reason == WAIT_NO_REASON)
        return "";
    return reason_words((enum job_state_reason)job->state_reason);
}

static void fill(const slurm_job_info_t *job, struct mlb_job_status *status)
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
    if (state_is_final(status->state))
        status->exit_code = exit_code_of(job, status->state);
    /* While a job waits these are guesses, and change. */
    if (status->state != MLB_STATE_PENDING) {
        status->start = job->start_time;
        status->end = job->end_time;
    }
}

/* All jobs of this user, or the one of that id if it is not 0: 1 if there is
 * an answer (*jobs; free it), 0 if the answer is that there is none. */
static int load(uint32_t id, job_info_msg_t **jobs, struct mlb_error *err)
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
    int rc = load(0, &jobs, err), found = 0;

    (void)site;
    if (rc <= 0)
        return rc;
    /* One that has ended counts too: it was accepted. */
    for (uint32_t i = 0; i < jobs->record_count && !found; i++) {
        const slurm_job_info_t *job = &jobs->job_array[i];
        if (!job->comment || strcmp(job->comment, plan->comment) != 0)
            continue;
        snprintf(id, SCHEDULER_ID_SIZE, "%u", job->job_id);
        found = 1;
    }
    slurm_free_job_info_msg(jobs);
    return found;
}

/* A controller that was killed forgets its latest jobs and gives their ids
 * to others: the comment tells whose job it is. */
static bool is_ours(const slurm_job_info_t *job,
                    const struct mlb_job_status *status)
{
    const char *token = job->comment ? strstr(job->comment, " token=") : NULL;

    return token && status->token &&
           strcmp(token + strlen(" token="), status->token) == 0;
}

int slurm_query(const struct mlb_site *site, struct mlb_job_status *statuses,
                size_t count, struct mlb_error *err)
{
    job_info_msg_t *jobs = NULL;

    (void)site;
    for (size_t i = 0; i < count; i++)
        statuses[i] = (struct mlb_job_status){ .id = statuses[i].id,
                                               .token = statuses[i].token,
                                               .exit_code = -1 };
    if (count == 0)
        return 0;
    /* For one job the controller need not send all the user's. */
    int rc = load(count == 1 ? slurm_id(statuses[0].id) : 0, &jobs, err);
    if (rc <= 0)
        return rc;
    for (size_t i = 0; i < count; i++) {
        uint32_t id = slurm_id(statuses[i].id);
        for (uint32_t j = 0; id && j < jobs->record_count; j++)
            if (jobs->job_array[j].job_id == id &&
                is_ours(&jobs->job_array[j], &statuses[i]))
                fill(&jobs->job_array[j], &statuses[i]);
    }
    slurm_free_job_info_msg(jobs);
    return 0;
}
