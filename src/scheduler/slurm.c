/* SPDX-License-Identifier: BSD-3-Clause */
/* The scheduler slurm, through libslurm alone. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <slurm/slurm_errno.h>

#include "base/units.h"
#include "scheduler/slurm_parts.h"

uint32_t slurm_id(const char *text)
{
    long id;

    if (units_parse_long(text, 1, MAX_JOB_ID, &id, NULL) < 0)
        return 0;
    return (uint32_t)id;
}

static void describe(const slurm_conf_t *conf, struct mlb_probe *probe)
{
    const char *type = conf->accounting_storage_type;
    bool accounts = type && strstr(type, "slurmdbd");

    snprintf(probe->text, sizeof(probe->text),
             "cluster %s, controller %s, %s, %s",
             conf->cluster_name ? conf->cluster_name : "?",
             conf->version ? conf->version : "?",
             accounts ? "accounting by slurmdbd" : "no accounting database",
             conf->job_requeue ? "jobs may be requeued"
                               : "jobs are not requeued by default");
}

static int probe(const struct mlb_site *site, struct mlb_probe *found,
                 struct mlb_error *err)
{
    slurm_conf_t *conf = NULL;
    long v = SLURM_VERSION_NUMBER;   /* slurm_api_version is another's */

    (void)site;
    *found = (struct mlb_probe){ .text = "" };
    snprintf(found->version, sizeof(found->version), "slurm %02ld.%02ld.%ld",
             SLURM_VERSION_MAJOR(v), SLURM_VERSION_MINOR(v),
             SLURM_VERSION_MICRO(v));
    if (slurm_enter(err) < 0)
        return -1;
    int rc = slurm_load_ctl_conf(0, &conf);
    int number = errno;
    slurm_leave();
    if (rc != SLURM_SUCCESS)
        return slurm_failed(err, "cannot ask the Slurm controller", number);
    describe(conf, found);
    slurm_free_ctl_conf(conf);
    return 0;
}

static void wake(void)
{
    if (slurm_enter(NULL) == 0)
        slurm_leave();
}

static int submit(const struct mlb_plan *plan, const struct mlb_site *site,
                  char *id, struct mlb_error *err)
{
    struct slurm_request request;
    submit_response_msg_t *answer = NULL;
    int rc = slurm_request_build(&request, plan, err);

    (void)site;
    if (rc == 0)
        rc = slurm_enter(err);
    if (rc < 0)
        goto out;
    rc = slurm_submit_batch_job(&request.message, &answer);
    int number = errno;
    slurm_leave();
    if (rc != SLURM_SUCCESS || !answer) {
        rc = slurm_failed(err, "Slurm did not take the job", number);
        goto out;
    }
    snprintf(id, SCHEDULER_ID_SIZE, "%u", answer->job_id);
out:
    slurm_free_submit_response_response_msg(answer);
    slurm_request_clear(&request);
    return rc;
}

static int check_id(const char *id, struct mlb_error *err)
{
    uint32_t index;

    if (slurm_id(id) != 0 || slurm_array_id(id, &index) != 0)
        return 0;
    return mlb_error_set(err, MLB_ERR_NOT_FOUND,
                         "\"%s\" is no job id of Slurm", id);
}

/* Of an array some have started or ended: that is no failure, if any was
 * left. */
static bool none_done(const job_array_resp_msg_t *answer, int *number)
{
    for (uint32_t i = 0; answer && i < answer->job_array_count; i++) {
        if (answer->error_code[i] == SLURM_SUCCESS)
            return false;
        *number = (int)answer->error_code[i];
    }
    return answer && answer->job_array_count > 0;
}

/* What scontrol does: 0 is a job that waits for nothing but its release, and
 * INFINITE lets the controller work its priority out anew. */
static int set_priority(const char *id, uint32_t priority, const char *verb,
                        struct mlb_error *err)
{
    job_desc_msg_t message;
    job_array_resp_msg_t *answer = NULL;
    char what[64];

    if (check_id(id, err) < 0 || slurm_enter(err) < 0)
        return -1;
    slurm_init_job_desc_msg(&message);
    message.job_id_str = (char *)id;
    message.user_id = getuid();
    message.priority = priority;
    /* An operator's hold is one that users cannot undo: not what is meant. */
    if (priority == 0)
        message.alloc_sid = ALLOC_SID_USER_HOLD;
    int rc = slurm_update_job2(&message, &answer);
    int number = errno;
    if (rc == SLURM_SUCCESS && none_done(answer, &number))
        rc = SLURM_ERROR;
    slurm_free_job_array_resp(answer);
    slurm_leave();
    if (rc == SLURM_SUCCESS)
        return 0;
    snprintf(what, sizeof(what), "cannot %s job %.32s", verb, id);
    return slurm_failed(err, what, number);
}

static int hold(const struct mlb_site *site, const char *id,
                struct mlb_error *err)
{
    (void)site;
    return set_priority(id, 0, "hold", err);
}

static int release(const struct mlb_site *site, const char *id,
                   struct mlb_error *err)
{
    (void)site;
    return set_priority(id, INFINITE, "release", err);
}

static int cancel(const struct mlb_site *site, const char *id,
                  struct mlb_error *err)
{
    (void)site;
    if (check_id(id, err) < 0 || slurm_enter(err) < 0)
        return -1;
    /* As scancel without options: the controller turns this into SIGCONT
     * and SIGTERM, and SIGKILL after KillWait. */
    int rc = slurm_kill_job2(id, SIGKILL, 0, NULL);
    int number = errno;
    slurm_leave();
    if (rc == SLURM_SUCCESS)
        return 0;
    char what[64];
    snprintf(what, sizeof(what), "cannot cancel job %.32s", id);
    return slurm_failed(err, what, number);
}

const struct mlb_scheduler scheduler_slurm = {
    .name = "slurm",
    .probe = probe,
    .wake = wake,
    .limits = slurm_limits,
    .submit = submit,
    .arrays = true,
    .find = slurm_find,
    .query = slurm_query,
    .history = slurm_history,
    .cancel = cancel,
    .hold = hold,
    .release = release,
    .explain = slurm_explain,
    .test = slurm_test,
};
