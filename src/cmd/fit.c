/* SPDX-License-Identifier: BSD-3-Clause */
/* --fit: ask what earlier runs of the job advise, and follow it. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/process.h"
#include "cmd/advice.h"
#include "cmd/prepare.h"

#define LIMIT (1u << 20)
#define PATIENCE 120         /* seconds; records may have to be made first */

static long given(long number, long fallback)
{
    return number == MLB_UNSET ? fallback : number;
}

/* What this job asks as it is: advice is to change that, not what the last
 * run asked, which may have followed advice already. */
static void add_request(const struct mlb_resources *r,
                        struct mlb_strings *argv)
{
    long nodes = given(r->nodes, 1);
    long tasks = given(r->tasks, nodes * given(r->tasks_per_node, 1));

    strings_pushf(argv, "--nodes=%ld", nodes);
    strings_pushf(argv, "--tasks=%ld", tasks);
    strings_pushf(argv, "--cpus-per-task=%ld", given(r->cpus_per_task, 1));
    strings_pushf(argv, "--gpus-per-task=%ld", given(r->gpus_per_task, 0));
    if (r->memory_per_node != MLB_UNSET)
        strings_pushf(argv, "--memory-per-node=%lld", r->memory_per_node);
    if (r->walltime != MLB_UNSET)
        strings_pushf(argv, "--walltime=%ld", r->walltime);
}

/* The advice, added to out; else err says why there is none. */
static int ask(const struct cmd_context *context, const struct mlb_job *job,
               struct mlb_text *out, struct mlb_error *err)
{
    struct mlb_strings argv = MLB_STRINGS_INIT;
    struct mlb_text errors = MLB_TEXT_INIT, what = MLB_TEXT_INIT;
    char *program = cmd_helper("mlbatch-store");
    int status, rc;

    strings_push(&argv, program);
    strings_pushf(&argv, "--store=%s", context->store);
    strings_push(&argv, "advise");
    strings_pushf(&argv, "--job=%s", job->name);
    add_request(&job->resources, &argv);
    const struct process_call call = { .argv = argv.items, .out = out,
                                       .errors = &errors, .limit = LIMIT,
                                       .seconds = PATIENCE };
    rc = process_run(&call, &status, err);
    if (rc == 0 && process_exit_code(status) == MLB_ERR_NOT_FOUND) {
        rc = mlb_error_set(err, MLB_ERR_NOT_FOUND,
                           "no earlier runs of this job and shape");
    } else if (rc == 0 && status != 0) {
        process_add_status(&what, status);
        errors.data[strcspn(errors.data, "\n")] = '\0';
        char *said = text_printable(errors.data);
        rc = mlb_error_set(err, MLB_ERR_FAILED, "mlbatch-store advise %s%s%s",
                           what.data, *said ? ": " : "", said);
        free(said);
    }
    text_clear(&errors);
    text_clear(&what);
    strings_clear(&argv);
    free(program);
    return rc;
}

void cmd_fit(const struct cmd_context *context, struct mlb_job *job)
{
    struct mlb_strings said = MLB_STRINGS_INIT;
    struct mlb_text advice = MLB_TEXT_INIT;
    struct mlb_error err = { 0 };

    if (!job->name)
        return;                      /* its check tells of that */
    if (ask(context, job, &advice, &err) < 0)
        fprintf(stderr, "mlbatch: --fit: no advice: %s; nothing is "
                "changed\n", err.text);
    else if (advice_apply(job, advice.data, advice.length, &said, &err) < 0)
        fprintf(stderr, "mlbatch: --fit: the advice cannot be read: %s; "
                "nothing is changed\n", err.text);
    for (size_t i = 0; i < said.count; i++)
        fprintf(stderr, "mlbatch: --fit: %s\n", said.items[i]);
    strings_clear(&said);
    text_clear(&advice);
}
