/* SPDX-License-Identifier: BSD-3-Clause */
/* A plan on standard output: resources, launch line, environment, script. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/units.h"
#include "cmd/show_plan.h"

/* The rows of the block "resources"; those that were not asked show as the
 * scheduler's default. */
static void add_resources(struct mlb_text *t, const struct mlb_plan *plan)
{
    text_addf(t, "  nodes            %ld\n", plan->nodes);
    text_addf(t, "  tasks            %ld (%ld on each node)\n", plan->tasks,
              plan->tasks_per_node);
    text_addf(t, "  cpus per task    %ld\n", plan->cpus_per_task);
    text_addf(t, "  gpus per task    %ld\n", plan->gpus_per_task);
    text_add(t, "  memory per node  ");
    if (plan->memory_per_node == MLB_UNSET)
        text_add(t, "the scheduler's default");
    else
        units_add_size(t, plan->memory_per_node);
    text_add(t, "\n  walltime         ");
    if (plan->walltime == MLB_UNSET)
        text_add(t, "the scheduler's default");
    else
        units_add_clock(t, plan->walltime);
    text_addf(t, "\n  partition        %s\n",
              plan->partition ? plan->partition : "the scheduler's default");
    if (plan->account)
        text_addf(t, "  account          %s\n", plan->account);
    if (plan->constraint)
        text_addf(t, "  constraint       %s\n", plan->constraint);
}

/* "ok digits.3 RUN_DIR": the two words that are of interest. */
static int condition_length(const char *condition)
{
    size_t first = strcspn(condition, " ");

    return (int)(first + 1 + strcspn(condition + first + 1, " "));
}

static void add_start(struct mlb_text *t, const struct mlb_plan *plan)
{
    for (size_t i = 0; i < plan->conditions.count; i++) {
        const char *condition = plan->conditions.items[i];
        text_addf(t, "  after            %.*s\n",
                  condition_length(condition), condition);
    }
    if (plan->array.points > 0)
        text_addf(t, "  points           %ld, of which this is the first\n",
                  plan->array.points);
    if (plan->array.points > 0 && plan->array.at_once != MLB_UNSET)
        text_addf(t, "  points at once   %ld\n", plan->array.at_once);
    if (plan->hold)
        text_add(t, "  start            when it is released\n");
}

static void add_counters(struct mlb_text *t, const struct mlb_plan *plan)
{
    text_add(t, "  samples          ");
    if (plan->sample_every > 0) {
        text_add(t, "every ");
        units_add_duration(t, (double)plan->sample_every);
    } else {
        text_add(t, "none");
    }
    text_add(t, "\n  of the hardware  ");
    if (plan->hardware_every > 0) {
        text_add(t, "every ");
        units_add_duration(t, (double)plan->hardware_every);
    } else {
        text_add(t, "none");
    }
    text_addf(t, "\n  time in MPI      %s\n",
              plan->mpi_stats ? "yes" : "no");
}

static void add_argv(struct mlb_text *t, const struct mlb_strings *argv)
{
    text_add(t, " ");
    for (size_t i = 0; i < argv->count; i++) {
        text_add(t, " ");
        text_add_shell(t, argv->items[i]);
    }
    text_add(t, "\n");
}

/* Indented by two, as it is: fit for pasting. */
static void add_indented(struct mlb_text *t, const char *lines)
{
    while (*lines) {
        size_t n = strcspn(lines, "\n");
        text_add(t, "  ");
        text_addn(t, lines, n);
        text_add(t, "\n");
        lines += n + (lines[n] == '\n');
    }
}

void show_plan_text(const struct mlb_plan *plan)
{
    struct mlb_text t = MLB_TEXT_INIT;

    text_addf(&t, "run          %s\nscheduler    %s\ndirectory    ", plan->run,
              plan->scheduler);
    text_add_shell(&t, plan->directory);
    text_add(&t, "\n\nresources\n");
    add_resources(&t, plan);
    add_start(&t, plan);
    for (size_t i = 0; i < plan->notes.count; i++)
        text_addf(&t, "  note: %s\n", plan->notes.items[i]);
    text_add(&t, "\ncounters\n");
    add_counters(&t, plan);
    text_add(&t, "\nlaunch line\n");
    add_argv(&t, &plan->launch);
    text_add(&t, "\ncommand of each rank\n");
    add_argv(&t, &plan->command);
    text_add(&t, "\nenvironment\n");
    for (size_t i = 0; i < plan->environment.pairs.count; i++) {
        const char *pair = plan->environment.pairs.items[i];
        const char *value = strchr(pair, '=') + 1;
        text_addf(&t, "  %.*s", (int)(value - pair), pair);
        text_add_shell(&t, value);
        text_add(&t, "\n");
    }
    text_add(&t, "\nscript\n");
    add_indented(&t, plan->script);
    fputs(t.data, stdout);
    text_clear(&t);
}

static json_t *strings_json(const struct mlb_strings *l)
{
    json_t *array = json_array();

    for (size_t i = 0; i < l->count; i++)
        json_array_append_new(array, json_text(l->items[i]));
    return array;
}

/* A number that was not asked is null, not -1. */
static json_t *asked(long long value)
{
    return value == MLB_UNSET ? json_null() : json_integer(value);
}

static json_t *environment_json(const struct mlb_fields *environment)
{
    json_t *object = json_object();

    for (size_t i = 0; i < environment->pairs.count; i++) {
        const char *pair = environment->pairs.items[i];
        const char *value = strchr(pair, '=') + 1;
        char *name = xstrndup(pair, (size_t)(value - 1 - pair));
        json_object_set_new(object, name, json_text(value));
        free(name);
    }
    return object;
}

static json_t *after_json(const struct mlb_plan *plan)
{
    json_t *array = json_array();

    for (size_t i = 0; i < plan->conditions.count; i++) {
        const char *condition = plan->conditions.items[i];
        int first = (int)strcspn(condition, " ");
        json_array_append_new(
            array, json_pack("{s:s#, s:s#}", "condition", condition, first,
                             "run", condition + first + 1,
                             condition_length(condition) - first - 1));
    }
    return array;
}

void show_plan_json(const struct mlb_plan *plan)
{
    json_t *object = json_pack(
        "{s:i, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I}",
        "schema", 1, "run", json_text(plan->run),
        "scheduler", json_text(plan->scheduler),
        "name", json_text(plan->name),
        "directory", json_text(plan->directory),
        "nodes", (json_int_t)plan->nodes,
        "tasks", (json_int_t)plan->tasks,
        "tasks_per_node", (json_int_t)plan->tasks_per_node,
        "cpus_per_task", (json_int_t)plan->cpus_per_task,
        "gpus_per_task", (json_int_t)plan->gpus_per_task);

    json_object_set_new(object, "memory_per_node_bytes",
                        asked(plan->memory_per_node));
    json_object_set_new(object, "walltime_seconds", asked(plan->walltime));
    json_object_set_new(object, "partition", json_text(plan->partition));
    json_object_set_new(object, "account", json_text(plan->account));
    json_object_set_new(object, "constraint", json_text(plan->constraint));
    json_object_set_new(object, "sample_every_seconds",
                        json_integer(plan->sample_every));
    json_object_set_new(object, "hardware_every_seconds",
                        json_integer(plan->hardware_every));
    json_object_set_new(object, "mpi_stats",
                        json_boolean(plan->mpi_stats));
    json_object_set_new(object, "after", after_json(plan));
    json_object_set_new(object, "points",
                        plan->array.points ? json_integer(plan->array.points)
                                           : json_null());
    json_object_set_new(object, "hold", json_boolean(plan->hold));
    json_object_set_new(object, "notes", strings_json(&plan->notes));
    json_object_set_new(object, "launch", strings_json(&plan->launch));
    json_object_set_new(object, "command", strings_json(&plan->command));
    json_object_set_new(object, "environment",
                        environment_json(&plan->environment));
    json_object_set_new(object, "script", json_text(plan->script));
    json_print(object);
    json_decref(object);
}
