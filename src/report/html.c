/* SPDX-License-Identifier: BSD-3-Clause */
/* Text, values, bars and tables as HTML. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/html.h"

static void add_escaped(struct mlb_text *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '<')
            text_add(out, "&lt;");
        else if (*s == '>')
            text_add(out, "&gt;");
        else if (*s == '&')
            text_add(out, "&amp;");
        else if (*s == '"')
            text_add(out, "&quot;");
        else if (*s == '\'')
            text_add(out, "&#39;");
        else
            text_addn(out, s, 1);
    }
}

void html_add(struct mlb_text *out, const char *s)
{
    char *shown = text_printable(s);

    add_escaped(out, shown);
    free(shown);
}

void html_add_lines(struct mlb_text *out, const char *s)
{
    while (*s) {
        size_t n = strcspn(s, "\n");
        char *line = xstrndup(s, n);
        html_add(out, line);
        free(line);
        s += n;
        if (*s == '\n')
            text_addn(out, s++, 1);
    }
}

void html_element(struct mlb_text *out, const char *open, const char *text,
                  const char *close)
{
    text_addf(out, "<%s>", open);
    html_add(out, text);
    text_addf(out, "</%s>", close);
}

void html_value(struct mlb_text *out, const struct card_value *value,
                const char *unit)
{
    struct mlb_text word = MLB_TEXT_INIT;

    if (value->state == METRIC_UNAVAILABLE) {
        text_add(out, "<span class=\"na\">n/a");
        if (*value->reason) {
            text_add(out, ": ");
            html_add(out, value->reason);
        }
        text_add(out, "</span>");
        return;
    }
    if (value->state == METRIC_ESTIMATED)
        text_add(&word, "~");
    card_format(value->number, unit, &word);
    html_add(out, word.data);
    text_clear(&word);
}

void html_remark(struct mlb_text *out, const struct card_value *value)
{
    if (value->state == METRIC_UNAVAILABLE)
        return;
    if (value->state != METRIC_OK) {
        const char *name = metric_state_name(value->state);
        text_addf(out, "<small><b class=\"state %s\">%s</b> ", name, name);
        html_add(out, value->reason);
        text_add(out, "</small>");
    }
    if (value->have < value->of)
        text_addf(out, "<small>from %ld of %ld</small>", value->have,
                  value->of);
}

void html_bar(struct mlb_text *out, double share, const char *text)
{
    double width = isfinite(share) ? fmin(fmax(share, 0), 1) * 100 : 0;

    text_add(out, "<svg class=\"bar\" viewBox=\"0 0 100 8\" "
             "preserveAspectRatio=\"none\" role=\"img\"><title>");
    html_add(out, text);
    text_addf(out, "</title><rect class=\"all\" width=\"100\" height=\"8\"/>"
              "<rect class=\"%s\" width=\"%.2f\" height=\"8\"/></svg>",
              share > 1 ? "over" : "used", width);
}

/* A cell: the reason of a missing one is for a title, as a table of ranks
 * would be nothing but reasons; the page lists them below. */
static void add_cell(struct mlb_text *out, const struct card_value *value,
                     const char *unit)
{
    bool ok = value->state == METRIC_OK && value->have >= value->of;

    if (ok) {
        text_add(out, "<td>");
    } else {
        text_addf(out, "<td class=\"%s\" title=\"",
                  metric_state_name(value->state));
        html_add(out, metric_state_name(value->state));
        if (*value->reason) {
            text_add(out, ": ");
            html_add(out, value->reason);
        }
        if (value->have < value->of)
            text_addf(out, " (from %ld of %ld)", value->have, value->of);
        text_add(out, "\">");
    }
    if (value->state == METRIC_UNAVAILABLE)
        text_add(out, "n/a");
    else
        html_value(out, value, unit);
    text_add(out, "</td>");
}

static bool is_alike(const struct card_value *a, const struct card_value *b)
{
    return a->state == b->state && strcmp(a->reason, b->reason) == 0;
}

/* "memory, power: n/a: reason": the columns that have such a cell. */
static void add_reason(struct mlb_text *out, const struct card_table *table,
                       const struct card_value *cell)
{
    const char *comma = "<li>";

    for (size_t c = 0; c < table->column_count; c++) {
        bool found = false;
        for (size_t r = 0; r < table->row_count && !found; r++)
            found = is_alike(&table->cells[r * table->column_count + c],
                             cell);
        if (!found)
            continue;
        text_add(out, comma);
        html_add(out, table->columns[c].label);
        comma = ", ";
    }
    text_addf(out, ": %s: ", cell->state == METRIC_UNAVAILABLE
                                 ? "n/a" : metric_state_name(cell->state));
    html_add(out, cell->reason);
    text_add(out, "</li>\n");
}

/* Why cells are missing: each reason once, behind the table. */
static void add_reasons(struct mlb_text *out, const struct card_table *table)
{
    size_t count = table->row_count * table->column_count, told = 0;
    const struct card_value **list = xcalloc(count, sizeof(*list));

    for (size_t i = 0; i < count; i++) {
        const struct card_value *v = &table->cells[i];
        size_t k = 0;
        if (v->state == METRIC_OK || !*v->reason)
            continue;
        while (k < told && !is_alike(list[k], v))
            k++;
        if (k == told)
            list[told++] = v;
    }
    if (told > 0)
        text_add(out, "<ul class=\"note\">\n");
    for (size_t i = 0; i < told; i++)
        add_reason(out, table, list[i]);
    if (told > 0)
        text_add(out, "</ul>\n");
    free(list);
}

void html_table(struct mlb_text *out, const struct card_table *table,
                size_t which)
{
    text_addf(out, "<section aria-labelledby=\"t%zu\">\n<h2 id=\"t%zu\">",
              which, which);
    html_add(out, table->title);
    text_addf(out, "</h2>\n<div class=\"scroll\" role=\"region\" "
              "tabindex=\"0\" aria-labelledby=\"t%zu\">\n"
              "<table class=\"wide\">\n", which);
    html_element(out, "caption class=\"vh\"", table->title, "caption");
    text_add(out, "\n<thead><tr><td></td>");
    for (size_t c = 0; c < table->column_count; c++)
        html_element(out, "th scope=\"col\"", table->columns[c].label, "th");
    text_add(out, "</tr></thead>\n<tbody>\n");
    for (size_t r = 0; r < table->row_count; r++) {
        text_add(out, "<tr>");
        html_element(out, "th scope=\"row\"", table->names[r], "th");
        for (size_t c = 0; c < table->column_count; c++)
            add_cell(out, &table->cells[r * table->column_count + c],
                     table->columns[c].unit);
        text_add(out, "</tr>\n");
    }
    text_add(out, "</tbody>\n</table>\n</div>\n");
    if (table->left_out > 0)
        text_addf(out, "<p class=\"note\">%zu more are not shown.</p>\n",
                  table->left_out);
    add_reasons(out, table);
    text_add(out, "</section>\n");
}
