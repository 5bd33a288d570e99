/* SPDX-License-Identifier: BSD-3-Clause */
/* Importing files as a version of a data set: what all formats share. */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "store/import_parts.h"
#include "store/resolve.h"
#include "store/split.h"

#define PROGRESS_STEPS 500        /* reports from begin to end, about */

struct version_field *import_add_field(struct importer *im, const char *name)
{
    size_t n = im->field_count;

    im->fields = xrealloc(im->fields, (n + 1) * sizeof(*im->fields));
    im->cells = xrealloc(im->cells, (n + 1) * sizeof(*im->cells));
    im->fields[n] = (struct version_field){ .name = xstrdup(name) };
    im->cells[n] = (struct version_cell){ .length = 0 };
    im->field_count++;
    return &im->fields[n];
}

static int look_at(const char *path, struct stat *st, struct mlb_error *err)
{
    if (stat(path, st) < 0)
        return mlb_error_errno(err, errno == ENOENT ? MLB_ERR_NOT_FOUND
                                                    : MLB_ERR_IO,
                               "cannot read %s", path);
    if (!S_ISREG(st->st_mode))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s is %s", path,
                             S_ISDIR(st->st_mode) ? "a directory"
                                                  : "not a regular file");
    return 0;
}

static int64_t nanoseconds(const struct timespec *t)
{
    return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

int import_add_source(struct importer *im, const char *path,
                      struct mlb_error *err)
{
    struct stat st;

    if (look_at(path, &st, err) < 0)
        return -1;
    if (im->source_count == im->source_size) {
        im->source_size = im->source_size ? im->source_size * 2 : 8;
        im->sources = xrealloc(im->sources,
                               im->source_size * sizeof(*im->sources));
    }
    im->sources[im->source_count++] = (struct import_source){
        .path = xstrdup(path), .bytes = (uint64_t)st.st_size,
        .modified = nanoseconds(&st.st_mtim),
        .changed = nanoseconds(&st.st_ctim),
    };
    im->total += (uint64_t)st.st_size;
    return 0;
}

bool import_problem(struct importer *im, const char *where,
                    const char *format, ...)
{
    char *what = NULL;
    va_list args;

    if (im->problems->lines.count >= IMPORT_MAX_PROBLEMS)
        return true;
    va_start(args, format);
    if (vasprintf(&what, format, args) < 0)
        what = NULL;
    va_end(args);
    problems_add(im->problems, where, "%s", what ? what : format);
    free(what);
    if (im->problems->lines.count < IMPORT_MAX_PROBLEMS)
        return false;
    problems_add(im->problems, where,
                 "too many problems, stopped reading");
    return true;
}

void import_tell(const struct importer *im, const char *format, ...)
{
    char *line = NULL;
    va_list args;

    if (!im->o->say)
        return;
    va_start(args, format);
    if (vasprintf(&line, format, args) < 0)
        line = NULL;
    va_end(args);
    char *shown = text_printable(line ? line : format);
    im->o->say(im->o->arg, shown);
    free(shown);
    free(line);
}

static void clear(struct importer *im)
{
    if (im->format)
        im->format->close(im);
    for (size_t i = 0; i < im->field_count; i++)
        free((char *)(uintptr_t)im->fields[i].name);
    for (size_t i = 0; i < im->source_count; i++)
        free(im->sources[i].path);
    free(im->fields);
    free(im->cells);
    free(im->sources);
}

/* What was read must still be what is there. */
static int check_unchanged(const struct importer *im, struct mlb_error *err)
{
    for (size_t i = 0; i < im->source_count; i++) {
        const struct import_source *s = &im->sources[i];
        struct stat st;
        if (look_at(s->path, &st, err) < 0)
            return -1;
        if ((uint64_t)st.st_size != s->bytes ||
            nanoseconds(&st.st_mtim) != s->modified ||
            nanoseconds(&st.st_ctim) != s->changed)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s changed while "
                                 "it was read, import again", s->path);
    }
    return 0;
}

static void report(const struct importer *im, uint64_t *reported)
{
    if (!im->o->progress || im->total == 0 ||
        im->done < *reported + im->total / PROGRESS_STEPS)
        return;
    *reported = im->done;
    im->o->progress(im->o->arg, im->done, im->total);
}

/* Pass over rows that are in the store already, by reading if need be. The
 * last batch may reach behind them: that many rows stay in the cells. */
static int64_t pass_over(struct importer *im, uint64_t rows,
                         struct mlb_error *err)
{
    uint64_t reported = 0;

    import_tell(im, "going on after row %" PRIu64, rows);
    if (im->format->skip)
        return im->format->skip(im, rows, err);
    while (rows > 0) {
        int64_t n = im->format->next(im, err);
        if (n == IMPORT_FAILED)
            return -1;
        if (n <= 0)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s is not what it "
                                 "was when its import was cut off",
                                 im->o->source);
        report(im, &reported);
        if ((uint64_t)n <= rows) {
            rows -= (uint64_t)n;
            continue;
        }
        /* More than one row at once: all fields are fixed. */
        for (size_t i = 0; i < im->field_count; i++) {
            struct version_cell *c = &im->cells[i];
            uint64_t size = c->length / (uint64_t)n;
            c->data = (const char *)c->data + rows * size;
            c->length -= rows * size;
        }
        return n - (int64_t)rows;
    }
    return 0;
}

/* All rows into w. 0, IMPORT_FAILED or IMPORT_AGAIN. */
static int copy_rows(struct importer *im, struct version_writer *w,
                     struct mlb_error *err)
{
    uint64_t reported = 0, rows = version_rows(w);
    int64_t n = rows ? pass_over(im, rows, err) : 0;

    if (n < 0)
        return -1;
    for (n = n ? n : im->format->next(im, err); n > 0;
         n = im->format->next(im, err)) {
        /* With problems it is read on only to tell the others. */
        if (im->problems->lines.count == 0 &&
            version_append(w, im->cells, (uint64_t)n, err) < 0)
            return -1;
        report(im, &reported);
    }
    return (int)n;
}

/* A share of few rows may be none, which a job would learn much later. */
static void tell_empty_splits(const struct importer *im, uint64_t rows)
{
    const struct import_options *o = im->o;
    struct split *splits = xcalloc(o->split_count + 1, sizeof(*splits));

    if (split_cut(splits, o->splits, o->split_count, rows, o->seed, NULL) == 0)
        for (size_t i = 0; i < o->split_count; i++)
            if (split_rows(&splits[i]) == 0)
                import_tell(im, "split %s has no rows: its share of %" PRIu64
                            " is less than one", splits[i].name, rows);
    free(splits);
}

static int import_rows(struct importer *im, const char *directory,
                       struct import_result *result, struct mlb_error *err)
{
    const struct import_options *o = im->o;
    char *key = import_key(im);
    struct version_request request = {
        .directory = directory, .name = o->name, .fields = im->fields,
        .field_count = im->field_count, .splits = o->splits,
        .split_count = o->split_count, .seed = o->seed,
        .shard_bytes = o->shard_bytes, .key = key,
    };
    struct version_writer *w = version_begin(&request, err);
    json_t *origin = NULL;
    int rc = w ? copy_rows(im, w, err) : -1;

    if (rc == 0 && im->problems->lines.count == 0 && version_rows(w) == 0)
        problems_add(im->problems, o->source, "no rows in it");
    if (rc == 0)
        rc = problems_to_error(im->problems, err);
    if (rc == 0)
        rc = check_unchanged(im, err);
    if (rc == 0 && !(origin = import_origin(im, err)))
        rc = -1;
    if (rc == 0) {
        result->rows = version_rows(w);
        tell_empty_splits(im, result->rows);
        rc = version_finish(w, origin, result->version, &result->existed,
                            err);
        w = NULL;
    }
    version_abandon(w);
    json_decref(origin);
    free(key);
    return rc;
}

/* One try: open the sources, and if they make sense, the store. */
static int try_once(const struct import_format *format,
                    const struct import_options *o,
                    struct import_result *result, struct importer *im,
                    struct mlb_error *err)
{
    char *directory = xasprintf("%s/datasets/%s", o->store, o->name);
    char *above = xasprintf("%s/datasets", o->store);

    im->format = format;
    int rc = format->open(im, err);
    if (rc == 0)
        rc = problems_to_error(im->problems, err);
    if (rc == 0)
        rc = files_mkdirs(directory, err);
    if (rc == 0)
        rc = import_rows(im, directory, result, err);
    if (rc == 0)
        rc = resolve_set_tag(o->store, o->name, RESOLVE_LATEST,
                             result->version, err);
    /* Nothing happens where something is in them. */
    if (rc < 0 && rmdir(directory) == 0)
        rmdir(above);
    free(directory);
    free(above);
    return rc;
}

static int check_options(const struct import_options *o,
                         struct mlb_error *err)
{
    struct stat st;

    if (!resolve_name_ok(o->name))
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "not a name for a data set: \"%s\" (letters, "
                             "digits, '_', '-', '.', '+')", o->name);
    for (size_t i = 0; i == 0 || (o->more && o->more[i - 1]); i++) {
        const char *path = i == 0 ? o->source : o->more[i - 1];
        if (stat(path, &st) < 0)
            return mlb_error_errno(err, errno == ENOENT ? MLB_ERR_NOT_FOUND
                                                        : MLB_ERR_IO,
                                   "cannot read %s", path);
        if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
            return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s is neither a "
                                 "file nor a directory: it must be readable "
                                 "twice", path);
    }
    return 0;
}

/* An option that would do nothing: a label left out is lost. */
static int check_special(const struct import_format *format,
                         const struct import_options *o,
                         struct mlb_error *err)
{
    const struct {
        const char *name;
        unsigned option;
        bool given;
    } specials[] = {
        { "label", IMPORT_LABEL, o->label },
        { "shape", IMPORT_SHAPE, o->shape },
        { "dtype", IMPORT_DTYPE, o->dtype },
        { "length", IMPORT_LENGTH, o->length },
        { "separator", IMPORT_SEPARATOR, o->separator },
        { "whole-files", IMPORT_WHOLE_FILES, o->whole_files },
        { "field", IMPORT_FIELDS, o->fields && o->fields[0] },
    };

    for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++)
        if (specials[i].given && !(format->options & specials[i].option))
            return mlb_error_set(err, MLB_ERR_USAGE, "--%s means nothing to "
                                 "format %s%s", specials[i].name,
                                 format->name,
                                 o->format ? "" : ", which the source is in");
    return 0;
}

static int check_format(const struct import_format *format,
                        const struct import_options *o,
                        struct mlb_error *err)
{
    if (!format->many && o->more && o->more[0])
        return mlb_error_set(err, MLB_ERR_USAGE, "format %s takes one file, "
                             "not more", format->name);
    if (!format->folder && files_is_dir(o->source))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s is a directory, and "
                             "format %s takes a file", o->source,
                             format->name);
    return check_special(format, o, err);
}

int import_run(const struct import_options *options,
               struct import_result *result, struct mlb_problems *problems,
               struct mlb_error *err)
{
    struct mlb_strings hints = MLB_STRINGS_INIT;
    const struct import_format *format;
    int rc;

    *result = (struct import_result){ .rows = 0 };
    if (check_options(options, err) < 0 ||
        !(format = import_find_format(options, err)) ||
        check_format(format, options, err) < 0)
        return -1;
    do {
        struct importer im = { .o = options, .problems = problems,
                               .hints = &hints };
        rc = try_once(format, options, result, &im, err);
        clear(&im);
    } while (rc == IMPORT_AGAIN);
    strings_clear(&hints);
    if (problems->lines.count > 0)
        mlb_error_prefix(err, "nothing imported from %s", options->source);
    return rc < 0 ? -1 : 0;
}
