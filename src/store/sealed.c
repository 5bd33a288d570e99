/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing and reading sealed files. The only file that uses libhdf5's
 * filters. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <hdf5.h>
#include <xxhash.h>

#include "base/files.h"
#include "store/sealed.h"

#define CHUNK_VALUES 4096
#define SMALL_VALUES 256
#define PIECE ((size_t)1 << 20)
#define DEFLATE_LEVEL 1
#define OPEN_MOST 128        /* arrays kept open, for their chunk caches */

/* The user block; all little-endian. */
struct head {
    char magic[8];
    uint32_t version, flags;
    uint64_t size;           /* of the file */
    uint64_t sum;            /* XXH3-64 of all behind the user block */
    uint64_t created;        /* ns since 1970 */
    uint8_t unused[464];
    uint64_t head_sum;       /* XXH3-64 of the 504 bytes before */
};

_Static_assert(sizeof(struct head) == SEALED_USER_BLOCK, "the user block");

struct sealed_writer {
    hid_t file;
    char *path, *temporary;
    struct {
        char *name;
        hid_t array;
    } open[OPEN_MOST];
    size_t open_count;
};

struct sealed {
    int fd;
    hid_t file;
    char *path;
};

static int hdf5_error(struct mlb_error *err, const char *what,
                      const char *name)
{
    return mlb_error_set(err, MLB_ERR_IO, "HDF5 cannot %s %s", what, name);
}

/* No cleaning up at exit: all that was opened is closed here, and after a
 * close that failed (of a full disk) libhdf5 would close what it has freed.
 * The first call of the library, and of no effect in later ones. */
static void be_quiet(void)
{
    H5dont_atexit();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

static hid_t make_type(enum sealed_type type, size_t width)
{
    if (type == SEALED_I64)
        return H5Tcopy(H5T_STD_I64LE);
    if (type == SEALED_F64)
        return H5Tcopy(H5T_IEEE_F64LE);
    if (type == SEALED_U8)
        return H5Tcopy(H5T_STD_U8LE);
    hid_t text = H5Tcopy(H5T_C_S1);
    if (text >= 0 && (H5Tset_size(text, width) < 0 ||
                      H5Tset_cset(text, H5T_CSET_UTF8) < 0 ||
                      H5Tset_strpad(text, H5T_STR_NULLPAD) < 0)) {
        H5Tclose(text);
        text = -1;
    }
    return text;
}

/* Properties of files: no locks, which some file systems do not have. */
static hid_t access_list(void)
{
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);

    if (list >= 0)
        H5Pset_libver_bounds(list, H5F_LIBVER_V110, H5F_LIBVER_V110);
#if H5_VERSION_GE(1, 10, 7)
    if (list >= 0)
        H5Pset_file_locking(list, false, true);
#endif
    return list;
}

/* ---- writing ---- */

struct sealed_writer *sealed_create(const char *path, struct mlb_error *err)
{
    struct sealed_writer *w = xcalloc(1, sizeof(*w));
    struct timespec now;

    be_quiet();
    clock_gettime(CLOCK_REALTIME, &now);
    w->path = xstrdup(path);
    w->temporary = xasprintf("%s.tmp-%ld-%lld%09ld", path, (long)getpid(),
                             (long long)now.tv_sec, now.tv_nsec);
    hid_t access = access_list(), creation = H5Pcreate(H5P_FILE_CREATE);
    w->file = -1;
    if (access >= 0 && creation >= 0 &&
        H5Pset_userblock(creation, SEALED_USER_BLOCK) >= 0)
        w->file = H5Fcreate(w->temporary, H5F_ACC_EXCL, creation, access);
    H5Pclose(access);
    H5Pclose(creation);
    if (w->file < 0) {
        mlb_error_set(err, MLB_ERR_IO, "cannot create %s", w->temporary);
        sealed_abandon(w);
        return NULL;
    }
    return w;
}

/* The unwritten value of a type. */
static int set_fill(hid_t list, enum sealed_type type)
{
    static const int64_t missing = INT64_MIN;
    static const double nan = NAN;

    if (type == SEALED_I64)
        return H5Pset_fill_value(list, H5T_NATIVE_INT64, &missing);
    if (type == SEALED_F64)
        return H5Pset_fill_value(list, H5T_NATIVE_DOUBLE, &nan);
    return 0;
}

/* Chunks of about one size, of whole rows if these are short. */
static int set_layout(hid_t list, const struct sealed_array *a)
{
    hsize_t chunk[2] = { 1, 1 };
    uint64_t columns = a->rank == 2 ? a->shape[1] : 1;

    if (a->shape[0] * columns < SMALL_VALUES)
        return 0;            /* contiguous: an index would be larger */
    if (a->rank == 2)
        chunk[1] = columns < CHUNK_VALUES ? columns : CHUNK_VALUES;
    chunk[0] = CHUNK_VALUES / chunk[1];
    if (chunk[0] > a->shape[0])
        chunk[0] = a->shape[0];
    return H5Pset_chunk(list, a->rank, chunk) < 0 ||
           H5Pset_shuffle(list) < 0 ||
           H5Pset_deflate(list, DEFLATE_LEVEL) < 0 ? -1 : 0;
}

static hid_t create_array(hid_t file, const struct sealed_array *a)
{
    hsize_t shape[2] = { a->shape[0], a->shape[1] };
    hid_t type = make_type(a->type, a->width);
    hid_t space = H5Screate_simple(a->rank, shape, NULL);
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    hid_t links = H5Pcreate(H5P_LINK_CREATE);
    hid_t array = -1;

    if (type >= 0 && space >= 0 && list >= 0 && links >= 0 &&
        set_fill(list, a->type) >= 0 && set_layout(list, a) >= 0 &&
        H5Pset_obj_track_times(list, false) >= 0 &&
        H5Pset_create_intermediate_group(links, 1) >= 0 &&
        H5Pset_char_encoding(links, H5T_CSET_UTF8) >= 0)
        array = H5Dcreate2(file, a->name, type, space, links, list,
                           H5P_DEFAULT);
    H5Pclose(links);
    H5Pclose(list);
    H5Sclose(space);
    H5Tclose(type);
    return array;
}

int sealed_add(struct sealed_writer *w, const struct sealed_array *array,
               struct mlb_error *err)
{
    hid_t id = create_array(w->file, array);

    if (id < 0)
        return hdf5_error(err, "make array", array->name);
    if (w->open_count < OPEN_MOST && array->rank == 2) {
        w->open[w->open_count].name = xstrdup(array->name);
        w->open[w->open_count++].array = id;
    } else {
        H5Dclose(id);
    }
    return 0;
}

/* Move rows between an array and memory. */
static int move_rows(hid_t array, const struct sealed_rows *rows, void *out,
                     const void *data)
{
    hsize_t shape[2] = { 0, 1 };
    hid_t type = H5Dget_type(array), space = H5Dget_space(array), memory = -1;
    int rc = -1, rank = H5Sget_simple_extent_ndims(space);

    if (rank < 1 || rank > 2 ||
        H5Sget_simple_extent_dims(space, shape, NULL) < 0)
        goto out;
    hsize_t first[2] = { rows->first, 0 };
    if (rows->first > shape[0] || rows->count > shape[0] - rows->first)
        goto out;
    shape[0] = rows->count;
    if (shape[0] == 0 || shape[1] == 0) {
        rc = 0;
        goto out;
    }
    memory = H5Screate_simple(rank, shape, NULL);
    if (memory < 0 || H5Sselect_hyperslab(space, H5S_SELECT_SET, first, NULL,
                                          shape, NULL) < 0)
        goto out;
    rc = data ? H5Dwrite(array, type, memory, space, H5P_DEFAULT, data)
              : H5Dread(array, type, memory, space, H5P_DEFAULT, out);
out:
    if (memory >= 0)
        H5Sclose(memory);
    H5Sclose(space);
    H5Tclose(type);
    return rc < 0 ? -1 : 0;
}

int sealed_write(struct sealed_writer *w, const char *name,
                 const struct sealed_rows *rows, const void *data,
                 struct mlb_error *err)
{
    size_t i = 0;

    while (i < w->open_count && strcmp(w->open[i].name, name) != 0)
        i++;
    hid_t array = i < w->open_count ? w->open[i].array
                                    : H5Dopen2(w->file, name, H5P_DEFAULT);
    int rc = array < 0 ? -1 : move_rows(array, rows, NULL, data);
    if (array >= 0 && i == w->open_count)
        H5Dclose(array);
    return rc < 0 ? hdf5_error(err, "write", name) : 0;
}

int sealed_attribute(struct sealed_writer *w, const char *object,
                     const char *name, const char *text,
                     struct mlb_error *err)
{
    size_t length = strnlen(text, SEALED_TEXT_MOST - 1);
    hid_t type = make_type(SEALED_TEXT, length + 1);
    hid_t space = H5Screate(H5S_SCALAR);
    char *copy = xstrndup(text, length);
    hid_t attribute = H5Acreate_by_name(w->file, object, name, type, space,
                                        H5P_DEFAULT, H5P_DEFAULT,
                                        H5P_DEFAULT);
    int rc = attribute < 0 || H5Awrite(attribute, type, copy) < 0 ? -1 : 0;

    if (attribute >= 0)
        H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
    free(copy);
    return rc < 0 ? hdf5_error(err, "describe", object) : 0;
}

int sealed_copy(struct sealed_writer *w, const struct sealed *from,
                const char *group, struct mlb_error *err)
{
    hid_t links = H5Pcreate(H5P_LINK_CREATE);
    int rc = -1;

    if (links >= 0 && H5Pset_create_intermediate_group(links, 1) >= 0)
        rc = H5Ocopy(from->file, group, w->file, group, H5P_DEFAULT, links);
    H5Pclose(links);
    return rc < 0 ? hdf5_error(err, "copy", group) : 0;
}

/* XXH3 of all behind the user block of a file of that size. */
static int sum_rest(int fd, uint64_t size, uint64_t *sum)
{
    XXH3_state_t *state = XXH3_createState();
    char *piece = xmalloc(PIECE);
    uint64_t at = SEALED_USER_BLOCK;

    XXH3_64bits_reset(state);
    while (at < size) {
        size_t want = size - at < PIECE ? (size_t)(size - at) : PIECE;
        ssize_t n = pread(fd, piece, want, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        XXH3_64bits_update(state, piece, (size_t)n);
        at += (uint64_t)n;
    }
    *sum = XXH3_64bits_digest(state);
    free(piece);
    XXH3_freeState(state);
    return at < size ? -1 : 0;
}

static int write_head(int fd)
{
    struct timespec now;
    struct stat st;
    struct head head = { .version = SEALED_VERSION };

    clock_gettime(CLOCK_REALTIME, &now);
    if (fstat(fd, &st) < 0)
        return -1;
    memcpy(head.magic, SEALED_MAGIC, sizeof(head.magic));
    head.size = (uint64_t)st.st_size;
    head.created = (uint64_t)now.tv_sec * 1000000000u +
                   (uint64_t)now.tv_nsec;
    if (sum_rest(fd, head.size, &head.sum) < 0)
        return -1;
    head.head_sum = XXH3_64bits(&head, offsetof(struct head, head_sum));
    if (pwrite(fd, &head, sizeof(head), 0) != sizeof(head))
        return -1;
    return fsync(fd);
}

/* H5Fclose says yes even where the disk was full; the flush does not. */
static int close_file(struct sealed_writer *w)
{
    int rc = 0;

    for (size_t i = 0; i < w->open_count; i++) {
        if (H5Dclose(w->open[i].array) < 0)
            rc = -1;
        free(w->open[i].name);
    }
    w->open_count = 0;
    if (w->file >= 0 && (H5Fflush(w->file, H5F_SCOPE_GLOBAL) < 0))
        rc = -1;
    if (w->file >= 0 && H5Fclose(w->file) < 0)
        rc = -1;
    w->file = -1;
    return rc;
}

static int sync_parent(const char *path, struct mlb_error *err)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? xstrndup(path, (size_t)(slash - path) + 1)
                      : xstrdup(".");
    int rc = files_sync_dir(dir, err);

    free(dir);
    return rc;
}

int sealed_publish(struct sealed_writer *w, struct mlb_error *err)
{
    int fd = -1, rc = -1;

    if (close_file(w) < 0) {
        hdf5_error(err, "write", w->temporary);
        goto out;
    }
    fd = open(w->temporary, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || write_head(fd) < 0) {
        mlb_error_errno(err, MLB_ERR_IO, "cannot write %s", w->temporary);
        goto out;
    }
    if (rename(w->temporary, w->path) < 0) {
        mlb_error_errno(err, MLB_ERR_IO, "cannot rename %s to %s",
                        w->temporary, w->path);
        goto out;
    }
    rc = sync_parent(w->path, err);
out:
    if (fd >= 0)
        close(fd);
    sealed_abandon(w);
    return rc;
}

void sealed_abandon(struct sealed_writer *w)
{
    if (!w)
        return;
    close_file(w);
    unlink(w->temporary);    /* not there any more once it is published */
    free(w->temporary);
    free(w->path);
    free(w);
}

/* ---- reading ---- */

static int check_head(int fd, struct mlb_error *err)
{
    struct head head;
    struct stat st;
    uint64_t sum;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "not a file");
    ssize_t n = pread(fd, &head, sizeof(head), 0);
    if (n != sizeof(head) ||
        memcmp(head.magic, SEALED_MAGIC, sizeof(head.magic)) != 0)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "not a sealed record");
    if (head.head_sum != XXH3_64bits(&head, offsetof(struct head, head_sum)))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "its head is damaged");
    if (head.version != SEALED_VERSION)
        return mlb_error_set(err, MLB_ERR_UNSUPPORTED, "version %u, which "
                             "this program does not know", head.version);
    if (head.size != (uint64_t)st.st_size)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "it has %lld bytes, not "
                             "%llu as when it was made",
                             (long long)st.st_size,
                             (unsigned long long)head.size);
    if (sum_rest(fd, head.size, &sum) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot be read");
    if (sum != head.sum)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "it is damaged: its "
                             "checksum is wrong");
    return 0;
}

struct sealed *sealed_open(const char *path, struct mlb_error *err)
{
    struct sealed *s = xmalloc(sizeof(*s));
    char name[64];

    be_quiet();
    *s = (struct sealed){ .file = -1, .path = xstrdup(path) };
    s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (s->fd < 0) {
        mlb_error_errno(err, errno == ENOENT ? MLB_ERR_NOT_FOUND
                                             : MLB_ERR_IO,
                        "cannot open %s", path);
        goto fail;
    }
    if (check_head(s->fd, err) < 0) {
        mlb_error_prefix(err, "%s", path);
        goto fail;
    }
    /* The file that was summed, whatever has that name by now. */
    snprintf(name, sizeof(name), "/proc/self/fd/%d", s->fd);
    hid_t access = access_list();
    s->file = H5Fopen(name, H5F_ACC_RDONLY, access);
    H5Pclose(access);
    if (s->file >= 0)
        return s;
    hdf5_error(err, "open", path);
fail:
    sealed_close(s);
    return NULL;
}

void sealed_close(struct sealed *s)
{
    if (!s)
        return;
    if (s->file >= 0)
        H5Fclose(s->file);
    if (s->fd >= 0)
        close(s->fd);
    free(s->path);
    free(s);
}

static bool find_type(hid_t type, struct sealed_array *array)
{
    array->width = 0;
    if (H5Tget_class(type) == H5T_STRING && !H5Tis_variable_str(type)) {
        array->type = SEALED_TEXT;
        array->width = H5Tget_size(type);
    } else if (H5Tequal(type, H5T_STD_I64LE) > 0) {
        array->type = SEALED_I64;
    } else if (H5Tequal(type, H5T_IEEE_F64LE) > 0) {
        array->type = SEALED_F64;
    } else if (H5Tequal(type, H5T_STD_U8LE) > 0) {
        array->type = SEALED_U8;
    } else {
        return false;
    }
    return true;
}

bool sealed_find(const struct sealed *s, const char *name,
                 struct sealed_array *array)
{
    hsize_t shape[2] = { 0, 0 };
    hid_t id = H5Dopen2(s->file, name, H5P_DEFAULT);
    bool found = false;

    if (id < 0)
        return false;
    hid_t type = H5Dget_type(id), space = H5Dget_space(id);
    array->rank = H5Sget_simple_extent_ndims(space);
    if (array->rank >= 1 && array->rank <= 2 &&
        H5Sget_simple_extent_dims(space, shape, NULL) >= 0)
        found = find_type(type, array);
    array->shape[0] = shape[0];
    array->shape[1] = shape[1];
    H5Sclose(space);
    H5Tclose(type);
    H5Dclose(id);
    return found;
}

int sealed_read(const struct sealed *s, const char *name,
                const struct sealed_rows *rows, void *out,
                struct mlb_error *err)
{
    hid_t array = H5Dopen2(s->file, name, H5P_DEFAULT);
    int rc = array < 0 ? -1 : move_rows(array, rows, out, NULL);

    if (array >= 0)
        H5Dclose(array);
    return rc < 0 ? mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: %s cannot be "
                                  "read", s->path, name)
                  : 0;
}

bool sealed_get_attribute(const struct sealed *s, const char *object,
                          const char *name, char *out, size_t size)
{
    hid_t attribute = H5Aopen_by_name(s->file, object, name, H5P_DEFAULT,
                                      H5P_DEFAULT);
    char text[SEALED_TEXT_MOST] = "";
    bool found = false;

    if (attribute >= 0) {
        hid_t type = H5Aget_type(attribute);
        if (H5Tget_class(type) == H5T_STRING && !H5Tis_variable_str(type) &&
            H5Tget_size(type) <= sizeof(text))
            found = H5Aread(attribute, type, text) >= 0;
        H5Tclose(type);
        H5Aclose(attribute);
    }
    snprintf(out, size, "%.*s", (int)(sizeof(text) - 1), found ? text : "");
    return found;
}

static herr_t add_name(hid_t group, const char *name, const H5L_info_t *info,
                       void *to)
{
    (void)group;
    (void)info;
    strings_push(to, name);
    return 0;
}

void sealed_list(const struct sealed *s, const char *group,
                 struct mlb_strings *names)
{
    hid_t id = H5Gopen2(s->file, group, H5P_DEFAULT);

    if (id < 0)
        return;
    H5Literate(id, H5_INDEX_NAME, H5_ITER_INC, NULL, add_name, names);
    H5Gclose(id);
}
