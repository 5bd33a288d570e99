/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows of very different lengths: most of none or a few bytes, some longer
 * than what is read at once, so that batches outgrow what was kept for
 * them; and fixed rows that are that long. */
#include "config.h"

#include "dataset_fixture.h"

#include "store/loader.h"

#define ROWS 64
#define WIDE (700u << 10)               /* no multiple of a piece */
#define WIDE_ROWS 5

static uint64_t length_of(uint64_t row)
{
    return row % 16 == 9 ? (900u << 10) + row * 77 : row % 4 == 0 ? 0 : row;
}

static unsigned char byte_of(uint64_t row, uint64_t k)
{
    return (unsigned char)(row * 31 + k * 7 + k / 65521);
}

/* A data set of one field, which is ragged if there are offsets. */
static char *finish(void **state, struct container_writer *w, uint64_t rows,
                    const char *shape, uint64_t elements)
{
    publish(w);
    char *path = xstrdup(in(state, "set"));
    char *file = xasprintf("%s/shard-00000.h5", path);
    char *text = xasprintf(
        "{\"format\": \"mlbatch-dataset\", \"format_version\": 1, \"name\":"
        " \"large\", \"version\": \"0123456789abcdef\", \"rows\": %llu,"
        " \"fields\": [{\"name\": \"v\", \"dtype\": \"u8\", \"shape\": %s,"
        " \"ragged\": %s}], \"splits\": [], \"shards\": [{\"file\":"
        " \"shard-00000.h5\", \"rows\": %llu, \"bytes\": %llu,"
        " \"elements\": {\"v\": %llu}}]}",
        (unsigned long long)rows, shape, elements ? "true" : "false",
        (unsigned long long)rows, (unsigned long long)size_of(file),
        (unsigned long long)elements);

    free(file);
    file = xasprintf("%s/manifest.json", path);
    write_file(file, text);
    free(file);
    free(text);
    return path;
}

static struct container_writer *start(void **state)
{
    struct mlb_error err = { 0 };

    assert_int_equal(mkdir(in(state, "set"), 0700), 0);
    struct container_writer *w = container_create(
        in(state, "set/shard-00000.h5"), CONTAINER_DATASET, &err);
    assert_non_null(w);
    return w;
}

static char *make_ragged(void **state)
{
    struct container_writer *w = start(state);
    uint64_t offsets[ROWS + 1] = { 0 };
    uint32_t crcs[ROWS];
    unsigned char *bytes = room(ROWS / 16 * WIDE * 2, 1);

    for (uint64_t i = 0; i < ROWS; i++) {
        unsigned char *to = bytes + offsets[i];
        for (uint64_t k = 0; k < length_of(i); k++)
            to[k] = byte_of(i, k);
        offsets[i + 1] = offsets[i] + length_of(i);
        crcs[i] = crc_update(0, to, length_of(i));
    }
    add(w, "/fields/v/data", MLB_U8, offsets[ROWS], bytes);
    add(w, "/fields/v/offsets", MLB_U64, ROWS + 1, offsets);
    add(w, "/crc/v", MLB_U32, ROWS, crcs);
    char *path = finish(state, w, ROWS, "[]", offsets[ROWS]);
    free(bytes);
    return path;
}

static char *make_wide(void **state)
{
    struct container_writer *w = start(state);
    unsigned char *bytes = room(WIDE_ROWS, WIDE);
    uint32_t crcs[WIDE_ROWS];

    for (uint64_t i = 0; i < WIDE_ROWS; i++) {
        for (uint64_t k = 0; k < WIDE; k++)
            bytes[i * WIDE + k] = byte_of(i, k);
        crcs[i] = crc_update(0, bytes + i * WIDE, WIDE);
    }
    add_matrix(w, "/fields/v", MLB_U8, (const uint64_t[]){ WIDE_ROWS, WIDE },
               bytes);
    add(w, "/crc/v", MLB_U32, WIDE_ROWS, crcs);
    char *path = finish(state, w, WIDE_ROWS, "[716800]", 0);
    free(bytes);
    return path;
}

/* Two epochs by each engine, every row compared. */
static void load_all(const char *path, uint64_t batch, uint64_t wide)
{
    for (int engine = ROWS_BEST; engine <= ROWS_PLAIN; engine++) {
        const struct rows_options rows = { (enum rows_engine)engine, false };
        struct mlb_loader_options o = {
            .global_batch = batch, .shuffle = 1, .world_size = 1,
            .mode = MLB_LOADER_DIRECT, .prefetch = 2,
        };
        struct mlb_dataset *d = open_dataset(path);
        struct mlb_error err = { 0 };
        struct mlb_loader *l = loader_create(d, &o, &rows, &err);
        uint64_t seen = 0;
        int64_t n = 0;
        for (int epoch = 0; l && epoch < 2; epoch += n == 0) {
            n = mlb_loader_next(l, &err);
            if (n < 0)
                fail_msg("%s", err.text);
            const unsigned char *v = mlb_loader_field(l, "v");
            const uint64_t *ids = mlb_loader_ids(l);
            const uint64_t *offsets = mlb_loader_offsets(l, "v");
            for (uint64_t i = 0; i < (uint64_t)n; i++, seen++) {
                uint64_t length = wide ? wide : length_of(ids[i]);
                assert_true(!offsets || offsets[i + 1] - offsets[i] == length);
                for (uint64_t k = 0; k < length; k++)
                    if (*v++ != byte_of(ids[i], k))
                        fail_msg("byte %d of row %d", (int)k, (int)ids[i]);
            }
        }
        assert_true(!l || seen == 2 * mlb_dataset_rows(d));
        mlb_loader_destroy(l);
        mlb_dataset_close(d);
    }
}

static void batches_may_outgrow_what_was_expected(void **state)
{
    char *path = make_ragged(state);

    load_all(path, 2, 0);
    load_all(path, 7, 0);
    load_all(path, 64, 0);
    free(path);
}

static void rows_may_be_longer_than_a_read(void **state)
{
    char *path = make_wide(state);
    struct mlb_dataset *d = open_dataset(path);
    struct mlb_error err = { 0 };
    const uint64_t ids[] = { 3, 4, 0 };
    unsigned char *out = room(3, WIDE);

    load_all(path, 1, WIDE);
    load_all(path, 3, WIDE);
    assert_ok(mlb_dataset_read(d, "v", ids, 3, out, &err), err);
    for (uint64_t i = 0; i < 3 * WIDE; i++)
        if (out[i] != byte_of(ids[i / WIDE], i % WIDE))
            fail_msg("byte %d", (int)i);
    mlb_dataset_close(d);
    free(out);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(batches_may_outgrow_what_was_expected),
        IN_DIRECTORY(rows_may_be_longer_than_a_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
