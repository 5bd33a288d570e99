/* SPDX-License-Identifier: BSD-3-Clause */
/* Which scheduler it is, and a submission that is safe to repeat. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fields.h"
#include "scheduler/scheduler.h"

#define LONGEST_WAIT 30L

/* The order is that in which "auto" asks. */
const struct mlb_scheduler *const schedulers[] = {
#ifdef HAVE_SLURM
    &scheduler_slurm,
#endif
    &scheduler_pbs,
    &scheduler_local,
    NULL,
};

/* All that mlbatch knows of, in this build or not. */
static const char *const known[] = { "auto", "slurm", "pbs", "local" };

static const struct mlb_scheduler *find_auto(const struct mlb_site *site,
                                             struct mlb_error *err)
{
    struct mlb_probe found;

    for (size_t i = 0; schedulers[i]; i++) {
        if (schedulers[i]->probe(site, &found, err) == 0)
            return schedulers[i];
        /* It is the scheduler of this machine, only silent now. To go on
         * to local would run the job on the login node. */
        if (err->code == MLB_ERR_UNREACHABLE) {
            mlb_error_prefix(err, "%s is set up here", schedulers[i]->name);
            return NULL;
        }
    }
    return NULL;
}

const struct mlb_scheduler *scheduler_find(const char *name,
                                           const struct mlb_site *site,
                                           struct mlb_error *err)
{
    struct mlb_error scratch;
    size_t count = sizeof(known) / sizeof(known[0]);

    if (strcmp(name, "auto") == 0)
        return find_auto(site, err ? err : &scratch);
    for (size_t i = 0; schedulers[i]; i++)
        if (strcmp(schedulers[i]->name, name) == 0)
            return schedulers[i];
    for (size_t i = 0; i < count; i++)
        if (strcmp(known[i], name) == 0) {
            mlb_error_set(err, MLB_ERR_UNSUPPORTED,
                          "this mlbatch was built without %s", name);
            return NULL;
        }
    const char *near = text_suggest(name, known, count);
    mlb_error_set(err, MLB_ERR_USAGE,
                  "no scheduler \"%s\"%s%s%s (auto, slurm, pbs or local)", name,
                  near ? ", did you mean \"" : "", near ? near : "",
                  near ? "\"?" : "");
    return NULL;
}

int scheduler_find_claim(const struct mlb_plan *plan, char *id)
{
    struct mlb_fields claim = MLB_FIELDS_INIT;
    char *path = xasprintf("%s/claims/%s", plan->run_dir, plan->token);
    int found = 0;

    if (fields_read(&claim, path, NULL) == 0 && fields_get(&claim, "job")) {
        snprintf(id, SCHEDULER_ID_SIZE, "%s", fields_get(&claim, "job"));
        found = 1;
    }
    fields_clear(&claim);
    free(path);
    return found;
}

static void wait_seconds(long seconds)
{
    struct timespec left = { .tv_sec = seconds };

    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        continue;
}

/* How long a submission has waited and will wait next. */
struct back_off {
    const struct scheduler_retry *retry;
    long waited, next;
};

/* Tell why, wait, and double the next wait. False if patience is at its
 * end: then nothing is told. */
static bool back_off(struct back_off *b, const char *why)
{
    long step = b->next;

    if (step > b->retry->patience - b->waited)
        step = b->retry->patience - b->waited;
    if (step <= 0)
        return false;
    if (b->retry->say) {
        struct mlb_text line = MLB_TEXT_INIT;
        text_addf(&line, "%s; trying again in %ld s", why, step);
        b->retry->say(line.data, b->retry->data);
        text_clear(&line);
    }
    wait_seconds(step);
    b->waited += step;
    b->next = 2 * b->next < LONGEST_WAIT ? 2 * b->next : LONGEST_WAIT;
    return true;
}

int scheduler_submit(const struct mlb_scheduler *scheduler,
                     const struct mlb_plan *plan,
                     const struct mlb_site *site,
                     const struct scheduler_retry *retry, char *id,
                     struct mlb_error *err)
{
    struct mlb_error scratch, *e = err ? err : &scratch;
    struct back_off wait = { .retry = retry, .next = 1 };

    if (scheduler->submit(plan, site, id, e) == 0)
        return 0;
    while (e->code == MLB_ERR_UNREACHABLE && back_off(&wait, e->text)) {
        /* The job may be there although the answer was lost: only a clear
         * no allows to hand it over a second time. */
        int found = scheduler->find(plan, site, id, e);
        if (found == 1)
            return 0;
        if (found == 0 && scheduler->submit(plan, site, id, e) == 0)
            return 0;
    }
    if (e->code == MLB_ERR_UNREACHABLE && wait.waited > 0)
        mlb_error_prefix(e, "gave up after %ld s", wait.waited);
    return -1;
}
