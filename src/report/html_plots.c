/* SPDX-License-Identifier: BSD-3-Clause */
/* The plots of the card's page: a drawing, its key, and its numbers. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "report/html.h"
#include "report/plot.h"

#define ROWS 60              /* of a plot's numbers, at most */

/* A plot of one named thing is about that thing. */
static void add_title(struct mlb_text *out, const struct card_plot *plot)
{
    html_add(out, plot->title);
    if (plot->line_count == 1 &&
        strcmp(plot->lines[0].name, plot->title) != 0) {
        text_add(out, ": ");
        html_add(out, plot->lines[0].name);
    }
}

/* A number of a table: as exact as six digits are. */
static void add_number(struct mlb_text *out, double value, double divide)
{
    if (isnan(value))
        text_add(out, "<td>NaN</td>");
    else if (isinf(value))
        text_add(out, value > 0 ? "<td>inf</td>" : "<td>-inf</td>");
    else
        text_addf(out, "<td>%.6g</td>", value / divide);
}

/* Do all lines have the same x, so that one table can hold them? */
static bool is_common(const struct card_plot *plot)
{
    for (size_t i = 1; i < plot->line_count; i++) {
        const struct card_line *a = &plot->lines[0], *b = &plot->lines[i];
        if (a->count != b->count)
            return false;
        for (size_t k = 0; k < a->count; k++)
            if (a->x[k] != b->x[k])
                return false;
    }
    return plot->line_count > 0;
}

/* " (unit)", or nothing. */
static void add_unit(struct mlb_text *out, const char *unit)
{
    if (*unit) {
        text_add(out, " (");
        html_add(out, unit);
        text_add(out, ")");
    }
}

static void add_rows(struct mlb_text *out, const struct card_plot *plot,
                     const struct card_line *lines, size_t count)
{
    struct plot_scale x = plot_scale_x(plot), y = plot_scale_y(plot);
    size_t points = lines[0].count;
    size_t every = points / ROWS + (points % ROWS != 0);

    text_add(out, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
             "aria-label=\"Numbers of ");
    add_title(out, plot);
    text_add(out, "\">\n<table class=\"wide\">\n<caption class=\"vh\">");
    add_title(out, plot);
    text_addf(out, "</caption>\n<thead><tr><th scope=\"col\">%s",
              strcmp(plot->x, "time") == 0 ? "Time" : "Step");
    add_unit(out, x.unit);
    text_add(out, "</th>");
    for (size_t i = 0; i < count; i++) {
        text_add(out, "<th scope=\"col\">");
        html_add(out, lines[i].name);
        add_unit(out, y.unit);
        text_add(out, "</th>");
    }
    text_add(out, "</tr></thead>\n<tbody>\n");
    for (size_t k = 0; k < points; k++) {
        if (k % every && k + 1 < points)
            continue;
        text_addf(out, "<tr><th scope=\"row\">%.6g</th>",
                  lines[0].x[k] / x.divide);
        for (size_t i = 0; i < count; i++)
            add_number(out, lines[i].y[k], y.divide);
        text_add(out, "</tr>\n");
    }
    text_add(out, "</tbody>\n</table>\n</div>\n");
    if (every > 1)
        text_addf(out, "<p class=\"note\">One of %zu points; "
                  "<code>mlbatch report --json</code> has all %zu.</p>\n",
                  every, points);
}

static void add_numbers(struct mlb_text *out, const struct card_plot *plot)
{
    text_add(out, "<details><summary>Numbers of ");
    add_title(out, plot);
    text_add(out, "</summary>\n");
    if (is_common(plot))
        add_rows(out, plot, plot->lines, plot->line_count);
    else
        for (size_t i = 0; i < plot->line_count; i++)
            if (plot->lines[i].count > 0)
                add_rows(out, plot, &plot->lines[i], 1);
    text_add(out, "</details>\n");
}

/* Which colour and dash is whose; the drawing itself bears no names. */
static void add_key(struct mlb_text *out, const struct card_plot *plot)
{
    if (plot->line_count < 2)
        return;
    text_add(out, "<ul class=\"key\">\n");
    for (size_t i = 0; i < plot->line_count && i < PLOT_LINES; i++) {
        text_addf(out, "<li><svg viewBox=\"0 0 24 8\" aria-hidden=\"true\">"
                  "<path class=\"c%zu\" stroke-width=\"3\"%s d=\"M0,4 H24\"/>"
                  "</svg>", i + 1,
                  i >= 4 ? " stroke-dasharray=\"7,4\"" : "");
        html_add(out, plot->lines[i].name);
        text_add(out, "</li>\n");
    }
    text_add(out, "</ul>\n");
}

/* What is to be seen, for those who do not see it. */
static void add_description(struct mlb_text *out,
                            const struct card_plot *plot)
{
    struct plot_scale y = plot_scale_y(plot);

    for (size_t i = 0; i < plot->line_count && i < PLOT_LINES; i++) {
        const struct card_line *line = &plot->lines[i];
        double low = NAN, high = NAN, last = NAN;
        for (size_t k = 0; k < line->count; k++) {
            low = fmin(low, line->y[k]);
            high = fmax(high, line->y[k]);
            last = line->y[k];
        }
        if (isnan(low))
            continue;
        html_add(out, line->name);
        text_addf(out, ": %zu points, from %.4g to %.4g", line->count,
                  low / y.divide, high / y.divide);
        if (*y.unit)
            text_add(out, " ");
        html_add(out, y.unit);
        text_addf(out, ", at the end %.4g. ", last / y.divide);
    }
}

static void add_drawing(struct mlb_text *out, const struct card_plot *plot,
                        size_t which, const char *svg)
{
    text_addf(out, "<svg class=\"plot\" viewBox=\"0 0 480 230\" role=\"img\" "
              "aria-labelledby=\"p%zut p%zud\">\n<title id=\"p%zut\">",
              which, which, which);
    add_title(out, plot);
    text_addf(out, "</title>\n<desc id=\"p%zud\">", which);
    add_description(out, plot);
    text_addf(out, "</desc>\n%s</svg>\n", svg);
}

static void add_notes(struct mlb_text *out, const struct card_plot *plot)
{
    size_t cannot = plot_cannot(plot);

    if (!plot_can_draw(plot))
        text_add(out, "<p class=\"note\">There is no number that could be "
                 "drawn.</p>\n");
    if (cannot > 0)
        text_addf(out, "<p class=\"note\">%zu value%s %s: a gap.</p>\n",
                  cannot, cannot == 1 ? " is" : "s are",
                  plot->log_scale ? "NaN, infinite or not above 0"
                                  : "NaN or infinite");
    if (plot->line_count > PLOT_LINES)
        text_addf(out, "<p class=\"note\">%zu more lines are in the numbers "
                  "only.</p>\n", plot->line_count - PLOT_LINES);
}

static void add_figure(struct mlb_text *out, const struct card_plot *plot,
                       size_t which, const char *svg)
{
    struct plot_scale x = plot_scale_x(plot), y = plot_scale_y(plot);
    bool time = strcmp(plot->x, "time") == 0;

    text_add(out, "<figure>\n<figcaption><h3>");
    add_title(out, plot);
    text_add(out, "</h3><p>");
    html_add(out, y.unit);
    text_addf(out, "%sover %s", *y.unit ? " " : "",
              time ? "time" : "training steps");
    add_unit(out, x.unit);
    text_addf(out, "%s</p></figcaption>\n",
              plot->log_scale ? ", logarithmic" : "");
    if (svg && *svg)
        add_drawing(out, plot, which, svg);
    if (svg && *svg)
        add_key(out, plot);
    add_notes(out, plot);
    add_numbers(out, plot);
    text_add(out, "</figure>\n");
}

void html_plots(struct mlb_text *out, const struct card *card)
{
    struct mlb_strings drawings = MLB_STRINGS_INIT;
    struct mlb_error err = { 0 };
    bool drawn = false;

    if (card->plot_count == 0)
        return;
    for (size_t i = 0; i < card->plot_count; i++)
        drawn = drawn || plot_can_draw(&card->plots[i]);
    int rc = drawn ? plot_draw(card->plots, card->plot_count, &drawings,
                               &err)
                   : 0;
    text_add(out, "<section aria-labelledby=\"plots\">\n"
             "<h2 id=\"plots\">Over time</h2>\n");
    if (rc < 0) {
        text_add(out, "<p class=\"note\">No drawings: ");
        if (err.code == MLB_ERR_NOT_FOUND)
            text_add(out, "gnuplot is not installed here");
        else
            html_add(out, err.text);
        text_add(out, ". The numbers are all here.</p>\n");
    }
    text_add(out, "<div class=\"plots\">\n");
    for (size_t i = 0; i < card->plot_count; i++)
        add_figure(out, &card->plots[i], i,
                   i < drawings.count ? drawings.items[i] : NULL);
    text_add(out, "</div>\n</section>\n");
    strings_clear(&drawings);
}
