/* SPDX-License-Identifier: BSD-3-Clause */
/* libFuzzer target: any text as manifest.json. What is read is sound. */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mlbatch/dtype.h"
#include "store/layout.h"
#include "store/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not on a disk: it is written for each text. */
static char directory[] = "/dev/shm/mlb-fuzz-XXXXXX", path[64];

static void fail(const char *what)
{
    fprintf(stderr, "fuzz_manifest: %s\n", what);
    abort();
}

static void clean_up(void)
{
    unlink(path);
    rmdir(directory);
}

static void check(const struct manifest *m)
{
    uint64_t rows = 0;

    for (size_t i = 0; i < m->shard_count; i++)
        rows += m->shards[i].rows;
    if (rows != m->rows || m->rows > LAYOUT_MAX_BYTES)
        fail("the rows do not sum up");
    for (size_t i = 0; i < m->field_count; i++) {
        const struct mlb_field *f = &m->fields[i];
        if (!manifest_name_ok(f->name) || !mlb_dtype_size(f->dtype) ||
            f->rank < 0 || f->rank > MANIFEST_MAX_FIELD_RANK)
            fail("an impossible field");
        if (f->row_bytes > LAYOUT_MAX_BYTES)
            fail("a row that is too large");
    }
    for (size_t i = 0; i < m->split_count; i++)
        if (!manifest_name_ok(m->splits[i].name) ||
            m->splits[i].rows > m->rows)
            fail("an impossible split");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest m;

    if (!path[0]) {
        if (!mkdtemp(directory))
            fail("cannot make a directory");
        snprintf(path, sizeof(path), "%s/" MANIFEST_FILE, directory);
        atexit(clean_up);
    }
    FILE *f = fopen(path, "w");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0)
        fail("cannot write");
    if (manifest_read(&m, directory, NULL) == 0) {
        check(&m);
        manifest_clear(&m);
    }
    return 0;
}
