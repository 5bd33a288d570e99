/* SPDX-License-Identifier: BSD-3-Clause */
/* What PBS says of jobs: one qstat for all of them. */
#include "config.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scheduler/pbs_parts.h"
#include "scheduler/pbs_state.h"

/* Such a server answers no question that has -x. */
#define NO_HISTORY "not configured to maintain job history"

/* A status that is asked for, by the part of its id that no alias of the
 * server changes. */
struct wanted {
    struct pbs_span number;      /* "15", "15[]", "15[2]" */
    struct mlb_job_status *status;
    bool answered;
};

static struct pbs_span number_of(struct pbs_span id)
{
    const char *dot = id.length ? memchr(id.text, '.', id.length) : NULL;

    if (dot)
        id.length = (size_t)(dot - id.text);
    return id;
}

static int compare_spans(struct pbs_span a, struct pbs_span b)
{
    if (a.length != b.length)
        return a.length < b.length ? -1 : 1;
    return a.length ? memcmp(a.text, b.text, a.length) : 0;
}

static int compare(const void *a, const void *b)
{
    return compare_spans(((const struct wanted *)a)->number,
                         ((const struct wanted *)b)->number);
}

/* The first of those that have this number; count: none. */
static size_t find_first(const struct wanted *wanted, size_t count,
                         struct pbs_span number)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_spans(wanted[middle].number, number) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && compare_spans(wanted[low].number, number) == 0
               ? low
               : count;
}

static bool is_token(struct pbs_span s, const char *token)
{
    return token && s.text && s.length == strlen(token) &&
           memcmp(s.text, token, s.length) == 0;
}

/* Each job that was said something of. Ids are used again: only one that has
 * the token is the job that is meant. */
static void take_jobs(struct wanted *wanted, size_t count,
                      const struct mlb_text *out)
{
    struct pbs_text reader = { out->data, out->length, 0 };
    struct pbs_job job;

    while (pbs_text_next(&reader, &job)) {
        struct pbs_span number = number_of(job.id);
        for (size_t i = find_first(wanted, count, number);
             i < count && compare_spans(wanted[i].number, number) == 0; i++) {
            wanted[i].answered = true;
            if (is_token(job.token, wanted[i].status->token))
                pbs_state_fill(&job, wanted[i].status);
        }
    }
}

/* Is it a line in which PBS says of a job that it has no more to say? */
static bool is_denial(const char *line, size_t length)
{
    static const char *const denials[] = {
        "Unknown Job Id", "illegally formed job identifier", NO_HISTORY,
        "Job has finished",
    };

    for (size_t i = 0; i < sizeof(denials) / sizeof(denials[0]); i++)
        if (memmem(line, length, denials[i], strlen(denials[i])))
            return true;
    return false;
}

/* Each job that PBS said it does not have: its id is a word of the line. */
static void take_denials(struct wanted *wanted, size_t count,
                         const struct mlb_text *errors)
{
    for (const char *line = errors->data; *line;) {
        size_t n = strcspn(line, "\n"), at = 0;
        while (at < n && is_denial(line, n)) {
            size_t length = strcspn(line + at, " \n");
            struct pbs_span number =
                number_of((struct pbs_span){ line + at, length });
            for (size_t i = find_first(wanted, count, number); i < count &&
                 compare_spans(wanted[i].number, number) == 0; i++)
                wanted[i].answered = true;
            at += length + 1;
        }
        line += n + (line[n] == '\n');
    }
}

/* Run argv with ids behind it. */
static int run_with(const char *const *argv, const struct mlb_strings *ids,
                    struct pbs_answer *answer, struct mlb_error *err)
{
    struct mlb_strings all = MLB_STRINGS_INIT;

    for (; *argv; argv++)
        strings_push(&all, *argv);
    if (ids)
        strings_copy(&all, ids);
    pbs_answer_clear(answer);
    int rc = pbs_run(all.items, NULL, answer, err);
    strings_clear(&all);
    return rc;
}

int pbs_ask(const struct mlb_strings *ids, struct pbs_answer *answer,
            bool *history, struct mlb_error *err)
{
    static const char *const with[] = { "qstat", "-x", "-f", "-w", NULL };
    static const char *const without[] = { "qstat", "-f", "-w", NULL };
    static const char *const torque[] = { "qstat", "-f", "-1", NULL };
    int is_torque = pbs_is_torque(err);
    bool kept = !is_torque;

    if (is_torque < 0 ||
        run_with(is_torque ? torque : with, ids, answer, err) < 0)
        return -1;
    if (!is_torque && strstr(answer->errors.data, NO_HISTORY)) {
        kept = false;
        if (run_with(without, ids, answer, err) < 0)
            return -1;
    }
    if (history)
        *history = kept;
    return 0;
}

/* Did each id get an answer? Of one that did not it would be wrong to say
 * that it is gone. */
static int check_answered(const struct wanted *wanted, size_t count,
                          const struct pbs_answer *answer,
                          struct mlb_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (wanted[i].answered)
            continue;
        if (answer->code != 0)
            pbs_refused(answer, "PBS did not say where jobs stand", err);
        else
            mlb_error_set(err, MLB_ERR_UNREACHABLE,
                          "qstat said nothing of job %s",
                          wanted[i].status->id);
        if (err)
            err->code = MLB_ERR_UNREACHABLE;
        return -1;
    }
    return 0;
}

static void reset(struct mlb_job_status *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        jobs[i] = (struct mlb_job_status){ .id = jobs[i].id,
                                           .token = jobs[i].token,
                                           .submitted = jobs[i].submitted,
                                           .exit_code = -1 };
}

/* As pbs_query; *history as by pbs_ask. */
static int ask_all(struct mlb_job_status *jobs, size_t count, bool *history,
                   struct mlb_error *err)
{
    struct pbs_answer answer = PBS_ANSWER_INIT;
    struct mlb_strings ids = MLB_STRINGS_INIT;
    struct wanted *wanted = xcalloc(count, sizeof(*wanted));
    int rc = 0;

    reset(jobs, count);
    for (size_t i = 0; i < count; i++) {
        struct pbs_span id = { jobs[i].id, strlen(jobs[i].id) };
        wanted[i] = (struct wanted){ .number = number_of(id),
                                     .status = &jobs[i] };
        /* Whatever else it is, qstat could take it for a queue. */
        if (pbs_text_is_id(id))
            strings_push(&ids, jobs[i].id);
        else
            wanted[i].answered = true;
    }
    if (ids.count > 0)
        rc = pbs_ask(&ids, &answer, history, err);
    if (rc == 0) {
        qsort(wanted, count, sizeof(*wanted), compare);
        take_jobs(wanted, count, &answer.out);
        take_denials(wanted, count, &answer.errors);
        rc = check_answered(wanted, count, &answer, err);
    }
    if (rc < 0)
        reset(jobs, count);
    pbs_answer_clear(&answer);
    strings_clear(&ids);
    free(wanted);
    return rc;
}

int pbs_query(const struct mlb_site *site, struct mlb_job_status *jobs,
              size_t count, struct mlb_error *err)
{
    (void)site;
    return ask_all(jobs, count, NULL, err);
}

/* Where PBS keeps a history, query has looked into it already: what is left
 * to tell is whether it does. */
int pbs_history(const struct mlb_site *site, struct mlb_job_status *jobs,
                size_t count, struct mlb_error *err)
{
    bool history = true;

    (void)site;
    if (ask_all(jobs, count, &history, err) < 0)
        return -1;
    if (!history)
        return mlb_error_set(err, MLB_ERR_UNSUPPORTED,
                             "PBS keeps no history of jobs here");
    return 0;
}

/* The ids of this user's jobs of that name, ended ones too where PBS keeps
 * them. */
static int select_ids(const char *name, struct mlb_strings *ids,
                      struct mlb_error *err)
{
    const struct passwd *user = getpwuid(getuid());
    const char *const with[] = { "qselect", "-x", "-N", name, "-u",
                                 user ? user->pw_name : "", NULL };
    const char *const without[] = { "qselect", "-N", name, "-u",
                                    user ? user->pw_name : "", NULL };
    struct pbs_answer answer = PBS_ANSWER_INIT;
    int is_torque = pbs_is_torque(err), rc = -1;

    if (is_torque < 0)
        goto out;
    if (!user) {
        mlb_error_set(err, MLB_ERR_REFUSED, "user %ld has no name here",
                      (long)getuid());
        goto out;
    }
    rc = run_with(is_torque ? without : with, NULL, &answer, err);
    if (rc == 0 && !is_torque && strstr(answer.errors.data, NO_HISTORY))
        rc = run_with(without, NULL, &answer, err);
    if (rc == 0 && answer.code != 0)
        rc = pbs_refused(&answer, "qselect", err);
    for (const char *line = answer.out.data; rc == 0 && *line;) {
        struct pbs_span id = { line, strcspn(line, "\n") };
        char *text = xstrndup(id.text, id.length);
        if (pbs_text_is_id(id))
            strings_push(ids, text);
        free(text);
        line += id.length + (line[id.length] == '\n');
    }
out:
    pbs_answer_clear(&answer);
    return rc;
}

int pbs_find(const struct mlb_plan *plan, const struct mlb_site *site,
             char *id, struct mlb_error *err)
{
    struct mlb_strings ids = MLB_STRINGS_INIT;
    struct pbs_answer answer = PBS_ANSWER_INIT;
    struct pbs_job job;
    int found = select_ids(plan->name, &ids, err);

    (void)site;
    if (found == 0 && ids.count > 0)
        found = pbs_ask(&ids, &answer, NULL, err);
    struct pbs_text reader = { answer.out.data, answer.out.length, 0 };
    while (found == 0 && pbs_text_next(&reader, &job))
        if (is_token(job.token, plan->token)) {
            snprintf(id, SCHEDULER_ID_SIZE, "%.*s", (int)job.id.length,
                     job.id.text);
            found = 1;
        }
    /* One that was quick may be forgotten already, but not by its run. */
    if (found == 0)
        found = scheduler_find_claim(plan, id);
    pbs_answer_clear(&answer);
    strings_clear(&ids);
    return found;
}
