/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows of WebDataset tar files: members that follow each other and have the
 * same name up to its first dot; what follows the dot is the field. Names in
 * an archive are never taken for paths. For the tools. */
#ifndef STORE_IMPORT_TAR_H
#define STORE_IMPORT_TAR_H

#include "store/import_parts.h"

struct archive;

enum tar_kind { KIND_BYTES, KIND_UTF8, KIND_CLASS, KIND_NPY };

/* A field's bytes in the row being read. */
struct tar_part {
    char *name;
    enum tar_kind kind;
    struct mlb_text bytes;
    bool is_given;
    int64_t number;               /* of a class */
};

struct tar_rows {
    struct archive *archive;      /* the tar file being read, or NULL */
    const char *path;             /* its */
    size_t next;                  /* source to be opened next */
    uint64_t before;              /* bytes of the files before */
    char *key, *name;             /* of the member whose data comes next; NULL
                                   * where a file or all has ended */
    uint64_t size;                /* of it, as its header says */
    struct tar_part *parts;
    size_t count;
    bool is_known;                /* the parts are those of all rows */
    char *row;                    /* key of the row that was read */
    bool is_bad, full;            /* the row; of problems */
};

/* Read the members of the next row into parts, those of the first row being
 * the fields: 1, 0 at the end, -1. im->state is, or begins with, a struct
 * tar_rows. */
int tar_read_row(struct importer *im, struct mlb_error *err);

/* Note a problem of the row. */
void tar_problem(struct importer *im, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Bytes of the sources that were read. */
uint64_t tar_done(const struct tar_rows *r);

void tar_clear(struct tar_rows *r);

#endif
