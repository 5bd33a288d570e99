/* SPDX-License-Identifier: BSD-3-Clause */
/* A data set as .npz: each field an array of all rows. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/export_parts.h"
#include "store/npz.h"

/* What the members of one field are written with. */
struct member {
    struct exporting *e;
    struct npz *z;
    struct column column;
    struct column_batch batch;
    uint64_t elements;            /* of a ragged field, in the rows wanted */
};

/* Hand each batch of the rows wanted to take. */
static int each_batch(struct member *m,
                      int (*take)(struct member *m, struct mlb_error *err),
                      struct mlb_error *err)
{
    for (uint64_t at = 0; at < m->e->rows; at += m->batch.rows) {
        uint64_t row, n = export_run(m->e, at, &row);
        if (column_read(&m->column, row, n, &m->batch, err) < 0 ||
            take(m, err) < 0)
            return -1;
        export_progress(m->e, m->batch.rows);
    }
    return 0;
}

static int write_data(struct member *m, struct mlb_error *err)
{
    const struct column_batch *b = &m->batch;

    return npz_write(m->z, b->bytes, b->rows ? b->ends[b->rows - 1] : 0,
                     err);
}

static int write_ends(struct member *m, struct mlb_error *err)
{
    const struct column_batch *b = &m->batch;
    uint64_t size = m->column.field->row_bytes;
    uint64_t *ends = xmalloc(b->rows * sizeof(*ends));

    for (uint64_t i = 0; i < b->rows; i++)
        ends[i] = m->elements + (size ? b->ends[i] / size : 0);
    m->elements = ends[b->rows - 1];
    int rc = npz_write(m->z, ends, b->rows * sizeof(*ends), err);
    free(ends);
    return rc;
}

/* NAME.offsets, which gives the number of elements, then NAME.data. */
static int write_ragged(struct member *m, struct mlb_error *err)
{
    const struct mlb_field *f = m->column.field;
    char *offsets = xasprintf("%s.offsets", f->name);
    char *data = xasprintf("%s.data", f->name);
    uint64_t shape[MLB_MAX_RANK] = { m->e->rows + 1 };
    const uint64_t zero = 0;
    int rc = -1;

    m->elements = 0;
    if (npz_begin(m->z, offsets, MLB_U64, shape, 1, err) < 0 ||
        npz_write(m->z, &zero, sizeof(zero), err) < 0 ||
        each_batch(m, write_ends, err) < 0)
        goto out;
    shape[0] = m->elements;
    memcpy(shape + 1, f->shape, (size_t)f->rank * sizeof(shape[0]));
    if (npz_begin(m->z, data, f->dtype, shape, f->rank + 1, err) < 0)
        goto out;
    rc = each_batch(m, write_data, err);
out:
    free(offsets);
    free(data);
    return rc;
}

static int write_fixed(struct member *m, struct mlb_error *err)
{
    const struct mlb_field *f = m->column.field;
    uint64_t shape[MLB_MAX_RANK] = { m->e->rows };

    memcpy(shape + 1, f->shape, (size_t)f->rank * sizeof(shape[0]));
    if (npz_begin(m->z, f->name, f->dtype, shape, f->rank + 1, err) < 0)
        return -1;
    return each_batch(m, write_data, err);
}

/* Would two arrays get the same name? */
static int check_names(const struct exporting *e, struct mlb_error *err)
{
    static const char *const endings[] = { ".data", ".offsets" };

    for (size_t i = 0; i < 2 * e->field_count; i++) {
        size_t f = e->fields[i / 2];
        char *name = xasprintf("%s%s", e->m.fields[f].name, endings[i % 2]);
        bool taken = false;
        for (size_t k = 0; k < e->field_count; k++)
            taken = taken || strcmp(e->m.fields[e->fields[k]].name,
                                    name) == 0;
        if (taken && column_is_ragged(&e->m, f)) {
            mlb_error_set(err, MLB_ERR_USAGE, "two arrays would be called "
                          "%s; choose fields by --field", name);
            free(name);
            return -1;
        }
        free(name);
    }
    return 0;
}

int export_npz(struct exporting *e, struct mlb_error *err)
{
    struct npz *z;
    int rc = check_names(e, err);

    for (size_t i = 0; i < e->field_count; i++)
        e->total += e->rows * (column_is_ragged(&e->m, e->fields[i]) ? 2 : 1);
    z = rc == 0 ? npz_create(&e->target, err) : NULL;
    if (!z)
        return -1;
    for (size_t i = 0; rc == 0 && i < e->field_count; i++) {
        const struct mlb_field *f = &e->m.fields[e->fields[i]];
        struct member m = { .e = e, .z = z };
        column_init(&m.column, &e->m, e->request->directory, e->fields[i]);
        rc = m.column.ragged ? write_ragged(&m, err) : write_fixed(&m, err);
        column_clear(&m.column);
        column_batch_clear(&m.batch);
        if (npz_type(f->dtype) != f->dtype)
            strings_pushf(&e->result->notes, "%s is %s, which numpy does not "
                          "have: its bits are there as %s", f->name,
                          mlb_dtype_name(f->dtype),
                          mlb_dtype_name(npz_type(f->dtype)));
    }
    e->result->files = 1;
    if (rc == 0)
        return npz_close(z, err);
    npz_abandon(z);
    return -1;
}
