/* SPDX-License-Identifier: BSD-3-Clause */
/* Parts of the card's page. (Inside src/report.) */
#ifndef REPORT_HTML_H
#define REPORT_HTML_H

#include "report/card.h"

/* Any bytes as text of an element or as a quoted attribute: markup escaped,
 * what is not printable UTF-8 shown as \xNN. */
void html_add(struct mlb_text *out, const char *s);
/* The same, but lines stay lines. */
void html_add_lines(struct mlb_text *out, const char *s);

/* <open>text</close>; both as they stand. */
void html_element(struct mlb_text *out, const char *open, const char *text,
                  const char *close);

/* A number as the card shows it, with what must be said of it. */
void html_value(struct mlb_text *out, const struct card_value *value,
                const char *unit);
/* "estimated: reason" and how many entities have it; nothing if it is ok. */
void html_remark(struct mlb_text *out, const struct card_value *value);

/* A bar for share 0..1 (more is drawn full), told to those who do not see
 * it as text. */
void html_bar(struct mlb_text *out, double share, const char *text);

/* A card's table number which, and all plots. Ids are made of numbers: keys
 * may come twice. */
void html_table(struct mlb_text *out, const struct card_table *table,
                size_t which);
void html_plots(struct mlb_text *out, const struct card *card);

extern const char html_style[];

#endif
