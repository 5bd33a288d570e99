/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a job of Slurm waits, and when it, or another, would start. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <slurm/slurm_errno.h>

#include "scheduler/slurm_parts.h"

/* libslurm exports it, and names it in a comment, but declares it nowhere. */
extern void free_answer(will_run_response_msg_t *answer)
    __asm__("slurm_free_will_run_response_msg");

/* What belongs to the reason: which jobs, nodes, partition. */
static void add_detail(const slurm_job_info_t *job, const char *reason,
                       struct mlb_text *out)
{
    if (strncmp(reason, "Dependency", 10) == 0 && job->dependency)
        text_addf(out, " (%s)", job->dependency);
    else if (strncmp(reason, "Partition", 9) == 0 && job->partition)
        text_addf(out, " (%s)", job->partition);
    else if (strcmp(reason, "Licenses") == 0 && job->licenses)
        text_addf(out, " (%s)", job->licenses);
    else if (strncmp(reason, "Reservation", 11) == 0 && job->resv_name)
        text_addf(out, " (%s)", job->resv_name);
    else if (strncmp(reason, "ReqNodeNotAvail,", 16) == 0)
        text_addf(out, " (%s)", reason + 16 + strspn(reason + 16, " "));
}

/* With slurm entered: 0 and *start, or slurm's errno. */
static int ask_start(job_desc_msg_t *message, time_t *start)
{
    will_run_response_msg_t *answer = NULL;

    *start = 0;
    if (slurm_job_will_run2(message, &answer) != SLURM_SUCCESS)
        return errno ? errno : SLURM_ERROR;
    if (answer) {
        *start = answer->start_time;
        free_answer(answer);
    }
    return 0;
}

/* Backfill's plan, or what the controller says when it is asked for this
 * very job; 0 if neither knows. */
static time_t expected_start(const slurm_job_info_t *job,
                             enum slurm_hope hope)
{
    job_desc_msg_t message;
    time_t start = job->start_time;

    /* A job that is held keeps what was planned before. */
    if (hope == HOPE_NONE)
        return 0;
    if (start > time(NULL) || hope != HOPE_SIZE)
        return start > time(NULL) ? start : 0;
    slurm_init_job_desc_msg(&message);
    message.job_id = job->job_id;
    message.user_id = job->user_id;
    message.group_id = job->group_id;
    if (slurm_enter(NULL) < 0)
        return 0;
    int number = ask_start(&message, &start);
    slurm_leave();
    return number == 0 ? start : 0;
}

static void fill(const slurm_job_info_t *job, struct mlb_waiting *waiting)
{
    const char *reason = slurm_reason(job);
    struct mlb_text text = MLB_TEXT_INIT;

    /* It may have begun or ended since the caller saw it wait. */
    if (slurm_state(job->job_state) != MLB_STATE_PENDING)
        return;
    if (!*reason)
        reason = "None";
    enum slurm_hope hope = slurm_reason_describe(reason, &text);
    waiting->by_size = hope == HOPE_SIZE;
    if (text.length > 0)
        add_detail(job, reason, &text);
    snprintf(waiting->reason, sizeof(waiting->reason), "%s", reason);
    snprintf(waiting->text, sizeof(waiting->text), "%s", text.data);
    text_clear(&text);
    waiting->start = expected_start(job, hope);
}

int slurm_explain(const struct mlb_site *site, const char *id,
                  struct mlb_waiting *waiting, struct mlb_error *err)
{
    job_info_msg_t *jobs = NULL;
    uint32_t index = NO_VAL, number = slurm_id(id);
    if (number == 0)
        number = slurm_array_id(id, &index);
    int rc = number ? slurm_load(number, &jobs, err) : 0;

    (void)site;
    *waiting = (struct mlb_waiting){ .start = 0 };
    if (rc < 0)
        return -1;
    /* Of an array that has not split up there is one record. */
    const slurm_job_info_t *job =
        rc > 0 ? slurm_array_record(jobs, index) : NULL;
    if (job)
        fill(job, waiting);
    else
        rc = mlb_error_set(err, MLB_ERR_NOT_FOUND,
                           "Slurm does not know job %s", id);
    slurm_free_job_info_msg(jobs);
    return rc < 0 ? -1 : 0;
}

int slurm_test(const struct mlb_plan *plan, const struct mlb_site *site,
               time_t *start, struct mlb_error *err)
{
    struct slurm_request request;
    int number, rc = slurm_request_build(&request, plan, err);

    (void)site;
    *start = 0;
    if (rc == 0)
        rc = slurm_enter(err);
    if (rc == 0) {
        number = ask_start(&request.message, start);
        slurm_leave();
        if (number != 0)
            rc = slurm_failed(err, "Slurm would not take it", number);
    }
    slurm_request_clear(&request);
    return rc;
}
