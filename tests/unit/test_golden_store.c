/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that the first release of format version 1 wrote: today's reader
 * finds in them what was put there, and what says that it is newer is
 * refused. */
#include "config.h"

#include "store_fixture.h"

#include "golden_store.h"
#include "mlbatch/checkpoint.h"
#include "store/crc.h"
#include "store/layout.h"

/* A file of the source tree. */
static const char *golden(const char *name)
{
    static char path[4096];
    const char *srcdir = getenv("srcdir");

    snprintf(path, sizeof(path), "%s/tests/golden/store/v1/%s",
             srcdir ? srcdir : ".", name);
    return path;
}

static struct container *open_golden(const char *name,
                                     enum container_kind kind)
{
    struct mlb_error err = { 0 };
    struct container *c = container_open(golden(name), kind, &err);

    if (!c)
        fail_msg("%s", err.text);
    assert_ok(container_verify(c, &err), err);
    return c;
}

/* The array is as it was added: type, shape and bytes. */
static void assert_bytes(struct container *c, const struct golden_tensor *t,
                         const void *bytes)
{
    static unsigned char back[GOLDEN_MOST];
    const struct container_info *a = container_find(c, t->name);
    struct mlb_error err = { 0 };

    if (!a)
        fail_msg("%s is missing", t->name);
    assert_int_equal(a->dtype, t->dtype);
    assert_int_equal(a->rank, t->rank);
    for (int i = 0; i < t->rank; i++)
        assert_int_equal(a->shape[i], t->shape[i]);
    assert_int_equal(a->bytes, golden_length(t) * mlb_dtype_size(t->dtype));
    assert_ok(container_read(c, a, NULL, back, &err), err);
    assert_memory_equal(back, bytes, a->bytes);
}

static void assert_formula(struct container *c, const struct golden_tensor *t)
{
    static unsigned char bytes[GOLDEN_MOST];

    golden_fill(t->dtype, 0, golden_length(t), bytes);
    assert_bytes(c, t, bytes);
}

static void the_checkpoint_is_read(void **state)
{
    struct container *c = open_golden("step-000000000007.h5",
                                      CONTAINER_CHECKPOINT);
    struct mlb_error err = { 0 };
    char name[32];
    void *text = NULL;
    uint64_t length;

    (void)state;
    for (int d = MLB_F64; d <= MLB_C128; d++) {
        struct golden_tensor t = { name, d, 2, { 4, 8 } };
        snprintf(name, sizeof(name), "/tensors/all/%s", mlb_dtype_name(d));
        assert_formula(c, &t);
    }
    for (size_t i = 0; i < GOLDEN_ODD; i++)
        assert_formula(c, &golden_odd[i]);
    assert_int_equal(container_count(c), MLB_C128 + GOLDEN_ODD + 2);
    container_close(c);
    struct mlb_checkpoint_reader *r =
        mlb_checkpoint_open(golden("step-000000000007.h5"), &err);
    if (!r)
        fail_msg("%s", err.text);
    assert_int_equal(mlb_checkpoint_step(r), GOLDEN_STEP);
    assert_int_equal(mlb_checkpoint_tensors(r), MLB_C128 + GOLDEN_ODD);
    assert_ok(mlb_checkpoint_load_state(r, "sampler", &text, &length, &err),
              err);
    assert_string_equal(text, GOLDEN_STATE);
    free(text);
    mlb_checkpoint_close(r);
}

static void names_at_the_limits_are_read(void **state)
{
    struct container *c = open_golden("names.h5", CONTAINER_RECORD);
    char buffer[400];
    int count = 0;

    (void)state;
    for (; golden_name(count, buffer); count++) {
        struct golden_tensor t = { golden_name(count, buffer), MLB_U16, 1,
                                   { (uint64_t)count } };
        assert_string_equal(container_get(c, (size_t)count)->name, t.name);
        assert_formula(c, &t);
    }
    assert_int_equal(container_count(c), count);
    container_close(c);
}

static void the_shard_is_read(void **state)
{
    struct container *c = open_golden("dataset/shard-00000.h5",
                                      CONTAINER_DATASET);
    uint64_t offsets[GOLDEN_ROWS + 1] = { 0 };
    struct golden_tensor of = { "/fields/t/offsets", MLB_U64, 1,
                                { GOLDEN_ROWS + 1 } };
    struct golden_tensor x = { "/fields/x", MLB_F32, 2, { GOLDEN_ROWS, 3 } };
    struct golden_tensor t = { "/fields/t/data", MLB_U16, 1, { 30 } };
    struct golden_tensor sums = { "/crc/t", MLB_U32, 1, { GOLDEN_ROWS } };
    struct golden_tensor classes = { "/classes/y", MLB_U8, 2, { 2, 5 } };
    uint32_t crc[GOLDEN_ROWS];
    unsigned char data[60];

    (void)state;
    golden_fill(MLB_U16, 0, 30, data);
    for (uint64_t r = 0; r < GOLDEN_ROWS; r++) {
        offsets[r + 1] = offsets[r] + r % 4;
        crc[r] = crc_update(0, data + 2 * offsets[r], 2 * (r % 4));
    }
    assert_formula(c, &x);
    assert_formula(c, &t);
    assert_bytes(c, &of, offsets);
    assert_bytes(c, &sums, crc);
    assert_bytes(c, &classes, "even\0odd\0");
    container_close(c);
}

/* A copy of a golden file whose record says something else. */
static const char *forge(void **state, void (*change)(struct layout_record *))
{
    const char *path = in(state, "forged.h5");
    static char bytes[GOLDEN_MOST * 2];
    struct layout_record r;
    size_t size = size_of(golden("names.h5"));

    get_bytes(golden("names.h5"), 0, bytes, size);
    memcpy(&r, bytes, sizeof(r));
    change(&r);
    layout_record_seal(&r);
    memcpy(bytes, &r, sizeof(r));
    memcpy(bytes + LAYOUT_SECOND, &r, sizeof(r));
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
    return path;
}

static void to_version_2(struct layout_record *r)
{
    r->version = 2;
}

static void to_version_0(struct layout_record *r)
{
    r->version = 0;
}

static void to_incomplete(struct layout_record *r)
{
    r->flags &= ~(uint32_t)LAYOUT_COMPLETE;
}

static void to_flag_that_matters(struct layout_record *r)
{
    r->flags |= 1u << 15;
}

static void to_flag_that_does_not(struct layout_record *r)
{
    r->flags |= 1u << 16 | 1u << 31;
    r->reserved = 1;
    r->reserved2 = 2;
    memset(r->unused, 3, sizeof(r->unused));
}

static void what_is_newer_is_told_apart(void **state)
{
    static const struct {
        void (*change)(struct layout_record *);
        enum mlb_errcode code;
        const char *word;
    } cases[] = {
        { to_version_2, MLB_ERR_UNSUPPORTED, "newer mlbatch (profile 2" },
        { to_version_0, MLB_ERR_BAD_INPUT, "version 0" },
        { to_incomplete, MLB_ERR_BAD_INPUT, "not complete" },
        { to_flag_that_matters, MLB_ERR_UNSUPPORTED, "newer mlbatch" },
        { to_flag_that_does_not, MLB_OK, "" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mlb_error err = { 0 };
        struct container *c = container_open(forge(state, cases[i].change),
                                             0, &err);
        assert_int_equal(c != NULL, cases[i].code == MLB_OK);
        if (c)
            assert_ok(container_verify(c, &err), err);
        assert_int_equal(err.code, cases[i].code);
        assert_has(err.text, cases[i].word);
        container_close(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checkpoint_is_read),
        cmocka_unit_test(names_at_the_limits_are_read),
        cmocka_unit_test(the_shard_is_read),
        IN_DIRECTORY(what_is_newer_is_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
