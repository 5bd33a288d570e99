/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch explain, of what waits: all of it is asked of the scheduler. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cmd/explain.h"
#include "cmd/prepare.h"

/* Requests like this one. A scheduler takes the whole queue into account, and
 * this run is part of that: only what it says of new requests can be
 * compared, so the same is asked for as well. */
static const struct {
    const char *what;
    bool time, nodes;            /* half of it */
} wishes[] = {
    { EXPLAIN_THE_SAME, false, false },
    { "half the walltime", true, false },
    { "half the nodes", false, true },
    { "half the nodes and walltime", true, true },
};

static const struct mlb_scheduler *find_scheduler(const char *name)
{
    for (size_t i = 0; schedulers[i]; i++)
        if (strcmp(schedulers[i]->name, name) == 0)
            return schedulers[i];
    return NULL;
}

static json_t *start_json(time_t start)
{
    return start > 0 ? json_real((double)start) : json_null();
}

/* The run's job as it was submitted, ready to be planned again. */
static int read_job(const struct cmd_run *run,
                    const struct mlb_scheduler *scheduler,
                    struct cmd_prepared *p, struct mlb_error *err)
{
    struct mlb_fields plan = MLB_FIELDS_INIT;
    char *conf = run_path(&run->run, "job.conf");
    char *path = run_path(&run->run, "plan");
    int rc = -1;

    p->job = job_create();
    p->scheduler = scheduler;
    if (job_read_file(p->job, conf, &p->problems, err) == 0 &&
        p->problems.lines.count == 0 && fields_read(&plan, path, err) == 0) {
        const char *directory = fields_get(&plan, "directory");
        p->directory = xstrdup(directory ? directory : "/");
        p->agent = cmd_helper("mlbatch-agent");
        rc = 0;
    }
    fields_clear(&plan);
    free(conf);
    free(path);
    return rc;
}

/* When would such a one start? NULL if the job does not get smaller so. */
static json_t *ask(const struct cmd_context *context,
                   const struct cmd_run *run, struct cmd_prepared *p,
                   size_t number)
{
    struct mlb_resources *r = &p->job->resources;
    const long nodes = r->nodes, walltime = r->walltime;
    struct mlb_error err = { .text = "it cannot be planned" };
    time_t start = 0;
    json_t *o = NULL;

    if ((wishes[number].time && (walltime == MLB_UNSET || walltime < 120)) ||
        (wishes[number].nodes && (nodes == MLB_UNSET || nodes < 2)))
        return NULL;
    if (wishes[number].time)
        r->walltime = (walltime + 1) / 2;
    if (wishes[number].nodes)
        r->nodes = (nodes + 1) / 2;
    cmd_prepare_run(context, p, &run->run);
    int rc = p->plan ? p->scheduler->test(p->plan, context->site, &start,
                                          &err) : -1;
    o = json_pack("{s:s, s:o, s:o, s:o, s:o}", "what", wishes[number].what,
                  "nodes", r->nodes == MLB_UNSET ? json_null()
                                                 : json_integer(r->nodes),
                  "walltime", r->walltime == MLB_UNSET
                                  ? json_null() : json_integer(r->walltime),
                  "start", start_json(rc == 0 ? start : 0), "error",
                  rc == 0 ? json_null() : json_text(err.text));
    r->nodes = nodes;
    r->walltime = walltime;
    return o;
}

static json_t *ask_smaller(const struct cmd_context *context,
                           const struct cmd_run *run,
                           const struct mlb_scheduler *scheduler)
{
    struct cmd_prepared prepared = CMD_PREPARED_INIT;
    json_t *list = json_array();

    if (read_job(run, scheduler, &prepared, NULL) == 0)
        for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
            json_t *answer = ask(context, run, &prepared, i);
            if (answer)
                json_array_append_new(list, answer);
        }
    cmd_prepared_clear(&prepared);
    return list;
}

void explain_wait(const struct cmd_context *context,
                  const struct cmd_run *run, json_t *out)
{
    const struct mlb_scheduler *scheduler =
        find_scheduler(run->submission.scheduler);
    struct mlb_waiting w = { .start = 0 };
    struct mlb_error err;
    json_t *o;

    if (!scheduler || !scheduler->explain)
        return;
    if (scheduler->explain(context->site, run->submission.id, &w, &err) < 0) {
        json_object_set_new(out, "waiting",
                            json_pack("{s:o}", "error", json_text(err.text)));
        return;
    }
    o = json_pack("{s:o, s:o, s:o}", "reason", json_text(w.reason), "text",
                  json_text(w.text), "start", start_json(w.start));
    json_object_set_new(o, "asked",
                        w.by_size && scheduler->test
                            ? ask_smaller(context, run, scheduler)
                            : json_array());
    json_object_set_new(out, "waiting", o);
}
