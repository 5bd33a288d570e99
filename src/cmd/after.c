/* SPDX-License-Identifier: BSD-3-Clause */
/* The runs that a job comes after: found, asked, and what is left of them. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "cmd/prepare.h"
#include "run/after.h"

/* Chains that are followed in search of a circle. */
#define DEPTH 1000

/* One condition on one run. */
struct parent {
    const char *condition, *key;
    char **name;                 /* in the job: as typed, then the run's id */
};

static size_t collect(struct mlb_job *job, struct parent **parents)
{
    const struct {
        const char *condition, *key;
        struct mlb_strings *names;
    } lists[] = {
        { "ok", "after.ok", &job->after.ok },
        { "any", "after.any", &job->after.any },
        { "notok", "after.notok", &job->after.notok },
    };
    size_t count = 0, n = sizeof(lists) / sizeof(lists[0]);

    for (size_t i = 0; i < n; i++)
        count += lists[i].names->count;
    *parents = xcalloc(count, sizeof(**parents));
    count = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < lists[i].names->count; j++)
            (*parents)[count++] = (struct parent){
                lists[i].condition, lists[i].key, &lists[i].names->items[j],
            };
    return count;
}

static bool waits_for(const struct cmd_run *run, const char *id, int depth);

/* "ok digits.3 RUN_DIR", of a run's plan: does it lead to id? */
static bool leads_to(const char *condition, const char *id, int depth)
{
    const char *name = strchr(condition, ' ');
    const char *path = name ? strchr(name + 1, ' ') : NULL;
    struct cmd_run run = { 0 };
    bool found = false;

    if (path) {
        run.run.id = xstrndup(name + 1, (size_t)(path - name - 1));
        run.run.path = xstrdup(path + 1);
        found = strcmp(run.run.id, id) == 0 ||
                (cmd_run_read(&run, NULL) == 0 &&
                 waits_for(&run, id, depth - 1));
    }
    cmd_run_clear(&run);
    return found;
}

/* Does a run that has not started wait, over any number of others, for the
 * run of that id? */
static bool waits_for(const struct cmd_run *run, const char *id, int depth)
{
    struct mlb_fields plan = MLB_FIELDS_INIT;
    struct mlb_strings conditions = MLB_STRINGS_INIT;
    char *path = run_path(&run->run, "plan");
    bool found = false;

    if (depth > 0 && run->state.started <= 0 &&
        fields_read(&plan, path, NULL) == 0)
        fields_get_all(&plan, "after", &conditions);
    for (size_t i = 0; i < conditions.count && !found; i++)
        found = leads_to(conditions.items[i], id, depth);
    strings_clear(&conditions);
    fields_clear(&plan);
    free(path);
    return found;
}

/* What keeps a run that has not ended from being waited for; NULL: nothing.
 * Caller frees. */
static char *obstacle(const struct cmd_prepared *prepared,
                      const struct cmd_run *run)
{
    const char *id = run->run.id;
    const char *scheduler = run->submission.scheduler;

    if (prepared->again && (strcmp(id, prepared->again) == 0 ||
                            waits_for(run, prepared->again, DEPTH)))
        return xasprintf("%s waits for %s itself", id, prepared->again);
    if (run->state.state == MLB_STATE_NOT_SUBMITTED ||
        !*run->submission.id)
        return xasprintf("%s is not submitted", id);
    if (run->lost)
        return xasprintf("%s: nobody knows how it ended", id);
    if (strcmp(scheduler, prepared->scheduler->name) != 0)
        return xasprintf("%s has not ended and is a run of the scheduler %s, "
                         "which %s cannot wait for", id, scheduler,
                         prepared->scheduler->name);
    return NULL;
}

/* Decide by how the run stands: nothing to wait for, never, or later. */
static void settle(struct cmd_prepared *prepared, const struct parent *parent,
                   const struct cmd_run *run)
{
    const struct mlb_run_state *s = &run->state;
    bool ended = state_is_final(s->state) &&
                 s->state != MLB_STATE_NOT_SUBMITTED;

    if (ended && after_is_met(parent->condition, s->state))
        return;
    /* It may have ended in any way: that is all that was asked. */
    if (run->lost && strcmp(parent->condition, "any") == 0)
        return;
    char *text = ended ? xasprintf("%s ended %s%s%s", run->run.id,
                                   state_name(s->state),
                                   s->text[0] ? ": " : "", s->text)
                       : obstacle(prepared, run);
    if (text) {
        problems_add(&prepared->problems,
                     job_origin(prepared->job, parent->key), "%s: %s",
                     parent->key, text);
        free(text);
        return;
    }
    cmd_run_jobs(run, &prepared->after);
    strings_pushf(&prepared->conditions, "%s %s %s", parent->condition,
                  run->run.id, run->run.path);
}

/* From here on the job means this very run, also when it is submitted again
 * later. */
static bool find(const struct cmd_context *context,
                 struct cmd_prepared *prepared, const struct parent *parent,
                 struct cmd_run *run)
{
    struct mlb_error err = { 0 };

    *run = (struct cmd_run){ .nodes = NULL };
    if (run_find(context->store, *parent->name, &run->run, &err) == 0 &&
        cmd_run_read(run, &err) == 0) {
        free(*parent->name);
        *parent->name = xstrdup(run->run.id);
        return true;
    }
    problems_add(&prepared->problems, job_origin(prepared->job, parent->key),
                 "%s: %s", parent->key, err.text);
    cmd_run_clear(run);
    return false;
}

void cmd_after(const struct cmd_context *context,
               struct cmd_prepared *prepared)
{
    struct parent *parents;
    size_t count = collect(prepared->job, &parents), found = 0;
    struct cmd_run *runs = xcalloc(count, sizeof(*runs));

    for (size_t i = 0; i < count; i++)
        if (find(context, prepared, &parents[i], &runs[found]))
            parents[found++] = parents[i];
    /* All of them in one call. */
    cmd_runs_query(context, runs, found);
    for (size_t i = 0; i < found; i++) {
        settle(prepared, &parents[i], &runs[i]);
        cmd_run_clear(&runs[i]);
    }
    free(runs);
    free(parents);
}
