/* SPDX-License-Identifier: BSD-3-Clause */
/* Which format a source has: from its name, else its first bytes. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "base/files.h"
#include "store/import_parts.h"

#define FIRST 512                 /* bytes that are looked at */

static const struct import_format *const formats[] = {
    &import_csv, &import_npy, &import_npz, &import_idx, &import_webdataset,
    &import_folder, &import_text, &import_tokens, &import_hdf5,
};
#define FORMATS (sizeof(formats) / sizeof(formats[0]))

/* Endings of names; the first that fits. */
static const struct {
    const char *ending;
    const struct import_format *format;
} endings[] = {
    { ".csv", &import_csv },          { ".npy", &import_npy },
    { ".npz", &import_npz },          { ".h5", &import_hdf5 },
    { ".hdf5", &import_hdf5 },        { ".tar", &import_webdataset },
    { ".tgz", &import_webdataset },   { ".tar.zst", &import_webdataset },
    { ".tar.xz", &import_webdataset }, { ".tar.bz2", &import_webdataset },
    { ".tar.lz4", &import_webdataset }, { "-ubyte", &import_idx },
    { ".idx", &import_idx },          { ".txt", &import_text },
    { ".jsonl", &import_text },       { ".bin", &import_tokens },
};

static bool ends_in(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);

    return n >= m && strcasecmp(name + n - m, ending) == 0;
}

static const struct import_format *by_name(const char *path)
{
    size_t n = strlen(path) - (ends_in(path, ".gz") ? 3 : 0);
    char *name = xstrndup(path, n);
    const struct import_format *found = NULL;

    for (size_t i = 0; !found && i < sizeof(endings) / sizeof(endings[0]);
         i++)
        if (ends_in(name, endings[i].ending))
            found = endings[i].format;
    free(name);
    return found;
}

/* By the first bytes, unpacked if the file is gzip. */
static const struct import_format *by_bytes(const char *path)
{
    unsigned char p[FIRST] = { 0 };
    gzFile file = gzopen(path, "re");
    int n = file ? gzread(file, p, FIRST) : 0;

    if (file)
        gzclose_r(file);
    if (n >= 6 && memcmp(p, "\x93NUMPY", 6) == 0)
        return &import_npy;
    if (n >= 4 && memcmp(p, "PK\3\4", 4) == 0)
        return &import_npz;
    if (n >= 8 && memcmp(p, "\x89HDF\r\n\x1a\n", 8) == 0)
        return &import_hdf5;
    if (n >= 262 && memcmp(p + 257, "ustar", 5) == 0)
        return &import_webdataset;
    if (n >= 8 && p[0] == 0 && p[1] == 0 && p[2] >= 8 && p[2] <= 14 &&
        p[3] >= 1 && p[3] < MLB_MAX_RANK)
        return &import_idx;
    return NULL;
}

/* A folder by what is in it. */
static const struct import_format *by_content(const char *folder)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    size_t folders = 0, texts = 0, others = 0;
    bool is_idx = false, is_tar = false;

    files_list(folder, &names, NULL);
    for (size_t i = 0; i < names.count; i++) {
        char *path = xasprintf("%s/%s", folder, names.items[i]);
        const struct import_format *f = by_name(names.items[i]);
        if (names.items[i][0] == '.')
            f = NULL;
        else if (files_is_dir(path))
            folders++;
        else if (f == &import_text)
            texts++;
        else
            others++;
        is_idx = is_idx || f == &import_idx;
        is_tar = is_tar || f == &import_webdataset;
        free(path);
    }
    strings_clear(&names);
    return is_idx ? &import_idx : is_tar ? &import_webdataset
           : folders > 0 ? &import_folder
           : texts > 0 && others == 0 ? &import_text : NULL;
}

static const struct import_format *guess(const struct import_options *o,
                                         struct mlb_error *err)
{
    const struct import_format *f;

    if (o->whole_files)
        return &import_text;
    if (files_is_dir(o->source)) {
        f = by_content(o->source);
        if (!f)
            mlb_error_set(err, MLB_ERR_BAD_INPUT, "cannot tell what is in "
                          "%s: say it by --format", o->source);
        return f;
    }
    f = by_name(o->source);
    if (!f)
        f = by_bytes(o->source);
    if (o->length || o->separator)
        return &import_tokens;
    /* Numbers in a file of any name were always taken for this one. */
    return f ? f : &import_csv;
}

const struct import_format *import_find_format(const struct import_options *o,
                                               struct mlb_error *err)
{
    struct mlb_text all = MLB_TEXT_INIT;

    if (!o->format)
        return guess(o, err);
    for (size_t i = 0; i < FORMATS; i++)
        if (strcmp(o->format, formats[i]->name) == 0)
            return formats[i];
    for (size_t i = 0; i < FORMATS; i++)
        text_addf(&all, "%s%s", i ? ", " : "", formats[i]->name);
    mlb_error_set(err, MLB_ERR_USAGE, "no format \"%s\" (%s)", o->format,
                  all.data);
    text_clear(&all);
    return NULL;
}
