/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines, tables and small plots of a terminal. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/text_parts.h"

#define NAME 20              /* columns of a row's name at most */
#define ROWS 10              /* rows of a table shown */
#define SPARKS 48

void text_paint(struct text_card *t, enum text_paint paint, const char *s)
{
    static const char *const on[] = { [PAINT_BOLD] = "\033[1m",
                                      [PAINT_RED] = "\033[1;31m" };
    char *shown = text_printable(s);

    text_addf(t->out, "%s%s%s", t->style->color ? on[paint] : "", shown,
              t->style->color ? "\033[0m" : "");
    free(shown);
}

int text_columns(const char *s)
{
    int n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

void text_pad(struct mlb_text *out, const char *s, int width)
{
    text_add(out, s);
    for (int i = text_columns(s); i < width; i++)
        text_add(out, " ");
}

static void new_line(struct mlb_text *out, int indent)
{
    text_add(out, "\n");
    for (int i = 0; i < indent; i++)
        text_add(out, " ");
}

/* The first bytes of s that take at most columns; at least one character. */
static size_t fitting(const char *s, size_t length, int columns)
{
    size_t i = 0;

    for (int n = 0; i < length; n++) {
        if (n >= columns && n > 0)
            break;
        do
            i++;
        while (i < length && ((unsigned char)s[i] & 0xc0) == 0x80);
    }
    return i;
}

/* Bytes of the first word; a percent sign stays with its number. */
static size_t word_length(const char *s)
{
    size_t n = strcspn(s, " ");

    return n > 0 && strncmp(s + n, " %", 2) == 0
               ? n + 2 + strcspn(s + n + 2, " ") : n;
}

void text_wrap(struct text_card *t, const char *s, int at, int indent)
{
    char *shown = text_printable(s), *p = shown;
    bool first = true;

    while (*p) {
        size_t length = word_length(p);
        char *word = xstrndup(p, length);
        int columns = text_columns(word);
        free(word);
        if (!first && at + 1 + columns > t->width) {
            new_line(t->out, indent);
            at = indent;
        } else if (!first) {
            text_add(t->out, " ");
            at++;
        } else if (at > indent && at + columns > t->width) {
            new_line(t->out, indent);
            at = indent;
        }
        for (size_t done = 0; done < length;) {
            if (done > 0 || at >= t->width) {
                new_line(t->out, indent);
                at = indent;
            }
            size_t n = fitting(p + done, length - done, t->width - at);
            text_addn(t->out, p + done, n);
            done += n;
            if (done == length)
                at += columns;
        }
        first = false;
        p += length;
        p += strspn(p, " ");
    }
    text_add(t->out, "\n");
    free(shown);
}

bool card_has_value(const struct card_row *row)
{
    return row->value.state != METRIC_UNAVAILABLE;
}

static char *cell_text(const struct card_table *table, size_t row,
                       size_t column)
{
    const struct card_value *v =
        &table->cells[row * table->column_count + column];
    struct mlb_text word = MLB_TEXT_INIT;

    if (v->state == METRIC_ESTIMATED)
        text_add(&word, "~");
    card_format_value(v, table->columns[column].unit, &word);
    if (v->state == METRIC_PARTIAL)
        text_add(&word, "*");
    return text_detach(&word);
}

static int column_width(const struct card_table *table, size_t column,
                        size_t rows)
{
    int width = text_columns(table->columns[column].label);

    for (size_t i = 0; i < rows; i++) {
        char *cell = cell_text(table, i, column);
        int n = text_columns(cell);
        if (n > width)
            width = n;
        free(cell);
    }
    return width;
}

static void add_right(struct mlb_text *out, const char *s, int width)
{
    for (int i = text_columns(s); i < width; i++)
        text_add(out, " ");
    text_add(out, s);
}

static void add_name(struct mlb_text *out, const char *name)
{
    char *shown = text_printable(name);

    if (text_columns(shown) > NAME) {
        size_t n = fitting(shown, strlen(shown), NAME - 1);
        strcpy(shown + n, "~");
    }
    text_pad(out, shown, NAME);
    free(shown);
}

/* Columns from..to of the rows, under their labels. */
static void add_columns(struct text_card *t, const struct card_table *table,
                        size_t rows, const int *widths,
                        const size_t range[2])
{
    text_add(t->out, "  ");
    text_pad(t->out, "", NAME);
    for (size_t c = range[0]; c < range[1]; c++) {
        text_add(t->out, "  ");
        add_right(t->out, table->columns[c].label, widths[c]);
    }
    text_add(t->out, "\n");
    for (size_t i = 0; i < rows; i++) {
        text_add(t->out, "  ");
        add_name(t->out, table->names[i]);
        for (size_t c = range[0]; c < range[1]; c++) {
            char *cell = cell_text(table, i, c);
            text_add(t->out, "  ");
            add_right(t->out, cell, widths[c]);
            free(cell);
        }
        text_add(t->out, "\n");
    }
}

/* Some cell of the rows shown is there, and worth showing. */
static bool column_shown(const struct card_table *table, size_t column,
                         size_t rows)
{
    bool rare = table->rare &&
                strcmp(table->columns[column].key, table->rare) == 0;

    for (size_t i = 0; i < rows; i++) {
        const struct card_value *v =
            &table->cells[i * table->column_count + column];
        if (v->state != METRIC_UNAVAILABLE && !(rare && v->number == 0))
            return true;
    }
    return false;
}

/* The table without columns that nobody has; they are in the list of what
 * was not measured. Its cells and names are the other's. */
static struct card_table without_empty(const struct card_table *table,
                                       size_t rows)
{
    struct card_table less = *table;
    size_t count = table->column_count;

    less.columns = xcalloc(count + 1, sizeof(*less.columns));
    less.cells = xcalloc(rows * count + 1, sizeof(*less.cells));
    less.column_count = 0;
    for (size_t c = 0; c < count; c++)
        if (column_shown(table, c, rows))
            less.columns[less.column_count++] = table->columns[c];
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0, at = 0; c < count; c++)
            if (column_shown(table, c, rows))
                less.cells[i * less.column_count + at++] =
                    table->cells[i * count + c];
    return less;
}

void text_table(struct text_card *t, const struct card_table *table)
{
    size_t rows = table->row_count < ROWS ? table->row_count : ROWS;
    size_t left = table->left_out + table->row_count - rows;

    if (rows == 0)
        return;
    struct card_table less = without_empty(table, rows);
    int *widths = xcalloc(less.column_count + 1, sizeof(*widths));
    for (size_t c = 0; c < less.column_count; c++)
        widths[c] = column_width(&less, c, rows);
    text_add(t->out, "\n");
    text_paint(t, PAINT_BOLD, table->title);
    text_add(t->out, "\n");
    size_t range[2] = { 0, 0 };
    while (range[0] < less.column_count) {
        int at = 2 + NAME;
        while (range[1] < less.column_count &&
               (range[1] == range[0] || at + 2 + widths[range[1]] <=
                                            t->width))
            at += 2 + widths[range[1]++];
        add_columns(t, &less, rows, widths, range);
        range[0] = range[1];
    }
    if (less.column_count == 0)
        text_add(t->out, "  nothing of it was measured\n");
    if (left > 0)
        text_addf(t->out, "  and %zu more\n", left);
    free(widths);
    free(less.columns);
    free(less.cells);
}

/* Means of the line's values in buckets of x, NAN: none there. Returns how
 * many: no more than there are points. */
static int bucket(const struct card_line *line, double means[SPARKS])
{
    double counts[SPARKS] = { 0 };
    int buckets = line->count < SPARKS ? (int)line->count : SPARKS;
    double from = line->x[0], span = line->x[line->count - 1] - from;

    for (int i = 0; i < buckets; i++)
        means[i] = 0;
    for (size_t i = 0; i < line->count; i++) {
        double at = span > 0 ? (line->x[i] - from) / span * buckets : 0;
        int k = at >= buckets ? buckets - 1 : at > 0 ? (int)at : 0;
        if (isfinite(line->y[i])) {
            means[k] += line->y[i];
            counts[k]++;
        }
    }
    for (int i = 0; i < buckets; i++)
        means[i] = counts[i] > 0 ? means[i] / counts[i] : NAN;
    return buckets;
}

static void add_sparks(struct text_card *t, const struct card_plot *plot,
                       const double *means, int count)
{
    static const char *const blocks[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇",
                                          "█" };
    static const char *const marks[] = { "_", ".", ":", "-", "=", "+", "*",
                                         "#" };
    double low = INFINITY, high = -INFINITY;

    for (int i = 0; i < count; i++) {
        low = fmin(low, isnan(means[i]) ? INFINITY : means[i]);
        high = fmax(high, isnan(means[i]) ? -INFINITY : means[i]);
    }
    for (int i = 0; i < count; i++) {
        int k = high > low && !isnan(means[i])
                    ? (int)((means[i] - low) / (high - low) * 7.999) : 0;
        text_add(t->out, isnan(means[i]) ? " "
                         : t->style->unicode ? blocks[k] : marks[k]);
    }
    if (high > low) {
        text_add(t->out, "  ");
        card_format(low, plot->unit, t->out);
        text_add(t->out, " to ");
        card_format(high, plot->unit, t->out);
    }
}

/* A line of which nothing is known would be a line of blanks. */
static bool line_shown(const struct card_line *line)
{
    for (size_t i = 0; i < line->count; i++)
        if (isfinite(line->y[i]))
            return true;
    return false;
}

/* Plots of one title in a row are one block; the name of the only line says
 * what a title of the same words would. */
static void add_plot_title(struct text_card *t, const struct card_plot *plot)
{
    bool same = t->plot_title && strcmp(t->plot_title, plot->title) == 0;

    t->plot_title = plot->title;
    if (same)
        return;
    text_add(t->out, "\n");
    if (plot->line_count == 1 &&
        strcmp(plot->lines[0].name, plot->title) == 0)
        return;
    text_paint(t, PAINT_BOLD, plot->title);
    text_add(t->out, "\n");
}

void text_plot(struct text_card *t, const struct card_plot *plot)
{
    bool begun = false;

    for (size_t i = 0; i < plot->line_count && i < 4; i++) {
        const struct card_line *line = &plot->lines[i];
        double means[SPARKS];
        if (!line_shown(line))
            continue;
        if (!begun)
            add_plot_title(t, plot);
        begun = true;
        int count = bucket(line, means);
        text_add(t->out, "  ");
        add_name(t->out, line->name);
        text_add(t->out, "  ");
        add_sparks(t, plot, means, count);
        text_add(t->out, "\n");
    }
}
