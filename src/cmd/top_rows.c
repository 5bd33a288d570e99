/* SPDX-License-Identifier: BSD-3-Clause */
/* The rows of mlbatch-top: chosen, sorted, in words, as JSON. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/units.h"
#include "cmd/top.h"

/* Rates are over about so many seconds: steps may take some. */
#define CPU_SECONDS 2
#define IO_SECONDS 5
#define SAMPLES_SECONDS 10

/* A run that nobody asked for and that has been quiet for so long was
 * probably killed with its agent. */
#define QUIET 3600

const char *const top_titles[TOP_COLUMNS] = {
    [TOP_RUN] = "RUN", [TOP_RANK] = "RANK", [TOP_NODE] = "NODE",
    [TOP_CPU_USE] = "CPU%", [TOP_RSS] = "RSS", [TOP_READ_RATE] = "READ/s",
    [TOP_WRITE_RATE] = "WRITE/s", [TOP_STEP] = "STEP",
    [TOP_RATE] = "SAMPLES/s", [TOP_LOSS] = "LOSS", [TOP_GPU] = "GPU%",
    [TOP_STATE] = "STATE",
};

static const char *const sort_names[TOP_COLUMNS] = {
    [TOP_RUN] = "run", [TOP_RANK] = "rank", [TOP_NODE] = "node",
    [TOP_CPU_USE] = "cpu", [TOP_RSS] = "rss", [TOP_READ_RATE] = "read",
    [TOP_WRITE_RATE] = "write", [TOP_STEP] = "step", [TOP_RATE] = "samples",
    [TOP_LOSS] = "loss", [TOP_GPU] = "gpu", [TOP_STATE] = "state",
};

/* What goes first where the terminal is narrow. */
static const enum top_column dispensable[] = {
    TOP_WRITE_RATE, TOP_READ_RATE, TOP_GPU, TOP_RSS, TOP_RATE, TOP_NODE,
    TOP_LOSS, TOP_STATE,
};

int top_column_find(const char *name)
{
    for (int i = 0; i < TOP_COLUMNS; i++)
        if (strcmp(sort_names[i], name) == 0)
            return i;
    return -1;
}

/* ---- values ---- */

static double number_of(int64_t value)
{
    return value == METRIC_MISSING ? NAN : (double)value;
}

/* Rates of a task that nobody samples any more are none. */
static void fill(struct top_row *row, double now)
{
    const struct top_task *task = row->task;
    const struct top_node *node = NULL;

    for (size_t i = 0; i < row->run->node_count; i++)
        if (strcmp(row->run->nodes[i].name, task->node) == 0)
            node = &row->run->nodes[i];
    row->cpu = row->read = row->write = row->samples = row->gpu = NAN;
    row->silent = node && !task->ended ? top_silent(node, now) : 0;
    if (row->silent > 0 || task->ended || !node)
        return;
    row->cpu = 100e-9 * top_rate(task, TOP_CPU, CPU_SECONDS);
    row->read = top_rate(task, TOP_READ, IO_SECONDS);
    row->write = top_rate(task, TOP_WRITE, IO_SECONDS);
    row->samples = top_rate(task, TOP_SAMPLES, SAMPLES_SECONDS);
    row->gpu = top_gpu_use(node);
}

static char *size_cell(double bytes)
{
    struct mlb_text t = MLB_TEXT_INIT;

    if (isnan(bytes) || bytes < 0 || bytes > 9e18)
        return xstrdup("-");
    units_add_size(&t, (long long)bytes);
    return text_detach(&t);
}

static char *number_cell(const char *format, double value)
{
    char text[64];

    if (isnan(value))
        return xstrdup("-");
    snprintf(text, sizeof(text), format, value);
    return xstrdup(text);
}

static char *state_cell(const struct top_row *row)
{
    struct mlb_text t = MLB_TEXT_INIT;

    if (row->task->ended)
        return xstrdup("ended");
    if (row->silent <= 0)
        return xstrdup("running");
    text_add(&t, "silent for ");
    units_add_duration(&t, row->silent);
    return text_detach(&t);
}

static char *loss_cell(const struct top_task *task)
{
    char text[64];

    if (task->loss_rank == 0)
        return xstrdup("-");
    snprintf(text, sizeof(text), "%.4g", task->loss);
    return xstrdup(text);
}

static void fill_cells(struct top_row *row)
{
    const struct top_task *task = row->task;
    char **c = row->cells;
    bool gone = row->silent > 0 || task->ended;

    c[TOP_RUN] = text_printable(row->run->run.id);
    c[TOP_RANK] = xasprintf("%ld", task->rank);
    c[TOP_NODE] = *task->node ? text_printable(task->node) : xstrdup("-");
    c[TOP_CPU_USE] = number_cell("%.1f", row->cpu);
    c[TOP_RSS] = size_cell(gone ? NAN : number_of(task->rss));
    c[TOP_READ_RATE] = size_cell(row->read);
    c[TOP_WRITE_RATE] = size_cell(row->write);
    c[TOP_STEP] = number_cell("%.0f", number_of(task->step));
    c[TOP_RATE] = number_cell("%.4g", row->samples);
    c[TOP_LOSS] = loss_cell(task);
    c[TOP_GPU] = number_cell("%.0f", row->gpu);
    c[TOP_STATE] = state_cell(row);
}

/* ---- which rows, in which order ---- */

static bool matches(const struct top_row *row, const char *filter)
{
    if (!filter || !*filter)
        return true;
    for (int i = 0; i < TOP_COLUMNS; i++)
        if ((i == TOP_RUN || i == TOP_NODE || i == TOP_STATE) &&
            strcasestr(row->cells[i], filter))
            return true;
    return strcmp(row->cells[TOP_RANK], filter) == 0;
}

static double key(const struct top_row *row, enum top_column column)
{
    switch (column) {
    case TOP_CPU_USE:
        return row->cpu;
    case TOP_RSS:
        return number_of(row->task->rss);
    case TOP_READ_RATE:
        return row->read;
    case TOP_WRITE_RATE:
        return row->write;
    case TOP_STEP:
        return -number_of(row->task->step);
    case TOP_RATE:
        return -row->samples;
    case TOP_LOSS:
        return row->task->loss_rank ? row->task->loss : NAN;
    case TOP_GPU:
        return row->gpu;
    case TOP_STATE:
        return row->task->ended ? -1 : row->silent;
    default:
        return 0;
    }
}

/* The most remarkable first: much CPU, but the slowest step. What is not
 * known comes last, whichever way round. */
static int compare(const void *a, const void *b, void *context)
{
    const struct top_row *x = a, *y = b;
    const struct top_view *view = context;
    double p = key(x, view->sort), q = key(y, view->sort);
    int order = 0;

    if (isnan(p) != isnan(q))
        return isnan(p) ? 1 : -1;
    if (view->sort == TOP_NODE)
        order = strcmp(x->task->node, y->task->node);
    else if (view->sort == TOP_RANK)
        order = (x->task->rank > y->task->rank) -
                (x->task->rank < y->task->rank);
    else if (p != q && !isnan(p))
        order = p > q ? -1 : 1;
    if (view->sort == TOP_RUN || order == 0)
        order = strcmp(x->run->run.id, y->run->run.id);
    if (order == 0)
        order = x->task->rank < y->task->rank ? -1 : 1;
    return view->reverse ? -order : order;
}

static void clear_cells(struct top_row *row)
{
    for (int i = 0; i < TOP_COLUMNS; i++)
        free(row->cells[i]);
}

void top_view_clear(struct top_view *view)
{
    for (size_t i = 0; i < view->row_count; i++)
        clear_cells(&view->rows[i]);
    free(view->rows);
    view->rows = NULL;
    view->row_count = view->hidden = 0;
}

static void add_row(struct top_view *view, const struct top_row *row)
{
    size_t n = view->row_count;

    if ((n & (n - 1)) == 0)
        view->rows = xrealloc(view->rows,
                              (n ? 2 * n : 1) * sizeof(*view->rows));
    view->rows[view->row_count++] = *row;
}

void top_view_make(struct top_view *view, double now)
{
    top_view_clear(view);
    for (size_t i = 0; i < view->run_count; i++) {
        const struct top_run *run = &view->runs[i];
        if (!top_run_is_open(run))
            continue;
        if (!run->named && now - run->heard > QUIET) {
            view->hidden++;
            continue;
        }
        for (size_t k = 0; k < run->task_room; k++) {
            struct top_row row = { .run = run, .task = run->tasks[k] };
            if (!row.task)
                continue;
            fill(&row, now);
            fill_cells(&row);
            if (matches(&row, view->filter))
                add_row(view, &row);
            else
                clear_cells(&row);
        }
    }
    if (view->row_count > 0)
        qsort_r(view->rows, view->row_count, sizeof(*view->rows), compare,
                view);
}

/* ---- the table ---- */

/* Characters: bytes that go on one are not counted. */
static int columns_of(const char *s)
{
    int n = 0;

    for (; *s; s++)
        n += (*s & 0xc0) != 0x80;
    return n;
}

void top_widths(const struct top_view *view, int width,
                int widths[TOP_COLUMNS])
{
    int total = -2;

    for (int c = 0; c < TOP_COLUMNS; c++) {
        widths[c] = columns_of(top_titles[c]);
        for (size_t i = 0; i < view->row_count; i++) {
            int n = columns_of(view->rows[i].cells[c]);
            if (n > widths[c])
                widths[c] = n;
        }
        total += widths[c] + 2;
    }
    for (size_t i = 0;
         width > 0 && total > width &&
         i < sizeof(dispensable) / sizeof(dispensable[0]); i++) {
        total -= widths[dispensable[i]] + 2;
        widths[dispensable[i]] = 0;
    }
}

static bool is_text(int column)
{
    return column == TOP_RUN || column == TOP_NODE || column == TOP_STATE;
}

void top_add_line(struct mlb_text *out, const char *const *cells,
                  const int widths[TOP_COLUMNS])
{
    bool first = true;

    for (int c = 0; c < TOP_COLUMNS; c++) {
        if (widths[c] == 0)
            continue;
        int pad = widths[c] - columns_of(cells[c]);
        text_addf(out, "%s%*s", first ? "" : "  ", is_text(c) ? 0 : pad, "");
        text_add(out, cells[c]);
        if (is_text(c) && c + 1 < TOP_COLUMNS)
            text_addf(out, "%*s", pad, "");
        first = false;
    }
}

void top_print(const struct top_view *view)
{
    struct mlb_text t = MLB_TEXT_INIT;
    int widths[TOP_COLUMNS];

    top_widths(view, 0, widths);
    top_add_line(&t, top_titles, widths);
    printf("%s\n", t.data);
    for (size_t i = 0; i < view->row_count; i++) {
        text_clear(&t);
        top_add_line(&t, (const char *const *)view->rows[i].cells, widths);
        printf("%s\n", t.data);
    }
    text_clear(&t);
}

/* ---- JSON ---- */

static json_t *number_json(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *integer_json(int64_t value)
{
    return value == METRIC_MISSING ? json_null() : json_integer(value);
}

/* NaN and infinity are what the program told, and JSON has no number. */
static json_t *loss_json(const struct top_task *task)
{
    if (task->loss_rank == 0)
        return json_null();
    if (isfinite(task->loss))
        return json_real(task->loss);
    return json_string(isnan(task->loss) ? "nan"
                       : task->loss > 0  ? "inf"
                                         : "-inf");
}

void top_print_json(const struct top_view *view)
{
    json_t *tasks = json_array();

    for (size_t i = 0; i < view->row_count; i++) {
        const struct top_row *row = &view->rows[i];
        const struct top_task *task = row->task;
        bool gone = row->silent > 0 || task->ended;
        json_array_append_new(tasks, json_pack(
            "{s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
            "s:s, s:o}",
            "run", json_text(row->run->run.id), "attempt",
            (json_int_t)row->run->attempt, "rank", (json_int_t)task->rank,
            "node", json_text(*task->node ? task->node : NULL),
            "cpu_percent", number_json(row->cpu), "rss_bytes",
            integer_json(gone ? METRIC_MISSING : task->rss),
            "read_bytes_per_second", number_json(row->read),
            "write_bytes_per_second", number_json(row->write), "step",
            integer_json(task->step), "samples_per_second",
            number_json(row->samples), "loss", loss_json(task),
            "gpu_use_percent", number_json(row->gpu), "state",
            task->ended       ? "ended"
            : row->silent > 0 ? "silent"
                              : "running",
            "silent_seconds",
            row->silent > 0 ? json_real(row->silent) : json_null()));
    }
    json_t *o = json_pack("{s:i, s:o}", "schema", 1, "tasks", tasks);
    json_print(o);
    json_decref(o);
}
