/* SPDX-License-Identifier: BSD-3-Clause */
/* Files made by somebody who knows how to seal them: every checksum is
 * right and what they say is not. They are refused, at once and without
 * taking more memory than the file has bytes. */
#include "config.h"

#include "store_fixture.h"

#include <inttypes.h>

#include "store/crc.h"
#include "store/layout.h"

#define NAMES_MOST 4096
#define TOP UINT64_C(9223372036854775808)      /* 2^63 */

/* A file in memory, to be changed and sealed. */
struct forgery {
    struct layout_record r;
    struct layout_entry e[2];
    char names[NAMES_MOST];
    uint32_t blocks[64];
};

static void take_apart(const char *path, struct forgery *f)
{
    memset(f, 0, sizeof(*f));
    get_bytes(path, 0, &f->r, sizeof(f->r));
    get_bytes(path, f->r.index.offset, f->e, sizeof(f->e));
    get_bytes(path, f->r.names.offset, f->names, f->r.names.bytes);
    get_bytes(path, f->r.blocks.offset, f->blocks, f->r.blocks.bytes);
}

static void put_extent(const char *path, struct layout_extent *e,
                       const void *bytes, size_t most)
{
    size_t n = e->bytes < most ? (size_t)e->bytes : most;

    put_bytes(path, e->offset, bytes, n);
    e->crc = crc_update(0, bytes, n);
}

/* Write it with right checksums. What does not fit where it was goes to the
 * end of the file. */
static void put_together(const char *path, struct forgery *f)
{
    put_extent(path, &f->r.index, f->e, sizeof(f->e));
    put_extent(path, &f->r.names, f->names, sizeof(f->names));
    put_extent(path, &f->r.blocks, f->blocks, sizeof(f->blocks));
    f->r.file_size = size_of(path);
    layout_record_seal(&f->r);
    put_bytes(path, 0, &f->r, sizeof(f->r));
    put_bytes(path, LAYOUT_SECOND, &f->r, sizeof(f->r));
}

static void assert_refused(const char *path, const char *word)
{
    struct mlb_error err = { 0 };
    struct container *c = container_open(path, 0, &err);

    if (c)
        fail_msg("opened, but should say \"%s\"", word);
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    assert_has(err.text, word);
}

static void change_nothing(void **state)
{
    const char *path = in(state, "f.h5");
    struct mlb_error err = { 0 };
    struct forgery f;

    make_sample(path);
    take_apart(path, &f);
    put_together(path, &f);
    struct container *c = container_open(path, 0, &err);
    if (!c)
        fail_msg("%s", err.text);
    assert_ok(container_verify(c, &err), err);
    container_close(c);
}

/* The first array's name becomes length bytes of name, and the names are
 * these and a NUL, then the second's, at the end of the file. */
static void rename_first(const char *path, const char *name, size_t length)
{
    struct forgery f;

    make_sample(path);
    take_apart(path, &f);
    memset(f.names, 0, sizeof(f.names));
    memcpy(f.names, name, length);
    strcpy(f.names + length + 1, "/data/small");
    f.e[0].name_at = 0;
    f.e[0].name_length = (uint16_t)length;
    f.e[1].name_at = (uint32_t)length + 1;
    f.r.names.bytes = length + 1 + sizeof("/data/small");
    f.r.names.offset = size_of(path);
    put_together(path, &f);
}

static void names_that_lead_elsewhere(void **state)
{
    static const struct {
        const char *name;
        size_t length;
    } names[] = {
        { "/../etc/passwd", 14 }, { "/..", 3 }, { "/a/..", 5 }, { "/.", 2 },
        { "/a/./b", 6 }, { "//", 2 }, { "/", 1 }, { "", 0 }, { "a", 1 },
        { "/a//b", 5 }, { "/a/", 3 }, { "/a\0b", 4 }, { "/a\0", 3 },
        { "/a\nb", 4 }, { "/a\x1b[2J", 6 }, { "/a\xff", 3 },
        { "/\xc0\xaf", 3 }, { "/\xc2\x9b", 3 }, { "/\xed\xa0\x80", 4 },
    };
    const char *path = in(state, "names.h5");
    char longest[LAYOUT_MAX_NAME + 2];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        rename_first(path, names[i].name, names[i].length);
        assert_refused(path, "array number 0 has an impossible name");
        unlink(path);
    }
    memset(longest, 'x', sizeof(longest));
    longest[0] = '/';
    rename_first(path, longest, LAYOUT_MAX_NAME + 1);
    assert_refused(path, "array number 0 has an impossible name");
    unlink(path);
    rename_first(path, longest, LAYOUT_MAX_NAME);
    struct container *c = container_open(path, 0, NULL);
    assert_non_null(c);
    container_close(c);
}

static void a_name_of_a_megabyte(void **state)
{
    const char *path = in(state, "f.h5");
    char *name = xmalloc(MIB + 1);
    struct forgery f;

    make_sample(path);
    take_apart(path, &f);
    memset(name, 'x', MIB);
    name[0] = '/';
    name[MIB] = '\0';
    f.r.names.offset = size_of(path);
    f.r.names.bytes = MIB + 1;
    put_bytes(path, f.r.names.offset, name, MIB + 1);
    uint32_t crc = crc_update(0, name, MIB + 1);
    put_together(path, &f);
    /* Once more, as put_together knows only short ones. */
    put_bytes(path, f.r.names.offset, name, MIB + 1);
    f.r.names.crc = crc;
    layout_record_seal(&f.r);
    put_bytes(path, 0, &f.r, sizeof(f.r));
    assert_refused(path, "impossible length");
    free(name);
}

static void numbers_of_arrays(void **state)
{
    const char *path = in(state, "f.h5");
    const uint64_t counts[] = { 0, 1, 3, LAYOUT_MAX_ARRAYS,
                                LAYOUT_MAX_ARRAYS + 1, UINT64_C(1) << 40,
                                TOP, UINT64_MAX, UINT64_MAX / 96 + 1,
                                UINT64_MAX / 96 + 3 };
    struct forgery good, f;

    make_sample(path);
    take_apart(path, &good);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        for (int wrap = 0; wrap < 2; wrap++) {
            f = good;
            f.r.arrays = counts[i];
            /* Also with a length that the product, cut to 64 bits, has. */
            if (wrap)
                f.r.index.bytes = counts[i] * sizeof(struct layout_entry);
            if (f.r.index.bytes > sizeof(f.e)) {
                layout_record_seal(&f.r);
                put_bytes(path, 0, &f.r, sizeof(f.r));
                put_bytes(path, LAYOUT_SECOND, &f.r, sizeof(f.r));
            } else {
                put_together(path, &f);
            }
            assert_refused(path, "");
        }
}

/* As many arrays as there may be, all in a hole: read, but not for long. */
static void a_million_empty_entries(void **state)
{
    const char *path = in(state, "f.h5");
    size_t length = LAYOUT_MAX_ARRAYS * sizeof(struct layout_entry);
    struct forgery f;

    make_sample(path);
    take_apart(path, &f);
    void *zeros = xcalloc(1, length);
    f.r.arrays = LAYOUT_MAX_ARRAYS;
    f.r.index = (struct layout_extent){
        .offset = size_of(path), .bytes = length,
        .crc = crc_update(0, zeros, length),
    };
    free(zeros);
    f.r.file_size = f.r.index.offset + length;
    layout_record_seal(&f.r);
    assert_int_equal(truncate(path, (off_t)f.r.file_size), 0);
    put_bytes(path, 0, &f.r, sizeof(f.r));
    assert_refused(path, "array number 0 has an impossible name");
}

static void sizes_that_do_not_multiply(void **state)
{
    static const struct {
        uint64_t shape[3], bytes;
    } cases[] = {
        { { UINT64_C(1) << 32, UINT64_C(1) << 32, 1 }, 0 },
        { { TOP, 2, 1 }, 0 }, { { TOP, 1, 1 }, TOP },
        { { TOP - 1, 1, 1 }, TOP - 1 }, { { UINT64_MAX, 1, 1 }, UINT64_MAX },
        { { UINT64_C(1) << 62, 4, 1 }, 0 },
        { { (UINT64_C(1) << 62) + 1, 1, 1 }, (UINT64_C(1) << 62) + 1 },
        { { UINT64_MAX, UINT64_MAX, 1 }, 1 },
        { { 0, TOP, 2 }, 0 }, { { UINT64_MAX, UINT64_MAX, 0 }, 0 },
        { { 3 * MIB + 77, 1, 1 }, 3 * MIB + 76 },
        { { 3 * MIB + 78, 1, 1 }, 3 * MIB + 78 },
    };
    const char *path = in(state, "f.h5");
    struct forgery good, f;

    make_sample(path);
    take_apart(path, &good);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        f = good;
        f.e[0].rank = 3;
        memcpy(f.e[0].shape, cases[i].shape, sizeof(cases[i].shape));
        f.e[0].bytes = cases[i].bytes;
        put_together(path, &f);
        assert_refused(path, "");
    }
}

static void places_that_are_taken(void **state)
{
    const char *path = in(state, "f.h5");
    struct forgery good, f;

    make_sample(path);
    take_apart(path, &good);
    /* By the user block, the three tables, itself in part, the other. */
    const uint64_t places[] = {
        0, 16, LAYOUT_USER_BLOCK - 4, good.r.index.offset,
        good.r.index.offset - 4, good.r.index.offset + 188,
        good.r.names.offset, good.r.blocks.offset,
        good.r.blocks.offset + good.r.blocks.bytes - 1, good.e[0].offset,
        good.e[0].offset - 19, good.e[0].offset + good.e[0].bytes - 1,
        good.r.file_size, good.r.file_size - 19, TOP, TOP - 20,
        UINT64_MAX, UINT64_MAX - 19, UINT64_MAX - 20,
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        f = good;
        f.e[1].offset = places[i];
        put_together(path, &f);
        assert_refused(path, "");
    }
    /* Tables over tables. */
    f = good;
    f.r.names.offset = f.r.index.offset;
    memcpy(f.names, f.e, f.r.names.bytes);
    put_together(path, &f);
    assert_refused(path, "");
}

static void blocks_that_do_not_fit(void **state)
{
    const char *path = in(state, "f.h5");
    const uint64_t firsts[] = { 1, 3, 5, 6, TOP, UINT64_MAX,
                                UINT64_MAX / 4 + 1 };
    const uint64_t lengths[] = { 0, 1, 3, 4, 16, 19, 21, 24, 256 };
    struct forgery good, f;

    make_sample(path);
    take_apart(path, &good);
    assert_int_equal(good.r.blocks.bytes, 20);
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
            f = good;
            f.e[k].first_block = firsts[i];
            put_together(path, &f);
            assert_refused(path, "do not agree");
        }
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        make_sample(in(state, "g.h5"));
        f = good;
        f.r.blocks.bytes = lengths[i];
        f.r.blocks.offset = good.r.file_size;
        put_together(in(state, "g.h5"), &f);
        assert_refused(in(state, "g.h5"), "");
        unlink(in(state, "g.h5"));
    }
}

static void types_and_ranks(void **state)
{
    const char *path = in(state, "f.h5");
    struct forgery good, f;

    make_sample(path);
    take_apart(path, &good);
    for (int type = 0; type < 256; type++) {
        f = good;
        f.e[0].dtype = (uint8_t)type;
        put_together(path, &f);
        if (mlb_dtype_size((enum mlb_dtype)type) == 1) {
            struct container *c = container_open(path, 0, NULL);
            assert_non_null(c);
            assert_int_equal(container_check_all(c, NULL), 0);
            container_close(c);
        } else {
            assert_refused(path, "/data/big");
        }
    }
    for (int rank = 0; rank < 256; rank++) {
        f = good;
        f.e[0].rank = (uint8_t)rank;
        put_together(path, &f);
        if (rank != 1)
            assert_refused(path, "/data/big");
    }
}

/* An array without bytes may claim to be anywhere: it is never looked for. */
static void nothing_may_lie_anywhere(void **state)
{
    const char *path = in(state, "f.h5");
    struct mlb_error err = { 0 };
    struct forgery f;
    char none = 'x';

    make_sample(path);
    take_apart(path, &f);
    f.e[1].shape[0] = f.e[1].bytes = 0;
    f.e[1].offset = UINT64_MAX;
    f.r.blocks.bytes -= 4;
    put_together(path, &f);
    struct container *c = container_open(path, 0, &err);
    if (!c)
        fail_msg("%s", err.text);
    const struct container_info *a = container_get(c, 1);
    assert_ok(container_read(c, a, NULL, &none, &err), err);
    assert_ok(container_read_raw(c, a, NULL, &none, &err), err);
    assert_ok(container_check_all(c, &err), err);
    assert_int_equal(none, 'x');
    container_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(change_nothing),
        IN_DIRECTORY(names_that_lead_elsewhere),
        IN_DIRECTORY(a_name_of_a_megabyte),
        IN_DIRECTORY(numbers_of_arrays),
        IN_DIRECTORY(a_million_empty_entries),
        IN_DIRECTORY(sizes_that_do_not_multiply),
        IN_DIRECTORY(places_that_are_taken),
        IN_DIRECTORY(blocks_that_do_not_fit),
        IN_DIRECTORY(types_and_ranks),
        IN_DIRECTORY(nothing_may_lie_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
