/* SPDX-License-Identifier: BSD-3-Clause */
/* From a job to a plan that the cluster can take. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cmd/limits_cache.h"
#include "cmd/prepare.h"
#include "store/resolve.h"

void cmd_prepared_clear(struct cmd_prepared *prepared)
{
    job_destroy(prepared->job);
    plan_destroy(prepared->plan);
    fields_clear(&prepared->data);
    problems_clear(&prepared->problems);
    strings_clear(&prepared->after);
    strings_clear(&prepared->conditions);
    sweep_clear(&prepared->sweep);
    fields_clear(&prepared->values);
    free(prepared->array.indices);
    free(prepared->directory);
    free(prepared->agent);
    free(prepared->program);
    *prepared = (struct cmd_prepared)CMD_PREPARED_INIT;
}

void cmd_make_token(char token[33])
{
    unsigned char bytes[16];

    /* 16 bytes always come whole once the kernel's pool is set up. */
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        abort();
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(token + 2 * i, 3, "%02x", bytes[i]);
}

static void resolve_data(const char *store, struct cmd_prepared *prepared)
{
    const struct mlb_job *job = prepared->job;

    fields_clear(&prepared->data);
    for (size_t i = 0; i < job->dataset_count; i++) {
        const struct mlb_data_use *use = &job->datasets[i];
        struct mlb_error err = { 0 };
        if (!use->name)
            continue;
        char *reference = xasprintf(
            "%s:%s", use->name, use->version ? use->version : RESOLVE_LATEST);
        char *path = resolve_dataset(store, reference, &err);
        if (!path)
            problems_add(&prepared->problems, job_origin(job, "datasets"),
                         "datasets: %s", err.text);
        else
            fields_add(&prepared->data, use->as ? use->as : use->name, path);
        free(path);
        free(reference);
    }
}

struct mlb_plan *cmd_prepare_plan(const struct cmd_context *context,
                                  struct cmd_prepared *prepared,
                                  const char *run, const char *run_dir)
{
    bool swept = prepared->alone || prepared->sweep.count > 0;
    const struct mlb_plan_context pc = {
        .scheduler = prepared->scheduler->name,
        .torque = prepared->scheduler == &scheduler_pbs &&
                  pbs_is_torque(NULL) == 1,
        .run = run,
        .run_dir = run_dir,
        .store = context->store,
        .directory = prepared->directory,
        .agent = prepared->agent,
        .program = prepared->program,
        .token = prepared->token,
        .data = &prepared->data,
        .local_cores = local_cores(context->site),
        .local_gpus = (long)context->site->local.gpus.count,
        .version = PACKAGE_VERSION,
        .hold = prepared->hold,
        .after = &prepared->after,
        .conditions = &prepared->conditions,
        .sweep = swept ? &prepared->values : NULL,
        .array = prepared->array.points > 0 ? &prepared->array : NULL,
    };

    return plan_create(prepared->job, context->site, &pc,
                       &prepared->problems);
}

static void make_plan(const struct cmd_context *context,
                      struct cmd_prepared *prepared, const char *run,
                      const char *run_dir)
{
    plan_destroy(prepared->plan);
    prepared->plan = cmd_prepare_plan(context, prepared, run, run_dir);
}

/* Not before the names are known: the run's for a real one, NAME.N for one
 * that is only shown. */
void cmd_prepare_run(const struct cmd_context *context,
                     struct cmd_prepared *prepared,
                     const struct mlb_run *run)
{
    if (run) {
        cmd_make_token(prepared->token);
        make_plan(context, prepared, run->id, run->path);
        return;
    }
    char *name = text_encode_name(prepared->job->name);
    char *id = xasprintf("%s.N", name);
    char *path = xasprintf("%s/runs/%s", context->store, id);
    snprintf(prepared->token, sizeof(prepared->token), "TOKEN");
    make_plan(context, prepared, id, path);
    free(path);
    free(id);
    free(name);
}

/* What the controller would refuse is better said here, with the line. A
 * controller that does not answer is no reason to refuse a job: submission
 * will wait for it. */
static void check_limits(const struct cmd_context *context,
                         struct cmd_prepared *prepared)
{
    const struct mlb_scheduler *scheduler = prepared->scheduler;
    struct mlb_limits limits = MLB_LIMITS_INIT;
    struct mlb_problems doubts = MLB_PROBLEMS_INIT;
    struct mlb_plan *asked = plan_asked(prepared->job);
    bool fits = false;

    if (scheduler->limits && limits_cache_read(scheduler->name, &limits)) {
        plan_fit(asked, prepared->job, context->site, &limits, &doubts);
        fits = doubts.lines.count == 0;
        prepared->array_size = limits.array_size;
        limits_clear(&limits);
    }
    if (!fits) {
        if (scheduler->limits &&
            scheduler->limits(context->site, &limits, NULL) == 0)
            limits_cache_write(scheduler->name, &limits);
        plan_fit(asked, prepared->job, context->site, &limits,
                 &prepared->problems);
        prepared->array_size = limits.array_size;
    }
    plan_destroy(asked);
    problems_clear(&doubts);
    limits_clear(&limits);
}

/* What the whole sweep is planned as: its first part, with the values of its
 * first point. */
static void begin_sweep(struct cmd_prepared *prepared)
{
    const struct mlb_job *job = prepared->job;

    if (prepared->alone)
        return;
    sweep_expand(job, &prepared->sweep);
    long count = prepared->sweep.count;
    if (count == 0)
        return;
    if (!prepared->scheduler->arrays)
        problems_add(&prepared->problems, job_origin(job, "sweep"),
                     "sweep: not supported yet on the scheduler %s",
                     prepared->scheduler->name);
    sweep_point(&prepared->sweep, 0, &prepared->values);
    prepared->array = (struct mlb_array){
        .points = count, .at_once = job->sweep.at_once,
        .indices = xasprintf("0-%ld", count - 1),
    };
}

/* The escape hatch is checked by the scheduler whose options they are. */
static void check_options(struct cmd_prepared *prepared)
{
#ifdef HAVE_SLURM
    struct mlb_error err = { 0 };

    if (prepared->scheduler == &scheduler_slurm &&
        slurm_options_check(&prepared->job->slurm_options, &err) < 0)
        problems_add(&prepared->problems,
                     job_origin(prepared->job, "slurm.options"),
                     "slurm.options: %s", err.text);
#else
    (void)prepared;
#endif
}

int cmd_prepare(const struct cmd_context *context,
                struct cmd_prepared *prepared)
{
    struct mlb_error err = { 0 };

    job_check(prepared->job, &prepared->problems);
    resolve_data(context->store, prepared);
    prepared->scheduler =
        scheduler_find(context->scheduler_name, context->site, &err);
    if (!prepared->scheduler) {
        problems_print(&prepared->problems, stderr);
        return cmd_fail(&err);
    }
    /* Without PBS it cannot be said in which words to ask it. */
    if (prepared->scheduler == &scheduler_pbs && pbs_is_torque(&err) < 0) {
        problems_print(&prepared->problems, stderr);
        return cmd_fail(&err);
    }
    check_options(prepared);
    begin_sweep(prepared);
    cmd_after(context, prepared);
    if (!prepared->directory)
        return cmd_fail(&(struct mlb_error){
            MLB_ERR_IO, "the current directory is gone: cd somewhere else" });
    prepared->agent = cmd_helper("mlbatch-agent");
    prepared->program = cmd_program();
    /* A job that is wrong already is planned, too: all is told at once. */
    if (!prepared->job->name)
        prepared->job->name = xstrdup("unnamed");
    cmd_prepare_run(context, prepared, NULL);
    check_limits(context, prepared);
    if (prepared->problems.lines.count > 0)
        return cmd_fail_problems(&prepared->problems);
    return 0;
}
