/* SPDX-License-Identifier: BSD-3-Clause */
/* libFuzzer target: any bytes as a file of the store. What opens is read in
 * all ways. */
#include "config.h"

#include "mutant.h"

#include "store/container.h"

/* All ways to read an array must agree. */
static void read_array(struct container *c, const struct container_info *a,
                       uint64_t file_size)
{
    struct container_range part = { a->bytes / 3, a->bytes / 2 };

    if (container_find(c, a->name) != a)
        fail("an array is not found by its name");
    if (a->bytes > file_size)
        fail("an array is larger than the file");
    char *whole = malloc(a->bytes + 1), *half = malloc(part.length + 1);
    if (!whole || !half)
        fail("no memory");
    int rc = container_read(c, a, NULL, whole, NULL);
    if (rc != container_check(c, a, NULL))
        fail("read and check do not agree");
    if (rc == 0 && (container_read(c, a, &part, half, NULL) < 0 ||
                    memcmp(half, whole + part.offset, part.length) != 0))
        fail("a part is not as the whole");
    part.offset = a->bytes;
    part.length = 1;
    if (container_read(c, a, &part, half, NULL) == 0)
        fail("read past the end");
    free(whole);
    free(half);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct container *c = container_open(mutant_file(data, size), 0, NULL);

    for (size_t i = 0; c && i < container_count(c); i++)
        read_array(c, container_get(c, i), size);
    if (c && container_verify(c, NULL) == 0 &&
        container_check_all(c, NULL) < 0)
        fail("verify finds less than check");
    container_close(c);
    return 0;
}
