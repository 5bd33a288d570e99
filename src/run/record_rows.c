/* SPDX-License-Identifier: BSD-3-Clause */
/* The second time through an attempt's journals: rows of its series, curves
 * over all entities, and totals. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/journal.h"
#include "run/record_parts.h"
#include "run/record_series.h"
#include "store/sealed.h"

/* A task, the node or a GPU, over all journals of its node. */
struct entity {
    enum metric_scope scope;
    size_t index;            /* of the record's table */
    size_t row;              /* of the series */
    long pid;                /* of the program; counted: at last */
    long counted;
    double last;             /* s from the start: its last sample */
    const struct piece *piece;   /* whose that was */
    struct grid_entity *grid;
    int64_t carried[METRIC_COUNT];   /* counted by who sampled before */
    uint64_t pieced;         /* metrics where that is so */
    uint64_t told;           /* metrics with a status */
    struct metric_status status[METRIC_COUNT];
};

struct sampled {
    struct entity *entity;
    int64_t values[METRIC_COUNT];
};

struct filler {
    struct series *s;
    struct record *r;
    struct sealed_writer *w;
    struct entity **entities;    /* of this node */
    size_t count;
    struct entity **of;          /* by number in the journal, or NULL */
    size_t of_count;
    struct sampled *waiting;     /* for their tick */
    size_t waiting_count, waiting_room;
    const struct piece *piece;
    size_t rows[3];              /* of the series, by scope */
    size_t *order[3];            /* by index of the table: the row */
    bool added[METRIC_COUNT], added_most[METRIC_COUNT];
    struct grid_curve curves[METRIC_COUNT];
};

/* ---- rows of a series: all entities of the attempt, in the table's order */

static long attempt_of(const struct record *r, int scope, size_t i)
{
    return scope == METRIC_TASK ? r->tasks[i].attempt
         : scope == METRIC_NODE ? r->nodes[i].attempt
                                : r->gpus[i].attempt;
}

static void number_rows(struct filler *f)
{
    size_t counts[] = { f->r->task_count, f->r->node_count, f->r->gpu_count };

    for (int scope = 0; scope < 3; scope++) {
        f->order[scope] = xcalloc(counts[scope] + 1, sizeof(size_t));
        for (size_t i = 0; i < counts[scope]; i++)
            if (attempt_of(f->r, scope, i) == f->s->attempt)
                f->order[scope][i] = f->rows[scope]++;
    }
}

/* Whose row is whose: a later record may have more rows in its tables. */
static int write_keys(struct filler *f, struct mlb_error *err)
{
    static const char *const names[] = { "task_row", "node_row", "gpu_row" };
    size_t counts[] = { f->r->task_count, f->r->node_count, f->r->gpu_count };
    int rc = 0;

    for (int scope = 0; rc == 0 && scope < 3; scope++) {
        struct mlb_text t = MLB_TEXT_INIT;
        for (size_t i = 0; i < counts[scope]; i++)
            if (attempt_of(f->r, scope, i) == f->s->attempt)
                record_add_key(f->r, scope, i, &t);
        char *name = xasprintf("/series/%ld/%s", f->s->attempt,
                               names[scope]);
        rc = record_write_bytes(f->w, name, &t, err);
        free(name);
        text_clear(&t);
    }
    return rc;
}

/* ---- samples ---- */

/* NULL: one that came after the first time through. */
static struct entity *get_entity(struct filler *f,
                                 const struct journal_entity *about)
{
    struct record *r = f->r;
    size_t index = f->piece->node;

    if (about->scope == METRIC_TASK)
        index = record_find_task(r, f->s->attempt, about->rank);
    else if (about->scope == METRIC_GPU)
        index = record_find_gpu(r, f->s->attempt, f->piece->node,
                                about->name);
    if (index == SIZE_MAX)
        return NULL;
    for (size_t i = 0; i < f->count; i++)
        if (f->entities[i]->scope == about->scope &&
            f->entities[i]->index == index)
            return f->entities[i];
    struct entity *e = xcalloc(1, sizeof(*e));
    e->scope = about->scope;
    e->index = index;
    e->row = f->order[about->scope][index];
    e->last = -INFINITY;
    e->grid = xcalloc(1, sizeof(*e->grid));
    f->entities = xrealloc(f->entities,
                           (f->count + 1) * sizeof(struct entity *));
    f->entities[f->count++] = e;
    return e;
}

static void take_entity(struct filler *f, const struct journal_item *item)
{
    size_t n = (size_t)item->entity;

    if (n >= f->of_count) {
        f->of = xrealloc(f->of, (n + 1) * sizeof(struct entity *));
        while (f->of_count <= n)
            f->of[f->of_count++] = NULL;
    }
    f->of[n] = get_entity(f, &item->about);
    if (f->of[n])
        f->of[n]->pid = item->about.pid;
}

static void take_sample(struct filler *f, const struct journal_item *item)
{
    if (f->waiting_count == f->waiting_room) {
        f->waiting_room = f->waiting_room ? 2 * f->waiting_room : 16;
        f->waiting = xrealloc(f->waiting,
                              f->waiting_room * sizeof(*f->waiting));
    }
    struct sampled *s = &f->waiting[f->waiting_count++];
    s->entity = f->of[item->entity];
    memcpy(s->values, item->values, sizeof(s->values));
}

static void take_status(struct filler *f, const struct journal_item *item)
{
    struct entity *e = f->of[item->entity];

    if (!e)
        return;
    e->told |= UINT64_C(1) << item->metric;
    e->status[item->metric] = item->status;
}

/* What the kernel or the program itself accounts of a task goes on whoever
 * looks at it; less of that is what nobody can see any more. */
static bool goes_on(const struct entity *e, int m)
{
    return e->scope == METRIC_TASK && e->pid == e->counted &&
           (m < METRIC_CYCLES || m > METRIC_BRANCH_MISSES);
}

/* Who took over from a dead leader may have begun to count anew. */
static void carry(struct entity *e, int64_t values[METRIC_COUNT], bool other)
{
    for (int m = 0; m < METRIC_COUNT; m++) {
        if (values[m] == METRIC_MISSING || metrics[m].kind != METRIC_COUNTER ||
            (e->carried[m] == 0 && !other))
            continue;
        int64_t before = e->grid->last[m] ? e->grid->final[m] : 0;
        if (other && values[m] < before - e->carried[m]) {
            /* As far behind as it is now it stays. */
            e->carried[m] = goes_on(e, m) ? before - values[m] : before;
            e->pieced |= UINT64_C(1) << m;
        }
        values[m] = (int64_t)((uint64_t)values[m] + (uint64_t)e->carried[m]);
    }
}

static void take_tick(struct filler *f, const struct journal_item *item)
{
    const struct piece *p = f->piece;
    double width = f->s->grid.width, up = (double)item->monotonic / 1e9;
    double at = up + p->lead - f->s->start;
    /* Ticks of one journal are evenly spaced: so are their rows. */
    double base = round((p->first + p->lead - f->s->start) / width);
    double nth = base + round((up - p->first) / width);
    long row = (long)fmax(-1, fmin(nth, RECORD_ROWS_MOST));

    for (size_t i = 0; i < f->waiting_count; i++) {
        struct entity *e = f->waiting[i].entity;
        if (!e)
            continue;
        bool other = e->piece && e->piece != p;
        double least = e->last + (other ? p->interval / 2 : 0);
        if (at <= least)
            continue;            /* two sampled at once for a moment */
        carry(e, f->waiting[i].values, other);
        if (e->scope == METRIC_GPU && e->piece &&
            at - e->last <= 3 * fmax(p->interval, width))
            f->r->gpus[e->index].seconds += at - e->last;
        e->last = at;
        e->piece = p;
        e->counted = e->pid;
        grid_put(&f->s->grid, e->grid, &(struct grid_sample){
            .at = at < 0 ? 0 : at, .row = row,
            .interval = p->interval > 0 ? p->interval : width,
            .values = f->waiting[i].values });
    }
    f->waiting_count = 0;
}

static int read_piece(struct filler *f, const struct piece *p,
                      struct mlb_error *err)
{
    struct journal_reader *reader = journal_open(p->path, err);
    struct journal_item item;

    if (!reader)
        return -1;
    f->piece = p;
    f->waiting_count = 0;
    while (journal_next(reader, &item) != JOURNAL_NONE) {
        if (item.what == JOURNAL_ENTITY)
            take_entity(f, &item);
        else if (item.what == JOURNAL_SAMPLE)
            take_sample(f, &item);
        else if (item.what == JOURNAL_STATUS)
            take_status(f, &item);
        else if (item.what == JOURNAL_TICK)
            take_tick(f, &item);
        else if (item.what == JOURNAL_NOTE &&
                 strcmp(item.name, "damaged") == 0)
            f->waiting_count = 0;
    }
    journal_reader_close(reader);
    free(f->of);
    f->of = NULL;
    f->of_count = 0;
    return 0;
}

/* ---- totals ---- */

/* What the samples say of a metric; the status may be worse than it was, as
 * nobody could tell when it was said. */
static int64_t judge(const struct entity *e, int m,
                     struct metric_status *status)
{
    bool there = e->grid->last[m];

    if (e->told >> m & 1)
        *status = e->status[m];
    else
        metric_status_set(status, there ? METRIC_OK : METRIC_UNAVAILABLE,
                          there ? METRIC_FINE : METRIC_NOT_TOLD, "journal",
                          there ? NULL : "nothing was told of it");
    if (!there && status->state != METRIC_UNAVAILABLE)
        metric_status_set(status, METRIC_UNAVAILABLE, METRIC_LOST, "journal",
                          "no sample of it is left");
    if (there && status->state == METRIC_UNAVAILABLE) {
        status->state = METRIC_PARTIAL;
        status->coverage = 0;
    }
    if (there && status->state == METRIC_OK && (e->pieced >> m & 1))
        metric_status_set(status, METRIC_PARTIAL, METRIC_LATE, "journal",
                          "what happened between two samplers is missing");
    if (!there)
        return METRIC_MISSING;
    return metrics[m].kind == METRIC_COUNTER ? e->grid->final[m]
                                             : e->grid->high[m];
}

/* A task's own word at its end is better than the last sample. */
static void total_task(struct record *r, const struct entity *e, int m,
                       struct metric_status *status)
{
    struct record_task *t = &r->tasks[e->index];
    int64_t value = judge(e, m, status);

    if (m == METRIC_RSS)
        t->peak_rss = value;
    if (t->state[m] != METRIC_UNAVAILABLE) {
        if (t->state[m] == status->state)
            record_worsen(r, m, status);
        return;
    }
    if (value != METRIC_MISSING && metrics[m].kind == METRIC_COUNTER &&
        status->state == METRIC_OK)
        metric_status_set(status, METRIC_PARTIAL, METRIC_LOST, "journal",
                          "the task told no total at its end: up to the "
                          "last sample");
    t->total[m] = value;
    t->state[m] = (uint8_t)status->state;
    record_worsen(r, m, status);
}

static void add_totals(struct record *r, const struct entity *e)
{
    struct metric_status status;

    for (int m = 0; m < METRIC_COUNT; m++) {
        if (metrics[m].scope != e->scope)
            continue;
        if (e->scope == METRIC_TASK) {
            total_task(r, e, m, &status);
            continue;
        }
        int64_t value = judge(e, m, &status);
        record_worsen(r, m, &status);
        if (e->scope == METRIC_NODE) {
            r->nodes[e->index].total[m] = value;
            r->nodes[e->index].state[m] = (uint8_t)status.state;
            continue;
        }
        struct record_gpu *g = &r->gpus[e->index];
        g->total[m] = value;
        g->state[m] = (uint8_t)status.state;
        if (e->grid->all_count[m] > 0)
            g->mean[m] = e->grid->all[m] / (double)e->grid->all_count[m];
    }
}

/* ---- writing ---- */

static char *array_name(const struct filler *f, int m, const char *end)
{
    return xasprintf("/series/%ld/%s%s", f->s->attempt, metrics[m].name, end);
}

static int write_row(struct filler *f, const struct entity *e, int m,
                     bool most, struct mlb_error *err)
{
    char *name = array_name(f, m, most ? "_max" : "");
    struct sealed_array array = {
        .name = name, .type = SEALED_I64, .rank = 2,
        .shape = { f->rows[e->scope], f->s->grid.rows },
    };
    struct sealed_rows row = { e->row, 1 };
    int rc = 0;

    bool *added = most ? &f->added_most[m] : &f->added[m];
    if (!*added)
        rc = sealed_add(f->w, &array, err);
    *added = true;
    if (rc == 0)
        rc = sealed_write(f->w, name, &row,
                          most ? e->grid->most[m] : e->grid->last[m], err);
    free(name);
    return rc;
}

static void add_curve(struct filler *f, const struct entity *e, int m)
{
    struct grid_curve *c = &f->curves[m];
    size_t n = f->s->grid.cells;

    if (!c->value) {
        c->value = xcalloc(n, sizeof(*c->value));
        c->have = xcalloc(n, sizeof(*c->have));
        c->alive = xcalloc(n, sizeof(*c->alive));
    }
    grid_add_curve(&f->s->grid, e->grid->last[m], metrics[m].kind, c);
}

static int finish_entity(struct filler *f, struct entity *e,
                         struct mlb_error *err)
{
    int rc = 0;

    grid_flush(e->grid);
    add_totals(f->r, e);
    for (int m = 0; rc == 0 && m < METRIC_COUNT; m++) {
        if (metrics[m].scope != e->scope || !e->grid->last[m])
            continue;
        rc = write_row(f, e, m, false, err);
        /* With one sample a row they are the same, and not said twice. */
        if (rc == 0 && e->grid->most[m] &&
            memcmp(e->grid->most[m], e->grid->last[m],
                   f->s->grid.rows * sizeof(int64_t)) != 0)
            rc = write_row(f, e, m, true, err);
        add_curve(f, e, m);
    }
    return rc;
}

static void clear_entities(struct filler *f)
{
    for (size_t i = 0; i < f->count; i++) {
        grid_clear(f->entities[i]->grid);
        free(f->entities[i]->grid);
        free(f->entities[i]);
    }
    free(f->entities);
    f->entities = NULL;
    f->count = 0;
}

static int fill_node(struct filler *f, size_t from, size_t to,
                     struct mlb_error *err)
{
    int rc = 0;

    for (size_t i = from; rc == 0 && i < to; i++)
        rc = read_piece(f, &f->s->pieces[i], err);
    for (size_t i = 0; rc == 0 && i < f->count; i++)
        rc = finish_entity(f, f->entities[i], err);
    clear_entities(f);
    return rc;
}

/* ---- times, curves, and what describes them ---- */

static int write_reals(struct filler *f, const char *part, const double *data,
                       size_t count, struct mlb_error *err)
{
    char *name = xasprintf("/series/%ld/%s", f->s->attempt, part);
    struct sealed_array array = { .name = name, .type = SEALED_F64,
                                  .rank = 1, .shape = { count } };
    struct sealed_rows all = { 0, count };
    int rc = sealed_add(f->w, &array, err);

    if (rc == 0)
        rc = sealed_write(f->w, name, &all, data, err);
    free(name);
    return rc;
}

static int write_times(struct filler *f, struct mlb_error *err)
{
    const struct grid *g = &f->s->grid;
    double *times = xmalloc((g->rows + 1) * sizeof(*times));

    for (size_t i = 0; i < g->rows; i++)
        times[i] = (double)i * g->width;
    int rc = write_reals(f, "time", times, g->rows, err);
    for (size_t i = 0; i < g->cells; i++)
        times[i] = ((double)i + 0.5) * (double)g->per_cell * g->width;
    if (rc == 0)
        rc = write_reals(f, "total/time", times, g->cells, err);
    free(times);
    char *name = xasprintf("/series/%ld/time", f->s->attempt), text[64];
    snprintf(text, sizeof(text), "%.6f", f->s->start);
    if (rc == 0)
        rc = sealed_attribute(f->w, name, "unit", "s", err);
    if (rc == 0)
        rc = sealed_attribute(f->w, name, "start", text, err);
    free(name);
    return rc;
}

static int write_metric(struct filler *f, int m, struct mlb_error *err)
{
    bool gauge = metrics[m].kind == METRIC_GAUGE;
    char *name = array_name(f, m, ""), *most = array_name(f, m, "_max");
    char *part = xasprintf("total/%s", metrics[m].name);

    grid_finish_curve(&f->s->grid, &f->curves[m],
                      metrics[m].scope == METRIC_GPU && gauge);
    int rc = record_describe(f->w, name, f->r, m, err);
    if (rc == 0 && f->added_most[m])
        rc = record_describe(f->w, most, f->r, m, err);
    if (rc == 0)
        rc = write_reals(f, part, f->curves[m].value, f->s->grid.cells, err);
    free(part);
    free(most);
    free(name);
    return rc;
}

int series_write(struct series *s, struct record *r, struct sealed_writer *w,
                 struct mlb_error *err)
{
    struct filler f = { .s = s, .r = r, .w = w };
    int rc = 0;

    series_lay(r, s);
    number_rows(&f);
    for (size_t i = 0, to; rc == 0 && i < s->piece_count; i = to) {
        for (to = i; to < s->piece_count; to++)
            if (s->pieces[to].node != s->pieces[i].node)
                break;
        rc = fill_node(&f, i, to, err);
    }
    if (rc == 0)
        rc = write_times(&f, err);
    if (rc == 0)
        rc = write_keys(&f, err);
    for (int m = 0; m < METRIC_COUNT; m++) {
        if (rc == 0 && f.added[m])
            rc = write_metric(&f, m, err);
        free(f.curves[m].value);
        free(f.curves[m].have);
        free(f.curves[m].alive);
    }
    for (int scope = 0; scope < 3; scope++)
        free(f.order[scope]);
    free(f.waiting);
    return rc;
}
