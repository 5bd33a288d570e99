/* SPDX-License-Identifier: BSD-3-Clause */
/* Damaged, truncated, foreign and forged containers. */
#include "config.h"

#include "store_fixture.h"

#include <inttypes.h>

#include "store/crc.h"
#include "store/layout.h"

/* Opening must fail with that code and that word in the text. */
static void assert_refused(const char *path, enum mlb_errcode code,
                           const char *word)
{
    struct mlb_error err = { 0 };
    struct container *c = container_open(path, CONTAINER_RECORD, &err);

    if (c)
        fail_msg("opened, but should say \"%s\"", word);
    assert_has(err.text, word);
    assert_int_equal(err.code, code);
}

/* Verify must fail and name the part. */
static void assert_damage(const char *path, uint64_t at, const char *part)
{
    struct mlb_error err = { 0 };
    struct container *c;

    flip_bit(path, at);
    c = container_open(path, 0, &err);
    int rc = c ? container_verify(c, &err) : -1;
    container_close(c);
    flip_bit(path, at);
    if (rc == 0)
        fail_msg("a bit at %" PRIu64 " (%s) went unseen", at, part);
    assert_has(err.text, part);
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
}

static void a_turned_bit_is_found_and_named(void **state)
{
    const char *path = in(state, "bits.h5");
    struct layout_record r;

    make_sample(path);
    get_bytes(path, 0, &r, sizeof(r));
    struct container *c = open_it(path);
    uint64_t at = container_find(c, "/data/big")->offset;
    uint64_t small_at = container_find(c, "/data/small")->offset;
    container_close(c);
    for (size_t i = 0; i < sizeof(r); i += 37) {
        assert_damage(path, i, "commit record");
        assert_damage(path, LAYOUT_SECOND + i, "commit record");
    }
    assert_damage(path, 1000, "user block");
    assert_damage(path, 4095, "user block");
    assert_damage(path, 4096, "HDF5 metadata");
    assert_damage(path, 4500, "HDF5 metadata");
    assert_damage(path, r.index.offset, "/index");
    assert_damage(path, r.names.offset + 3, "/names");
    assert_damage(path, r.blocks.offset + 1, "/blocks");
    assert_damage(path, small_at, "/data/small");
    assert_damage(path, at, "/data/big is damaged in bytes 0 to 1048575");
    assert_damage(path, at + 2 * MIB, "bytes 2097152 to 3145727");
    assert_damage(path, at + sizeof(big) - 1, "bytes 3145728 to 3145804");
    /* What is no longer damaged is sound again. */
    struct mlb_error err = { 0 };
    c = open_it(path);
    assert_ok(container_verify(c, &err), err);
    container_close(c);
}

/* One sound commit record is enough to read. */
static void one_record_of_two_is_enough(void **state)
{
    const char *path = in(state, "records.h5");
    struct mlb_error err = { 0 };

    make_sample(path);
    for (int i = 0; i < 2; i++) {
        flip_bit(path, i ? LAYOUT_SECOND + 40 : 40);
        struct container *c = open_it(path);
        assert_ok(container_check_all(c, &err), err);
        container_close(c);
        flip_bit(path, i ? LAYOUT_SECOND + 40 : 40);
    }
    flip_bit(path, 40);
    flip_bit(path, LAYOUT_SECOND + 40);
    assert_refused(path, MLB_ERR_BAD_INPUT, "commit record is damaged");
}

static void truncated_and_foreign_files_are_refused(void **state)
{
    const char *path = in(state, "cut.h5");
    struct mlb_error err = { 0 };

    make_sample(path);
    uint64_t size = size_of(path);
    const uint64_t cuts[] = { size + 1, size - 1, size / 2, 8192, 4097, 4096,
                              4095, 2560, 2559, 512, 511, 1, 0 };
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        assert_int_equal(truncate(path, (off_t)cuts[i]), 0);
        assert_refused(path, MLB_ERR_BAD_INPUT, "");
    }
    write_file(path, "not HDF5 at all");
    assert_refused(path, MLB_ERR_BAD_INPUT, "not an mlbatch file");
    assert_refused(in(state, "missing"), MLB_ERR_NOT_FOUND, "missing");
    assert_refused(*state, MLB_ERR_BAD_INPUT, "not a regular file");
    const char *pipe = in(state, "pipe");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_refused(pipe, MLB_ERR_BAD_INPUT, "not a regular file");
    make_sample(in(state, "kind.h5"));
    assert_null(container_open(in(state, "kind.h5"), CONTAINER_DATASET,
                               &err));
    assert_has(err.text, "not a data set");
}

/* Change record or index as somebody would who knows how to seal them. */
static void forge(const char *path, const struct layout_record *r,
                  const struct layout_entry *entries)
{
    struct layout_record sealed = *r;

    put_bytes(path, r->index.offset, entries, 2 * sizeof(*entries));
    sealed.index.crc = crc_update(0, entries, 2 * sizeof(*entries));
    layout_record_seal(&sealed);
    put_bytes(path, 0, &sealed, sizeof(sealed));
    put_bytes(path, LAYOUT_SECOND, &sealed, sizeof(sealed));
}

static void forged_records_are_refused(void **state)
{
    const char *path = in(state, "forged.h5");
    struct layout_record good, r;
    struct layout_entry e[2];

    make_sample(path);
    get_bytes(path, 0, &good, sizeof(good));
    get_bytes(path, good.index.offset, e, sizeof(e));
    const uint64_t huge[] = { UINT64_MAX, UINT64_C(1) << 63,
                              (UINT64_C(1) << 63) - 1, good.file_size,
                              good.file_size - 1, 0, 4095 };
    for (size_t i = 0; i < sizeof(huge) / sizeof(huge[0]); i++) {
        struct layout_extent *const extents[] = { &r.index, &r.names,
                                                  &r.blocks };
        for (size_t k = 0; k < 3; k++) {
            r = good;
            extents[k]->offset = huge[i];
            layout_record_seal(&r);
            put_bytes(path, 0, &r, sizeof(r));
            assert_refused(path, MLB_ERR_BAD_INPUT, "");
            r = good;
            extents[k]->bytes = huge[i];
            layout_record_seal(&r);
            put_bytes(path, 0, &r, sizeof(r));
            assert_refused(path, MLB_ERR_BAD_INPUT, "");
        }
        r = good;
        r.arrays = huge[i];
        layout_record_seal(&r);
        put_bytes(path, 0, &r, sizeof(r));
        assert_refused(path, MLB_ERR_BAD_INPUT, "");
    }
    r = good;
    r.flags = 0;
    forge(path, &r, e);
    assert_refused(path, MLB_ERR_BAD_INPUT, "not complete");
    r = good;
    r.version = 2;
    forge(path, &r, e);
    assert_refused(path, MLB_ERR_UNSUPPORTED, "newer");
}

static void forged_entries_are_refused(void **state)
{
    const char *path = in(state, "forged.h5");
    struct layout_record r;
    struct layout_entry good[2], e[2];
    const struct {
        size_t at, length;
        uint64_t value;
    } changes[] = {
        { offsetof(struct layout_entry, name_at), 4, UINT32_MAX },
        { offsetof(struct layout_entry, name_at), 4, 1 },
        { offsetof(struct layout_entry, name_length), 2, UINT16_MAX },
        { offsetof(struct layout_entry, name_length), 2, 3 },
        { offsetof(struct layout_entry, dtype), 1, 0 },
        { offsetof(struct layout_entry, dtype), 1, 200 },
        { offsetof(struct layout_entry, rank), 1, 9 },
        { offsetof(struct layout_entry, rank), 1, 255 },
        { offsetof(struct layout_entry, shape), 8, UINT64_MAX },
        { offsetof(struct layout_entry, shape), 8, UINT64_C(1) << 62 },
        { offsetof(struct layout_entry, offset), 8, UINT64_MAX },
        { offsetof(struct layout_entry, offset), 8, UINT64_C(1) << 63 },
        { offsetof(struct layout_entry, offset), 8, 0 },
        { offsetof(struct layout_entry, offset), 8, 4096 + 1024 * 1024 },
        { offsetof(struct layout_entry, bytes), 8, UINT64_MAX },
        { offsetof(struct layout_entry, bytes), 8, 1 },
        { offsetof(struct layout_entry, first_block), 8, 1 },
        { offsetof(struct layout_entry, first_block), 8, UINT64_MAX },
    };

    make_sample(path);
    get_bytes(path, 0, &r, sizeof(r));
    get_bytes(path, r.index.offset, good, sizeof(good));
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        memcpy(e, good, sizeof(e));
        memcpy((char *)&e[0] + changes[i].at, &changes[i].value,
               changes[i].length);
        forge(path, &r, e);
        assert_refused(path, MLB_ERR_BAD_INPUT, "");
    }
    /* Both in the same place; both of the same name. */
    memcpy(e, good, sizeof(e));
    e[1].offset = e[0].offset;
    forge(path, &r, e);
    assert_refused(path, MLB_ERR_BAD_INPUT, "overlap");
    memcpy(e, good, sizeof(e));
    e[1].name_at = e[0].name_at;
    e[1].name_length = e[0].name_length;
    forge(path, &r, e);
    assert_refused(path, MLB_ERR_BAD_INPUT, "twice");
    /* A huge sparse file that claims a huge array: no memory is taken. */
    memcpy(e, good, sizeof(e));
    e[1].shape[0] = UINT64_C(1) << 40;
    e[1].bytes = UINT64_C(4) << 40;
    r.file_size = UINT64_C(5) << 40;
    forge(path, &r, e);
    if (truncate(path, (off_t)r.file_size) == 0)
        assert_refused(path, MLB_ERR_BAD_INPUT, "");
}

/* Random bytes under right checksums: whatever opens must be readable or
 * say no; a sanitizer sees what else happens. */
static void random_changes_do_no_harm(void **state)
{
    const char *path = in(state, "fuzz.h5");
    struct layout_record r, changed;
    struct layout_entry good[2], e[2];
    uint64_t x = 88172645463325252u, opened = 0;

    make_sample(path);
    get_bytes(path, 0, &r, sizeof(r));
    get_bytes(path, r.index.offset, good, sizeof(good));
    for (int i = 0; i < 3000; i++) {
        memcpy(e, good, sizeof(e));
        changed = r;
        for (int k = 0; k < 1 + i % 3; k++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            if (i % 2)
                ((unsigned char *)e)[x % sizeof(e)] ^= (x >> 32) & 0xff;
            else
                ((unsigned char *)&changed)[8 + x % 136] ^= (x >> 32) & 0xff;
        }
        changed.index.offset = r.index.offset;
        forge(path, &changed, e);
        struct container *c = container_open(path, 0, NULL);
        if (c) {
            opened++;
            container_verify(c, NULL);
        }
        container_close(c);
    }
    assert_in_range(opened, 1, 2999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(a_turned_bit_is_found_and_named),
        IN_DIRECTORY(one_record_of_two_is_enough),
        IN_DIRECTORY(truncated_and_foreign_files_are_refused),
        IN_DIRECTORY(forged_records_are_refused),
        IN_DIRECTORY(forged_entries_are_refused),
        IN_DIRECTORY(random_changes_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
