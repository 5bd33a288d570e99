/* SPDX-License-Identifier: BSD-3-Clause */
/* What Slurm says of the job from inside of it. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/process.h"
#include "base/text.h"
#include "base/units.h"

#include "agent/slurm_job.h"

#define PATIENCE 4                   /* seconds for an answer */
#define ANSWER_LIMIT 65536

/* The number between two words that follow one another in the answer: the
 * job's name, which comes first, may hold anything. */
static long number_between(const char *text, const char *before,
                           const char *after)
{
    for (const char *p = text; (p = strstr(p, before)); p++) {
        char *end;
        long value = strtol(p + strlen(before), &end, 10);
        if (end > p + strlen(before) &&
            strncmp(end, after, strlen(after)) == 0)
            return value;
    }
    return -1;
}

void slurm_job_parse(const char *text, struct slurm_job *job)
{
    long end = number_between(text, " EndTime=", " Deadline=");
    long begin = number_between(text, " StartTime=", " EndTime=");

    job->restarts = number_between(text, " Restarts=", " BatchFlag=");
    job->end = end > 0 ? (double)end : 0;
    job->limit = begin > 0 && end > begin ? (double)(end - begin) : 0;
}

/* Its own words, on one line, for a message. */
static int refused(const struct mlb_text *words, int status,
                   struct mlb_error *err)
{
    struct mlb_text t = MLB_TEXT_INIT;

    process_add_status(&t, status);
    mlb_error_set(err, MLB_ERR_REFUSED, "scontrol %s: %.*s", t.data,
                  (int)strcspn(words->data ? words->data : "", "\n"),
                  words->data ? words->data : "");
    text_clear(&t);
    return -1;
}

static int call(char *const *argv, struct mlb_text *out,
                struct mlb_error *err)
{
    struct mlb_text words = MLB_TEXT_INIT;
    struct process_call call = {
        .argv = argv, .out = out, .errors = &words, .limit = ANSWER_LIMIT,
        .seconds = PATIENCE,
    };
    int status, rc = process_run(&call, &status, err);

    if (rc == 0 && status != 0)
        rc = refused(&words, status, err);
    text_clear(&words);
    return rc;
}

int slurm_job_ask(const char *id, struct slurm_job *job,
                  struct mlb_error *err)
{
    char *argv[] = { (char *)"env", (char *)"SLURM_TIME_FORMAT=%s",
                     (char *)"scontrol", (char *)"-o", (char *)"show",
                     (char *)"job", (char *)id, NULL };
    struct mlb_text out = MLB_TEXT_INIT;
    int rc = call(argv, &out, err);

    *job = (struct slurm_job){ .restarts = -1 };
    if (rc == 0)
        slurm_job_parse(out.data, job);
    text_clear(&out);
    return rc;
}

bool slurm_job_is_requeued(const struct slurm_job *job)
{
    const char *told = getenv("SLURM_RESTART_COUNT");
    long before = 0;

    if (told && units_parse_long(told, 0, 1L << 30, &before, NULL) < 0)
        return false;
    return job->restarts > before;
}

enum mlb_state slurm_job_reason(const char *log, const char *id)
{
    static const struct {
        const char *words;
        enum mlb_state state;
    } reasons[] = {
        { " DUE TO PREEMPTION ", MLB_STATE_PREEMPTED },
        { " DUE TO JOB REQUEUE ", MLB_STATE_PREEMPTED },
        { " DUE TO TIME LIMIT ", MLB_STATE_TIMEOUT },
        { " DUE TO NODE FAILURE", MLB_STATE_NODE_FAILURE },
    };
    char *start = xasprintf("*** JOB %s ON ", id);
    enum mlb_state found = MLB_STATE_UNKNOWN;

    for (const char *p = log; (p = strstr(p, start)); p++) {
        size_t n = strcspn(p, "\n");
        char *line = xstrndup(p, n);
        if (strstr(line, " CANCELLED AT "))
            found = MLB_STATE_CANCELLED;
        for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
            if (strstr(line, reasons[i].words))
                found = reasons[i].state;
        free(line);
    }
    free(start);
    return found;
}

int slurm_job_requeue(const char *id, struct mlb_error *err)
{
    char *argv[] = { (char *)"scontrol", (char *)"requeue", (char *)id,
                     NULL };
    struct mlb_text out = MLB_TEXT_INIT;
    int rc = call(argv, &out, err);

    text_clear(&out);
    return rc;
}
