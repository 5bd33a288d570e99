/* SPDX-License-Identifier: BSD-3-Clause */
/* Checkpoints whose bytes follow from their step, as files of containers. */
#ifndef TESTS_STEP_FIXTURE_H
#define TESTS_STEP_FIXTURE_H

#include "store_fixture.h"

#include <inttypes.h>

#include "store/staging.h"

#define TENSORS 4

static unsigned char data[6 * MIB];

/* Tensors of a save; bytes are those of data from an offset that the step
 * and the tensor's number give. */
struct shapes {
    uint64_t lengths[TENSORS];
};

static UNUSED int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(i * 13 + i / 509 + i / 70001);
    return 0;
}

static UNUSED const unsigned char *bytes_of(uint64_t step, size_t tensor)
{
    return data + step * 1009 + tensor * 31;
}

static UNUSED void name_of(size_t tensor, char out[16])
{
    snprintf(out, 16, "t%zu/w", tensor);
}

/* The arrays of a step's file. */
static UNUSED struct container_writer *begin_step(const char *path,
                                                  const struct shapes *s,
                                                  const uint64_t *step)
{
    struct container_writer *w = container_create(path, CONTAINER_CHECKPOINT,
                                                  NULL);
    struct container_array meta = { .name = "/meta/step", .dtype = MLB_U64,
                                    .data = step };

    assert_non_null(w);
    for (size_t i = 0; i < TENSORS; i++) {
        char name[32] = "/tensors/";
        name_of(i, name + strlen(name));
        add(w, name, MLB_U8, s->lengths[i], bytes_of(*step, i));
    }
    assert_int_equal(container_add(w, &meta, NULL), 0);
    return w;
}

/* Write a step's file, over a slot if that is not NULL, as one of several
 * ranks would. */
static UNUSED int save_over(const char *directory, const char *slot,
                            uint64_t step, const struct shapes *s,
                            struct mlb_error *err)
{
    char *path = xasprintf("%s/step-%012" PRIu64 ".h5", directory, step);
    struct staging *g = staging_create(begin_step(path, s, &step), slot, err);
    struct staging_part parts[TENSORS + 1];
    uint32_t crcs[(TENSORS + 1) * 8], *crc = crcs;

    free(path);
    if (!g)
        return -1;
    for (size_t i = 0; i <= TENSORS; i++)
        parts[i] = (struct staging_part){
            .array = i, .length = i < TENSORS ? s->lengths[i] : 8,
            .file_offset = staging_offset(g, i),
            .padding = staging_padding(g, i),
            .data = i < TENSORS ? (const void *)bytes_of(step, i) : &step,
        };
    int rc = staging_write(staging_path(g), parts, TENSORS + 1, crcs, err);
    for (size_t i = 0; rc == 0 && i <= TENSORS; i++) {
        rc = staging_sum(g, &parts[i], crc, err);
        crc += staging_sums(&parts[i]);
    }
    if (rc == 0)
        return staging_publish(g, false, err);
    staging_abandon(g);
    return -1;
}

/* Every byte of a file that says it is whole. */
static UNUSED void assert_right(struct container *c, const char *path,
                                const struct shapes *s)
{
    static unsigned char back[4 * MIB];
    struct mlb_error err = { 0 };
    uint64_t step = 0;
    const struct container_info *a = container_find(c, "/meta/step");

    assert_non_null(a);
    assert_ok(container_read(c, a, NULL, &step, &err), err);
    for (size_t i = 0; i < TENSORS; i++) {
        char name[32] = "/tensors/";
        name_of(i, name + strlen(name));
        a = container_find(c, name);
        assert_non_null(a);
        assert_int_equal(a->bytes, s->lengths[i]);
        assert_ok(container_read(c, a, NULL, back, &err), err);
        if (memcmp(back, bytes_of(step, i), a->bytes) != 0)
            fail_msg("%s: %s is whole, but wrong", path, name);
    }
}

#endif
