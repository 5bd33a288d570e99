/* SPDX-License-Identifier: BSD-3-Clause */
/* The facts in an attempt's events, and which logs to look at first. */
#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/fields.h"
#include "run/evidence_parts.h"
#include "run/story.h"

/* NULL if it does not say. */
static const char *get_text(const struct mlb_event *e, const char *name)
{
    const char *text = event_text(e, name);

    return *text ? text : NULL;
}

static double get_number(const struct mlb_event *e, const char *name,
                         double fallback)
{
    const json_t *value = json_object_get(e->fields, name);

    return json_is_number(value) ? json_number_value(value) : fallback;
}

static long long get_offset(const struct mlb_event *e)
{
    const json_t *value = json_object_get(e->fields, "log_from");

    return json_is_integer(value) && json_integer_value(value) >= 0
               ? (long long)json_integer_value(value) : -1;
}

long evidence_last_attempt(const struct mlb_events *events)
{
    long last = 0;

    for (size_t i = 0; i < events->count; i++)
        if (event_is(&events->items[i], "attempt-start") &&
            events->items[i].attempt > last)
            last = events->items[i].attempt;
    return last;
}

/* ---- ranks ---- */

static int by_rank(const void *a, const void *b)
{
    const struct evidence_rank *x = a, *y = b;

    return (x->rank > y->rank) - (x->rank < y->rank);
}

static struct evidence_rank *find_rank(const struct evidence *v, long rank)
{
    const struct evidence_rank key = { .rank = rank };

    return v->rank_count == 0
               ? NULL
               : bsearch(&key, v->ranks, v->rank_count, sizeof(*v->ranks),
                         by_rank);
}

const struct evidence_rank *evidence_rank(const struct evidence *v, long rank)
{
    return find_rank(v, rank);
}

static bool is_tasks(const struct mlb_event *e)
{
    return e->rank >= 0 &&
           (event_is(e, "task-start") || event_is(e, "task-end"));
}

static void list_ranks(const struct mlb_events *events, struct evidence *v)
{
    size_t count = 0;

    v->ranks = xcalloc(events->count + 1, sizeof(*v->ranks));
    for (size_t i = 0; i < events->count; i++)
        if (is_tasks(&events->items[i]) &&
            events->items[i].attempt == v->attempt)
            v->ranks[count++] = (struct evidence_rank){
                .rank = events->items[i].rank, .to = -1 };
    if (count > 1)
        qsort(v->ranks, count, sizeof(*v->ranks), by_rank);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || v->ranks[i].rank != v->ranks[i - 1].rank)
            v->ranks[v->rank_count++] = v->ranks[i];
}

static void fill_rank(const struct mlb_event *e, struct evidence_rank *r)
{
    long long from = get_offset(e);
    double rss = get_number(e, "max_rss", 0);

    r->node = get_text(e, "node");
    if (from >= 0)
        r->from = from;
    if (!event_is(e, "task-end"))
        return;
    r->ended = true;
    r->time = e->time;
    r->exit = (int)get_number(e, "exit", -1);
    r->signal = (int)get_number(e, "signal", 0);
    r->text = get_text(e, "text");
    r->max_rss = rss > 0 ? rss : 0;
}

static void read_ranks(const struct mlb_events *events, struct evidence *v)
{
    list_ranks(events, v);
    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        struct evidence_rank *r = is_tasks(e) ? find_rank(v, e->rank) : NULL;
        if (!r)
            continue;
        if (e->attempt == v->attempt)
            fill_rank(e, r);
        /* The next attempt's part begins where this one's ends. */
        else if (e->attempt > v->attempt && get_offset(e) >= 0 &&
                 (r->to < 0 || get_offset(e) < r->to))
            r->to = get_offset(e);
    }
}

static bool was_terminated(const struct evidence_rank *r)
{
    return r->signal == SIGTERM || r->exit == 128 + SIGTERM;
}

/* How much a rank's log is worth: who failed by itself first, who was ended
 * for it, who was never heard of again, and who was fine. */
static int worth(const struct evidence_rank *r)
{
    if (!r->ended)
        return 2;
    if (r->exit == 0)
        return 3;
    return was_terminated(r) ? 1 : 0;
}

static int by_worth(const void *a, const void *b)
{
    const struct evidence_rank *x = *(const struct evidence_rank *const *)a;
    const struct evidence_rank *y = *(const struct evidence_rank *const *)b;

    if (worth(x) != worth(y))
        return worth(x) - worth(y);
    if (x->ended && x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return by_rank(x, y);
}

/* ---- facts ---- */

/* Was this attempt told to stop or to save before that time? */
static bool was_asked(const struct mlb_events *events, long attempt,
                      double time)
{
    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        if (e->time <= time &&
            ((event_is(e, "checkpoint-asked") && e->attempt == attempt) ||
             event_is(e, "cancel")))
            return true;
    }
    return false;
}

/* Bytes of memory for one task, 0: not known. */
static double read_limit(const struct mlb_run *run)
{
    struct mlb_fields plan = MLB_FIELDS_INIT;
    char *path = run_path(run, "plan");
    double limit = 0;

    if (fields_read(&plan, path, NULL) == 0) {
        long memory = fields_get_long(&plan, "memory_per_node", -1);
        long tasks = fields_get_long(&plan, "tasks_per_node", 1);
        if (memory > 0)
            limit = (double)memory / (double)(tasks > 0 ? tasks : 1);
    }
    fields_clear(&plan);
    free(path);
    return limit;
}

static void set_first(const struct mlb_events *events, long attempt,
                      const struct evidence_rank *r,
                      struct diagnose_facts *facts)
{
    facts->first.rank = r->rank;
    facts->first.node = r->node;
    facts->first.exit = r->exit;
    facts->first.signal = r->signal;
    facts->first.text = r->text;
    facts->first.max_rss = r->max_rss;
    facts->first.before = !was_terminated(r) && r->signal != SIGKILL &&
                          !was_asked(events, attempt, r->time);
}

static void set_state(const struct mlb_events *events, long attempt,
                      const struct mlb_run_state *state,
                      struct diagnose_facts *facts)
{
    facts->exit_code = -1;
    if (state) {
        facts->state = state->state;
        facts->text = state->text[0] ? state->text : NULL;
        facts->exit_code = state->exit_code;
        return;
    }
    facts->text = "it ended without a word from its agent, as when a node "
                  "fails";
    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        const char *name = get_text(e, "state");
        if (!event_is(e, "attempt-end") || e->attempt != attempt || !name)
            continue;
        facts->state = state_find(name);
        facts->text = get_text(e, "text");
        facts->exit_code = (int)get_number(e, "exit", -1);
    }
}

/* ---- which logs, and in which order ---- */

static void read_batch(const struct mlb_events *events, struct evidence *v)
{
    long long from = 0, to = -1;

    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        long long offset = event_is(e, "attempt-start") ? get_offset(e) : -1;
        if (offset < 0)
            continue;
        /* If none had started: what came since one did. */
        if (e->attempt == v->attempt || (v->attempt == 0 && offset > from))
            from = offset;
        else if (v->attempt > 0 && e->attempt > v->attempt &&
                 (to < 0 || offset < to))
            to = offset;
    }
    evidence_read_log(v, "out/batch.log", -1, from, to);
}

static void read_rank_log(struct evidence *v, const struct evidence_rank *r)
{
    char *name = xasprintf("out/rank-%05ld.log", r->rank);

    evidence_read_log(v, name, r->rank, r->from, r->to);
    free(name);
}

void evidence_gather(const struct mlb_run *run,
                     const struct mlb_events *events, long attempt,
                     const struct mlb_run_state *state,
                     struct evidence *v)
{
    *v = (struct evidence){ .run_dir = xstrdup(run->path),
                            .attempt = attempt, .facts.first.rank = -1 };
    v->logs = xcalloc(EVIDENCE_LOGS, sizeof(*v->logs));
    v->starts = xcalloc(EVIDENCE_LOGS, sizeof(*v->starts));
    v->facts.memory_limit = read_limit(run);
    set_state(events, attempt, state, &v->facts);
    read_ranks(events, v);
    const struct evidence_rank **order =
        xcalloc(v->rank_count + 1, sizeof(*order));
    for (size_t i = 0; i < v->rank_count; i++)
        order[i] = &v->ranks[i];
    if (v->rank_count > 1)
        qsort(order, v->rank_count, sizeof(*order), by_worth);
    bool failed = v->rank_count > 0 && worth(order[0]) < 2;
    if (failed) {
        set_first(events, attempt, order[0], &v->facts);
        read_rank_log(v, order[0]);
    }
    read_batch(events, v);
    for (size_t i = failed; i < v->rank_count &&
                            v->log_count < EVIDENCE_LOGS; i++)
        read_rank_log(v, order[i]);
    free(order);
}

void evidence_clear(struct evidence *v)
{
    for (size_t i = 0; i < v->log_count; i++) {
        free((char *)v->logs[i].name);
        free((char *)v->logs[i].bytes);
    }
    free(v->logs);
    free(v->starts);
    free(v->ranks);
    free(v->run_dir);
    *v = (struct evidence){ 0 };
}
