/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading the rows of a CSV file. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/place.h"
#include "store/table.h"

#define PROGRESS_ROWS 4096        /* between two reports of progress */

/* What reading needs beside the table. */
struct reading {
    struct table *t;
    const struct table_options *o;
    struct csv csv;
    struct mlb_problems *problems;
    float *row;
    bool any_fraction, any_wide;  /* labels that are no int, no i32 */
};

/* A file without a name in directory. */
static FILE *unnamed_file(const char *directory, struct mlb_error *err)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) {                 /* not every file system can do that */
        char *path = xasprintf("%s/.mlb-rows-XXXXXX", directory);
        fd = mkostemp(path, O_CLOEXEC);
        if (fd >= 0)
            unlink(path);
        free(path);
    }
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w+");
    if (!file) {
        mlb_error_errno(err, MLB_ERR_IO, "cannot make a file in %s",
                        directory);
        if (fd >= 0)
            close(fd);
    }
    return file;
}

static void problem(struct reading *r, const char *what, const char *found)
{
    char *where = xasprintf("%s:%" PRIu64, r->o->source, r->csv.line);

    if (found)
        problems_add(r->problems, where, "%s, found \"%.*s\"", what,
                     (int)strnlen(found, 40), found);
    else
        problems_add(r->problems, where, "%s", what);
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
    const char *label = r->o->label;
    struct table *t = r->t;
    char *end;

    if (!label)
        return 0;
    t->has_label = true;
    unsigned long number = strtoul(label, &end, 10);
    if (strcmp(label, "first") == 0)
        return 0;
    if (strcmp(label, "last") == 0) {
        t->label = t->columns - 1;
        return 0;
    }
    if (isdigit((unsigned char)label[0]) && !*end) {
        if (number < 1 || number > t->columns)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT, "no column %s in "
                                 "%s, which has %zu", label, r->o->source,
                                 t->columns);
        t->label = number - 1;
        return 0;
    }
    for (; header; header = next_cell(header), t->label++) {
        char *name = copy_cell(header);
        bool same = strcmp(name, label) == 0;
        free(name);
        if (same)
            return 0;
    }
    return mlb_error_set(err, MLB_ERR_BAD_INPUT, "no column \"%s\" in the "
                         "first line of %s", label, r->o->source);
}

/* The first line: count the columns. A header is a line without a single
 * number: one bad cell must not make a row of data a header. *is_header. */
static int begin_table(struct reading *r, const char *line, bool *is_header,
                       struct mlb_error *err)
{
    *is_header = true;
    for (const char *p = line; p; p = next_cell(p)) {
        r->t->columns++;
        if (is_number(p))
            *is_header = false;
    }
    r->row = xcalloc(r->t->columns, sizeof(*r->row));
    return set_label_column(r, *is_header ? line : NULL, err);
}

/* What kind of label it is goes on record: the type must fit all. */
static bool read_label(struct reading *r, const char *p,
                       struct table_label *label)
{
    char *end;

    errno = 0;
    label->whole = strtoll(p, &end, 10);
    if (errno == ERANGE || !fills_cell(p, end)) {
        label->whole = 0;
        r->any_fraction = true;
    } else if (label->whole < INT32_MIN || label->whole > INT32_MAX) {
        r->any_wide = true;
    }
    label->value = strtod(p, &end);
    return fills_cell(p, end);
}

static void bad_cell(struct reading *r, size_t column, const char *p,
                     const char *expected)
{
    char *found = copy_cell(p);
    char *what = xasprintf("column %zu: expected %s", column + 1, expected);

    problem(r, what, found);
    free(what);
    free(found);
}

/* One row into r->row and *label. -1: it is bad, and a problem more. */
static int parse_row(struct reading *r, const char *line,
                     struct table_label *label)
{
    struct table *t = r->t;
    size_t column = 0, n = 0;

    for (const char *p = line; p; p = next_cell(p), column++) {
        char *end;
        if (column >= t->columns)
            continue;
        if (t->has_label && column == t->label) {
            if (read_label(r, p, label))
                continue;
            bad_cell(r, column, p, "a number");
            return -1;
        }
        errno = 0;
        r->row[n] = strtof(p, &end);
        if (!fills_cell(p, end)) {
            bad_cell(r, column, p, "a number");
            return -1;
        }
        if (errno == ERANGE && isinf(r->row[n])) {
            bad_cell(r, column, p, "a number that fits f32");
            return -1;
        }
        n++;
    }
    if (column == t->columns)
        return 0;
    char *what = xasprintf("expected %zu columns, found %zu", t->columns,
                           column);
    problem(r, what, NULL);
    free(what);
    return -1;
}

static int add_row(struct reading *r, const char *line, struct mlb_error *err)
{
    struct table *t = r->t;
    struct table_label label = { 0, 0 };
    size_t values = t->columns - (t->has_label ? 1 : 0);

    if (parse_row(r, line, &label) < 0)
        return 0;
    if (fwrite(r->row, sizeof(*r->row), values, t->values) != values ||
        (t->has_label && fwrite(&label, sizeof(label), 1, t->labels) != 1))
        return mlb_error_errno(err, MLB_ERR_IO,
                               "cannot write temporary file in %s",
                               r->o->directory);
    t->rows++;
    return 0;
}

static int read_lines(struct reading *r, struct mlb_error *err)
{
    char *line;
    size_t length;
    int rc;

    while ((rc = csv_next(&r->csv, &line, &length, err)) > 0) {
        bool is_header = false;
        if (r->o->progress && r->csv.line % PROGRESS_ROWS == 0)
            r->o->progress(r->o->progress_arg, csv_done(&r->csv),
                           r->csv.size);
        if (strlen(line) != length) {
            problem(r, "a NUL byte: is this a text file?", NULL);
            break;
        }
        if (!*skip_blanks(line))
            continue;
        if (r->t->columns == 0 && begin_table(r, line, &is_header, err) < 0)
            return -1;
        if (!is_header && add_row(r, line, err) < 0)
            return -1;
        if (r->problems->lines.count >= TABLE_MAX_PROBLEMS) {
            problem(r, "too many problems, stopped reading", NULL);
            break;
        }
    }
    return rc < 0 ? -1 : 0;
}

static int finish(struct reading *r, struct mlb_error *err)
{
    struct table *t = r->t;

    if (t->rows == 0 && r->problems->lines.count == 0)
        problems_add(r->problems, r->o->source, "no rows in it");
    if (problems_to_error(r->problems, err) < 0)
        return mlb_error_prefix(err, "nothing imported from %s",
                                r->o->source);
    if (fflush(t->values) != 0 || fflush(t->labels) != 0)
        return mlb_error_errno(err, MLB_ERR_IO,
                               "cannot write temporary file in %s",
                               r->o->directory);
    t->label_type = r->any_fraction ? MLB_F32 : r->any_wide ? MLB_I64
                                                            : MLB_I32;
    return 0;
}

int table_read(struct table *t, const struct table_options *options,
               struct mlb_problems *problems, struct mlb_error *err)
{
    struct reading r = { .t = t, .o = options, .problems = problems };
    int rc = -1;

    *t = (struct table){ 0 };
    if (csv_open(&r.csv, options->source, err) < 0 ||
        !(t->values = unnamed_file(options->directory, err)) ||
        !(t->labels = unnamed_file(options->directory, err)))
        goto out;
    rc = read_lines(&r, err);
    if (rc == 0)
        rc = finish(&r, err);
out:
    csv_close(&r.csv);
    free(r.row);
    if (rc < 0)
        table_clear(t);
    return rc;
}

void table_clear(struct table *t)
{
    if (t->values)
        fclose(t->values);
    if (t->labels)
        fclose(t->labels);
    *t = (struct table){ 0 };
}

static int read_back(FILE *file, void *out, size_t length, uint64_t offset,
                     struct mlb_error *err)
{
    if (place_pread(fileno(file), out, length, offset) < 0)
        return mlb_error_errno(err, MLB_ERR_IO,
                               "cannot read temporary file");
    return 0;
}

int table_get_values(void *from, uint64_t offset, void *out, size_t length,
                     struct mlb_error *err)
{
    const struct table *t = from;

    return read_back(t->values, out, length, offset, err);
}

int table_get_labels(void *from, uint64_t offset, void *out, size_t length,
                     struct mlb_error *err)
{
    const struct table *t = from;
    struct table_label some[1024];
    size_t size = mlb_dtype_size(t->label_type);
    size_t left = length / size;
    uint64_t at = offset / size * sizeof(some[0]);

    for (char *to = out; left > 0;) {
        size_t n = left < 1024 ? left : 1024;
        if (read_back(t->labels, some, n * sizeof(some[0]), at, err) < 0)
            return -1;
        for (size_t i = 0; i < n; i++, to += size) {
            int32_t narrow = (int32_t)some[i].whole;
            float fraction = (float)some[i].value;
            const void *value = t->label_type == MLB_I64
                                    ? (const void *)&some[i].whole
                                : t->label_type == MLB_I32
                                    ? (const void *)&narrow
                                    : (const void *)&fraction;
            memcpy(to, value, size);
        }
        at += n * sizeof(some[0]);
        left -= n;
    }
    return 0;
}
