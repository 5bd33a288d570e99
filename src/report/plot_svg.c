/* SPDX-License-Identifier: BSD-3-Clause */
/* gnuplot's SVG, taken apart and written anew: what is embedded into a page
 * shall hold nothing that is not ours to vouch for. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/plot.h"

#define DEPTH 32
#define VALUE 16384

/* A tag as it is read: "<name rest>". */
struct tag {
    const char *name, *rest, *end;       /* end: its '>' */
    size_t length;                       /* of the name */
    bool closes, empty;
};

struct drawing {
    struct mlb_text *out;
    bool shown[DEPTH];                   /* groups that were written */
    int depth;
};

static bool tag_is(const struct tag *tag, const char *name)
{
    return tag->length == strlen(name) &&
           strncmp(tag->name, name, tag->length) == 0;
}

/* The next tag at or behind p; NULL: no more. */
static const char *next_tag(const char *p, struct tag *tag)
{
    p = strchr(p, '<');
    const char *end = p ? strchr(p, '>') : NULL;
    if (!end)
        return NULL;
    *tag = (struct tag){ .name = p + 1, .end = end };
    tag->closes = *tag->name == '/';
    tag->name += tag->closes;
    tag->length = strcspn(tag->name, " \t\n/>");
    tag->rest = tag->name + tag->length;
    tag->empty = end[-1] == '/';
    return end + 1;
}

/* The value of an attribute into value, "" if there is none. False if it is
 * too long. Blanks of any kind and number become one. */
static bool attribute(const struct tag *tag, const char *name, char *value,
                      size_t size)
{
    size_t n = strlen(name), used = 0;

    value[0] = '\0';
    for (const char *p = tag->rest; p + n + 2 < tag->end; p++) {
        if (strncmp(p, name, n) != 0 || p[n] != '=' ||
            (p[n + 1] != '"' && p[n + 1] != '\'') ||
            !strchr(" \t\n", p[-1]))
            continue;
        char quote = p[n + 1];
        for (p += n + 2; p < tag->end && *p != quote; p++) {
            bool blank = strchr(" \t\n", *p);
            if (blank && (used == 0 || value[used - 1] == ' '))
                continue;
            if (used + 1 == size)
                return false;
            value[used++] = blank ? ' ' : *p;
        }
        if (used && value[used - 1] == ' ')
            used--;
        value[used] = '\0';
        return true;
    }
    return true;
}

/* "c3" for our colour of line 3, else other. */
static const char *paint(const char *color, const char *other, char name[8])
{
    int line;

    if (sscanf(color, "rgb( %d, %*d, %*d)", &line) != 1 || line < 1 ||
        line > PLOT_LINES)
        return other;
    snprintf(name, 8, "c%d", line);
    return name;
}

static bool is_made_of(const char *s, const char *set)
{
    return s[strspn(s, set)] == '\0';
}

static int add_path(struct drawing *drawing, const struct tag *tag)
{
    char color[64], kind[64], dashes[64], name[8];
    char *d = xmalloc(VALUE * 8);
    int rc = -1;

    if (!attribute(tag, "d", d, VALUE * 8) ||
        !attribute(tag, "stroke", color, sizeof(color)) ||
        !attribute(tag, "class", kind, sizeof(kind)) ||
        !attribute(tag, "stroke-dasharray", dashes, sizeof(dashes)) ||
        !is_made_of(d, "MLmlhvHVzZ0123456789.,-+e ") ||
        !is_made_of(dashes, "0123456789., "))
        goto out;
    bool grid = strcmp(kind, "gridline") == 0;
    text_addf(drawing->out, "<path class=\"%s\"",
              paint(color, grid ? "g" : "a", name));
    if (*dashes && !grid)
        text_addf(drawing->out, " stroke-dasharray=\"%s\"", dashes);
    text_addf(drawing->out, " d=\"%s\"/>\n", d);
    rc = 0;
out:
    free(d);
    return rc;
}

/* A marker, which gnuplot takes from its definitions. */
static int add_point(struct drawing *drawing, const struct tag *tag)
{
    char color[64], place[128], name[8];
    double x, y;

    if (!attribute(tag, "transform", place, sizeof(place)) ||
        !attribute(tag, "color", color, sizeof(color)) ||
        sscanf(place, "translate(%lf,%lf)", &x, &y) != 2)
        return -1;
    text_addf(drawing->out, "<circle class=\"p %s\" cx=\"%.2f\" cy=\"%.2f\" "
              "r=\"3\"/>\n", paint(color, "a", name), x, y);
    return 0;
}

/* The numbers at the axes are all the text there is. */
static const char *add_words(struct drawing *drawing, const char *p)
{
    const char *end = strchr(p, '<');

    if (!end || strncmp(end, "</text>", 7) != 0)
        return NULL;
    while (*p == ' ')
        p++;
    size_t n = (size_t)(end - p);
    if (strspn(p, "0123456789.,+-e ") < n &&
        strncmp(p, "−", 3) != 0)         /* a minus that is not ASCII's */
        return NULL;
    text_add(drawing->out, "<text class=\"t\">");
    text_addn(drawing->out, p, n);
    text_add(drawing->out, "</text>\n");
    return end + 7;
}

/* Groups only matter if they move something. */
static int open_group(struct drawing *drawing, const struct tag *tag)
{
    char move[128], anchor[32];

    if (drawing->depth == DEPTH ||
        !attribute(tag, "transform", move, sizeof(move)) ||
        !attribute(tag, "text-anchor", anchor, sizeof(anchor)) ||
        !is_made_of(move, "translatero()0123456789.,- ") ||
        !is_made_of(anchor, "startmidle n"))
        return -1;
    drawing->shown[drawing->depth++] = *move;
    if (*move)
        text_addf(drawing->out, "<g transform=\"%s\" text-anchor=\"%s\">",
                  move, *anchor ? anchor : "start");
    return 0;
}

static int close_group(struct drawing *drawing)
{
    if (drawing->depth == 0)
        return -1;
    if (drawing->shown[--drawing->depth])
        text_add(drawing->out, "</g>\n");
    return 0;
}

/* Behind the end of an element whose inside is of no use. */
static const char *skip(const char *p, const struct tag *opened)
{
    struct tag tag;

    if (opened->empty)
        return p;
    while ((p = next_tag(p, &tag)))
        if (tag.closes && tag.length == opened->length &&
            strncmp(tag.name, opened->name, tag.length) == 0)
            return p;
    return NULL;
}

int plot_svg(const char *drawing, const char **next, struct mlb_text *out)
{
    struct drawing d = { .out = out };
    struct tag tag;
    const char *p = strstr(drawing, "<svg");

    if (!p || !(p = next_tag(p, &tag)))
        return -1;
    while ((p = next_tag(p, &tag))) {
        int rc = 0;
        if (tag.closes && tag_is(&tag, "svg")) {
            *next = p;
            return d.depth == 0 ? 0 : -1;
        }
        if (tag.closes)
            rc = tag_is(&tag, "g") ? close_group(&d) : -1;
        else if (tag_is(&tag, "g"))
            rc = open_group(&d, &tag);
        else if (tag_is(&tag, "path"))
            rc = add_path(&d, &tag);
        else if (tag_is(&tag, "use"))
            rc = add_point(&d, &tag);
        else if (tag_is(&tag, "text"))
            p = add_words(&d, p);
        else if (tag_is(&tag, "title") || tag_is(&tag, "desc") ||
                 tag_is(&tag, "defs") || tag_is(&tag, "rect"))
            p = skip(p, &tag);
        else
            rc = -1;
        if (rc < 0 || !p)
            return -1;
    }
    return -1;
}
