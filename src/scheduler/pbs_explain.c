/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a job of PBS waits. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/pbs_parts.h"

#define WAITS_FOR_JOB 22         /* substate */

/* What PBS's scheduler writes into a comment, in one word and in ours. */
static const struct {
    const char *start, *reason, *words;
} reasons[] = {
    { "Can Never Run", "Never", "no node has what it asks for" },
    { "Not Running: Insufficient amount of", "Resources",
      "other jobs have what it asks for" },
    { "Not Running: No available resources", "Resources",
      "other jobs have what it asks for" },
    { "Not Running: Not enough", "Resources",
      "other jobs have what it asks for" },
    { "Not Running: Queue not started", "QueueStopped",
      "its queue takes jobs, but starts none" },
    { "Not Running: Job is requesting an exclusive", "Resources",
      "it wants nodes for itself, and others are on them" },
    { "Not Running: Dedicated", "Reserved",
      "time is set apart for others before it would end" },
    { "Not Running: would exceed", "Limit",
      "you or your group run as much as you may" },
    { "Not Running: ", "NotRunning", "PBS does not start it" },
    { "Job held by", "Held", "somebody holds it; mlbatch release lets it "
                             "go" },
    { "job held, too many failed", "Held",
      "PBS could not start it on many tries and holds it" },
};

static void describe_wait(const struct pbs_job *job,
                          struct mlb_waiting *waiting)
{
    struct pbs_span c = job->comment;

    snprintf(waiting->reason, sizeof(waiting->reason), "%s",
             job->state != 'H'      ? "Queued"
             : job->substate == WAITS_FOR_JOB ? "Dependency"
                                   : "Held");
    snprintf(waiting->text, sizeof(waiting->text), "%s",
             job->state != 'H'      ? "PBS has not yet said why"
             : job->substate == WAITS_FOR_JOB ? "it waits for another job"
                                   : "it is held");
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        size_t n = strlen(reasons[i].start);
        if (c.length < n || memcmp(c.text, reasons[i].start, n) != 0)
            continue;
        char *raw = xstrndup(c.text, c.length), *said = text_printable(raw);
        snprintf(waiting->reason, sizeof(waiting->reason), "%s",
                 reasons[i].reason);
        snprintf(waiting->text, sizeof(waiting->text), "%s: %s",
                 reasons[i].words, said);
        free(said);
        free(raw);
        return;
    }
}

/* Are all that it waits for, "afterany:7.pbs1@pbs1:8.pbs1@pbs1", over? One
 * that was deleted before it ran never counts as ended, and PBS keeps the job
 * for ever. */
static bool waits_in_vain(struct pbs_span depend)
{
    struct pbs_answer answer = PBS_ANSWER_INIT;
    struct mlb_strings ids = MLB_STRINGS_INIT;
    struct pbs_job job;
    bool live = false;

    for (size_t at = 0; at < depend.length;) {
        size_t n = 0;
        while (at + n < depend.length && !strchr(":,@", depend.text[at + n]))
            n++;
        char *id = xstrndup(depend.text + at, n);
        if (pbs_text_is_id((struct pbs_span){ id, n }))
            strings_push(&ids, id);
        free(id);
        at += n + 1;
    }
    if (ids.count == 0 || pbs_ask(&ids, &answer, NULL, NULL) < 0)
        live = true;
    struct pbs_text reader = { answer.out.data, answer.out.length, 0 };
    while (!live && pbs_text_next(&reader, &job))
        live = job.state != 'F' && job.state != 'C' && job.state != 'X';
    pbs_answer_clear(&answer);
    strings_clear(&ids);
    return !live;
}

int pbs_explain(const struct mlb_site *site, const char *id,
                struct mlb_waiting *waiting, struct mlb_error *err)
{
    struct pbs_answer answer = PBS_ANSWER_INIT;
    struct pbs_job job;
    int rc = pbs_look(id, &answer, &job, err);

    (void)site;
    *waiting = (struct mlb_waiting){ .start = 0 };
    if (rc == 0) {
        describe_wait(&job, waiting);
        waiting->start = job.expected;
        if (job.state == 'H' && job.substate == WAITS_FOR_JOB &&
            waits_in_vain(job.depend))
            snprintf(waiting->text, sizeof(waiting->text),
                     "it waits for a job that was deleted before it ran, and "
                     "PBS lets it wait for ever: cancel it and submit it "
                     "again");
    }
    pbs_answer_clear(&answer);
    return rc;
}
