/* SPDX-License-Identifier: BSD-3-Clause */
/* For the tests of plan: a job from text, a small site, a plan as text. */
#ifndef TESTS_UNIT_PLAN_FIXTURE_H
#define TESTS_UNIT_PLAN_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"

struct fixture {
    struct mlb_job *job;
    struct mlb_site *site;
    struct mlb_fields data;
    struct mlb_plan_context context;
    struct mlb_problems problems;
    struct mlb_plan *plan;       /* NULL: see problems */
};

/* Words, each with end behind it. Caller frees. */
static inline char *join(const struct mlb_strings *l, const char *end)
{
    struct mlb_text t = MLB_TEXT_INIT;

    for (size_t i = 0; i < l->count; i++) {
        text_add(&t, l->items[i]);
        text_add(&t, end);
    }
    return text_detach(&t);
}

static inline void add_launcher(struct mlb_site *site, const char *name,
                                const char *first, bool local)
{
    struct mlb_launcher *l = &site->launchers[site->launcher_count++];
    struct mlb_strings argv = MLB_STRINGS_INIT;

    if (first) {
        strings_push(&argv, first);
        strings_push(&argv, "--ntasks=${tasks}");
    }
    strings_push(&argv, "${agent}");
    strings_push(&argv, "task");
    strings_push(&argv, "${run.dir}");
    *l = (struct mlb_launcher){ .name = xstrdup(name), .slurm = argv,
                                .pbs = MLB_STRINGS_INIT,
                                .local = MLB_STRINGS_INIT };
    if (local) {
        strings_copy(&l->local, &argv);
        strings_copy(&l->pbs, &argv);
    }
}

/* The job "t" with command ./x 1, unless text has its own. */
static inline void fixture_make(struct fixture *f, const char *text,
                                const char *scheduler)
{
    struct mlb_error err = { 0 };

    *f = (struct fixture){ .job = job_create(), .site = site_create(),
                           .data = MLB_FIELDS_INIT,
                           .problems = MLB_PROBLEMS_INIT };
    f->site->launchers = xcalloc(3, sizeof(*f->site->launchers));
    add_launcher(f->site, "plain", NULL, true);
    add_launcher(f->site, "torch", "srun", true);
    add_launcher(f->site, "remote", "srun", false);
    if (job_read_string(f->job, text, "t.conf", &f->problems, &err) < 0 ||
        f->problems.lines.count > 0)
        fail_msg("%s: %s", text, err.text);
    if (!f->job->name)
        f->job->name = xstrdup("t");
    if (f->job->command.count == 0) {
        strings_push(&f->job->command, "./x");
        strings_push(&f->job->command, "1");
    }
    fields_add(&f->data, "train", "/store/d/v1");
    f->context = (struct mlb_plan_context){
        .scheduler = scheduler, .run = "t.N", .run_dir = "/store/runs/t.N",
        .store = "/store", .directory = "/work", .agent = "/a/agent",
        .token = "TOKEN", .data = &f->data, .local_cores = 4,
        .local_gpus = 2, .version = "1.2.3",
    };
    f->plan = plan_create(f->job, f->site, &f->context, &f->problems);
}

static inline void fixture_clear(struct fixture *f)
{
    plan_destroy(f->plan);
    job_destroy(f->job);
    site_destroy(f->site);
    fields_clear(&f->data);
    problems_clear(&f->problems);
}

/* All of a plan, for comparing. Caller frees. */
static inline char *plan_dump(const struct mlb_plan *p)
{
    struct mlb_text t = MLB_TEXT_INIT;
    char *launch = join(&p->launch, " "), *command = join(&p->command, " ");
    char *environment = join(&p->environment.pairs, "\n");

    launch[strlen(launch) - 1] = command[strlen(command) - 1] = '\0';
    text_addf(&t,
              "%s %s %s %s %s %s %s\nnodes=%ld tasks=%ldx%ld cpus=%ld "
              "gpus=%ld/%ld memory=%lld walltime=%ld cores=%ld\n%s %s %s\n"
              "launch: %s\ncommand: %s\n%s%s",
              p->scheduler, p->run, p->run_dir, p->name, p->comment,
              p->directory, p->output, p->nodes, p->tasks, p->tasks_per_node,
              p->cpus_per_task, p->gpus_per_task, p->gpus_per_node,
              p->memory_per_node, p->walltime, p->cores,
              p->partition ? p->partition : "-",
              p->account ? p->account : "-",
              p->constraint ? p->constraint : "-", launch, command,
              environment, p->script);
    for (size_t i = 0; i < p->options.count; i++)
        text_addf(&t, "option: %s\n", p->options.items[i]);
    for (size_t i = 0; i < p->notes.count; i++)
        text_addf(&t, "note: %s\n", p->notes.items[i]);
    free(environment);
    free(command);
    free(launch);
    return text_detach(&t);
}

#endif
