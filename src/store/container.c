/* SPDX-License-Identifier: BSD-3-Clause */
/* The only file that knows libhdf5. It makes the structure of a file;
 * reader.c and commit.c do the rest without. Contiguous arrays only, no
 * filters, links, references or strings of variable length: the subset that
 * libhdf5 reads without trouble even where a file is damaged. */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hdf5.h>

#include "store/container.h"
#include "store/layout.h"
#include "store/structure.h"

#define METADATA_PER_ARRAY 1024   /* about what header and links take */

struct handles {
    hid_t file, access, creation, array, links;
};

/* The innermost entry of the error stack is the one that says what broke. */
static herr_t keep_first(unsigned n, const H5E_error2_t *entry, void *to)
{
    if (n == 0 && entry->desc)
        *(const char **)to = entry->desc;
    return 0;
}

/* libhdf5's own words span lines and hide the one thing that helps a user,
 * the error of the system, in their middle. */
static int hdf5_error(struct mlb_error *err, const char *what,
                      const char *name)
{
    const char *reason = "unknown reason";
    int number;

    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &reason);
    const char *system = strstr(reason, "errno = ");
    if (system && sscanf(system, "errno = %d", &number) == 1)
        return mlb_error_set(err, MLB_ERR_IO, "cannot %s %s: %s", what, name,
                             strerror(number));
    return mlb_error_set(err, MLB_ERR_IO, "HDF5 cannot %s %s: %.*s", what,
                         name, (int)strcspn(reason, "\n"), reason);
}

/* A float of so many bits, so many of them exponent; as IEEE else. */
static hid_t small_float(size_t bits, size_t exponent_bits, size_t bias)
{
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    size_t mantissa = bits - 1 - exponent_bits;

    if (type >= 0 &&
        (H5Tset_fields(type, bits - 1, mantissa, exponent_bits, 0,
                       mantissa) < 0 ||
         H5Tset_precision(type, bits) < 0 || H5Tset_size(type, bits / 8) < 0 ||
         H5Tset_ebias(type, bias) < 0)) {
        H5Tclose(type);
        type = -1;
    }
    return type;
}

/* Members r and i, which h5py takes for a complex number. */
static hid_t complex_type(hid_t part, size_t bytes)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, 2 * bytes);

    if (type >= 0 && (H5Tinsert(type, "r", 0, part) < 0 ||
                      H5Tinsert(type, "i", bytes, part) < 0)) {
        H5Tclose(type);
        type = -1;
    }
    return type;
}

/* struct layout_entry, so that h5dump shows the index field by field. */
static hid_t entry_type(void)
{
    hsize_t dims = MLB_MAX_RANK;
    hid_t shape = H5Tarray_create2(H5T_STD_U64LE, 1, &dims);
    hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(struct layout_entry));
    const struct {
        const char *name;
        size_t at;
        hid_t type;
    } members[] = {
        { "name_at", offsetof(struct layout_entry, name_at), H5T_STD_U32LE },
        { "name_length", offsetof(struct layout_entry, name_length),
          H5T_STD_U16LE },
        { "dtype", offsetof(struct layout_entry, dtype), H5T_STD_U8LE },
        { "rank", offsetof(struct layout_entry, rank), H5T_STD_U8LE },
        { "shape", offsetof(struct layout_entry, shape), shape },
        { "offset", offsetof(struct layout_entry, offset), H5T_STD_U64LE },
        { "bytes", offsetof(struct layout_entry, bytes), H5T_STD_U64LE },
        { "first_block", offsetof(struct layout_entry, first_block),
          H5T_STD_U64LE },
    };

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        if (type >= 0 && H5Tinsert(type, members[i].name, members[i].at,
                                   members[i].type) < 0) {
            H5Tclose(type);
            type = -1;
        }
    if (shape >= 0)
        H5Tclose(shape);
    return type;
}

/* The HDF5 type of an element, to be closed. */
static hid_t element_type(enum mlb_dtype dtype)
{
    switch (dtype) {
    case MLB_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case MLB_F32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case MLB_F16:
        return small_float(16, 5, 15);
    case MLB_BF16:
        return small_float(16, 8, 127);
    case MLB_I64:
        return H5Tcopy(H5T_STD_I64LE);
    case MLB_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case MLB_I16:
        return H5Tcopy(H5T_STD_I16LE);
    case MLB_I8:
        return H5Tcopy(H5T_STD_I8LE);
    case MLB_U64:
        return H5Tcopy(H5T_STD_U64LE);
    case MLB_U32:
        return H5Tcopy(H5T_STD_U32LE);
    case MLB_U16:
        return H5Tcopy(H5T_STD_U16LE);
    case MLB_E5M2:
        return small_float(8, 5, 15);
    case MLB_C64:
        return complex_type(H5T_IEEE_F32LE, 4);
    case MLB_C128:
        return complex_type(H5T_IEEE_F64LE, 8);
    case MLB_U8:
    case MLB_BOOL:
    case MLB_E4M3:         /* whose largest numbers HDF5 has no form for */
        return H5Tcopy(H5T_STD_U8LE);
    }
    return entry_type();
}

static int add_array(const struct handles *h, struct structure_array *array,
                     struct mlb_error *err)
{
    hsize_t dims[MLB_MAX_RANK];
    hid_t type = -1, space = -1, set = -1;
    haddr_t offset = HADDR_UNDEF;
    int rc = -1;

    for (int i = 0; i < array->rank; i++)
        dims[i] = array->shape[i];
    type = element_type(array->dtype);
    space = array->rank > 0 ? H5Screate_simple(array->rank, dims, NULL)
                            : H5Screate(H5S_SCALAR);
    if (type < 0 || space < 0)
        goto out;
    set = H5Dcreate2(h->file, array->name, type, space, h->links, h->array,
                     H5P_DEFAULT);
    if (set < 0)
        goto out;
    if (array->bytes > 0)
        offset = H5Dget_offset(set);
    array->offset = offset == HADDR_UNDEF ? 0 : offset;
    if (array->bytes == 0 || array->offset > 0)
        rc = 0;
out:
    if (rc < 0)
        hdf5_error(err, "make array", array->name);
    if (set >= 0)
        H5Dclose(set);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    return rc;
}

static int add_attribute(hid_t file, const char *name, unsigned value)
{
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(file, name, H5T_STD_U32LE, space,
                                 H5P_DEFAULT, H5P_DEFAULT);
    int rc = attribute < 0 ||
             H5Awrite(attribute, H5T_NATIVE_UINT, &value) < 0 ? -1 : 0;

    if (attribute >= 0)
        H5Aclose(attribute);
    if (space >= 0)
        H5Sclose(space);
    return rc;
}

static int set_properties(const struct handles *h, hsize_t metadata,
                          hsize_t small)
{
    /* All metadata in one piece in front, all small arrays in a second. */
    if (H5Pset_libver_bounds(h->access, H5F_LIBVER_V18, H5F_LIBVER_V110) < 0 ||
        H5Pset_alignment(h->access, LAYOUT_ALIGN, LAYOUT_ALIGN) < 0 ||
        H5Pset_meta_block_size(h->access, metadata) < 0 ||
        H5Pset_small_data_block_size(h->access, small) < 0 ||
        H5Pset_userblock(h->creation, LAYOUT_USER_BLOCK) < 0)
        return -1;
#if H5_VERSION_GE(1, 10, 7)
    /* Nobody else knows the name, and some file systems cannot lock. */
    if (H5Pset_file_locking(h->access, false, true) < 0)
        return -1;
#endif
    if (H5Pset_layout(h->array, H5D_CONTIGUOUS) < 0 ||
        H5Pset_alloc_time(h->array, H5D_ALLOC_TIME_EARLY) < 0 ||
        H5Pset_fill_time(h->array, H5D_FILL_TIME_NEVER) < 0 ||
        H5Pset_obj_track_times(h->array, false) < 0 ||
        H5Pset_create_intermediate_group(h->links, 1) < 0 ||
        H5Pset_char_encoding(h->links, H5T_CSET_UTF8) < 0)
        return -1;
    return 0;
}

static bool is_small(const struct structure_array *array)
{
    return array->bytes < LAYOUT_ALIGN;
}

/* Small arrays first and those with the widest elements before the others:
 * packed one after the other they are aligned to their elements then. */
static int by_placing(const void *a, const void *b)
{
    const struct structure_array *x = *(struct structure_array *const *)a;
    const struct structure_array *y = *(struct structure_array *const *)b;
    size_t x_size = x->dtype ? mlb_dtype_size(x->dtype) : 8;
    size_t y_size = y->dtype ? mlb_dtype_size(y->dtype) : 8;

    if (is_small(x) != is_small(y))
        return is_small(x) ? -1 : 1;
    if (is_small(x) && x_size != y_size)
        return x_size > y_size ? -1 : 1;
    return (x > y) - (x < y);
}

static hsize_t round_up(hsize_t bytes)
{
    return (bytes / LAYOUT_ALIGN + 1) * LAYOUT_ALIGN;
}

static int fill_file(struct handles *h, const char *path,
                     struct structure_array **order, size_t count,
                     struct mlb_error *err)
{
    hsize_t metadata = LAYOUT_ALIGN, small = 0;

    for (size_t i = 0; i < count; i++) {
        metadata += METADATA_PER_ARRAY + strlen(order[i]->name);
        small += is_small(order[i]) ? order[i]->bytes : 0;
    }
    if (set_properties(h, round_up(metadata), round_up(small)) < 0)
        return hdf5_error(err, "prepare", path);
    h->file = H5Fcreate(path, H5F_ACC_EXCL, h->creation, h->access);
    if (h->file < 0)
        return hdf5_error(err, "create", path);
    for (size_t i = 0; i < count; i++)
        if (add_array(h, order[i], err) < 0)
            return -1;
    return 0;
}

/* Close all. H5Fclose says yes even where the disk was full, so a flush is
 * asked for first, which does not. */
static int close_all(struct handles *h, const char *path, bool flush,
                     struct mlb_error *err)
{
    int rc = 0;

    if (h->file >= 0) {
        if (flush && H5Fflush(h->file, H5F_SCOPE_GLOBAL) < 0)
            rc = hdf5_error(err, "write", path);
        if (H5Fclose(h->file) < 0 && flush && rc == 0)
            rc = hdf5_error(err, "close", path);
    }
    hid_t lists[] = { h->access, h->creation, h->array, h->links };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if (lists[i] >= 0)
            H5Pclose(lists[i]);
    return rc;
}

static int create_file(const char *path, enum container_kind kind,
                       struct structure_array **order, size_t count,
                       struct mlb_error *err)
{
    struct handles h = {
        .file = -1,
        .access = H5Pcreate(H5P_FILE_ACCESS),
        .creation = H5Pcreate(H5P_FILE_CREATE),
        .array = H5Pcreate(H5P_DATASET_CREATE),
        .links = H5Pcreate(H5P_LINK_CREATE),
    };
    int rc = -1;

    if (h.access < 0 || h.creation < 0 || h.array < 0 || h.links < 0)
        hdf5_error(err, "prepare", path);
    else
        rc = fill_file(&h, path, order, count, err);
    if (rc == 0 && (add_attribute(h.file, "mlbatch_profile",
                                  LAYOUT_VERSION) < 0 ||
                    add_attribute(h.file, "mlbatch_kind", kind) < 0))
        rc = hdf5_error(err, "write", path);
    if (close_all(&h, path, rc == 0, err) < 0)
        rc = -1;
    return rc;
}

int structure_create(const char *path, enum container_kind kind,
                     struct structure_array *arrays, size_t count,
                     struct mlb_error *err)
{
    /* Not every libhdf5 is built for threads. */
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    struct structure_array **order = calloc(count, sizeof(arrays));
    H5E_auto2_t print = NULL;
    void *print_to = NULL;

    if (!order)
        return mlb_error_set(err, MLB_ERR_IO, "out of memory");
    for (size_t i = 0; i < count; i++)
        order[i] = &arrays[i];
    qsort(order, count, sizeof(struct structure_array *), by_placing);
    pthread_mutex_lock(&one_at_a_time);
    /* The program may use libhdf5 itself and want its messages. */
    H5Eget_auto2(H5E_DEFAULT, &print, &print_to);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    int rc = create_file(path, kind, order, count, err);
    H5Eset_auto2(H5E_DEFAULT, print, print_to);
    pthread_mutex_unlock(&one_at_a_time);
    free(order);
    return rc;
}

const char *container_hdf5_version(void)
{
    static char version[32];
    unsigned major = 0, minor = 0, release = 0;

    H5get_libversion(&major, &minor, &release);
    snprintf(version, sizeof(version), "%u.%u.%u", major, minor, release);
    return version;
}
