/* SPDX-License-Identifier: BSD-3-Clause */
/* From the journals of an attempt to its series: once through all of them
 * to learn what there is, then again node by node, so that no more than one
 * node's rows are in memory. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "run/journal.h"
#include "run/record_parts.h"
#include "run/record_series.h"
#include "store/sealed.h"

#define LATE 0.1             /* s */
#define STEPPED 1.0          /* s that a clock may be off unsaid */
#define NOTES_MOST 16
#define LEAST_WIDTH 0.001

static double seconds(int64_t ns)
{
    return (double)ns / 1e9;
}

/* ---- the first time through ---- */

struct scan {
    struct record *r;
    struct series *s;
    struct piece *p;
    double last, step;       /* monotonic, and between two ticks */
    double lead;             /* of the real clock, at the last tick */
    int notes;
};

static void tell(struct scan *scan, const char *what, const char *text)
{
    if (scan->notes++ < NOTES_MOST)
        strings_pushf(&scan->r->damage, "journal %s: %s%s%s", scan->p->name,
                      what, *text ? ": " : "", text);
}

static void scan_tick(struct scan *scan, const struct journal_item *item)
{
    struct record_node *node = &scan->r->nodes[scan->p->node];
    double at = seconds(item->monotonic), step = at - scan->last;
    double lead = seconds(item->real) - at;

    node->ticks++;
    if (scan->p->ticks++ == 0) {
        scan->p->first = at;
        scan->p->lead = lead;
    } else {
        if (scan->step > 0 && step > scan->step + LATE)
            node->late++;
        if (fabs(lead - scan->lead) > STEPPED) {
            char *text = xasprintf("%+.1f s, so times are by the other "
                                   "clock", lead - scan->lead);
            tell(scan, "the node's clock was set", text);
            free(text);
        }
        /* The lesser of two: a late one is followed by an early one. */
        scan->step = step;
        if (step > 0 && (scan->p->interval == 0 ||
                         step < scan->p->interval))
            scan->p->interval = step;
    }
    scan->lead = lead;
    scan->p->last = scan->last = at;
}

static void scan_entity(struct scan *scan, const struct journal_entity *e)
{
    struct record *r = scan->r;
    long attempt = scan->s->attempt;

    if (e->scope == METRIC_TASK) {
        size_t i = record_task_index(r, attempt, e->rank);
        struct record_task *t = &r->tasks[i];
        if (t->node < 0)
            t->node = (long)scan->p->node;
    } else if (e->scope == METRIC_GPU) {
        size_t i = record_gpu_index(r, attempt, scan->p->node, e->name);
        struct record_gpu *g = &r->gpus[i];
        memcpy(g->product, e->product, sizeof(g->product));
        g->capacity = e->capacity;
    }
}

static void scan_items(struct scan *scan, struct journal_reader *reader)
{
    struct journal_item item;

    while (journal_next(reader, &item) != JOURNAL_NONE) {
        if (item.what == JOURNAL_TICK)
            scan_tick(scan, &item);
        else if (item.what == JOURNAL_ENTITY)
            scan_entity(scan, &item.about);
        else if (item.what == JOURNAL_NOTE &&
                 (strcmp(item.name, "gap") == 0 ||
                  strcmp(item.name, "damaged") == 0 ||
                  strcmp(item.name, "hung-read") == 0))
            tell(scan, item.name, item.text);
    }
    if (journal_torn(reader) > 0) {
        char *text = xasprintf("%llu bytes at its end",
                               (unsigned long long)journal_torn(reader));
        tell(scan, "torn", text);
        free(text);
    }
}

static void scan_journal(struct record *r, struct series *s, const char *name)
{
    struct mlb_error err = { 0 };
    char *path = xasprintf("%s/journal/%s", r->run_dir, name);
    struct journal_reader *reader = journal_open(path, &err);

    if (!reader || journal_attempt(reader) != s->attempt) {
        strings_pushf(&r->damage, "journal %s: %s", name,
                      reader ? "of another attempt than its name says"
                             : err.text);
    } else {
        struct piece p = {
            .path = xstrdup(path), .name = xstrdup(name),
            .boot = xstrdup(journal_boot(reader)),
            .node = record_node_index(r, s->attempt, journal_node(reader)),
        };
        struct scan scan = { .r = r, .s = s, .p = &p };
        scan_items(&scan, reader);
        s->pieces = xrealloc(s->pieces,
                             (s->piece_count + 1) * sizeof(p));
        s->pieces[s->piece_count++] = p;
    }
    journal_reader_close(reader);
    free(path);
}

/* ---- clocks ---- */

/* By node and boot, then by time. */
static int compare_piece(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    int boot = strcmp(x->boot, y->boot);

    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    if (boot)
        return boot;
    return (x->first > y->first) - (x->first < y->first);
}

static const struct record_attempt *find_attempt(const struct record *r,
                                                 long number)
{
    for (size_t i = 0; i < r->attempt_count; i++)
        if (r->attempts[i].number == number)
            return &r->attempts[i];
    return NULL;
}

/* How far a node's clock is ahead, if it sampled from..to by it: all of that
 * was between the attempt's start and end by the batch node's. */
static double find_lead(const struct record_attempt *a, double from,
                        double to)
{
    if (!a || isnan(a->start))
        return NAN;
    double most = from - a->start;
    double least = to - (isnan(a->end) ? (double)time(NULL) : a->end);
    if (least > most + STEPPED)
        return NAN;              /* no one lead explains that */
    if (least <= STEPPED && most >= -STEPPED)
        return 0;
    return isnan(a->end) && most < 0 ? most : (least + most) / 2;
}

static void check_clock(struct record *r, struct series *s, size_t from,
                        size_t to)
{
    struct record_node *n = &r->nodes[s->pieces[from].node];

    n->first = INFINITY;
    n->last = -INFINITY;
    for (size_t i = from; i < to; i++) {
        const struct piece *p = &s->pieces[i];
        n->first = fmin(n->first, p->first + p->lead);
        n->last = fmax(n->last, p->last + p->lead);
    }
    n->clock_off = find_lead(find_attempt(r, s->attempt), n->first, n->last);
    if (!isnan(n->clock_off) && fabs(n->clock_off) <= STEPPED)
        return;
    if (isnan(n->clock_off)) {
        if (find_attempt(r, s->attempt))
            strings_pushf(&r->damage, "attempt %ld: the clock of node %s "
                          "cannot be told from the log", s->attempt, n->name);
        return;
    }
    strings_pushf(&r->damage, "attempt %ld: the clock of node %s is %.0f s "
                  "%s; its times were shifted", s->attempt, n->name,
                  fabs(n->clock_off), n->clock_off > 0 ? "ahead" : "behind");
    for (size_t i = from; i < to; i++)
        s->pieces[i].lead -= n->clock_off;
    n->first -= n->clock_off;
    n->last -= n->clock_off;
}

/* All pieces of one boot of a node are by its first anchor: a clock that was
 * set in between does not tear them apart. */
static void anchor(struct record *r, struct series *s)
{
    qsort(s->pieces, s->piece_count, sizeof(*s->pieces), compare_piece);
    for (size_t i = 1; i < s->piece_count; i++) {
        struct piece *p = &s->pieces[i], *before = p - 1;
        if (p->node == before->node && strcmp(p->boot, before->boot) == 0)
            p->lead = before->lead;
    }
    for (size_t i = 0, to; i < s->piece_count; i = to) {
        for (to = i; to < s->piece_count; to++)
            if (s->pieces[to].node != s->pieces[i].node)
                break;
        check_clock(r, s, i, to);
    }
}

/* ---- rows ---- */

static size_t count_entities(const struct record *r, long attempt)
{
    size_t n = 0;

    for (size_t i = 0; i < r->task_count; i++)
        n += r->tasks[i].attempt == attempt;
    return n;
}

/* Rows as wide as samples lie apart, then twice that until they are few. */
static void lay_grid(const struct record *r, struct series *s)
{
    const struct record_attempt *a = find_attempt(r, s->attempt);
    size_t tasks = count_entities(r, s->attempt);
    double most = RECORD_ROWS_MOST, width = INFINITY, end = -INFINITY;

    s->start = a && !isnan(a->start) ? a->start : INFINITY;
    for (size_t i = 0; i < s->piece_count; i++) {
        const struct piece *p = &s->pieces[i];
        double usual = p->ticks > 1 ? (p->last - p->first) /
                                          (double)(p->ticks - 1) : 1;
        /* The least may be an early tick; the mean has the gaps in it. */
        if (p->interval > usual / 2)
            usual = fmin(usual, 1.5 * p->interval);
        width = fmin(width, usual);
        end = fmax(end, p->last + p->lead);
        if (!a || isnan(a->start))
            s->start = fmin(s->start, p->first + p->lead);
    }
    if (tasks > 0 && most > (double)RECORD_VALUES_MOST / (double)tasks)
        most = fmax(256, (double)RECORD_VALUES_MOST / (double)tasks);
    width = fmax(LEAST_WIDTH, round(width * 1000) / 1000);
    double rows = fmax(1, ceil((end - s->start) / width) + 1);
    for (; rows > most; rows = ceil(rows / 2))
        width *= 2;
    s->grid.width = width;
    s->grid.rows = (size_t)rows;
    s->grid.per_cell = (s->grid.rows - 1) / RECORD_CELLS_MOST + 1;
    s->grid.cells = (s->grid.rows - 1) / s->grid.per_cell + 1;
}

struct series *series_scan(struct record *r, long attempt,
                           const struct mlb_strings *names)
{
    struct series *s = xcalloc(1, sizeof(*s));
    size_t kept = 0;

    s->attempt = attempt;
    for (size_t i = 0; i < names->count; i++)
        scan_journal(r, s, names->items[i]);
    for (size_t i = 0; i < s->piece_count; i++) {
        if (s->pieces[i].ticks > 0)
            s->pieces[kept++] = s->pieces[i];
        else
            series_clear_piece(&s->pieces[i]);
    }
    s->piece_count = kept;
    if (kept == 0) {
        series_destroy(s);
        return NULL;
    }
    anchor(r, s);
    return s;
}

void series_lay(const struct record *r, struct series *s)
{
    lay_grid(r, s);
}

void series_clear_piece(struct piece *p)
{
    free(p->path);
    free(p->name);
    free(p->boot);
}

void series_destroy(struct series *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->piece_count; i++)
        series_clear_piece(&s->pieces[i]);
    free(s->pieces);
    free(s);
}
