/* SPDX-License-Identifier: BSD-3-Clause */
/* Cards as one CSV table, a line each; RFC 4180 with "\n". */
#include "config.h"

#include <math.h>
#include <string.h>

#include "report/card_parts.h"

static void add_field(struct mlb_text *out, const char *s)
{
    if (!strpbrk(s, ",\"\r\n")) {
        text_add(out, s);
        return;
    }
    text_add(out, "\"");
    for (; *s; s++)
        text_addf(out, *s == '"' ? "\"\"" : "%c", *s);
    text_add(out, "\"");
}

static void add_number(struct mlb_text *out, double number)
{
    if (isnan(number))
        text_add(out, "NaN");
    else if (isinf(number))
        text_add(out, number > 0 ? "inf" : "-inf");
    else
        text_addf(out, "%.15g", number);
}

/* Not each card has all rows: one without GPUs says nothing of them. */
static void collect_keys(const struct card *cards, size_t count,
                         struct mlb_strings *keys)
{
    for (size_t c = 0; c < count; c++)
        for (size_t i = 0; i < cards[c].section_count; i++)
            for (size_t k = 0; k < cards[c].sections[i].count; k++) {
                const char *key = cards[c].sections[i].rows[k].key;
                if (!strings_have(keys, key))
                    strings_push(keys, key);
            }
}

static void add_value(struct mlb_text *out, const struct card_row *row)
{
    text_add(out, ",");
    if (!row) {
        text_add(out, ",unavailable,not a part of this run");
        return;
    }
    if (card_has(&row->value))
        add_number(out, row->value.number);
    text_addf(out, ",%s,", metric_state_name(row->value.state));
    add_field(out, row->value.reason);
}

static void add_card(struct mlb_text *out, const struct card *card,
                     const struct mlb_strings *keys)
{
    const char *const words[] = { card->run, card->name, card->state,
                                  card->scheduler, card->job };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        add_field(out, words[i]);
        text_add(out, ",");
    }
    if (isfinite(card->start))
        text_addf(out, "%.3f", card->start);
    text_addf(out, ",%ld,", card->attempts);
    if (card->warnings.count > 0)
        add_field(out, card->warnings.items[0]);
    for (size_t i = 0; i < keys->count; i++)
        add_value(out, card_find(card, keys->items[i]));
    text_add(out, "\n");
}

void card_csv(const struct card *cards, size_t count, struct mlb_text *out)
{
    struct mlb_strings keys = MLB_STRINGS_INIT;

    collect_keys(cards, count, &keys);
    text_add(out, "run,name,state,scheduler,job,start,attempts,warning");
    for (size_t i = 0; i < keys.count; i++)
        text_addf(out, ",%s,%s_status,%s_reason", keys.items[i],
                  keys.items[i], keys.items[i]);
    text_add(out, "\n");
    for (size_t i = 0; i < count; i++)
        add_card(out, &cards[i], &keys);
    strings_clear(&keys);
}
