/* SPDX-License-Identifier: BSD-3-Clause */
/* What Slurm's accounting says of jobs that the controller has forgotten. */
#include "config.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <slurm/slurm_errno.h>

#include "scheduler/slurm_parts.h"

/* slurmdbd may hang, and libslurm waits for it without end. */
#define HISTORY_LIMIT 15

/* A submission is written down when its answer has come, which an outage of
 * the controller delays; and clocks differ. */
#define BEFORE 900
#define AFTER 120

/* ---- which record is it? ---- */

/* Only a few sites have accounting keep the comments of jobs. */
static bool has_token(const slurmdb_job_rec_t *record)
{
    return record->derived_es && strstr(record->derived_es, " token=");
}

/* A requeued job goes on under its id, but no other end does. */
static bool goes_on(const slurmdb_job_rec_t *record)
{
    return slurm_state(record->state) == MLB_STATE_PENDING ||
           slurm_is_returnable(record->state & JOB_STATE_BASE);
}

static bool is_first(const slurmdb_job_rec_t *record,
                     const struct mlb_job_status *status)
{
    return !has_token(record) && status->submitted > 0 &&
           record->submit >= status->submitted - BEFORE &&
           record->submit <= status->submitted + AFTER;
}

size_t slurm_choose(const slurmdb_job_rec_t *const *records, size_t count,
                    const struct mlb_job_status *status)
{
    size_t at = count;

    for (size_t i = 0; i < count; i++)
        if (slurm_is_ours(records[i]->derived_es, status->token))
            at = i;
    for (size_t i = 0; i < count && at == count; i++)
        if (is_first(records[i], status))
            at = i;
    /* A record has no comment before the end. */
    while (at + 1 < count && goes_on(records[at]) &&
           !has_token(records[at + 1]))
        at++;
    return at;
}

/* ---- what does it say? ---- */

static void describe_end(const slurmdb_job_rec_t *record,
                         struct mlb_job_status *status)
{
    bool told = record->requid != NO_VAL && record->requid != INFINITE;

    if (status->state != MLB_STATE_CANCELLED || !told)
        return;
    const struct passwd *user = getpwuid(record->requid);
    if (user)
        snprintf(status->reason, sizeof(status->reason), "cancelled by %.100s",
                 user->pw_name);
    else
        snprintf(status->reason, sizeof(status->reason),
                 "cancelled by user %u", record->requid);
}

static void fill(const slurmdb_job_rec_t *record,
                 struct mlb_job_status *status)
{
    /* "None assigned" is its word for no nodes. */
    const char *nodes = record->nodes && !strchr(record->nodes, ' ')
                            ? record->nodes : "";

    status->known = true;
    status->state = slurm_state(record->state);
    status->may_return = slurm_is_returnable(record->state & JOB_STATE_BASE);
    snprintf(status->nodes, sizeof(status->nodes), "%s", nodes);
    if (state_is_final(status->state))
        status->exit_code = slurm_exit_code(record->exitcode, status->state);
    if (status->state != MLB_STATE_PENDING) {
        status->start = record->start;
        status->end = record->end;
    }
    describe_end(record, status);
}

static int compare(const void *a, const void *b)
{
    const slurmdb_job_rec_t *x = *(const slurmdb_job_rec_t *const *)a;
    const slurmdb_job_rec_t *y = *(const slurmdb_job_rec_t *const *)b;

    if (x->jobid != y->jobid)
        return x->jobid < y->jobid ? -1 : 1;
    if (x->submit != y->submit)
        return x->submit < y->submit ? -1 : 1;
    return (x->db_index > y->db_index) - (x->db_index < y->db_index);
}

void slurm_recall(const slurmdb_job_rec_t **records, size_t count,
                  struct mlb_job_status *statuses, size_t status_count)
{
    struct slurm_entry *entries;
    size_t n = slurm_index(statuses, status_count, &entries), same;

    if (count > 0)
        qsort(records, count, sizeof(*records), compare);
    for (size_t i = 0; i < count; i += same) {
        uint32_t id = records[i]->jobid;
        for (same = 1; i + same < count && records[i + same]->jobid == id;)
            same++;
        for (size_t k = slurm_lookup(entries, n, id);
             k < n && entries[k].id == id; k++) {
            struct mlb_job_status *status = &statuses[entries[k].which];
            size_t at = slurm_choose(records + i, same, status);
            if (at < same)
                fill(records[i + at], status);
        }
    }
    free(entries);
}

/* ---- the call, in a child: it may hang or end the program ---- */

/* What the child tells, in memory that both have. */
struct answer {
    int rc;
    struct mlb_error err;
    struct mlb_job_status statuses[];
};

/* Of these ids all that this user ever had, whenever that was: sacct's window
 * would begin at midnight. */
static List ask(void *connection, const struct mlb_job_status *statuses,
                size_t count)
{
    char user[32];
    slurmdb_job_cond_t wanted = {
        .db_flags = SLURMDB_JOB_FLAG_NOTSET,
        .flags = JOBCOND_FLAG_DUP | JOBCOND_FLAG_NO_STEP |
                 JOBCOND_FLAG_NO_TRUNC | JOBCOND_FLAG_NO_DEFAULT_USAGE,
        .step_list = slurm_list_create(NULL),
        .userid_list = slurm_list_create(NULL),
    };
    slurm_selected_step_t *steps = xcalloc(count, sizeof(*steps));

    snprintf(user, sizeof(user), "%u", (unsigned)getuid());
    slurm_list_append(wanted.userid_list, user);
    for (size_t i = 0; i < count; i++) {
        steps[i] = (slurm_selected_step_t){
            .array_task_id = NO_VAL,
            .het_job_offset = NO_VAL,
            .step_id = { .job_id = slurm_id(statuses[i].id),
                         .step_het_comp = NO_VAL, .step_id = NO_VAL },
        };
        if (steps[i].step_id.job_id != 0)
            slurm_list_append(wanted.step_list, &steps[i]);
    }
    /* An empty list of jobs means all jobs. */
    List found = slurm_list_is_empty(wanted.step_list)
                     ? slurm_list_create(NULL)
                     : slurmdb_jobs_get(connection, &wanted);
    int number = errno;
    slurm_list_destroy(wanted.step_list);
    slurm_list_destroy(wanted.userid_list);
    free(steps);
    errno = number;
    return found;
}

static int recall(struct mlb_job_status *statuses, size_t count,
                  struct mlb_error *err)
{
    uint16_t flags = 0;

    if (slurm_enter_unasked(err) < 0)
        return -1;
    errno = 0;
    void *connection = slurmdb_connection_get(&flags);
    if (!connection)
        return mlb_error_set(err, MLB_ERR_UNSUPPORTED,
                             "Slurm keeps no accounting here");
    List found = errno ? NULL : ask(connection, statuses, count);
    if (!found)
        return slurm_failed(err, "cannot ask slurmdbd",
                            errno ? errno : ETIMEDOUT);
    size_t n = 0, all = (size_t)slurm_list_count(found);
    const slurmdb_job_rec_t **records = xcalloc(all, sizeof(*records));
    ListIterator i = slurm_list_iterator_create(found);
    for (void *record; n < all && (record = slurm_list_next(i));)
        records[n++] = record;
    slurm_recall(records, n, statuses, count);
    return 0;
}

/* Never returns: whatever it holds ends with it. */
static _Noreturn void be_child(struct answer *answer, size_t count)
{
    signal(SIGALRM, SIG_DFL);
    alarm(HISTORY_LIMIT);
    answer->rc = recall(answer->statuses, count, &answer->err);
    _exit(0);
}

static int take(const struct answer *answer, int status,
                struct mlb_job_status *statuses, size_t count,
                struct mlb_error *err)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        return mlb_error_set(err, MLB_ERR_UNREACHABLE,
                             "slurmdbd did not answer in %d s", HISTORY_LIMIT);
    if (status != 0)
        return mlb_error_set(err, MLB_ERR_UNREACHABLE,
                             "libslurm failed when it asked slurmdbd");
    if (answer->rc < 0) {
        if (err)
            *err = answer->err;
        return -1;
    }
    memcpy(statuses, answer->statuses, count * sizeof(*statuses));
    return 0;
}

int slurm_history(const struct mlb_site *site, struct mlb_job_status *statuses,
                  size_t count, struct mlb_error *err)
{
    size_t size = sizeof(struct answer) + count * sizeof(*statuses);
    int status = 0;

    (void)site;
    slurm_forget(statuses, count);
    if (count == 0)
        return 0;
    struct answer *answer = mmap(NULL, size, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (answer == MAP_FAILED)
        return mlb_error_errno(err, MLB_ERR_IO, "no memory to share");
    memcpy(answer->statuses, statuses, count * sizeof(*statuses));
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        be_child(answer, count);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    int rc = pid < 0 ? mlb_error_errno(err, MLB_ERR_IO,
                                       "cannot start a process")
                     : take(answer, status, statuses, count, err);
    munmap(answer, size);
    return rc;
}
