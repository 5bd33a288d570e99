/* SPDX-License-Identifier: BSD-3-Clause */
/* libFuzzer target: any text as what qstat says. Spans lie within the text,
 * ids are ids, a state has its reason as one line, and a job that has not
 * ended well is never taken for one that has. */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/pbs_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool what, const char *text)
{
    if (what)
        return;
    fprintf(stderr, "fuzz_pbs: %s\n", text);
    abort();
}

static void check_span(struct pbs_span s, const char *text, size_t size)
{
    if (s.text)
        require(s.text >= text && s.length <= size &&
                (size_t)(s.text - text) <= size - s.length,
                "a span is outside of the text");
    else
        require(s.length == 0, "a span of nothing has a length");
}

static void check_status(const struct pbs_job *job,
                         const struct mlb_job_status *status)
{
    require(status->known, "a job that was read is not known");
    require(memchr(status->reason, '\0', sizeof(status->reason)) &&
            memchr(status->nodes, '\0', sizeof(status->nodes)),
            "a text has no end");
    for (const char *c = status->reason; *c; c++)
        require((unsigned char)*c >= ' ' && *c != 0x7f,
                "a reason has a control character");
    require(status->exit_code >= -1 && status->exit_code < 256,
            "an exit code is none");
    /* The status of a whole array is that of no one; its substate counts. */
    bool array = memmem(job->id.text, job->id.length, "[]", 2) != NULL;
    if (status->state == MLB_STATE_COMPLETED)
        require(job->exited && status->exit_code == 0 &&
                (array ? job->substate == 92 || job->exit_status == 0
                       : job->exit_status == 0) &&
                job->substate != 91 && job->substate != 93,
                "a job has ended well that did not");
    if (status->exit_code == 0)
        require(status->state == MLB_STATE_COMPLETED,
                "an exit code of 0 without success");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size ? size : 1);
    struct pbs_job job;
    size_t last = 0;

    if (!text)
        return 0;
    memcpy(text, data, size);
    struct pbs_text reader = { text, size, 0 };
    while (pbs_text_next(&reader, &job)) {
        struct mlb_job_status status = { .exit_code = -1 };
        const struct pbs_span spans[] = {
            job.id, job.name, job.owner, job.queue, job.comment,
            job.exec_host, job.exec_vnode, job.walltime, job.token,
        };
        for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
            check_span(spans[i], text, size);
        require(pbs_text_is_id(job.id), "an id is none");
        require(reader.at > last, "the reader stays where it is");
        last = reader.at;
        pbs_state_fill(&job, &status);
        check_status(&job, &status);
    }
    free(text);
    return 0;
}
