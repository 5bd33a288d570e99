/* SPDX-License-Identifier: BSD-3-Clause */
/* The card's plots as a script for gnuplot, and gnuplot run on it. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "base/process.h"
#include "report/plot.h"

#define WIDTH 480
#define HEIGHT 230
#define FONT 15
#define BUCKETS 300          /* of a line's points; two are drawn of each */
#define FEW 40               /* points that can be told apart */
#define SECONDS 20
#define OUTPUT_LIMIT (16u << 20)

static double highest(const struct card_plot *plot, bool x)
{
    double high = 0;

    for (size_t i = 0; i < plot->line_count; i++) {
        const struct card_line *line = &plot->lines[i];
        for (size_t k = 0; k < line->count; k++) {
            double value = fabs(x ? line->x[k] : line->y[k]);
            if (isfinite(value) && value > high)
                high = value;
        }
    }
    return high;
}

struct plot_scale plot_scale_x(const struct card_plot *plot)
{
    double high = highest(plot, true);

    if (strcmp(plot->x, "time") != 0)
        return (struct plot_scale){ 1, "" };
    if (high > 2 * 86400)
        return (struct plot_scale){ 86400, "d" };
    if (high > 2 * 3600)
        return (struct plot_scale){ 3600, "h" };
    if (high > 2 * 60)
        return (struct plot_scale){ 60, "min" };
    return (struct plot_scale){ 1, "s" };
}

/* The largest power of base that high reaches, as an index. */
static int power_of(double high, double base, int last)
{
    int i = 0;

    while (i < last && high >= base) {
        high /= base;
        i++;
    }
    return i;
}

struct plot_scale plot_scale_y(const struct card_plot *plot)
{
    static const char *const sizes[] = { "B", "KiB", "MiB", "GiB", "TiB",
                                         "PiB" };
    static const char *const rates[] = { "B/s", "KiB/s", "MiB/s", "GiB/s",
                                         "TiB/s", "PiB/s" };
    static const char *const ops[] = { "FLOP/s", "kFLOP/s", "MFLOP/s",
                                       "GFLOP/s", "TFLOP/s", "PFLOP/s" };
    double high = highest(plot, false);

    if (strcmp(plot->unit, "1") == 0)
        return (struct plot_scale){ 0.01, "%" };
    if (strcmp(plot->unit, "bytes") == 0 ||
        strcmp(plot->unit, "bytes/s") == 0) {
        int i = power_of(high, 1024, 5);
        return (struct plot_scale){ pow(1024, i),
                                    plot->unit[5] ? rates[i] : sizes[i] };
    }
    if (strcmp(plot->unit, "ops/s") == 0) {
        int i = power_of(high, 1000, 5);
        return (struct plot_scale){ pow(1000, i), ops[i] };
    }
    return (struct plot_scale){ 1, plot->unit };
}

static bool drawable(const struct card_plot *plot, double x, double y)
{
    return isfinite(x) && isfinite(y) && (!plot->log_scale || y > 0);
}

static size_t count_points(const struct card_plot *plot, bool good)
{
    size_t count = 0;

    for (size_t i = 0; i < plot->line_count; i++)
        for (size_t k = 0; k < plot->lines[i].count; k++)
            if (drawable(plot, plot->lines[i].x[k], plot->lines[i].y[k]) ==
                good)
                count++;
    return count;
}

bool plot_can_draw(const struct card_plot *plot)
{
    return count_points(plot, true) > 0;
}

size_t plot_cannot(const struct card_plot *plot)
{
    return count_points(plot, false);
}

/* A point; one that cannot be drawn makes a gap. */
static void add_point(const struct card_plot *plot,
                      const struct card_line *line, size_t k,
                      struct mlb_text *out)
{
    if (drawable(plot, line->x[k], line->y[k]))
        text_addf(out, "%.9g %.9g\n", line->x[k] / plot_scale_x(plot).divide,
                  line->y[k] / plot_scale_y(plot).divide);
    else
        text_add(out, "\n");
}

/* Of a long line the lowest and the highest point of each bucket, so that
 * no peak is lost. */
static void add_bucket(const struct card_plot *plot,
                       const struct card_line *line, size_t first,
                       size_t end, struct mlb_text *out)
{
    size_t low = end, high = end, points = 0;

    for (size_t k = first; k < end; k++) {
        if (!drawable(plot, line->x[k], line->y[k]))
            continue;
        points++;
        if (low == end || line->y[k] < line->y[low])
            low = k;
        if (high == end || line->y[k] > line->y[high])
            high = k;
    }
    if (points > 0)
        add_point(plot, line, low < high ? low : high, out);
    if (low != high)
        add_point(plot, line, low < high ? high : low, out);
    if (points < end - first)
        text_add(out, "\n");
}

static void add_data(const struct card_plot *plot,
                     const struct card_line *line, struct mlb_text *out)
{
    if (line->count <= 2 * BUCKETS) {
        for (size_t k = 0; k < line->count; k++)
            add_point(plot, line, k, out);
        return;
    }
    for (size_t b = 0; b < BUCKETS; b++)
        add_bucket(plot, line, line->count * b / BUCKETS,
                   line->count * (b + 1) / BUCKETS, out);
}

static bool line_can_draw(const struct card_plot *plot,
                          const struct card_line *line)
{
    for (size_t k = 0; k < line->count; k++)
        if (drawable(plot, line->x[k], line->y[k]))
            return true;
    return false;
}

/* A point between gaps would be a line of no length: then, and where there
 * are few, points are marked. */
static const char *style(const struct card_plot *plot,
                         const struct card_line *line)
{
    bool before = false, here = false, alone = line->count < FEW;

    for (size_t k = 0; k <= line->count && !alone; k++) {
        bool next = k < line->count &&
                    drawable(plot, line->x[k], line->y[k]);
        alone = here && !before && !next;
        before = here;
        here = next;
    }
    return alone ? "linespoints pt 7 ps 0.4" : "lines";
}

static void add_plot(const struct card_plot *plot, struct mlb_text *out)
{
    const char *comma = "plot ";

    for (size_t i = 0; i < plot->line_count && i < PLOT_LINES; i++) {
        if (!line_can_draw(plot, &plot->lines[i]))
            continue;
        text_addf(out, "$d%zu << END\n", i);
        add_data(plot, &plot->lines[i], out);
        text_add(out, "END\n");
    }
    text_addf(out, "set terminal svg size %d,%d dynamic noenhanced "
              "font 'sans-serif,%d'\nset output\n%s\n", WIDTH, HEIGHT, FONT,
              plot->log_scale ? "set logscale y" : "unset logscale y");
    /* From 0, so that a height means what it seems to mean, except where
     * only the shape counts. */
    if (strcmp(plot->x, "time") != 0 || plot->log_scale)
        text_add(out, "set yrange [*:*]\n");
    else
        text_add(out, highest(plot, false) > 0 ? "set yrange [*<0:*]\n"
                                               : "set yrange [0:1]\n");
    for (size_t i = 0; i < plot->line_count && i < PLOT_LINES; i++) {
        if (!line_can_draw(plot, &plot->lines[i]))
            continue;
        text_addf(out, "%s$d%zu with %s lc rgb '#0%zu0000' dt %zu", comma, i,
                  style(plot, &plot->lines[i]), i + 1, i / 4 + 1);
        comma = ", ";
    }
    text_add(out, "\n");
}

void plot_script(const struct card_plot *plots, size_t count,
                 struct mlb_text *out)
{
    text_add(out, "set encoding utf8\nset decimalsign '.'\nunset key\n"
             "set border 3\nset tics nomirror out scale 0.4\nset grid y\n"
             "set xtics autofreq\nset autoscale xfix\nset rmargin 3\n"
             "set tmargin 1\nset format '%.6g'\nset samples 2\n");
    for (size_t i = 0; i < count; i++)
        if (plot_can_draw(&plots[i]))
            add_plot(&plots[i], out);
}

static int split(const struct card_plot *plots, size_t count,
                 const char *drawing, struct mlb_strings *out)
{
    for (size_t i = 0; i < count; i++) {
        struct mlb_text svg = MLB_TEXT_INIT;
        int rc = plot_can_draw(&plots[i])
                     ? plot_svg(drawing, &drawing, &svg) : 0;
        if (rc == 0)
            strings_push(out, svg.data);
        text_clear(&svg);
        if (rc < 0)
            return -1;
    }
    return 0;
}

int plot_draw(const struct card_plot *plots, size_t count,
              struct mlb_strings *out, struct mlb_error *err)
{
    /* -d: a user's own settings are not asked for. */
    char *argv[] = { (char *)"gnuplot", (char *)"-d", (char *)"-", NULL };
    struct mlb_text script = MLB_TEXT_INIT, drawing = MLB_TEXT_INIT,
                    errors = MLB_TEXT_INIT;
    struct process_call call = { .argv = argv, .input = &script,
                                 .out = &drawing, .errors = &errors,
                                 .limit = OUTPUT_LIMIT, .seconds = SECONDS };
    int status = 0;

    plot_script(plots, count, &script);
    int rc = process_run(&call, &status, err);
    if (rc == 0 && status != 0) {
        struct mlb_text how = MLB_TEXT_INIT;
        process_add_status(&how, status);
        rc = mlb_error_set(err, MLB_ERR_FAILED, "gnuplot %s", how.data);
        text_clear(&how);
    }
    if (rc == 0 && split(plots, count, drawing.data, out) < 0) {
        strings_clear(out);
        rc = mlb_error_set(err, MLB_ERR_FAILED,
                           "gnuplot drew what was not understood");
    }
    text_clear(&script);
    text_clear(&drawing);
    text_clear(&errors);
    return rc;
}
