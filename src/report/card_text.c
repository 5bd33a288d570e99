/* SPDX-License-Identifier: BSD-3-Clause */
/* The card for a terminal. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report/text_parts.h"

#define LABEL 22             /* columns of a row's label, value and request */
#define VALUE 15
#define ASKED 17
#define BAR 14

static void add_title(struct text_card *t, const char *title)
{
    text_add(t->out, "\n");
    text_paint(t, PAINT_BOLD, title);
    text_add(t->out, "\n");
}

/* share of BAR columns, filled in eighths; over 1: full, and a sign. */
static void add_bar(struct text_card *t, double share)
{
    static const char *const eighths[] = { "", "▏", "▎", "▍", "▌", "▋", "▊",
                                           "▉" };
    double cells = fmin(fmax(share, 0), 1) * BAR;
    int full = (int)cells, used = full;

    text_add(t->out, " ");
    for (int i = 0; i < full; i++)
        text_add(t->out, t->style->unicode ? "█" : "#");
    int part = (int)((cells - full) * 8);
    if (t->style->unicode && part > 0) {
        text_add(t->out, eighths[part]);
        used++;
    } else if (!t->style->unicode && cells - full >= 0.5) {
        text_add(t->out, "-");
        used++;
    }
    for (; used < BAR; used++)
        text_add(t->out, t->style->unicode ? "·" : ".");
    if (share > 1)
        text_add(t->out, ">");
}

static void add_row(struct text_card *t, const struct card_row *row)
{
    struct mlb_text word = MLB_TEXT_INIT;
    bool asked = isfinite(row->asked) && row->asked > 0;

    text_add(t->out, "  ");
    text_pad(t->out, row->label, LABEL);
    if (row->value.state == METRIC_ESTIMATED)
        text_add(&word, "~");
    card_format_value(&row->value, row->unit, &word);
    bool more = row->text || row->value.state != METRIC_OK;
    text_add(t->out, " ");
    if (asked || more)
        text_pad(t->out, word.data, VALUE);
    else
        text_add(t->out, word.data);
    text_clear(&word);
    if (asked) {
        double share = row->value.number / row->asked;
        text_add(&word, "of ");
        card_format(row->asked, row->unit, &word);
        text_pad(t->out, word.data, ASKED);
        add_bar(t, share);
        if (strcmp(row->unit, "1") != 0)
            text_addf(t->out, " %.0f %%", share * 100);
        text_add(t->out, "\n");
        text_clear(&word);
    }
    if (row->text)
        text_add(&word, row->text);
    if (row->value.state != METRIC_OK)
        text_addf(&word, "%s%s: %s", word.length ? "; " : "",
                  metric_state_name(row->value.state), row->value.reason);
    if (word.length && asked) {
        text_pad(t->out, "", LABEL + 3);
        text_wrap(t, word.data, LABEL + 3, LABEL + 3);
    } else if (word.length) {
        text_wrap(t, word.data, LABEL + VALUE + 3, LABEL + 3);
    } else if (!asked) {
        text_add(t->out, "\n");
    }
    text_clear(&word);
}

/* "what: n/a: reason", or without what. The reason is given in full for the
 * first time, later without what is in brackets: the list at the end has all
 * of it. */
static void add_reason(struct text_card *t, const char *what,
                       const char *reason)
{
    const char *bracket = strstr(reason, " (");
    struct mlb_text line = MLB_TEXT_INIT;

    if (!strings_have(&t->reasons, reason)) {
        strings_push(&t->reasons, reason);
        bracket = NULL;
    }
    text_addf(&line, "%s%sn/a: %.*s", what, *what ? ": " : "",
              (int)(bracket ? bracket - reason : (long)strlen(reason)),
              reason);
    text_add(t->out, "  ");
    text_wrap(t, line.data, 2, 4);
    text_clear(&line);
}

/* Is there no value at all in it, for one and the same reason? */
static bool is_void(const struct card_section *section)
{
    for (size_t i = 0; i < section->count; i++)
        if (card_has_value(&section->rows[i]) ||
            strcmp(section->rows[i].value.reason,
                   section->rows[0].value.reason) != 0)
            return false;
    return true;
}

/* What is not there, by reason. */
static void add_unavailable(struct text_card *t,
                            const struct card_section *section)
{
    bool *done = xcalloc(section->count + 1, sizeof(*done));

    for (size_t i = 0; i < section->count; i++) {
        const struct card_row *row = &section->rows[i];
        if (done[i] || card_has_value(row))
            continue;
        struct mlb_text labels = MLB_TEXT_INIT;
        text_add(&labels, row->label);
        for (size_t k = i + 1; k < section->count; k++) {
            const struct card_row *other = &section->rows[k];
            if (card_has_value(other) ||
                strcmp(other->value.reason, row->value.reason) != 0)
                continue;
            done[k] = true;
            text_addf(&labels, ", %s", other->label);
        }
        add_reason(t, labels.data, row->value.reason);
        text_clear(&labels);
    }
    free(done);
}

static void add_section(struct text_card *t,
                        const struct card_section *section)
{
    if (section->count == 0)
        return;
    add_title(t, section->title);
    if (is_void(section)) {
        add_reason(t, "", section->rows[0].value.reason);
        return;
    }
    for (size_t i = 0; i < section->count; i++)
        if (card_has_value(&section->rows[i]))
            add_row(t, &section->rows[i]);
    add_unavailable(t, section);
}

static void add_head(struct text_card *t, const struct card *card)
{
    struct mlb_text line = MLB_TEXT_INIT;
    char when[40] = "at a time that is not known";
    time_t start = (time_t)card->start;
    struct tm tm;

    if (isfinite(card->start) && gmtime_r(&start, &tm))
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
    text_addf(&line, "%s: %s", card->run, card->state);
    text_paint(t, PAINT_BOLD, line.data);
    text_add(t->out, "\n");
    text_clear(&line);
    if (*card->cause) {
        text_add(t->out, "  ");
        text_wrap(t, card->cause, 2, 4);
    }
    if (*card->command) {
        text_add(t->out, "  ");
        text_wrap(t, card->command, 2, 4);
    }
    text_addf(&line, "started %s", when);
    if (isfinite(card->seconds)) {
        text_add(&line, ", took ");
        card_format(card->seconds, "s", &line);
    }
    if (card->attempts > 1)
        text_addf(&line, " (the last of %ld attempts)", card->attempts);
    if (*card->scheduler)
        text_addf(&line, ", %s%s%s", card->scheduler,
                  *card->job ? " job " : "", card->job);
    text_add(t->out, "  ");
    text_wrap(t, line.data, 2, 4);
    text_clear(&line);
}

static void add_warnings(struct text_card *t, const struct card *card)
{
    for (size_t i = 0; i < card->warnings.count; i++) {
        if (i == 0)
            text_add(t->out, "\n");
        text_paint(t, PAINT_RED, "! ");
        text_wrap(t, card->warnings.items[i], 2, 2);
    }
}

static void add_advice(struct text_card *t, const struct card *card)
{
    if (!card->advice_basis)
        return;
    add_title(t, "Next request");
    for (size_t i = 0; i < card->advice_count; i++) {
        const struct card_advice *a = &card->advice[i];
        char *line = xasprintf("%s = %s%s%s%s: %s", a->key, a->value,
                               a->was ? " (was " : "", a->was ? a->was : "",
                               a->was ? ")" : "", a->basis);
        text_add(t->out, "  ");
        text_wrap(t, line, 2, 4);
        free(line);
        line = xasprintf("%s   or in PBS   %s", a->sbatch, a->pbs);
        text_add(t->out, "    ");
        text_wrap(t, line, 4, 6);
        free(line);
    }
    text_add(t->out, "  ");
    text_wrap(t, card->advice_basis, 2, 4);
}

static void add_missing(struct text_card *t, const struct card *card)
{
    if (card->missing_count > 0)
        add_title(t, "Not, or not wholly, measured");
    for (size_t i = 0; i < card->missing_count; i++) {
        char *line = xasprintf("%s: %s", card->missing[i].what,
                               card->missing[i].reason);
        text_add(t->out, "  ");
        text_wrap(t, line, 2, 4);
        free(line);
    }
    if (card->damage.count > 0)
        add_title(t, "Damaged");
    for (size_t i = 0; i < card->damage.count; i++) {
        text_add(t->out, "  ");
        text_wrap(t, card->damage.items[i], 2, 4);
    }
}

void card_text(const struct card *card, const struct card_style *style,
               struct mlb_text *out)
{
    struct text_card t = { .out = out, .style = style,
                           .width = style->width < 40 ? 40 : style->width,
                           .reasons = MLB_STRINGS_INIT };

    add_head(&t, card);
    add_warnings(&t, card);
    for (size_t i = 0; i < card->section_count; i++)
        add_section(&t, &card->sections[i]);
    for (size_t i = 0; i < card->table_count; i++)
        text_table(&t, &card->tables[i]);
    for (size_t i = 0; i < card->plot_count; i++)
        text_plot(&t, &card->plots[i]);
    add_missing(&t, card);
    add_advice(&t, card);
    strings_clear(&t.reasons);
}
