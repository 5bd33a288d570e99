/* SPDX-License-Identifier: BSD-3-Clause */
/* Does a run go on after an attempt of it ended? */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "run/restart.h"

#define FIRST "step-"

/* "step-000000000120.h5", or a folder "step-000000000120.d" with a file for
 * each node: its step; else -1. */
static long step_of(const char *name)
{
    char *end;

    if (strncmp(name, FIRST, sizeof(FIRST) - 1) != 0)
        return -1;
    name += sizeof(FIRST) - 1;
    if (*name < '0' || *name > '9')
        return -1;
    long step = strtol(name, &end, 10);
    return strcmp(end, ".h5") == 0 || strcmp(end, ".d") == 0 ? step : -1;
}

void restart_look(const char *run_dir, struct restart_saved *saved)
{
    char *path = xasprintf("%s/checkpoints", run_dir);
    DIR *dir = opendir(path);
    struct dirent *entry;

    *saved = (struct restart_saved)RESTART_SAVED_NONE;
    while (dir && (entry = readdir(dir))) {
        struct stat st;
        if (entry->d_name[0] == '.' ||
            fstatat(dirfd(dir), entry->d_name, &st,
                    AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        double at = (double)st.st_mtim.tv_sec +
                    (double)st.st_mtim.tv_nsec / 1e9;
        long step = step_of(entry->d_name);
        if (at > saved->at)
            saved->at = at;
        if (step > saved->step)
            saved->step = step;
    }
    if (dir)
        closedir(dir);
    free(path);
}

static bool is(const struct mlb_event *e, const char *name)
{
    return strcmp(e->name, name) == 0;
}

static const char *word(const struct mlb_event *e, const char *name)
{
    const char *s = json_string_value(json_object_get(e->fields, name));

    return s ? s : "";
}

static long number(const struct mlb_event *e, const char *name)
{
    return (long)json_integer_value(json_object_get(e->fields, name));
}

/* The last attempt before a person last submitted the run: what was until
 * then does not count. By numbers, not times: a node's clock may be off. */
static long find_base(const struct mlb_events *events)
{
    long base = 0;

    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        if (is(e, "submitted") &&
            !json_is_true(json_object_get(e->fields, "restart")) &&
            number(e, "attempts") > base)
            base = number(e, "attempts");
    }
    return base;
}

static struct restart_saved saved_by(const struct mlb_event *e)
{
    struct restart_saved saved = RESTART_SAVED_NONE;
    const json_t *step = json_object_get(e->fields, "saved");

    if (json_is_integer(step))
        saved.step = (long)json_integer_value(step);
    saved.at = json_number_value(json_object_get(e->fields, "saved_at"));
    return saved;
}

static bool is_newer(const struct restart_saved *a,
                     const struct restart_saved *b)
{
    if (a->step >= 0 || b->step >= 0)
        return a->step > b->step;
    return a->at > b->at;
}

/* Did neither this attempt nor the one before come further? The first one
 * has only itself to be compared with what was there before: nothing is
 * held against it. */
static bool is_stuck(const struct mlb_events *events, long base,
                     const struct restart_end *end)
{
    struct restart_saved before[2] = { RESTART_SAVED_NONE,
                                       RESTART_SAVED_NONE };
    bool told = false;

    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        long back = end->attempt - e->attempt;
        if (!is(e, "attempt-end") || e->attempt <= base || back < 1 ||
            back > 2)
            continue;
        before[back - 1] = saved_by(e);
        told |= back == 1;
    }
    return told && !is_newer(&end->saved, &before[0]) &&
           !is_newer(&before[0], &before[1]);
}

static long count_restarts(const struct mlb_events *events, long base,
                           const char *cause)
{
    long count = 0;

    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        count += is(e, "restart") && e->attempt > base &&
                 strcmp(word(e, "cause"), cause) == 0;
    }
    return count;
}

static void decide(const struct mlb_events *events,
                   const struct restart_policy *policy,
                   const struct restart_end *end, struct restart *out)
{
    const char *cause = state_name(end->state);
    long base = find_base(events);
    size_t i = 0;

    while (i < policy->on.count && strcmp(policy->on.items[i], cause) != 0)
        i++;
    if (i == policy->on.count) {
        snprintf(out->text, sizeof(out->text),
                 "restart.on does not name \"%s\"", cause);
        return;
    }
    long before = count_restarts(events, base, cause);
    if (before >= policy->max) {
        snprintf(out->text, sizeof(out->text), "restart.max: %ld restart%s "
                 "after \"%s\" were made already", before,
                 before == 1 ? "" : "s", cause);
        return;
    }
    if (is_stuck(events, base, end)) {
        snprintf(out->text, sizeof(out->text), "no newer checkpoint was made "
                 "in two attempts in a row: a third would come no further");
        return;
    }
    out->again = true;
    out->count = before + 1;
    snprintf(out->text, sizeof(out->text), "restart %ld of at most %ld after "
             "\"%s\"", out->count, policy->max, cause);
}

void restart_decide(const struct mlb_events *events,
                    const struct restart_policy *policy,
                    const struct restart_end *end, struct restart *out)
{
    *out = (struct restart){ 0 };
    if (policy->on.count > 0 && end->state != MLB_STATE_COMPLETED &&
        end->state != MLB_STATE_CANCELLED)
        decide(events, policy, end, out);
}
