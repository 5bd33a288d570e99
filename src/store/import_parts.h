/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the driver of an import and the readers of its formats. */
#ifndef STORE_IMPORT_PARTS_H
#define STORE_IMPORT_PARTS_H

#include <stdio.h>

#include <jansson.h>

#include "store/import.h"

#define IMPORT_MAX_ROW ((uint64_t)1 << 30)    /* bytes of a row's field */
#define IMPORT_BATCH ((uint64_t)256 << 10)    /* bytes read at once, about */

/* What next returns beside counts of rows. */
enum {
    IMPORT_END = 0,
    IMPORT_FAILED = -1,
    IMPORT_AGAIN = -2,            /* from the start: hints know more now */
};

struct importer;

/* Options that only some formats have. */
enum {
    IMPORT_LABEL = 1, IMPORT_SHAPE = 2, IMPORT_DTYPE = 4, IMPORT_LENGTH = 8,
    IMPORT_SEPARATOR = 16, IMPORT_WHOLE_FILES = 32, IMPORT_FIELDS = 64,
};

/* A format. One callback table each, listed in import_guess.c. */
struct import_format {
    const char *name;
    bool many;                    /* takes more than one source */
    bool folder;                  /* a source may be a folder */
    unsigned options;             /* of those above */
    /* Set state, fields and sources. What is wrong goes to problems or err;
     * with problems it may return 0. */
    int (*open)(struct importer *im, struct mlb_error *err);
    /* Point cells at the next rows; how many, or one of the above. */
    int64_t (*next)(struct importer *im, struct mlb_error *err);
    /* Pass over so many rows without reading them; NULL: next does. */
    int (*skip)(struct importer *im, uint64_t rows, struct mlb_error *err);
    void (*close)(struct importer *im);       /* also after a failed open */
};

struct import_source {
    char *path;                   /* as the user gave it */
    uint64_t bytes;
    int64_t modified;             /* ns */
    int64_t changed;              /* ns; nobody can set that back, as cp -p
                                   * and touch -r do with the other one */
};

struct importer {
    const struct import_format *format;
    const struct import_options *o;
    struct mlb_problems *problems;
    struct mlb_strings *hints;    /* fields whose type must be wider than the
                                   * first rows say, kept over IMPORT_AGAIN */
    void *state;                  /* the format's */
    struct version_field *fields;
    struct version_cell *cells;
    size_t field_count;
    struct import_source *sources;
    size_t source_count, source_size;
    uint64_t done, total;         /* bytes of the sources */
};

/* Add a field of that name (copied) with its cell; fill in the rest. */
struct version_field *import_add_field(struct importer *im,
                                       const char *name);

/* Note a source file: it must be a regular file. */
int import_add_source(struct importer *im, const char *path,
                      struct mlb_error *err);

/* Note a problem; true: there are so many that reading must end. */
bool import_problem(struct importer *im, const char *where,
                    const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Tell the user a line. */
void import_tell(const struct importer *im, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Is path a regular file, or a link to one? All such files below a folder,
 * sorted by name at each level, hidden ones left out, as paths. A link that
 * leads out of the folder is a problem. */
int import_list_files(struct importer *im, const char *folder,
                      struct mlb_strings *files, struct mlb_error *err);

/* The format: by name, or from names and first bytes of the sources. */
const struct import_format *import_find_format(const struct import_options *o,
                                               struct mlb_error *err);

/* What is imported and how, as one text; and the provenance. NULL: err. */
char *import_key(const struct importer *im);
json_t *import_origin(const struct importer *im, struct mlb_error *err);

/* Is it valid UTF-8? */
bool import_is_utf8(const void *bytes, size_t length);
/* The codec of a file of that name ("jpeg", "utf8", ...), or "bytes". */
const char *import_codec(const char *name);
/* All of a regular file, up to IMPORT_MAX_ROW, into out. */
int import_read_file(const char *path, struct mlb_text *out,
                     struct mlb_error *err);

extern const struct import_format import_csv, import_npy, import_npz,
    import_idx, import_webdataset, import_folder, import_text, import_tokens,
    import_hdf5;

#endif
