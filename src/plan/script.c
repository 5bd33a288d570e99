/* SPDX-License-Identifier: BSD-3-Clause */
/* The batch script: readable, kept in the run, good for plain sbatch. */
#include "config.h"

#include <stdbool.h>
#include <string.h>

#include "base/units.h"
#include "plan/script.h"

#define MiB (1LL << 20)

/* One word of a #SBATCH line. sbatch reads these with quotes and backslashes
 * of its own, near those of a shell: within double quotes only a backslash
 * and the quote need one in front. */
static void add_quoted(struct mlb_text *t, const char *s)
{
    text_add(t, "\"");
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            text_add(t, "\\");
        text_addn(t, s, 1);
    }
    text_add(t, "\"");
}

/* A newline would end the comment and begin a command of the shell: such a
 * value reaches the scheduler through its library only. */
static bool fits_line(struct mlb_text *t, const char *option,
                      const char *value)
{
    if (!strpbrk(value, "\n\r"))
        return true;
    text_addf(t, "# %.*s: left out here, it has a line break\n",
              (int)strcspn(option, "=\n\r"), option);
    return false;
}

static void directive(struct mlb_text *t, const char *option,
                      const char *value)
{
    if (!value || !fits_line(t, option, value))
        return;
    text_addf(t, "#SBATCH --%s=", option);
    add_quoted(t, value);
    text_add(t, "\n");
}

static void number(struct mlb_text *t, const char *option, long value)
{
    text_addf(t, "#SBATCH --%s=%ld\n", option, value);
}

/* File names of sbatch are patterns: a percent sign stands for itself only
 * when doubled. With a backslash anywhere they are none, and each backslash
 * takes the next one's meaning away. */
void pattern_add(struct mlb_text *out, const char *path)
{
    char special = strchr(path, '\\') ? '\\' : '%';

    for (const char *s = path; *s; s++) {
        text_addn(out, s, 1);
        if (*s == special)
            text_addn(out, s, 1);
    }
}

static void pattern(struct mlb_text *t, const char *option, const char *path)
{
    struct mlb_text doubled = MLB_TEXT_INIT;

    pattern_add(&doubled, path);
    directive(t, option, doubled.data);
    text_clear(&doubled);
}

/* The user's own options, each on a line with its argument. */
static void add_options(struct mlb_text *t, const struct mlb_strings *options)
{
    for (size_t i = 0; i < options->count; i++) {
        const char *option = options->items[i];
        const char *next = options->items[i + 1];
        const char *equals = strchr(option, '=');
        const char *value = equals               ? equals + 1
                            : next && *next != '-' ? options->items[++i]
                                                   : NULL;
        size_t n = equals ? (size_t)(equals - option) : strlen(option);
        if (!fits_line(t, option, option) ||
            (value && !fits_line(t, option, value)))
            continue;
        text_addf(t, "#SBATCH %.*s", (int)n, option);
        if (value) {
            text_add(t, equals ? "=" : " ");
            add_quoted(t, value);
        }
        text_add(t, "\n");
    }
}

static void add_directives(struct mlb_text *t, const struct mlb_plan *plan)
{
    directive(t, "job-name", plan->name);
    directive(t, "comment", plan->comment);
    directive(t, "chdir", plan->directory);
    pattern(t, "output", plan->output);
    text_add(t, "#SBATCH --open-mode=append\n");
    number(t, "nodes", plan->nodes);
    number(t, "ntasks", plan->tasks);
    number(t, "ntasks-per-node", plan->tasks_per_node);
    number(t, "cpus-per-task", plan->cpus_per_task);
    if (plan->gpus_per_task > 0)
        number(t, "gpus-per-task", plan->gpus_per_task);
    if (plan->memory_per_node != MLB_UNSET)
        text_addf(t, "#SBATCH --mem=%lldM\n",
                  plan->memory_per_node / MiB +
                      (plan->memory_per_node % MiB != 0));
    if (plan->walltime != MLB_UNSET) {
        text_add(t, "#SBATCH --time=");
        units_add_clock(t, plan->walltime);
        text_add(t, "\n");
    }
    directive(t, "partition", plan->partition);
    directive(t, "account", plan->account);
    directive(t, "constraint", plan->constraint);
    if (plan->hold)
        text_add(t, "#SBATCH --hold\n");
    if (plan->requeue)
        text_add(t, "#SBATCH --requeue\n");
    add_options(t, &plan->options);
}

char *script_render(const struct mlb_plan *plan, const struct mlb_job *job,
                    const struct mlb_plan_context *context)
{
    struct mlb_text t = MLB_TEXT_INIT;
    bool modules = job->modules.count > 0;

    /* The module command is a function that login shells define. */
    text_add(&t, modules ? "#!/bin/bash -l\n" : "#!/bin/sh\n");
    if (strcmp(plan->scheduler, "slurm") == 0)
        add_directives(&t, plan);
    text_addf(&t, "# Made by mlbatch %s for run %s.\n", context->version,
              plan->run);
    for (size_t i = 0; i < job->modules.count; i++) {
        text_add(&t, "module load ");
        text_add_shell(&t, job->modules.items[i]);
        text_add(&t, " || exit 1\n");
    }
    text_add(&t, "exec ");
    text_add_shell(&t, context->agent);
    text_add(&t, " attempt ");
    text_add_shell(&t, plan->run_dir);
    text_add(&t, " ");
    text_add_shell(&t, context->token);
    text_add(&t, "\n");
    return text_detach(&t);
}
