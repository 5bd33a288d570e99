/* SPDX-License-Identifier: BSD-3-Clause */
/* A data set as files: each row of a ragged field of bytes (pictures, texts)
 * becomes one, in a folder of its class if there are classes. Names come
 * from field "path" or are the row's number. They are a stranger's: no part
 * of them is ever "..", and all is made below a new directory. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "store/export_parts.h"
#include "store/value.h"

#define PATH_FIELD "path"
#define MAX_PART 200              /* bytes of a name */

struct filing {
    struct exporting *e;
    struct export_cursor content, label, path;
    bool has_label, has_path;
    const json_t *classes;
    const char *ending;
};

static bool is_bytes(const struct exporting *e, size_t field)
{
    return column_is_ragged(&e->m, field) &&
           e->m.fields[field].dtype == MLB_U8 && e->m.fields[field].rank == 0;
}

/* The field to write: the one named, else the only one there is. */
static int choose_content(struct exporting *e, size_t *field,
                          struct mlb_error *err)
{
    size_t found = 0;

    for (size_t i = 0; i < e->field_count; i++) {
        size_t f = e->fields[i];
        if (is_bytes(e, f) &&
            (!e->all_fields || strcmp(e->m.fields[f].name, PATH_FIELD))) {
            *field = f;
            found++;
        }
    }
    if (found == 1 && (e->all_fields || e->field_count == 1))
        return 0;
    return mlb_error_set(err, MLB_ERR_USAGE, found > 1
                             ? "%s has several fields of bytes: choose one "
                               "by --field"
                             : "%s has no ragged field of bytes (u8) there "
                               "to make files of", e->m.name);
}

/* What files of a codec are called. */
static const char *ending_of(const char *codec)
{
    static const char *const known[][2] = {
        { "", "bin" }, { "bytes", "bin" }, { "jpeg", "jpg" },
        { "utf8", "txt" }, { "zstd", "zst" },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(codec, known[i][0]) == 0)
            return known[i][1];
    return strlen(codec) <= 8 &&
                   strspn(codec, "abcdefghijklmnopqrstuvwxyz0123456789") ==
                       strlen(codec)
               ? codec : "bin";
}

static void choose_names(struct filing *f)
{
    const struct exporting *e = f->e;

    for (size_t i = 0; i < e->m.field_count; i++) {
        const struct mlb_field *field = &e->m.fields[i];
        const json_t *classes = json_object_get(column_json(&e->m, i),
                                                "classes");
        if (!f->has_label && json_array_size(classes) > 0 &&
            value_is_integer(field->dtype) && field->rank == 0 &&
            !column_is_ragged(&e->m, i)) {
            f->has_label = true;
            f->classes = classes;
            export_cursor_init(e, &f->label, i);
        }
        if (!f->has_path && strcmp(field->name, PATH_FIELD) == 0 &&
            is_bytes(e, i) && i != f->content.column.index) {
            f->has_path = true;
            export_cursor_init(e, &f->path, i);
        }
    }
}

/* One part of a path as a name that is safe, added to out. */
static bool add_part(struct mlb_text *out, const char *part, size_t length)
{
    if (length > MAX_PART)
        length = MAX_PART;
    if (length == 0 || (part[0] == '.' && (length == 1 ||
                        (length == 2 && part[1] == '.'))))
        return false;
    for (size_t i = 0; i < length; i++)
        text_addn(out, (unsigned char)part[i] < 0x20 || part[i] == 0x7f ||
                           part[i] == '/' ? "_" : part + i, 1);
    return true;
}

/* The folder of a row's class. */
static int add_folder(struct filing *f, uint64_t at, struct mlb_text *out,
                      struct mlb_error *err)
{
    enum mlb_dtype dtype = f->label.column.field->dtype;
    const unsigned char *bytes;
    uint64_t length;

    if (export_cursor_get(f->e, &f->label, at, &bytes, &length, err) < 0)
        return -1;
    int64_t label = value_get_integer(dtype, bytes);
    const char *name = label < 0 ? NULL : json_string_value(
        json_array_get(f->classes, (size_t)label));
    if (!name || !add_part(out, name, strlen(name)))
        text_addf(out, "class-%" PRId64, label);
    text_add(out, "/");
    return 0;
}

/* The name that field path gives a row: all of its parts, or the last where
 * there is a folder for the class already. */
static int add_path(struct filing *f, uint64_t at, struct mlb_text *out,
                    struct mlb_error *err)
{
    const unsigned char *bytes;
    uint64_t length;
    size_t before = out->length;

    if (export_cursor_get(f->e, &f->path, at, &bytes, &length, err) < 0)
        return -1;
    const char *p = (const char *)bytes, *end = p + length;
    while (p < end) {
        const char *slash = memchr(p, '/', (size_t)(end - p));
        const char *stop = slash ? slash : end;
        if (f->has_label && slash) {
            p = slash + 1;
            continue;
        }
        if (out->length > before && stop > p)
            text_add(out, "/");
        if (!add_part(out, p, (size_t)(stop - p)) &&
            out->length > before && out->data[out->length - 1] == '/')
            out->data[--out->length] = '\0';
        p = slash ? slash + 1 : end;
    }
    return 0;
}

static int find_name(struct filing *f, uint64_t at, struct mlb_text *out,
                     struct mlb_error *err)
{
    if (f->has_label && add_folder(f, at, out, err) < 0)
        return -1;
    size_t before = out->length;
    if (f->has_path && add_path(f, at, out, err) < 0)
        return -1;
    if (out->length == before)
        text_addf(out, "%08" PRIu64 ".%s", export_row(f->e, at), f->ending);
    return 0;
}

/* Make the directories that name goes through. */
static int make_parents(const struct filing *f, char *name,
                        struct mlb_error *err)
{
    for (char *slash = strchr(name, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int rc = mkdirat(f->e->target.fd, name, 0777);
        *slash = '/';
        if (rc < 0 && errno != EEXIST)
            return mlb_error_errno(err, MLB_ERR_IO, "cannot make a folder "
                                   "in %s", f->e->target.path);
    }
    return 0;
}

/* Two rows may have one name, and a name may be another's folder: the row's
 * number then goes in front of the last part. */
static int open_file(const struct filing *f, uint64_t at, char *name,
                     struct mlb_error *err)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    char *slash = strrchr(name, '/');
    int fd = make_parents(f, name, NULL) < 0
                 ? -1 : openat(f->e->target.fd, name, flags, 0666);

    if (fd < 0 && (errno == EEXIST || errno == ENOTDIR || errno == EISDIR)) {
        char *other = errno != ENOTDIR && slash
                          ? xasprintf("%.*s/%08" PRIu64 "-%s",
                                      (int)(slash - name), name,
                                      export_row(f->e, at), slash + 1)
                          : xasprintf("%08" PRIu64 "-%s",
                                      export_row(f->e, at),
                                      slash ? slash + 1 : name);
        fd = openat(f->e->target.fd, other, flags, 0666);
        free(other);
    }
    if (fd < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot make a file in %s",
                        f->e->target.path);
    return fd;
}

static int write_one(struct filing *f, uint64_t at, struct mlb_error *err)
{
    struct mlb_text name = MLB_TEXT_INIT;
    const unsigned char *bytes;
    uint64_t length;
    int fd = -1;

    if (export_cursor_get(f->e, &f->content, at, &bytes, &length, err) == 0 &&
        find_name(f, at, &name, err) == 0)
        fd = open_file(f, at, name.data, err);
    text_clear(&name);
    if (fd < 0)
        return -1;
    int rc = files_write_all(fd, bytes, length);
    if (rc < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot write in %s",
                        f->e->target.path);
    close(fd);
    f->e->target.bytes += length;
    f->e->result->files++;
    return rc;
}

int export_files(struct exporting *e, struct mlb_error *err)
{
    struct filing f = { .e = e };
    size_t field = 0;
    int rc = choose_content(e, &field, err);

    if (rc < 0)
        return -1;
    export_cursor_init(e, &f.content, field);
    f.ending = ending_of(f.content.column.codec);
    choose_names(&f);
    e->total = e->rows;
    for (uint64_t at = 0; rc == 0 && at < e->rows; at++) {
        rc = write_one(&f, at, err);
        export_progress(e, 1);
    }
    export_cursor_clear(&f.content);
    export_cursor_clear(&f.label);
    export_cursor_clear(&f.path);
    return rc;
}
