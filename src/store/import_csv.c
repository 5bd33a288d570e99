/* SPDX-License-Identifier: BSD-3-Clause */
/* Importing the rows of a CSV file: all columns but the label's as field x,
 * the label's as field y. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store/csv.h"
#include "store/import_parts.h"

#define MOST_ROWS 256             /* given at once */

struct reading {
    struct importer *im;
    struct csv csv;
    char *pending;                /* a first line that is no header */
    uint64_t pending_line;
    size_t columns;               /* all */
    bool has_label;
    size_t label;                 /* its column, from 0 */
    enum mlb_dtype type;          /* of the label */
    size_t most;                  /* rows given at once */
    float *x;                     /* most rows of all columns but label */
    unsigned char *y;
    bool full;                    /* of problems, or not to be read on */
};

struct label {
    int64_t whole;
    double value;
    enum mlb_dtype type;          /* the first that holds it */
};

static void problem(struct reading *r, const char *what, const char *found)
{
    char *where = xasprintf("%s:%" PRIu64, r->im->o->source,
                            r->pending ? r->pending_line : r->csv.line);

    if (found)
        r->full = import_problem(r->im, where, "%s, found \"%.*s\"", what,
                                 (int)strnlen(found, 40), found);
    else
        r->full = import_problem(r->im, where, "%s", what);
    free(where);
}

static char *skip_blanks(const char *p)
{
    return (char *)(uintptr_t)(p + strspn(p, " \t"));
}

/* Does a number that begins at p and ends at end fill its cell? */
static bool fills_cell(const char *p, const char *end)
{
    if (end == p)
        return false;
    end = skip_blanks(end);
    return *end == ',' || *end == '\0';
}

/* Is the cell from p on a number? */
static bool is_number(const char *p)
{
    char *end;

    strtod(p, &end);
    return fills_cell(p, end);
}

/* The cell that p is in, without blanks around; caller frees. */
static char *copy_cell(const char *p)
{
    size_t n;

    p = skip_blanks(p);
    n = strcspn(p, ",");
    while (n > 0 && isspace((unsigned char)p[n - 1]))
        n--;
    return xstrndup(p, n);
}

static const char *next_cell(const char *p)
{
    p += strcspn(p, ",");
    return *p ? p + 1 : NULL;
}

static int set_label_column(struct reading *r, const char *header,
                            struct mlb_error *err)
{
    const char *label = r->im->o->label;
    char *end;

    if (!label)
        return 0;
    r->has_label = true;
    unsigned long number = strtoul(label, &end, 10);
    if (strcmp(label, "first") == 0)
        return 0;
    if (strcmp(label, "last") == 0) {
        r->label = r->columns - 1;
        return 0;
    }
    if (isdigit((unsigned char)label[0]) && !*end) {
        if (number < 1 || number > r->columns)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT, "no column %s in "
                                 "%s, which has %zu", label,
                                 r->im->o->source, r->columns);
        r->label = number - 1;
        return 0;
    }
    for (; header; header = next_cell(header), r->label++) {
        char *name = copy_cell(header);
        size_t n = strlen(name);
        bool same = strcmp(name, label) == 0 ||
                    (n >= 2 && name[0] == '"' && name[n - 1] == '"' &&
                     n - 2 == strlen(label) &&
                     memcmp(name + 1, label, n - 2) == 0);
        free(name);
        if (same)
            return 0;
    }
    return mlb_error_set(err, MLB_ERR_BAD_INPUT, "no column \"%s\" in the "
                         "first line of %s", label, r->im->o->source);
}

/* "8,8" or "8x8" into the shape of field, whose product is columns. */
static int parse_shape(const char *text, size_t columns,
                       struct version_field *field, struct mlb_error *err)
{
    uint64_t product = 1;

    field->rank = 0;
    for (const char *p = text; *p;) {
        char *end;
        unsigned long n = strtoul(p, &end, 10);
        if (end == p || *p == '-' || n < 1 || n > columns ||
            field->rank == MANIFEST_MAX_FIELD_RANK ||
            (*end && *end != ',' && *end != 'x') || (*end && !end[1]))
            return mlb_error_set(err, MLB_ERR_USAGE, "not a shape for %zu "
                                 "columns: \"%s\" (as in 8,8)", columns,
                                 text);
        field->shape[field->rank++] = n;
        product *= product <= columns ? n : 1;
        p = *end ? end + 1 : end;
    }
    if (field->rank == 0 || product != columns)
        return mlb_error_set(err, MLB_ERR_USAGE, "shape %s does not hold the "
                             "%zu columns of a row", text, columns);
    return 0;
}

static int add_fields(struct reading *r, struct mlb_error *err)
{
    size_t values = r->columns - (r->has_label ? 1 : 0);
    const char *shape = r->im->o->shape;

    r->most = values < IMPORT_BATCH / sizeof(*r->x)
                  ? IMPORT_BATCH / sizeof(*r->x) / (values + 1) : 1;
    if (r->most > MOST_ROWS)
        r->most = MOST_ROWS;
    r->most = r->most ? r->most : 1;
    r->x = xcalloc(r->most, values * sizeof(*r->x));
    r->y = xcalloc(r->most, sizeof(int64_t));
    if (values > 0) {
        struct version_field *x = import_add_field(r->im, "x");
        x->dtype = MLB_F32;
        x->rank = 1;
        x->shape[0] = values;
        if (shape && parse_shape(shape, values, x, err) < 0)
            return -1;
    }
    r->type = strings_have(r->im->hints, "f32")   ? MLB_F32
              : strings_have(r->im->hints, "i64") ? MLB_I64
                                                  : MLB_I32;
    if (r->has_label)
        import_add_field(r->im, "y")->dtype = r->type;
    return 0;
}

/* The first line: count the columns. A header is a line without a single
 * number: one bad cell must not make a row of data a header. */
static int begin(struct reading *r, const char *line, struct mlb_error *err)
{
    bool is_header = true;

    for (const char *p = line; p; p = next_cell(p)) {
        r->columns++;
        if (is_number(p))
            is_header = false;
    }
    if (!is_header) {
        r->pending = xstrdup(line);
        r->pending_line = r->csv.line;
    }
    if (set_label_column(r, is_header ? line : NULL, err) < 0)
        return -1;
    return add_fields(r, err);
}

/* The next line that is not blank: 1, 0 at the end, -1. */
static int next_line(struct reading *r, char **line, struct mlb_error *err)
{
    size_t length;
    int rc;

    while ((rc = csv_next(&r->csv, line, &length, err)) > 0) {
        if (strlen(*line) != length) {
            problem(r, "a NUL byte: is this a text file?", NULL);
            r->full = true;
            return 0;
        }
        if (*skip_blanks(*line))
            return 1;
    }
    return rc;
}

static int csv_begin(struct importer *im, struct mlb_error *err)
{
    struct reading *r = xcalloc(1, sizeof(*r));
    char *line;

    im->state = r;
    r->im = im;
    if (import_add_source(im, im->o->source, err) < 0 ||
        csv_open(&r->csv, im->o->source, err) < 0)
        return -1;
    int rc = next_line(r, &line, err);
    if (rc == 0 && im->problems->lines.count == 0)
        import_problem(im, im->o->source, "no rows in it");
    return rc > 0 ? begin(r, line, err) : rc;
}

/* "1e300" is no label: as f32 it would silently become infinite. */
static bool read_label(const char *p, struct label *label)
{
    char *end;

    errno = 0;
    label->type = MLB_I32;
    label->whole = strtoll(p, &end, 10);
    if (errno == ERANGE || !fills_cell(p, end)) {
        label->whole = 0;
        label->type = MLB_F32;
    } else if (label->whole < INT32_MIN || label->whole > INT32_MAX) {
        label->type = MLB_I64;
    }
    errno = 0;
    label->value = strtod(p, &end);
    bool too_large = errno == ERANGE ? isinf(label->value) != 0
                                     : isfinite(label->value) &&
                                           isinf((float)label->value);
    return fills_cell(p, end) && !too_large;
}

/* What to do about a cell that is no number. */
static const char *advice(const struct reading *r, size_t column,
                          const char *cell)
{
    if (cell[0] == '"')
        return " without quotes";
    if (r->columns == 1 && strpbrk(cell, ";\t"))
        return " (columns are separated by commas)";
    if (r->has_label && column == r->label &&
        isalpha((unsigned char)cell[0]))
        return " (number the classes from 0 on)";
    return "";
}

static void bad_cell(struct reading *r, size_t column, const char *p,
                     const char *expected)
{
    char *found = copy_cell(p);
    char *what = xasprintf("column %zu: expected %s%s", column + 1, expected,
                           advice(r, column, found));

    problem(r, what, found);
    free(what);
    free(found);
}

/* One row into x and *label. -1: it is bad, and a problem more. */
static int parse_row(struct reading *r, const char *line, float *x,
                     struct label *label)
{
    size_t column = 0;

    for (const char *p = line; p; p = next_cell(p), column++) {
        char *end;
        if (column >= r->columns)
            continue;
        if (r->has_label && column == r->label) {
            if (read_label(p, label))
                continue;
            bad_cell(r, column, p, is_number(p) ? "a number that fits f32"
                                                : "a number");
            return -1;
        }
        errno = 0;
        *x = strtof(p, &end);
        if (!fills_cell(p, end)) {
            bad_cell(r, column, p, "a number");
            return -1;
        }
        if (errno == ERANGE && isinf(*x)) {
            bad_cell(r, column, p, "a number that fits f32");
            return -1;
        }
        x++;
    }
    if (column == r->columns)
        return 0;
    char *what = xasprintf("expected %zu columns, found %zu", r->columns,
                           column);
    problem(r, what, NULL);
    free(what);
    return -1;
}

/* Put a label where it belongs; false if the type does not hold it. */
static bool put_label(const struct reading *r, size_t row,
                      const struct label *label)
{
    int32_t narrow = (int32_t)label->whole;
    float fraction = (float)label->value;
    size_t size = mlb_dtype_size(r->type);
    const void *value = r->type == MLB_I64   ? (const void *)&label->whole
                        : r->type == MLB_I32 ? (const void *)&narrow
                                             : (const void *)&fraction;

    memcpy(r->y + row * size, value, size);
    return r->type == label->type || r->type == MLB_F32 ||
           label->type == MLB_I32;
}

/* The labels turn out to need another type, which the rows written so far
 * must have, too. After a problem nothing is written any more. */
static int64_t start_again(struct reading *r, const struct label *label)
{
    strings_push(r->im->hints, label->type == MLB_F32 ? "f32" : "i64");
    return IMPORT_AGAIN;
}

static int64_t csv_rows(struct importer *im, struct mlb_error *err)
{
    struct reading *r = im->state;
    size_t values = r->columns - (r->has_label ? 1 : 0), n = 0;
    struct label label = { .type = MLB_I32 };
    char *line = r->pending;
    int rc = 1;

    while (n < r->most && !r->full) {
        if (!r->pending && (rc = next_line(r, &line, err)) <= 0)
            break;
        if (parse_row(r, line, r->x + n * values, &label) == 0) {
            if (r->has_label && !put_label(r, n, &label) &&
                im->problems->lines.count == 0)
                return start_again(r, &label);
            n++;
        }
        free(r->pending);
        r->pending = NULL;
    }
    if (rc < 0)
        return IMPORT_FAILED;
    size_t i = 0;
    if (values > 0)
        im->cells[i++] = (struct version_cell){
            r->x, n * values * sizeof(*r->x) };
    if (r->has_label)
        im->cells[i] = (struct version_cell){
            r->y, n * mlb_dtype_size(r->type) };
    im->done = csv_done(&r->csv);
    return (int64_t)n;
}

static void csv_end(struct importer *im)
{
    struct reading *r = im->state;

    if (!r)
        return;
    csv_close(&r->csv);
    free(r->pending);
    free(r->x);
    free(r->y);
    free(r);
}

const struct import_format import_csv = {
    .name = "csv", .options = IMPORT_LABEL | IMPORT_SHAPE,
    .open = csv_begin, .next = csv_rows, .close = csv_end,
};
