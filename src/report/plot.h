/* SPDX-License-Identifier: BSD-3-Clause */
/* Drawing the card's plots by gnuplot. (Inside src/report.) */
#ifndef REPORT_PLOT_H
#define REPORT_PLOT_H

#include "report/card.h"

#define PLOT_LINES 8         /* drawn at most: as many colours as there are */

/* How an axis is shown: values are divided, the unit says by what. */
struct plot_scale {
    double divide;
    const char *unit;        /* "GiB", "min", "%", "" */
};
struct plot_scale plot_scale_x(const struct card_plot *plot);
struct plot_scale plot_scale_y(const struct card_plot *plot);

/* Is there a point that can be drawn? How many cannot: NaN, infinite, not
 * above 0 on a logarithmic scale. */
bool plot_can_draw(const struct card_plot *plot);
size_t plot_cannot(const struct card_plot *plot);

/* gnuplot's script for all plots that can be drawn: numbers and our own
 * words only. No name that a user chose gets there. */
void plot_script(const struct card_plot *plots, size_t count,
                 struct mlb_text *out);

/* Draw: one SVG element a plot in out, "" where nothing can be drawn. -1
 * (MLB_ERR_NOT_FOUND: no gnuplot) and nothing in out if it fails. */
int plot_draw(const struct card_plot *plots, size_t count,
              struct mlb_strings *out, struct mlb_error *err);

/* ---- plot_svg.c ---- */

/* The inside of an SVG element from what gnuplot wrote, made of paths, texts
 * and circles with classes (a axis, g grid, t text, c1..c8 lines) and no
 * ids, links, styles or colours. Ends at </svg>; *next is behind that. -1 if
 * it holds what gnuplot does not write. */
int plot_svg(const char *drawing, const char **next, struct mlb_text *out);

#endif
