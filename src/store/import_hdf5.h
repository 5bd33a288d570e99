/* SPDX-License-Identifier: BSD-3-Clause */
/* Between an import of an HDF5 file and the child that runs libhdf5 on it,
 * which a damaged file may crash. The child tells over a pipe: messages of
 * FIELDs, a BEGIN; then it waits for the number of the first row, and sends
 * ROWS until the END. Nothing that it says is trusted. For the tools. */
#ifndef STORE_IMPORT_HDF5_H
#define STORE_IMPORT_HDF5_H

#include <stdint.h>

#include "store/manifest.h"

#define HDF5_MAX_TEXT 1024

enum hdf5_type {
    HDF5_FIELD = 1,               /* a struct hdf5_field follows */
    HDF5_BEGIN,
    HDF5_ROWS,                    /* count rows of each field follow */
    HDF5_END,
    HDF5_SAY,                     /* count bytes of text, for the user */
    HDF5_PROBLEM,                 /* ... what is wrong with the file */
    HDF5_ERROR,                   /* ... why the child ends */
};

struct hdf5_message {
    uint64_t type, count;
};

struct hdf5_field {
    char name[MANIFEST_MAX_NAME + 1];
    uint32_t dtype, rank;         /* of all: shape[0] are the rows */
    uint64_t shape[MLB_MAX_RANK];
};

/* All that the child does; out and in are the pipe's ends. wanted: paths of
 * data sets or NAME=PATH, NULL at the end; NULL: those at the top. */
_Noreturn void hdf5_child(const char *path, char *const *wanted, int out,
                          int in);

#endif
