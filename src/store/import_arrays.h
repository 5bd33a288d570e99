/* SPDX-License-Identifier: BSD-3-Clause */
/* Fields that each come from a file of their own, packed, the first axis
 * being the rows: npy, npz, idx, tokens of one length. For the tools. */
#ifndef STORE_IMPORT_ARRAYS_H
#define STORE_IMPORT_ARRAYS_H

#include "store/import_input.h"
#include "store/import_parts.h"

#define NPY_MAGIC "\x93NUMPY"
#define NPY_MAGIC_BYTES 6

/* What a file's header says; the data follows it. */
struct array {
    enum mlb_dtype dtype;
    int rank;
    uint64_t shape[MLB_MAX_RANK];         /* [0]: rows */
    bool swap;                            /* big-endian */
};

struct stream {
    struct input in;
    struct array array;
    uint64_t row_bytes;
    unsigned char *buffer;
    uint64_t buffer_bytes;
};

/* The state of an importer of arrays. */
struct streams {
    struct stream *items;
    size_t count;
    uint64_t rows, given;
    uint64_t most;                        /* rows read at once */
    bool ends;                            /* nothing may follow the rows */
};

/* A stream more; the caller opens its input and fills in its array. */
struct stream *streams_add(struct streams *s);

/* When all are there: check that they fit together, and make a field of
 * each; names[i] is that of stream i. */
int streams_begin(struct importer *im, const char *const *names,
                  struct mlb_error *err);
/* The calls of struct import_format; state is a struct streams. */
int64_t streams_next(struct importer *im, struct mlb_error *err);
int streams_skip(struct importer *im, uint64_t rows, struct mlb_error *err);
void streams_close(struct importer *im);

/* Read the header of an npy file. in stands at its data then. */
int npy_read_header(struct input *in, struct array *out,
                    struct mlb_error *err);
/* The same of an npy file in memory; *header is its length. */
int npy_parse(const void *bytes, size_t length, struct array *out,
              size_t *header, struct mlb_error *err);
/* Turn big-endian numbers round. */
void array_swap(enum mlb_dtype dtype, void *bytes, size_t length);
/* Bytes of a row (of the whole if not has_rows), up to IMPORT_MAX_ROW. */
int array_row_bytes(const struct array *a, bool has_rows, uint64_t *bytes,
                    struct mlb_error *err);
/* The first byte that is no truth value, or NULL. */
const unsigned char *array_bad_bool(enum mlb_dtype dtype, const void *bytes,
                                    size_t length);

#endif
