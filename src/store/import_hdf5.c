/* SPDX-License-Identifier: BSD-3-Clause */
/* Importing the data sets of a foreign HDF5 file, each a field. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "base/process.h"
#include "store/import_arrays.h"
#include "store/import_hdf5.h"

struct reading {
    pid_t child;                  /* 0: none */
    int from, to;                 /* pipes; -1 */
    uint64_t rows, given, first;
    uint64_t *row_bytes;          /* of each field */
    unsigned char **buffers;
    uint64_t *sizes;
    size_t count;
    unsigned told;                /* lines for the user */
    bool is_asked;                /* the child has been told a first row */
};

static int start_child(struct importer *im, struct reading *r,
                       struct mlb_error *err)
{
    int down[2] = { -1, -1 }, up[2] = { -1, -1 };

    /* Writing to a pipe whose reader has died would be a signal. */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, down) < 0 ||
        pipe2(up, O_CLOEXEC) < 0 ||
        (r->child = fork()) < 0) {
        mlb_error_errno(err, MLB_ERR_IO, "cannot start a process");
        r->child = 0;
        for (int i = 0; i < 2; i++) {
            close(down[i]);
            close(up[i]);
        }
        return -1;
    }
    if (r->child == 0)
        hdf5_child(im->o->source, im->o->fields, up[1], down[0]);
    close(down[0]);
    close(up[1]);
    r->to = down[1];
    r->from = up[0];
    return 0;
}

/* The child has ended before its time: how? */
static int lost(struct importer *im, struct reading *r,
                struct mlb_error *err)
{
    struct mlb_text how = MLB_TEXT_INIT;
    int status = 0;

    while (waitpid(r->child, &status, 0) < 0 && errno == EINTR)
        continue;
    r->child = 0;
    process_add_status(&how, status);
    mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: libhdf5 cannot read it after "
                  "row %" PRIu64 " (its process %s): a damaged file",
                  im->o->source, r->given, how.data);
    text_clear(&how);
    return -1;
}

static int get(struct importer *im, void *out, uint64_t length,
               struct mlb_error *err)
{
    struct reading *r = im->state;
    char *to = out;

    while (length > 0) {
        ssize_t n = read(r->from, to, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return lost(im, r, err);
        to += n;
        length -= (uint64_t)n;
    }
    return 0;
}

static int bad_child(const struct importer *im, struct mlb_error *err)
{
    return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: damaged, its reader "
                         "tells nonsense", im->o->source);
}

/* A message's text: to whom it belongs. */
static int take_text(struct importer *im, const struct hdf5_message *m,
                     struct mlb_error *err)
{
    struct reading *r = im->state;
    char text[HDF5_MAX_TEXT + 1] = "";

    if (m->count > HDF5_MAX_TEXT)
        return bad_child(im, err);
    if (get(im, text, m->count, err) < 0)
        return -1;
    if (m->type == HDF5_ERROR)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: %s", im->o->source,
                             text);
    if (m->type == HDF5_PROBLEM)
        return import_problem(im, im->o->source, "%s", text)
                   ? problems_to_error(im->problems, err) : 0;
    /* A file can have any number of groups. */
    if (r->told++ < IMPORT_MAX_PROBLEMS)
        import_tell(im, "%s", text);
    return 0;
}

static int take_field(struct importer *im, struct mlb_error *err)
{
    struct reading *r = im->state;
    struct hdf5_field f;
    struct array a = { .rank = 0 };
    uint64_t bytes = 0;

    if (get(im, &f, sizeof(f), err) < 0)
        return -1;
    f.name[sizeof(f.name) - 1] = '\0';
    a.dtype = (enum mlb_dtype)f.dtype;
    a.rank = (int)f.rank;
    memcpy(a.shape, f.shape, sizeof(a.shape));
    if (f.rank < 1 || f.rank > MLB_MAX_RANK ||
        r->count == VERSION_MAX_FIELDS ||
        array_row_bytes(&a, true, &bytes, err) < 0)
        return bad_child(im, err);
    if (r->count > 0 && a.shape[0] != r->rows)
        import_problem(im, im->o->source, "%s has %" PRIu64 " rows and %s "
                       "%" PRIu64 ": name by --field those that belong "
                       "together", f.name, a.shape[0], im->fields[0].name,
                       r->rows);
    else
        r->rows = a.shape[0];
    struct version_field *field = import_add_field(im, f.name);
    field->dtype = a.dtype;
    field->rank = a.rank - 1;
    memcpy(field->shape, a.shape + 1,
           (size_t)field->rank * sizeof(field->shape[0]));
    r->row_bytes[r->count++] = bytes;
    return 0;
}

static int hdf5_open(struct importer *im, struct mlb_error *err)
{
    struct reading *r = xcalloc(1, sizeof(*r));
    struct hdf5_message m = { 0, 0 };
    int rc;

    im->state = r;
    r->from = r->to = -1;
    r->row_bytes = xcalloc(VERSION_MAX_FIELDS, sizeof(*r->row_bytes));
    r->buffers = xcalloc(VERSION_MAX_FIELDS, sizeof(*r->buffers));
    r->sizes = xcalloc(VERSION_MAX_FIELDS, sizeof(*r->sizes));
    if (import_add_source(im, im->o->source, err) < 0 ||
        start_child(im, r, err) < 0)
        return -1;
    do {
        rc = get(im, &m, sizeof(m), err);
        if (rc == 0 && m.type == HDF5_FIELD)
            rc = take_field(im, err);
        else if (rc == 0 && m.type >= HDF5_SAY && m.type <= HDF5_ERROR)
            rc = take_text(im, &m, err);
        else if (rc == 0 && m.type != HDF5_BEGIN)
            rc = bad_child(im, err);
    } while (rc == 0 && m.type != HDF5_BEGIN);
    if (rc == 0 && r->count == 0 && im->problems->lines.count == 0)
        import_problem(im, im->o->source, "no data sets at its top: name "
                       "them by --field=PATH");
    return rc;
}

/* Tell the child where to begin. */
static int ask(struct importer *im, struct mlb_error *err)
{
    struct reading *r = im->state;

    r->is_asked = true;
    r->given = r->first;
    ssize_t n = send(r->to, &r->first, sizeof(r->first), MSG_NOSIGNAL);
    return n == sizeof(r->first) ? 0 : lost(im, r, err);
}

static int take_rows(struct importer *im, uint64_t rows,
                     struct mlb_error *err)
{
    struct reading *r = im->state;

    if (rows == 0 || rows > r->rows - r->given || rows > IMPORT_BATCH)
        return bad_child(im, err);
    for (size_t i = 0; i < r->count; i++) {
        /* The child sends no more than that at once. */
        if (rows > 1 && rows * r->row_bytes[i] > IMPORT_BATCH)
            return bad_child(im, err);
        uint64_t bytes = rows * r->row_bytes[i];
        if (bytes > r->sizes[i]) {
            r->buffers[i] = xrealloc(r->buffers[i], bytes);
            r->sizes[i] = bytes;
        }
        if (get(im, r->buffers[i], bytes, err) < 0)
            return -1;
        if (array_bad_bool(im->fields[i].dtype, r->buffers[i], bytes))
            return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: %s holds more "
                                 "than 0 and 1", im->o->source,
                                 im->fields[i].name);
        im->cells[i] = (struct version_cell){ r->buffers[i], bytes };
    }
    r->given += rows;
    im->done = (uint64_t)((double)im->total * ((double)r->given /
                                               (double)r->rows));
    return 0;
}

static int64_t hdf5_next(struct importer *im, struct mlb_error *err)
{
    struct reading *r = im->state;
    struct hdf5_message m;

    if (!r->is_asked && ask(im, err) < 0)
        return IMPORT_FAILED;
    if (get(im, &m, sizeof(m), err) < 0)
        return IMPORT_FAILED;
    if (m.type == HDF5_END && r->given == r->rows)
        return IMPORT_END;
    if (m.type != HDF5_ROWS)
        return bad_child(im, err);
    return take_rows(im, m.count, err) < 0 ? IMPORT_FAILED
                                           : (int64_t)m.count;
}

static int hdf5_skip(struct importer *im, uint64_t rows,
                     struct mlb_error *err)
{
    struct reading *r = im->state;

    (void)err;
    r->first = rows;
    return 0;
}

static void hdf5_close(struct importer *im)
{
    struct reading *r = im->state;

    if (!r)
        return;
    if (r->child > 0) {
        kill(r->child, SIGKILL);
        while (waitpid(r->child, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    if (r->from >= 0)
        close(r->from);
    if (r->to >= 0)
        close(r->to);
    for (size_t i = 0; i < r->count; i++)
        free(r->buffers[i]);
    free(r->buffers);
    free(r->sizes);
    free(r->row_bytes);
    free(r);
}

const struct import_format import_hdf5 = {
    .name = "hdf5", .options = IMPORT_FIELDS,
    .open = hdf5_open, .next = hdf5_next, .skip = hdf5_skip,
    .close = hdf5_close,
};
