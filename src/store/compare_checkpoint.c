/* SPDX-License-Identifier: BSD-3-Clause */
/* What differs between two checkpoints. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "store/compare.h"
#include "store/value.h"
#include "store/view.h"

struct comparing {
    const struct compare_request *request;
    struct mlb_checkpoint_reader *a, *b;
    unsigned char *x, *y;         /* a piece of each */
    uint64_t done, total;
    bool same;
    json_t *tensors, *states;
};

/* The one of that name; most often it has the same number in both. */
static bool find_tensor(const struct mlb_checkpoint_reader *r,
                        const char *name, int number, struct mlb_tensor *out)
{
    if (mlb_checkpoint_tensor(r, number, out) == 0 &&
        strcmp(out->name, name) == 0)
        return true;
    for (int i = 0; mlb_checkpoint_tensor(r, i, out) == 0; i++)
        if (strcmp(out->name, name) == 0)
            return true;
    return false;
}

static int compare_data(struct comparing *c, const struct mlb_tensor *t,
                        uint64_t *differing, double *most,
                        struct mlb_error *err)
{
    uint64_t at = 0;
    int64_t n;

    while ((n = view_read(c->a, t, at, c->x, err)) > 0 &&
           view_read(c->b, t, at, c->y, err) == n) {
        *differing += value_compare(t->dtype, c->x, c->y,
                                    (uint64_t)n / mlb_dtype_size(t->dtype),
                                    most);
        at += (uint64_t)n;
        c->done += (uint64_t)n;
        if (c->request->progress)
            c->request->progress(c->request->progress_arg, c->done,
                                 c->total);
    }
    return n == 0 ? 0 : -1;
}

/* A tensor that one of them has at least. */
static int compare_tensor(struct comparing *c, const struct mlb_tensor *a,
                          const struct mlb_tensor *b, struct mlb_error *err)
{
    char *x = a ? compare_type(a->dtype, a->rank, a->shape, false) : NULL;
    char *y = b ? compare_type(b->dtype, b->rank, b->shape, false) : NULL;
    json_t *item = json_pack("{s:s, s:o, s:o}", "name", a ? a->name : b->name,
                             "a", json_text(x), "b", json_text(y));
    uint64_t differing = 0;
    double most = 0;
    int rc = 0;

    if (x && y && strcmp(x, y) == 0) {
        rc = compare_data(c, a, &differing, &most, err);
        json_object_set_new(item, "elements", json_integer((json_int_t)(
            view_bytes(a) / mlb_dtype_size(a->dtype))));
        json_object_set_new(item, "differing",
                            json_integer((json_int_t)differing));
        json_object_set_new(item, "max_abs",
                            isfinite(most) ? json_real(most) : json_null());
        c->same = c->same && differing == 0;
    } else {
        json_object_set_new(item, "differing", json_null());
        c->same = false;
    }
    json_array_append_new(c->tensors, item);
    free(x);
    free(y);
    return rc;
}

static int compare_tensors(struct comparing *c, struct mlb_error *err)
{
    struct mlb_tensor a, b;

    for (int i = 0; mlb_checkpoint_tensor(c->a, i, &a) == 0; i++) {
        bool both = find_tensor(c->b, a.name, i, &b);
        if (compare_tensor(c, &a, both ? &b : NULL, err) < 0)
            return -1;
    }
    for (int i = 0; mlb_checkpoint_tensor(c->b, i, &b) == 0; i++)
        if (!find_tensor(c->a, b.name, i, &a) &&
            compare_tensor(c, NULL, &b, err) < 0)
            return -1;
    return 0;
}

static bool find_state(const struct mlb_checkpoint_reader *r,
                       const char *name, uint64_t *length)
{
    const char *other;

    for (int i = 0; (other = mlb_checkpoint_state(r, i, length)); i++)
        if (strcmp(other, name) == 0)
            return true;
    return false;
}

static int compare_state(struct comparing *c, const char *name,
                         struct mlb_error *err)
{
    uint64_t m = 0, n = 0;
    bool in_a = find_state(c->a, name, &m), in_b = find_state(c->b, name, &n);
    bool same = in_a && in_b && m == n;
    void *x = NULL, *y = NULL;
    int rc = 0;

    if (same && (mlb_checkpoint_load_state(c->a, name, &x, &m, err) < 0 ||
                 mlb_checkpoint_load_state(c->b, name, &y, &n, err) < 0))
        rc = -1;
    else if (same)
        same = memcmp(x, y, m) == 0;
    json_array_append_new(c->states, json_pack(
        "{s:s, s:o, s:o, s:b}", "name", name, "a",
        in_a ? json_integer((json_int_t)m) : json_null(), "b",
        in_b ? json_integer((json_int_t)n) : json_null(), "same", same));
    c->same = c->same && same;
    free(x);
    free(y);
    return rc;
}

static int compare_states(struct comparing *c, struct mlb_error *err)
{
    const char *name;
    uint64_t n;

    for (int i = 0; (name = mlb_checkpoint_state(c->a, i, &n)); i++)
        if (compare_state(c, name, err) < 0)
            return -1;
    for (int i = 0; (name = mlb_checkpoint_state(c->b, i, &n)); i++)
        if (!find_state(c->a, name, &n) && compare_state(c, name, err) < 0)
            return -1;
    return 0;
}

static void sum_bytes(struct comparing *c)
{
    struct mlb_tensor t;

    for (int i = 0; mlb_checkpoint_tensor(c->a, i, &t) == 0; i++)
        c->total += view_bytes(&t);
}

int compare_checkpoints(const struct compare_request *request, json_t **out,
                        struct mlb_error *err)
{
    struct comparing c = { .request = request, .same = true,
                           .tensors = json_array(), .states = json_array(),
                           .x = xmalloc(VIEW_PIECE),
                           .y = xmalloc(VIEW_PIECE) };
    int rc = -1;

    c.a = mlb_checkpoint_open(request->a, err);
    c.b = c.a ? mlb_checkpoint_open(request->b, err) : NULL;
    if (!c.b)
        goto out;
    sum_bytes(&c);
    if (compare_tensors(&c, err) < 0 || compare_states(&c, err) < 0)
        goto out;
    *out = json_pack("{s:b, s:[I, I], s:O, s:O}", "same", c.same, "steps",
                     (json_int_t)mlb_checkpoint_step(c.a),
                     (json_int_t)mlb_checkpoint_step(c.b), "tensors",
                     c.tensors, "states", c.states);
    rc = 0;
out:
    json_decref(c.tensors);
    json_decref(c.states);
    mlb_checkpoint_close(c.a);
    mlb_checkpoint_close(c.b);
    free(c.x);
    free(c.y);
    return rc;
}
