/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes the files of tests/golden/store/v1 in a directory. They are never
 * made anew: today's reader must read what the first one of this version
 * wrote. Built by `make tests/unit/make_golden_store`. */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <xxhash.h>

#include "golden_store.h"
#include "store/container.h"
#include "store/crc.h"

static unsigned char buffers[64][GOLDEN_MOST];
static size_t used;

static void fail(const char *what)
{
    fprintf(stderr, "make_golden_store: %s\n", what);
    exit(1);
}

static void add_bytes(struct container_writer *w, const char *name,
                      const struct golden_tensor *t, const void *data)
{
    struct container_array a = { .name = name, .dtype = t->dtype,
                                 .rank = t->rank, .data = data };
    struct mlb_error err = { 0 };

    memcpy(a.shape, t->shape, sizeof(t->shape));
    if (container_add(w, &a, &err) < 0)
        fail(err.text);
}

static void *add_formula(struct container_writer *w,
                         const struct golden_tensor *t)
{
    void *data = buffers[used++];

    golden_fill(t->dtype, 0, golden_length(t), data);
    add_bytes(w, t->name, t, data);
    return data;
}

static struct container_writer *begin(const char *path,
                                      enum container_kind kind)
{
    struct mlb_error err = { 0 };
    struct container_writer *w = container_create(path, kind, &err);

    if (!w)
        fail(err.text);
    return w;
}

static void publish(struct container_writer *w)
{
    struct mlb_error err = { 0 };

    if (container_publish(w, false, &err) < 0)
        fail(err.text);
}

static void make_checkpoint(void)
{
    struct container_writer *w = begin("step-000000000007.h5",
                                       CONTAINER_CHECKPOINT);
    static const uint64_t step = GOLDEN_STEP;
    struct golden_tensor state = { "", MLB_U8, 1, { strlen(GOLDEN_STATE) } };
    struct golden_tensor scalar = { "", MLB_U64, 0, { 0 } };
    static char names[MLB_C128 + 1][32];

    for (int d = MLB_F64; d <= MLB_C128; d++) {
        struct golden_tensor t = { names[d], d, 2, { 4, 8 } };
        snprintf(names[d], sizeof(names[d]), "/tensors/all/%s",
                 mlb_dtype_name(d));
        add_formula(w, &t);
    }
    for (size_t i = 0; i < GOLDEN_ODD; i++)
        add_formula(w, &golden_odd[i]);
    add_bytes(w, "/state/sampler", &state, GOLDEN_STATE);
    add_bytes(w, "/meta/step", &scalar, &step);
    publish(w);
}

static void make_names(void)
{
    struct container_writer *w = begin("names.h5", CONTAINER_RECORD);
    char buffer[400];

    for (int i = 0; golden_name(i, buffer); i++) {
        struct golden_tensor t = { golden_name(i, buffer), MLB_U16, 1,
                                   { (uint64_t)i } };
        add_formula(w, &t);
    }
    publish(w);
}

static void hash_line(XXH3_state_t *s, const char *line)
{
    XXH3_128bits_update(s, line, strlen(line));
}

static void hash_digest(XXH3_state_t *s, const void *bytes, size_t length)
{
    XXH128_canonical_t digest;

    XXH128_canonicalFromHash(&digest, XXH3_128bits(bytes, length));
    XXH3_128bits_update(s, &digest, sizeof(digest));
}

static void write_manifest(uint64_t version, uint64_t tokens)
{
    FILE *shard = fopen("dataset/shard-00000.h5", "r");
    FILE *f = fopen("dataset/manifest.json", "w");
    static char bytes[1 << 20];

    if (!shard || !f)
        fail("cannot open");
    size_t size = fread(bytes, 1, sizeof(bytes), shard);
    XXH128_hash_t hash = XXH3_128bits(bytes, size);
    fprintf(f, "{\n  \"format\": \"mlbatch-dataset\",\n"
            "  \"format_version\": 1,\n  \"name\": \"golden\",\n"
            "  \"version\": \"%016" PRIx64 "\",\n  \"rows\": %d,\n"
            "  \"fields\": [\n"
            "    { \"name\": \"x\", \"dtype\": \"f32\", \"shape\": [3] },\n"
            "    { \"name\": \"y\", \"dtype\": \"u8\", \"shape\": [],\n"
            "      \"classes\": [\"even\", \"odd\"] },\n"
            "    { \"name\": \"t\", \"dtype\": \"u16\", \"shape\": [],\n"
            "      \"ragged\": true }\n  ],\n"
            "  \"splits\": [ { \"name\": \"train\", \"rows\": %d } ],\n",
            version, GOLDEN_ROWS, GOLDEN_ROWS / 2);
    fprintf(f, "  \"shards\": [ { \"file\": \"shard-00000.h5\", "
            "\"rows\": %d, \"bytes\": %zu,\n      \"xxh3_128\": "
            "\"%016" PRIx64 "%016" PRIx64 "\",\n      \"elements\": "
            "{ \"t\": %" PRIu64 " } } ],\n"
            "  \"provenance\": { \"command\": \"make_golden_store\" }\n}\n",
            GOLDEN_ROWS, size, (uint64_t)hash.high64, (uint64_t)hash.low64,
            tokens);
    if (fclose(f) != 0 || fclose(shard) != 0)
        fail("cannot write");
}

/* The data set, column by column. */
static struct {
    unsigned char *x, *t;
    uint8_t y[GOLDEN_ROWS];
    uint64_t lengths[GOLDEN_ROWS];          /* of t, in bytes */
    uint64_t offsets[GOLDEN_ROWS + 1];      /* of t, in elements */
    uint64_t train[GOLDEN_ROWS / 2];
    uint32_t crc[3][GOLDEN_ROWS];
    double stats[5];
} set;

static void fill_set(void)
{
    float v;

    for (uint64_t r = 0; r < GOLDEN_ROWS; r++) {
        set.y[r] = r % 2;
        set.lengths[r] = 2 * (r % 4);
        set.offsets[r + 1] = set.offsets[r] + r % 4;
        if (r < GOLDEN_ROWS / 2)
            set.train[r] = 2 * r;
        set.crc[0][r] = crc_update(0, set.x + 12 * r, 12);
        set.crc[1][r] = crc_update(0, &set.y[r], 1);
        set.crc[2][r] = crc_update(0, set.t + 2 * set.offsets[r],
                                   set.lengths[r]);
    }
    for (int i = 0; i < 3 * GOLDEN_ROWS; i++) {
        memcpy(&v, set.x + 4 * i, 4);
        set.stats[0] += v / (3 * GOLDEN_ROWS);
        set.stats[1] += (double)v * v / (3 * GOLDEN_ROWS);
        set.stats[2] = v < set.stats[2] ? v : set.stats[2];
        set.stats[3] = v > set.stats[3] ? v : set.stats[3];
    }
    set.stats[1] = sqrt(set.stats[1] - set.stats[0] * set.stats[0]);
    set.stats[4] = 3 * GOLDEN_ROWS;
}

static uint64_t find_version(void)
{
    XXH3_state_t *hash = XXH3_createState();

    XXH3_128bits_reset(hash);
    hash_line(hash, "mlbatch-dataset 2\nrows 20\nfield x f32 3\n");
    hash_digest(hash, set.x, 12 * GOLDEN_ROWS);
    hash_line(hash, "field y u8\n");
    hash_digest(hash, set.y, GOLDEN_ROWS);
    hash_line(hash, "field t u16 ragged\n");
    hash_digest(hash, set.t, 2 * set.offsets[GOLDEN_ROWS]);
    hash_digest(hash, set.lengths, sizeof(set.lengths));
    hash_line(hash, "split train 10\n");
    hash_digest(hash, set.train, sizeof(set.train));
    hash_line(hash, "classes y\n");
    hash_digest(hash, "even\0odd", 9);
    uint64_t version = XXH3_128bits_digest(hash).high64;
    XXH3_freeState(hash);
    return version;
}

static void make_dataset(void)
{
    static const char classes[2][5] = { "even", "odd" };
    static const char provenance[] = "{\"command\": \"make_golden_store\"}";
    const uint64_t n = GOLDEN_ROWS, tokens = 30;
    const struct golden_tensor x = { "/fields/x", MLB_F32, 2, { n, 3 } };
    const struct golden_tensor t = { "/fields/t/data", MLB_U16, 1,
                                     { tokens } };
    const struct {
        const char *name;
        struct golden_tensor as;
        const void *data;
    } others[] = {
        { "/fields/t/offsets", { "", MLB_U64, 1, { n + 1 } }, set.offsets },
        { "/fields/y", { "", MLB_U8, 1, { n } }, set.y },
        { "/crc/x", { "", MLB_U32, 1, { n } }, set.crc[0] },
        { "/crc/y", { "", MLB_U32, 1, { n } }, set.crc[1] },
        { "/crc/t", { "", MLB_U32, 1, { n } }, set.crc[2] },
        { "/splits/train", { "", MLB_U64, 1, { n / 2 } }, set.train },
        { "/classes/y", { "", MLB_U8, 2, { 2, 5 } }, classes },
        { "/stats/x", { "", MLB_F64, 1, { 5 } }, set.stats },
        { "/provenance", { "", MLB_U8, 1, { strlen(provenance) } },
          provenance },
    };
    struct container_writer *w = begin("dataset/shard-00000.h5",
                                       CONTAINER_DATASET);

    set.x = add_formula(w, &x);
    set.t = add_formula(w, &t);
    fill_set();
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        add_bytes(w, others[i].name, &others[i].as, others[i].data);
    publish(w);
    write_manifest(find_version(), tokens);
}

int main(void)
{
    if (mkdir("dataset", 0777) < 0)
        fail("cannot make dataset/ here");
    make_checkpoint();
    make_names();
    make_dataset();
    return 0;
}
