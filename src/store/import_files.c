/* SPDX-License-Identifier: BSD-3-Clause */
/* Files below a folder, and what their bytes are. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "store/import_parts.h"

#define MAX_DEPTH 32              /* folders in folders */
#define FIRST_SIZE ((size_t)64 << 10)

/* While a folder is listed. */
struct walk {
    struct importer *im;
    const char *root;             /* real path of the folder */
    struct mlb_strings *files;
    bool full;                    /* of problems */
};

/* Does a link lead to something in the folder? */
static bool stays_inside(const struct walk *w, const char *path)
{
    char real[PATH_MAX];
    size_t n = strlen(w->root);

    return realpath(path, real) && strncmp(real, w->root, n) == 0 &&
           (real[n] == '/' || n == 1);
}

static int walk(struct walk *w, const char *folder, int depth,
                struct mlb_error *err);

static int walk_entry(struct walk *w, const char *path, int depth,
                      struct mlb_error *err)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot read %s", path);
    if (S_ISLNK(st.st_mode)) {
        /* A link to a folder could lead round and round. */
        if (!stays_inside(w, path) || stat(path, &st) < 0 ||
            !S_ISREG(st.st_mode)) {
            w->full = import_problem(w->im, path, "a link that leads to no "
                                     "file in the folder: copy what it "
                                     "means, or remove it");
            return 0;
        }
    }
    if (S_ISDIR(st.st_mode))
        return walk(w, path, depth + 1, err);
    if (S_ISREG(st.st_mode))
        strings_push(w->files, path);
    else
        w->full = import_problem(w->im, path, "neither a file nor a folder");
    return 0;
}

static int walk(struct walk *w, const char *folder, int depth,
                struct mlb_error *err)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    int rc = depth < MAX_DEPTH
                 ? files_list(folder, &names, err)
                 : mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: more than %d "
                                 "folders in folders", folder, MAX_DEPTH);

    for (size_t i = 0; rc == 0 && !w->full && i < names.count; i++) {
        char *path = xasprintf("%s/%s", folder, names.items[i]);
        if (names.items[i][0] != '.')
            rc = walk_entry(w, path, depth, err);
        free(path);
    }
    strings_clear(&names);
    return rc;
}

int import_list_files(struct importer *im, const char *folder,
                      struct mlb_strings *files, struct mlb_error *err)
{
    char root[PATH_MAX];
    struct walk w = { .im = im, .root = root, .files = files };

    if (!realpath(im->o->source, root))
        return mlb_error_errno(err, MLB_ERR_IO, "cannot read %s",
                               im->o->source);
    return walk(&w, folder, 0, err);
}

/* Bytes of the character that begins at p, 0 if it is none. */
static size_t character(const unsigned char *p, size_t left)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3
                               : p[0] >> 3 == 30 ? 4 : 0;
    uint32_t code = n > 1 ? p[0] & (0x7fu >> n) : p[0];

    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    return code < least[n] || code > 0x10ffff ||
                   (code >= 0xd800 && code < 0xe000) ? 0 : n;
}

bool import_is_utf8(const void *bytes, size_t length)
{
    const unsigned char *p = bytes, *end = p + length;

    while (p < end) {
        uint64_t eight;
        if ((size_t)(end - p) >= sizeof(eight)) {
            memcpy(&eight, p, sizeof(eight));
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                p += sizeof(eight);
                continue;
            }
        }
        size_t n = character(p, (size_t)(end - p));
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}

static const struct {
    const char *ending, *codec;
} codecs[] = {
    { "jpg", "jpeg" },  { "jpeg", "jpeg" }, { "png", "png" },
    { "webp", "webp" }, { "gif", "gif" },   { "bmp", "bmp" },
    { "tif", "tiff" },  { "tiff", "tiff" }, { "ppm", "ppm" },
    { "pgm", "pgm" },   { "jp2", "jp2" },   { "avif", "avif" },
    { "wav", "wav" },   { "flac", "flac" }, { "mp3", "mp3" },
    { "ogg", "ogg" },   { "opus", "opus" }, { "m4a", "m4a" },
    { "mp4", "mp4" },   { "mkv", "mkv" },   { "webm", "webm" },
    { "avi", "avi" },   { "txt", "utf8" },  { "text", "utf8" },
    { "json", "utf8" }, { "jsonl", "utf8" }, { "xml", "utf8" },
    { "csv", "utf8" },  { "html", "utf8" }, { "caption", "utf8" },
};

const char *import_codec(const char *name)
{
    const char *dot = strrchr(name, '.');
    const char *ending = dot ? dot + 1 : name;

    for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++)
        if (strcasecmp(ending, codecs[i].ending) == 0)
            return codecs[i].codec;
    return "bytes";
}

static int read_all(int fd, struct mlb_text *out)
{
    size_t size = FIRST_SIZE;
    char *part = xmalloc(size);
    ssize_t n;

    while ((n = read(fd, part, size)) > 0 || (n < 0 && errno == EINTR)) {
        if (n > 0)
            text_addn(out, part, (size_t)n);
        if (out->length > IMPORT_MAX_ROW) {
            errno = EFBIG;
            n = -1;
            break;
        }
    }
    free(part);
    return n < 0 ? -1 : 0;
}

int import_read_file(const char *path, struct mlb_text *out,
                     struct mlb_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : read_all(fd, out);

    if (rc < 0)
        mlb_error_errno(err, errno == EFBIG ? MLB_ERR_BAD_INPUT : MLB_ERR_IO,
                        "cannot read %s", path);
    if (fd >= 0)
        close(fd);
    return rc;
}
