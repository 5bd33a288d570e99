/* SPDX-License-Identifier: BSD-3-Clause */
/* The batch script: readable, kept in the run, good for plain sbatch. */
#include "config.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "plan/pbs.h"
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

void pattern_add_output(struct mlb_text *out, const struct mlb_plan *plan)
{
    pattern_add(out, plan->output);
    if (plan->array.points > 0)
        text_add(out, "%a.log");
}

static void add_output(struct mlb_text *t, const struct mlb_plan *plan)
{
    struct mlb_text name = MLB_TEXT_INIT;

    pattern_add_output(&name, plan);
    directive(t, "output", name.data);
    text_clear(&name);
}

static void add_array(struct mlb_text *t, const struct mlb_array *array)
{
    if (array->points == 0)
        return;
    text_addf(t, "#SBATCH --array=%s", array->indices);
    if (array->at_once != MLB_UNSET)
        text_addf(t, "%%%ld", array->at_once);
    text_add(t, "\n");
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
    add_output(t, plan);
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
    add_array(t, &plan->array);
    if (plan->after.count > 0) {
        text_add(t, "#SBATCH --dependency=afterany");
        for (size_t i = 0; i < plan->after.count; i++)
            text_addf(t, ":%s", plan->after.items[i]);
        text_add(t, "\n");
    }
    if (plan->hold)
        text_add(t, "#SBATCH --hold\n");
    if (plan->requeue)
        text_add(t, "#SBATCH --requeue\n");
    add_options(t, &plan->options);
}

/* What qsub is given, an option a line: kept for people, and for qsub by
 * hand, as mlbatch itself passes argv. */
static void add_pbs_directives(struct mlb_text *t,
                               const struct mlb_strings *request)
{
    for (size_t i = 0; i < request->count; i++) {
        const char *option = request->items[i];
        const char *next = request->items[i + 1];
        const char *value = next && *next != '-' ? next : NULL;
        i += value != NULL;
        if (!fits_line(t, option, option) ||
            (value && !fits_line(t, option, value)))
            continue;
        text_addf(t, "#PBS %s", option);
        if (value && value[strcspn(value, " \t\"'\\")]) {
            text_add(t, " ");
            add_quoted(t, value);
        } else if (value) {
            text_addf(t, " %s", value);
        }
        text_add(t, "\n");
    }
}

/* qsub refuses a script with a line that ends in CR LF. */
void script_add_word(struct mlb_text *t, const char *word)
{
    const char *cr;

    for (; (cr = strchr(word, '\r')); word = cr + 1) {
        char *before = xstrndup(word, (size_t)(cr - word));
        text_add_shell(t, before);
        text_add(t, "\"$(printf '\\r')\"");
        free(before);
    }
    text_add_shell(t, word);
}

/* PBS starts jobs in the home directory. Where there is no such directory
 * the agent says so, and the run has its cause.
 *
 * A script, not `qsub -- PROGRAM`: Torque has no other way, words of a
 * command are passed on as XML and shown to everybody, and so would be the
 * environment, which a script can hold. The price is the login shell that
 * PBS puts above the script: it dies of the SIGTERM that qdel sends, so
 * that Exit_status is 271 whatever the agent ends with. That is in the
 * run's own log. */
static void add_pbs_begin(struct mlb_text *t, const struct mlb_plan *plan)
{
    if (pbs_script_logs(plan)) {
        text_add(t, "exec >> ");
        script_add_word(t, plan->output);
        text_add(t, " 2>&1\n");
    }
    text_add(t, "cd ");
    script_add_word(t, plan->directory);
    text_add(t, "\n");
}

char *script_render(struct mlb_plan *plan, const struct mlb_job *job,
                    const struct mlb_plan_context *context)
{
    struct mlb_text t = MLB_TEXT_INIT;
    bool modules = job->modules.count > 0;
    bool pbs = strcmp(plan->scheduler, "pbs") == 0;

    /* The module command is a function that login shells define. */
    text_add(&t, modules ? "#!/bin/bash -l\n" : "#!/bin/sh\n");
    if (strcmp(plan->scheduler, "slurm") == 0)
        add_directives(&t, plan);
    if (pbs)
        add_pbs_directives(&t, &plan->request);
    text_addf(&t, "# Made by mlbatch %s for run %s.\n", context->version,
              plan->run);
    plan->script_head = t.length;
    if (pbs)
        add_pbs_begin(&t, plan);
    for (size_t i = 0; i < job->modules.count; i++) {
        text_add(&t, "module load ");
        script_add_word(&t, job->modules.items[i]);
        text_add(&t, " || exit 1\n");
    }
    text_add(&t, "exec ");
    script_add_word(&t, context->agent);
    text_add(&t, " attempt ");
    script_add_word(&t, plan->run_dir);
    text_add(&t, " ");
    script_add_word(&t, context->token);
    if (plan->array.points > 0)
        text_addf(&t, " %ld", plan->array.offset);
    text_add(&t, "\n");
    return text_detach(&t);
}
