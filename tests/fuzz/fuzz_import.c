/* SPDX-License-Identifier: BSD-3-Clause */
/* libFuzzer target: any bytes as a source of an import. The first byte says
 * the format; all rows are read, and what is promised of them is checked.
 * HDF5 is left out: libhdf5 reads it, in a process that may be lost. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/import_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct import_format *const formats[] = {
    &import_csv, &import_npy, &import_npz, &import_idx, &import_webdataset,
    &import_text, &import_tokens,
};

/* Each cell is whole rows of its field, and readable. */
static void check_rows(const struct importer *im, int64_t rows)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < im->field_count; i++) {
        const struct version_field *f = &im->fields[i];
        const unsigned char *p = im->cells[i].data;
        uint64_t unit = mlb_dtype_size(f->dtype);
        for (int d = 0; d < f->rank; d++)
            unit *= f->shape[d];
        if (f->ragged ? rows != 1 || (unit && im->cells[i].length % unit)
                      : im->cells[i].length != (uint64_t)rows * unit)
            abort();
        for (uint64_t at = 0; at < im->cells[i].length; at++)
            sum += p[at];
    }
    if (sum == UINT64_MAX)
        abort();
}

static void read_all(struct importer *im)
{
    struct mlb_error err = { 0 };
    int64_t rows = 0;

    if (im->format->open(im, &err) == 0 && im->problems->lines.count == 0)
        while ((rows = im->format->next(im, &err)) > 0)
            check_rows(im, rows);
    im->format->close(im);
    for (size_t i = 0; i < im->field_count; i++)
        free((char *)(uintptr_t)im->fields[i].name);
    for (size_t i = 0; i < im->source_count; i++)
        free(im->sources[i].path);
    free(im->fields);
    free(im->cells);
    free(im->sources);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct mlb_strings hints = MLB_STRINGS_INIT;
    uint8_t choice = size ? data[0] : 0;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    char *path = xasprintf("/proc/self/fd/%d", fd);
    const struct import_options o = {
        .source = path, .dtype = choice & 32 ? MLB_U16 : MLB_U32,
        .length = choice & 16 ? 3 : 0, .separator = choice & 16 ? NULL : "0",
        .label = choice & 64 ? "last" : NULL,
        .whole_files = choice & 128,
    };
    const struct import_format *format =
        formats[(choice & 15) % (sizeof(formats) / sizeof(formats[0]))];

    /* A label of these is a file. */
    if (fd < 0 || (o.label && format != &import_csv))
        goto out;
    if (size > 1 && write(fd, data + 1, size - 1) != (ssize_t)size - 1)
        abort();
    struct importer im = { .format = format, .o = &o, .problems = &problems,
                           .hints = &hints };
    read_all(&im);
out:
    problems_clear(&problems);
    strings_clear(&hints);
    close(fd);
    free(path);
    return 0;
}
