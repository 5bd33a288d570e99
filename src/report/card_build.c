/* SPDX-License-Identifier: BSD-3-Clause */
/* Sections, tables and plots of a card, made and freed. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/card_parts.h"

struct card_section *card_section_add(struct card *card, const char *key,
                                      const char *title)
{
    card->sections = xrealloc(card->sections, (card->section_count + 1) *
                                                  sizeof(*card->sections));
    struct card_section *section = &card->sections[card->section_count++];
    *section = (struct card_section){ .key = key, .title = title };
    return section;
}

struct card_row *card_row_add(struct card_section *section, const char *key,
                              const char *label, const char *unit,
                              struct card_value value)
{
    section->rows = xrealloc(section->rows, (section->count + 1) *
                                                sizeof(*section->rows));
    struct card_row *row = &section->rows[section->count++];
    *row = (struct card_row){ .key = key, .label = label, .unit = unit,
                              .value = value, .asked = NAN };
    return row;
}

struct card_table *card_table_add(struct card *card, const char *key,
                                  const char *title,
                                  const struct card_column *columns,
                                  size_t column_count)
{
    card->tables = xrealloc(card->tables, (card->table_count + 1) *
                                              sizeof(*card->tables));
    struct card_table *table = &card->tables[card->table_count++];
    *table = (struct card_table){ .key = key, .title = title,
                                  .column_count = column_count };
    table->columns = xcalloc(column_count, sizeof(*columns));
    memcpy(table->columns, columns, column_count * sizeof(*columns));
    return table;
}

struct card_value *card_table_row(struct card_table *table, const char *name)
{
    size_t count = table->column_count, row = table->row_count++;

    table->names = xrealloc(table->names, table->row_count * sizeof(char *));
    table->names[row] = xstrdup(name);
    table->cells = xrealloc(table->cells, table->row_count * count *
                                              sizeof(*table->cells));
    struct card_value *cells = &table->cells[row * count];
    memset(cells, 0, count * sizeof(*cells));
    return cells;
}

struct card_plot *card_plot_add(struct card *card, const char *key,
                                const char *title, const char *unit)
{
    card->plots = xrealloc(card->plots,
                           (card->plot_count + 1) * sizeof(*card->plots));
    struct card_plot *plot = &card->plots[card->plot_count++];
    *plot = (struct card_plot){ .key = key, .title = title, .unit = unit,
                                .x = "time" };
    return plot;
}

void card_line_add(struct card_plot *plot, const char *name, size_t count,
                   double *x, double *y)
{
    plot->lines = xrealloc(plot->lines,
                           (plot->line_count + 1) * sizeof(*plot->lines));
    plot->lines[plot->line_count++] = (struct card_line){
        .name = xstrdup(name), .count = count, .x = x, .y = y };
}

void card_missing_add(struct card *card, const char *what,
                      const char *reason, enum metric_cause cause)
{
    card->missing = xrealloc(card->missing, (card->missing_count + 1) *
                                                sizeof(*card->missing));
    card->missing[card->missing_count++] = (struct card_missing){
        .what = xstrdup(what), .reason = xstrdup(reason),
        .cause = metric_cause_name(cause) };
}

const struct card_row *card_find(const struct card *card, const char *key)
{
    for (size_t i = 0; i < card->section_count; i++)
        for (size_t k = 0; k < card->sections[i].count; k++)
            if (strcmp(card->sections[i].rows[k].key, key) == 0)
                return &card->sections[i].rows[k];
    return NULL;
}

static void clear_section(struct card_section *section)
{
    for (size_t i = 0; i < section->count; i++) {
        card_value_clear(&section->rows[i].value);
        free(section->rows[i].text);
    }
    free(section->rows);
}

static void clear_table(struct card_table *table)
{
    for (size_t i = 0; i < table->row_count; i++)
        free(table->names[i]);
    for (size_t i = 0; i < table->row_count * table->column_count; i++)
        card_value_clear(&table->cells[i]);
    free(table->names);
    free(table->cells);
    free(table->columns);
}

static void clear_plot(struct card_plot *plot)
{
    for (size_t i = 0; i < plot->line_count; i++) {
        free(plot->lines[i].name);
        free(plot->lines[i].x);
        free(plot->lines[i].y);
    }
    free(plot->lines);
}

static void clear_advice(struct card *card)
{
    for (size_t i = 0; i < card->advice_count; i++) {
        struct card_advice *a = &card->advice[i];
        char *owned[] = { a->was, a->value, a->sbatch, a->pbs, a->basis };
        for (size_t k = 0; k < sizeof(owned) / sizeof(owned[0]); k++)
            free(owned[k]);
    }
    free(card->advice);
    free(card->advice_basis);
}

void card_clear(struct card *card)
{
    char *owned[] = { card->run, card->name, card->state, card->command,
                      card->cause, card->scheduler, card->job };

    for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
        free(owned[i]);
    strings_clear(&card->warnings);
    strings_clear(&card->damage);
    for (size_t i = 0; i < card->section_count; i++)
        clear_section(&card->sections[i]);
    for (size_t i = 0; i < card->table_count; i++)
        clear_table(&card->tables[i]);
    for (size_t i = 0; i < card->plot_count; i++)
        clear_plot(&card->plots[i]);
    for (size_t i = 0; i < card->missing_count; i++) {
        free(card->missing[i].what);
        free(card->missing[i].reason);
    }
    free(card->sections);
    free(card->tables);
    free(card->plots);
    free(card->missing);
    clear_advice(card);
    *card = (struct card){ .warnings = MLB_STRINGS_INIT,
                           .damage = MLB_STRINGS_INIT };
}
