/* SPDX-License-Identifier: BSD-3-Clause */
/* The card as JSON, "mlbatch-card/1", and advice, "mlbatch-advice/1". */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "report/advise.h"
#include "report/card.h"

#define WHOLE 9007199254740992.0     /* 2^53 */

/* JSON has no NaN and no infinity: where one is meant it is a string. */
static json_t *number(double n)
{
    if (isnan(n))
        return json_string("NaN");
    if (isinf(n))
        return json_string(n > 0 ? "Infinity" : "-Infinity");
    if (n == floor(n) && fabs(n) < WHOLE)
        return json_integer((json_int_t)n);
    return json_real(n);
}

static json_t *number_or_null(double n)
{
    return isnan(n) ? json_null() : number(n);
}

static json_t *value_json(const struct card_value *v, const char *unit)
{
    bool there = v->state != METRIC_UNAVAILABLE;
    json_t *o = json_object();

    json_object_set_new(o, "value", there ? number(v->number) : json_null());
    json_object_set_new(o, "unit", json_text(unit));
    json_object_set_new(o, "status",
                        json_text(metric_state_name(v->state)));
    if (v->state != METRIC_OK) {
        json_object_set_new(o, "cause",
                            json_text(metric_cause_name(v->cause)));
        json_object_set_new(o, "reason", json_text(v->reason));
    }
    if (there)
        json_object_set_new(o, "source", json_text(v->source));
    if (v->of > 0) {
        json_object_set_new(o, "have", json_integer(v->have));
        json_object_set_new(o, "of", json_integer(v->of));
    }
    return o;
}

static json_t *row_json(const struct card_row *row)
{
    json_t *o = value_json(&row->value, row->unit);

    json_object_set_new(o, "label", json_text(row->label));
    if (isfinite(row->asked))
        json_object_set_new(o, "asked", number(row->asked));
    if (row->text)
        json_object_set_new(o, "text", json_text(row->text));
    return o;
}

static json_t *sections_json(const struct card *card)
{
    json_t *sections = json_object();

    for (size_t i = 0; i < card->section_count; i++) {
        const struct card_section *s = &card->sections[i];
        json_t *rows = json_object();
        for (size_t k = 0; k < s->count; k++)
            json_object_set_new(rows, s->rows[k].key, row_json(&s->rows[k]));
        json_object_set_new(sections, s->key, rows);
    }
    return sections;
}

static json_t *table_json(const struct card_table *table)
{
    json_t *o = json_object(), *rows = json_array();

    for (size_t i = 0; i < table->row_count; i++) {
        json_t *row = json_object();
        json_object_set_new(row, "name", json_text(table->names[i]));
        for (size_t c = 0; c < table->column_count; c++)
            json_object_set_new(
                row, table->columns[c].key,
                value_json(&table->cells[i * table->column_count + c],
                           table->columns[c].unit));
        json_array_append_new(rows, row);
    }
    json_object_set_new(o, "rows", rows);
    json_object_set_new(o, "left_out",
                        json_integer((json_int_t)table->left_out));
    return o;
}

static json_t *line_json(const struct card_line *line)
{
    json_t *o = json_object(), *x = json_array(), *y = json_array();

    for (size_t i = 0; i < line->count; i++) {
        json_array_append_new(x, number_or_null(line->x[i]));
        json_array_append_new(y, number(line->y[i]));
    }
    json_object_set_new(o, "name", json_text(line->name));
    json_object_set_new(o, "x", x);
    json_object_set_new(o, "y", y);
    return o;
}

static json_t *plots_json(const struct card *card)
{
    json_t *plots = json_array();

    for (size_t i = 0; i < card->plot_count; i++) {
        const struct card_plot *plot = &card->plots[i];
        json_t *o = json_object(), *lines = json_array();
        for (size_t k = 0; k < plot->line_count; k++)
            json_array_append_new(lines, line_json(&plot->lines[k]));
        json_object_set_new(o, "key", json_text(plot->key));
        json_object_set_new(o, "title", json_text(plot->title));
        json_object_set_new(o, "unit", json_text(plot->unit));
        json_object_set_new(o, "x", json_text(plot->x));
        json_object_set_new(o, "lines", lines);
        json_array_append_new(plots, o);
    }
    return plots;
}

static json_t *items_json(const struct card_advice *items, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++) {
        json_t *o = json_object();
        json_object_set_new(o, "key", json_text(items[i].key));
        json_object_set_new(o, "was", json_text(items[i].was));
        json_object_set_new(o, "value", json_text(items[i].value));
        json_object_set_new(o, "sbatch", json_text(items[i].sbatch));
        json_object_set_new(o, "pbs", json_text(items[i].pbs));
        json_object_set_new(o, "basis", json_text(items[i].basis));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *strings_json(const struct mlb_strings *strings)
{
    json_t *list = json_array();

    for (size_t i = 0; i < strings->count; i++)
        json_array_append_new(list, json_text(strings->items[i]));
    return list;
}

static json_t *missing_json(const struct card *card)
{
    json_t *list = json_array();

    for (size_t i = 0; i < card->missing_count; i++) {
        json_t *o = json_object();
        json_object_set_new(o, "what", json_text(card->missing[i].what));
        json_object_set_new(o, "cause", json_text(card->missing[i].cause));
        json_object_set_new(o, "reason", json_text(card->missing[i].reason));
        json_array_append_new(list, o);
    }
    return list;
}

static void dump(json_t *object, struct mlb_text *out)
{
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(15));

    if (text)
        text_addf(out, "%s\n", text);
    free(text);
    json_decref(object);
}

static void add_head(json_t *o, const struct card *card)
{
    json_object_set_new(o, "schema", json_text("mlbatch-card/1"));
    json_object_set_new(o, "run", json_text(card->run));
    json_object_set_new(o, "name", json_text(card->name));
    json_object_set_new(o, "state", json_text(card->state));
    json_object_set_new(o, "command", json_text(card->command));
    json_object_set_new(o, "text", json_text(card->cause));
    json_object_set_new(o, "scheduler", json_text(card->scheduler));
    json_object_set_new(o, "job", json_text(card->job));
    json_object_set_new(o, "start", number_or_null(card->start));
    json_object_set_new(o, "seconds", number_or_null(card->seconds));
    json_object_set_new(o, "attempts", json_integer(card->attempts));
}

void card_json(const struct card *card, struct mlb_text *out)
{
    json_t *o = json_object(), *tables = json_object();
    json_t *advice = json_object();

    add_head(o, card);
    json_object_set_new(o, "warnings", strings_json(&card->warnings));
    json_object_set_new(o, "sections", sections_json(card));
    for (size_t i = 0; i < card->table_count; i++)
        json_object_set_new(tables, card->tables[i].key,
                            table_json(&card->tables[i]));
    json_object_set_new(o, "tables", tables);
    json_object_set_new(o, "plots", plots_json(card));
    json_object_set_new(advice, "basis", json_text(card->advice_basis));
    json_object_set_new(advice, "items",
                        items_json(card->advice, card->advice_count));
    json_object_set_new(o, "advice", advice);
    json_object_set_new(o, "missing", missing_json(card));
    json_object_set_new(o, "damage", strings_json(&card->damage));
    dump(o, out);
}

void advise_json(const char *job, size_t runs,
                 const struct advise_result *result, struct mlb_text *out)
{
    json_t *o = json_object();

    json_object_set_new(o, "schema", json_text("mlbatch-advice/1"));
    json_object_set_new(o, "job", json_text(job));
    json_object_set_new(o, "runs", json_integer((json_int_t)runs));
    json_object_set_new(o, "basis", json_text(result->basis));
    json_object_set_new(o, "items", items_json(result->items,
                                               result->count));
    dump(o, out);
}
