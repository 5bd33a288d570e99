/* SPDX-License-Identifier: BSD-3-Clause */
/* How the card's text is laid out. (Inside src/report.) */
#ifndef REPORT_TEXT_PARTS_H
#define REPORT_TEXT_PARTS_H

#include "report/card.h"

struct text_card {
    struct mlb_text *out;
    const struct card_style *style;
    int width;
    struct mlb_strings reasons;  /* that were given in full */
    const char *plot_title;      /* of the plot before, or NULL */
};

enum text_paint { PAINT_BOLD, PAINT_RED };
void text_paint(struct text_card *t, enum text_paint paint, const char *s);

/* Columns that s takes, and s filled with blanks to width. */
int text_columns(const char *s);
void text_pad(struct mlb_text *out, const char *s, int width);
/* s and a newline, broken at blanks: the line is at column at already, the
 * next ones begin at indent. What is not printable is shown as \xNN. */
void text_wrap(struct text_card *t, const char *s, int at, int indent);

bool card_has_value(const struct card_row *row);
void text_table(struct text_card *t, const struct card_table *table);
void text_plot(struct text_card *t, const struct card_plot *plot);

#endif
