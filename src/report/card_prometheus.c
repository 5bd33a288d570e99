/* SPDX-License-Identifier: BSD-3-Clause */
/* Cards for node_exporter's textfile collector. */
#include "config.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "report/card.h"

/* One line, and the family whose lines must stand together. */
struct sample {
    char *family, *help, *labels;
    double value;
    size_t place;
};

struct samples {
    struct sample *items;
    size_t count;
    char *run;               /* labels of the card at hand: run="..." */
};

/* A label's value: UTF-8, with what the format escapes. */
static void add_quoted(struct mlb_text *out, const char *s)
{
    json_t *text = json_text(s);

    text_add(out, "\"");
    for (const char *p = json_string_value(text); *p; p++) {
        if (*p == '\n')
            text_add(out, "\\n");
        else if (*p == '"' || *p == '\\')
            text_addf(out, "\\%c", *p);
        else
            text_addn(out, p, 1);
    }
    text_add(out, "\"");
    json_decref(text);
}

static void add_label(struct mlb_text *out, const char *name,
                      const char *value)
{
    text_addf(out, "%s%s=", out->length ? "," : "", name);
    add_quoted(out, value);
}

/* Takes labels. */
static void push(struct samples *all, char *family, const char *help,
                 struct mlb_text *labels, double value)
{
    size_t n = all->count;

    if ((n & (n - 1)) == 0)
        all->items = xrealloc(all->items, (n ? 2 * n : 1) *
                                              sizeof(*all->items));
    all->items[all->count++] = (struct sample){
        .family = family, .help = xstrdup(help),
        .labels = text_detach(labels), .value = value, .place = n,
    };
}

/* "mlbatch_" KEY MIDDLE and the base unit's name; only what a name may have.
 * What the card gives is in base units already. */
static char *family_name(const char *key, const char *middle,
                         const char *unit)
{
    static const struct {
        const char *unit, *name;
    } units[] = { { "s", "_seconds" }, { "bytes", "_bytes" },
                  { "1", "_ratio" }, { "bytes/s", "_bytes_per_second" },
                  { "J", "_joules" }, { "W", "_watts" }, { "Hz", "_hertz" },
                  { "ops/s", "_operations_per_second" } };
    const char *suffix = "";

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(unit, units[i].unit) == 0)
            suffix = units[i].name;
    char *name = xasprintf("mlbatch_%s%s%s", key, middle, suffix);
    for (char *p = name; *p; p++)
        if (!isascii((unsigned char)*p) ||
            (!isalnum((unsigned char)*p) && *p != '_'))
            *p = '_';
    return name;
}

/* What is said of a value that is not ok. metric: its key. */
static void add_state(struct samples *all, const char *metric,
                      const char *where, const struct card_value *value)
{
    struct mlb_text labels = MLB_TEXT_INIT;
    bool gone = value->state == METRIC_UNAVAILABLE;

    if (value->state == METRIC_OK)
        return;
    text_add(&labels, all->run);
    add_label(&labels, "metric", metric);
    add_label(&labels, "of", where);
    if (!gone)
        add_label(&labels, "state", metric_state_name(value->state));
    add_label(&labels, "cause", metric_cause_name(value->cause));
    push(all, xstrdup(gone ? "mlbatch_metric_unavailable"
                           : "mlbatch_metric_degraded"),
         gone ? "A metric that could not be measured"
              : "A metric that is partial or estimated",
         &labels, 1);
}

static void add_row(struct samples *all, const struct card_section *section,
                    const struct card_row *row)
{
    struct mlb_text labels = MLB_TEXT_INIT;
    char *help = xasprintf("%s: %s", section->title, row->label);

    add_state(all, row->key, section->key, &row->value);
    if (row->value.state != METRIC_UNAVAILABLE) {
        text_add(&labels, all->run);
        add_label(&labels, "section", section->key);
        push(all, family_name(row->key, "", row->unit), help, &labels,
             row->value.number);
    }
    if (!isnan(row->asked)) {
        text_add(&labels, all->run);
        add_label(&labels, "section", section->key);
        char *asked = xasprintf("%s: what was asked for", help);
        push(all, family_name(row->key, "_asked", row->unit), asked,
             &labels, row->asked);
        free(asked);
    }
    free(help);
}

static void add_table(struct samples *all, const struct card_table *table)
{
    for (size_t i = 0; i < table->row_count * table->column_count; i++) {
        const struct card_column *c =
            &table->columns[i % table->column_count];
        const char *name = table->names[i / table->column_count];
        const struct card_value *v = &table->cells[i];
        struct mlb_text labels = MLB_TEXT_INIT;
        char *key = xasprintf("%s_%s", table->key, c->key);
        add_state(all, key, name, v);
        if (v->state != METRIC_UNAVAILABLE) {
            char *help = xasprintf("%s: %s", table->title, c->label);
            text_add(&labels, all->run);
            add_label(&labels, "of", name);
            push(all, family_name(key, "", c->unit), help, &labels,
                 v->number);
            free(help);
        }
        free(key);
    }
}

static void add_run(struct samples *all, const struct card *card)
{
    struct mlb_text labels = MLB_TEXT_INIT;

    text_add(&labels, all->run);
    add_label(&labels, "name", card->name);
    add_label(&labels, "state", card->state);
    add_label(&labels, "scheduler", card->scheduler);
    add_label(&labels, "job", card->job);
    push(all, xstrdup("mlbatch_run_info"), "A run and its state", &labels,
         1);
    if (isfinite(card->start)) {
        text_add(&labels, all->run);
        push(all, xstrdup("mlbatch_run_start_time_seconds"),
             "When the last attempt began, since 1970", &labels,
             card->start);
    }
    text_add(&labels, all->run);
    push(all, xstrdup("mlbatch_run_attempts"), "Attempts so far", &labels,
         (double)card->attempts);
}

/* The list of what was not measured; one line of it may name several
 * metrics. */
static void add_missing(struct samples *all, const struct card *card)
{
    for (size_t i = 0; i < card->missing_count; i++) {
        const struct card_missing *m = &card->missing[i];
        for (const char *p = m->what; *p;) {
            const char *comma = strstr(p, ", ");
            size_t n = comma ? (size_t)(comma - p) : strlen(p);
            char *name = xstrndup(p, n);
            struct mlb_text labels = MLB_TEXT_INIT;
            text_add(&labels, all->run);
            add_label(&labels, "metric", name);
            add_label(&labels, "cause", m->cause ? m->cause : "");
            push(all, xstrdup("mlbatch_metric_missing"),
                 "What was not, or not wholly, measured", &labels, 1);
            free(name);
            p += comma ? n + 2 : n;
        }
    }
}

static int compare(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;
    int order = strcmp(x->family, y->family);

    if (order == 0)
        order = strcmp(x->labels, y->labels);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

static void add_number(struct mlb_text *out, double number)
{
    if (isnan(number))
        text_add(out, "NaN");
    else if (isinf(number))
        text_add(out, number > 0 ? "+Inf" : "-Inf");
    else
        text_addf(out, "%.15g", number);
}

/* HELP knows two escapes; ours hold neither, but a table's title may. */
static void add_help(struct mlb_text *out, const struct sample *s)
{
    text_addf(out, "# HELP %s ", s->family);
    for (const char *p = s->help; *p; p++) {
        if (*p == '\n')
            text_add(out, "\\n");
        else if (*p == '\\')
            text_add(out, "\\\\");
        else
            text_addn(out, p, 1);
    }
    text_addf(out, "\n# TYPE %s gauge\n", s->family);
}

/* Sorted, so that a family is one block; a series that came twice would make
 * the collector refuse the whole file. */
static void print(struct samples *all, struct mlb_text *out)
{
    if (all->count > 0)
        qsort(all->items, all->count, sizeof(*all->items), compare);
    for (size_t i = 0; i < all->count; i++) {
        const struct sample *s = &all->items[i];
        const struct sample *before = i ? s - 1 : NULL;
        if (!before || strcmp(before->family, s->family) != 0)
            add_help(out, s);
        else if (strcmp(before->labels, s->labels) == 0)
            continue;
        text_addf(out, "%s{%s} ", s->family, s->labels);
        add_number(out, s->value);
        text_add(out, "\n");
    }
}

void card_prometheus(const struct card *cards, size_t count,
                     struct mlb_text *out)
{
    struct samples all = { 0 };

    for (size_t i = 0; i < count; i++) {
        const struct card *card = &cards[i];
        struct mlb_text run = MLB_TEXT_INIT;
        add_label(&run, "run", card->run);
        all.run = text_detach(&run);
        add_run(&all, card);
        for (size_t s = 0; s < card->section_count; s++)
            for (size_t r = 0; r < card->sections[s].count; r++)
                add_row(&all, &card->sections[s],
                        &card->sections[s].rows[r]);
        for (size_t t = 0; t < card->table_count; t++)
            add_table(&all, &card->tables[t]);
        add_missing(&all, card);
        free(all.run);
    }
    print(&all, out);
    for (size_t i = 0; i < all.count; i++) {
        free(all.items[i].family);
        free(all.items[i].help);
        free(all.items[i].labels);
    }
    free(all.items);
}
