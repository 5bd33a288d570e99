/* SPDX-License-Identifier: BSD-3-Clause */
/* .npz files through libarchive. */
#include "config.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/npz.h"

#define MAGIC "\x93NUMPY\x01\x00"
#define PREFIX 10                 /* magic and length of the rest */
#define ALIGN 64                  /* of the data, as numpy has it */
#define MODE 0644

struct npz {
    struct archive *archive;
    struct target *target;
    uint64_t left;                /* bytes of the array yet to come */
};

/* numpy's words for the types. */
static const char *const descriptions[] = {
    [MLB_F64] = "<f8", [MLB_F32] = "<f4", [MLB_F16] = "<f2",
    [MLB_I64] = "<i8", [MLB_I32] = "<i4", [MLB_I16] = "<i2",
    [MLB_I8] = "|i1",  [MLB_U64] = "<u8", [MLB_U32] = "<u4",
    [MLB_U16] = "<u2", [MLB_U8] = "|u1",  [MLB_BOOL] = "|b1",
    [MLB_C64] = "<c8", [MLB_C128] = "<c16",
};

enum mlb_dtype npz_type(enum mlb_dtype dtype)
{
    if (dtype == MLB_BF16)
        return MLB_U16;
    return dtype == MLB_E4M3 || dtype == MLB_E5M2 ? MLB_U8 : dtype;
}

static int fail(const struct npz *z, struct mlb_error *err)
{
    const char *why = archive_error_string(z->archive);

    /* What take() failed with says where already. */
    if (why && archive_errno(z->archive) == EIO)
        return mlb_error_set(err, MLB_ERR_IO, "%s", why);
    return mlb_error_set(err, MLB_ERR_IO, "cannot write %s: %s",
                         z->target->path, why ? why : "no reason given");
}

static la_ssize_t take(struct archive *archive, void *to, const void *bytes,
                       size_t length)
{
    struct mlb_error err;

    if (target_write(to, bytes, length, &err) == 0)
        return (la_ssize_t)length;
    archive_set_error(archive, EIO, "%s", err.text);
    return -1;
}

struct npz *npz_create(struct target *target, struct mlb_error *err)
{
    struct npz *z = xcalloc(1, sizeof(*z));

    z->target = target;
    z->archive = archive_write_new();
    if (z->archive &&
        archive_write_set_format_zip(z->archive) == ARCHIVE_OK &&
        archive_write_zip_set_compression_store(z->archive) == ARCHIVE_OK &&
        archive_write_set_format_option(z->archive, "zip", "zip64", "1") ==
            ARCHIVE_OK &&
        archive_write_set_bytes_per_block(z->archive, 1 << 20) ==
            ARCHIVE_OK &&
        archive_write_set_bytes_in_last_block(z->archive, 1) == ARCHIVE_OK &&
        archive_write_open(z->archive, target, NULL, take, NULL) ==
            ARCHIVE_OK)
        return z;
    fail(z, err);
    npz_abandon(z);
    return NULL;
}

/* The head of a .npy file: magic, length, a dictionary, blanks, newline. */
static void add_head(struct mlb_text *head, enum mlb_dtype dtype,
                     const uint64_t *shape, int rank)
{
    text_addn(head, MAGIC "\0\0", PREFIX);
    text_addf(head, "{'descr': '%s', 'fortran_order': False, 'shape': (",
              descriptions[npz_type(dtype)]);
    for (int i = 0; i < rank; i++)
        text_addf(head, "%" PRIu64 "%s", shape[i],
                  i + 1 < rank ? ", " : rank == 1 ? "," : "");
    text_add(head, "), }");
    while ((head->length + 1) % ALIGN)
        text_add(head, " ");
    text_add(head, "\n");
    size_t rest = head->length - PREFIX;
    head->data[PREFIX - 2] = (char)(rest & 0xff);
    head->data[PREFIX - 1] = (char)(rest >> 8);
}

/* libarchive marks a name as UTF-8 only where the locale says so, and numpy
 * would read it as something else. */
static int write_header(struct npz *z, struct archive_entry *entry)
{
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
    int rc = archive_write_header(z->archive, entry);

    if (utf8) {
        uselocale(before);
        freelocale(utf8);
    }
    return rc;
}

static int write_bytes(struct npz *z, const void *bytes, size_t length,
                       struct mlb_error *err)
{
    const char *p = bytes;

    while (length > 0) {
        la_ssize_t n = archive_write_data(z->archive, p, length);
        if (n <= 0)
            return fail(z, err);
        p += n;
        length -= (size_t)n;
    }
    return 0;
}

int npz_begin(struct npz *z, const char *name, enum mlb_dtype dtype,
              const uint64_t *shape, int rank, struct mlb_error *err)
{
    struct archive_entry *entry = archive_entry_new();
    struct mlb_text head = MLB_TEXT_INIT;
    char *path = xasprintf("%s.npy", name);
    int rc = entry ? 0 : mlb_error_set(err, MLB_ERR_IO, "out of memory");

    z->left = mlb_dtype_size(dtype);
    for (int i = 0; i < rank; i++)
        z->left *= shape[i];
    add_head(&head, dtype, shape, rank);
    if (rc == 0) {
        archive_entry_set_pathname(entry, path);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, MODE);
        archive_entry_set_size(entry, (la_int64_t)(z->left + head.length));
        if (write_header(z, entry) != ARCHIVE_OK)
            rc = fail(z, err);
    }
    if (rc == 0)
        rc = write_bytes(z, head.data, head.length, err);
    text_clear(&head);
    free(path);
    archive_entry_free(entry);
    return rc;
}

int npz_write(struct npz *z, const void *bytes, size_t length,
              struct mlb_error *err)
{
    if (length > z->left)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "cannot write %s: an "
                             "array is longer than it said",
                             z->target->path);
    z->left -= length;
    return write_bytes(z, bytes, length, err);
}

int npz_close(struct npz *z, struct mlb_error *err)
{
    int rc = archive_write_close(z->archive) == ARCHIVE_OK ? 0 : fail(z, err);

    npz_abandon(z);
    return rc;
}

void npz_abandon(struct npz *z)
{
    if (!z)
        return;
    archive_write_free(z->archive);
    free(z);
}
