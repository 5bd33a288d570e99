/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a foreign HDF5 file, in a process that may be lost. */
#include "config.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <hdf5.h>

#include "base/files.h"
#include "base/text.h"
#include "store/import_hdf5.h"
#include "store/import_parts.h"
#include "store/layout.h"

#define MEMORY ((rlim_t)2 << 30)  /* beyond what it has at its start */
#define SECONDS 120               /* of the processor, for each batch */
#define CACHE ((uint64_t)1 << 30) /* of MEMORY, for unpacked chunks */
#define MOST_CHUNKS 100000        /* in the cache: places for them cost, too */

struct item {
    hid_t set, type, space;
    struct hdf5_field field;
    uint64_t row_bytes;
};

struct child {
    int out, in;
    hid_t file;
    struct item items[VERSION_MAX_FIELDS];
    size_t count;
    uint64_t cache;               /* bytes that are left of CACHE */
};

static void send_bytes(const struct child *c, const void *bytes, size_t n)
{
    if (files_write_all(c->out, bytes, n) < 0)
        _exit(1);
}

static void send_message(const struct child *c, enum hdf5_type type,
                         uint64_t count)
{
    const struct hdf5_message m = { type, count };

    send_bytes(c, &m, sizeof(m));
}

static void send_text(const struct child *c, enum hdf5_type type,
                      const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void send_text(const struct child *c, enum hdf5_type type,
                      const char *format, ...)
{
    char text[HDF5_MAX_TEXT];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    send_message(c, type, strlen(text));
    send_bytes(c, text, strlen(text));
}

static void set_limits(void)
{
    struct rlimit limit;
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f) {
        if (fscanf(f, "%lu", &pages) != 1)
            pages = 0;
        fclose(f);
    }
    rlim_t most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + MEMORY;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur > most) {
        limit.rlim_cur = most;
        setrlimit(RLIMIT_AS, &limit);
    }
    limit = (struct rlimit){ 0, 0 };
    setrlimit(RLIMIT_CORE, &limit);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Ten batches may take long, one may not. */
static void allow_time(void)
{
    struct rusage used;
    struct rlimit limit;

    if (getrusage(RUSAGE_SELF, &used) < 0 ||
        getrlimit(RLIMIT_CPU, &limit) < 0)
        return;
    rlim_t until = (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                   SECONDS;
    limit.rlim_cur = until < limit.rlim_max ? until : limit.rlim_max;
    setrlimit(RLIMIT_CPU, &limit);
}

/* A float type by the places of its parts; 0: none of ours. */
static enum mlb_dtype float_dtype(hid_t type)
{
    size_t sign, at, bits, low, mantissa;
    size_t size = H5Tget_size(type), bias = H5Tget_ebias(type);
    static const struct {
        size_t size, bits, bias;
        enum mlb_dtype dtype;
    } known[] = {
        { 8, 11, 1023, MLB_F64 }, { 4, 8, 127, MLB_F32 },
        { 2, 5, 15, MLB_F16 },    { 2, 8, 127, MLB_BF16 },
        { 1, 5, 15, MLB_E5M2 },
    };

    if (H5Tget_fields(type, &sign, &at, &bits, &low, &mantissa) < 0)
        return 0;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (size == known[i].size && bits == known[i].bits &&
            bias == known[i].bias && sign == 8 * size - 1 &&
            at == sign - bits && low == 0 && mantissa == at)
            return known[i].dtype;
    return 0;
}

static enum mlb_dtype whole_dtype(hid_t type)
{
    bool sign = H5Tget_sign(type) == H5T_SGN_2;

    if (H5Tget_precision(type) != 8 * H5Tget_size(type))
        return 0;
    switch (H5Tget_size(type)) {
    case 1:
        return sign ? MLB_I8 : MLB_U8;
    case 2:
        return sign ? MLB_I16 : MLB_U16;
    case 4:
        return sign ? MLB_I32 : MLB_U32;
    case 8:
        return sign ? MLB_I64 : MLB_U64;
    default:
        return 0;
    }
}

/* h5py's bool: FALSE and TRUE over one byte. */
static enum mlb_dtype enum_dtype(hid_t type)
{
    signed char value = -1;

    return H5Tget_size(type) == 1 && H5Tget_nmembers(type) == 2 &&
                   H5Tenum_valueof(type, "FALSE", &value) >= 0 &&
                   value == 0 &&
                   H5Tenum_valueof(type, "TRUE", &value) >= 0 && value == 1
               ? MLB_BOOL : 0;
}

static enum mlb_dtype complex_dtype(hid_t type)
{
    enum mlb_dtype parts[2] = { 0, 0 };

    if (H5Tget_nmembers(type) != 2 || H5Tget_member_index(type, "r") != 0 ||
        H5Tget_member_index(type, "i") != 1)
        return 0;
    for (unsigned i = 0; i < 2; i++) {
        hid_t member = H5Tget_member_type(type, i);
        if (member >= 0 && H5Tget_class(member) == H5T_FLOAT)
            parts[i] = float_dtype(member);
        H5Tclose(member);
    }
    if (parts[0] != parts[1])
        return 0;
    return parts[0] == MLB_F32   ? MLB_C64
           : parts[0] == MLB_F64 ? MLB_C128 : 0;
}

/* Members r and i one behind the other. */
static hid_t packed_complex(hid_t part, size_t size)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, 2 * size);

    H5Tinsert(type, "r", 0, part);
    H5Tinsert(type, "i", size, part);
    return type;
}

/* The element type, and in *memory how it is to be read. */
static enum mlb_dtype get_type(hid_t set, hid_t *memory)
{
    hid_t type = H5Dget_type(set);
    H5T_class_t class = H5Tget_class(type);
    enum mlb_dtype dtype = class == H5T_INTEGER    ? whole_dtype(type)
                           : class == H5T_FLOAT    ? float_dtype(type)
                           : class == H5T_ENUM     ? enum_dtype(type)
                           : class == H5T_COMPOUND ? complex_dtype(type) : 0;

    if (dtype == MLB_C64) {
        *memory = packed_complex(H5T_IEEE_F32LE, 4);
    } else if (dtype == MLB_C128) {
        *memory = packed_complex(H5T_IEEE_F64LE, 8);
    } else {
        *memory = H5Tcopy(type);
        if (dtype && class != H5T_ENUM)
            H5Tset_order(*memory, H5T_ORDER_LE);
    }
    H5Tclose(type);
    return dtype;
}

/* Why the data of a set are not to be read, or NULL. */
static const char *refuse_storage(hid_t set)
{
    hid_t list = H5Dget_create_plist(set);
    const char *why = NULL;

    if (list < 0)
        return "cannot be read";
    if (H5Pget_external_count(list) != 0)
        why = "its data are in another file (external storage)";
    else if (H5Pget_layout(list) == H5D_VIRTUAL)
        why = "its data are in other files (a virtual data set)";
    int filters = H5Pget_nfilters(list);
    for (int i = 0; !why && i < filters; i++) {
        unsigned flags, config;
        size_t none = 0;
        H5Z_filter_t id = H5Pget_filter2(list, (unsigned)i, &flags, &none,
                                         NULL, 0, NULL, &config);
        if (id != H5Z_FILTER_DEFLATE && id != H5Z_FILTER_SHUFFLE &&
            id != H5Z_FILTER_FLETCHER32)
            why = "it uses a filter other than deflate, shuffle and "
                  "fletcher32: write it anew without, as by h5repack";
    }
    H5Pclose(list);
    return why;
}

/* Does each part of the path lead on in this file? */
static const char *refuse_links(hid_t file, const char *path)
{
    char part[HDF5_MAX_TEXT];
    H5L_info_t info;

    if (strlen(path) >= sizeof(part))
        return "a name that is too long";
    for (size_t i = 1; i <= strlen(path); i++) {
        if ((path[i] != '/' && path[i] != '\0') || path[i - 1] == '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (H5Lget_info(file, part, &info, H5P_DEFAULT) < 0)
            return "there is no data set of that name";
        if (info.type != H5L_TYPE_HARD)
            return "it is a link to somewhere else, and only data in the "
                   "file itself are imported";
    }
    return NULL;
}

/* Bytes of all chunks that a row lies in, and how many they are; 0: there
 * are none, or too many. */
static uint64_t chunks_of_row(hid_t set, size_t *count)
{
    hsize_t dims[H5S_MAX_RANK] = { 0 }, chunk[H5S_MAX_RANK] = { 0 };
    hid_t list = H5Dget_create_plist(set), space = H5Dget_space(set);
    hid_t type = H5Dget_type(set);
    int rank = H5Sget_simple_extent_dims(space, dims, NULL);
    uint64_t bytes = H5Tget_size(type);

    if (rank < 1 || H5Pget_layout(list) != H5D_CHUNKED ||
        H5Pget_chunk(list, rank, chunk) != rank)
        bytes = 0;
    *count = 1;
    for (int i = 0; i < rank && bytes > 0; i++) {
        uint64_t n = i == 0 || chunk[i] == 0
                         ? 1 : (dims[i] + chunk[i] - 1) / chunk[i];
        if (chunk[i] == 0 || n > CACHE / chunk[i] ||
            n * chunk[i] > CACHE / bytes) {
            bytes = 0;
            break;
        }
        bytes *= n * chunk[i];
        *count *= n;
    }
    if (*count > MOST_CHUNKS)
        bytes = 0;
    H5Tclose(type);
    H5Sclose(space);
    H5Pclose(list);
    return bytes;
}

/* Open a data set with room for the chunks that a row lies in: they would
 * else be read and unpacked again for each few rows. */
static hid_t open_set(struct child *c, const char *path)
{
    hid_t set = H5Dopen2(c->file, path, H5P_DEFAULT);
    size_t count = 0;
    uint64_t bytes = set < 0 ? 0 : chunks_of_row(set, &count);

    if (bytes == 0 || bytes > c->cache)
        return set;
    c->cache -= bytes;
    hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
    /* 1: chunks that were read to their end go first. */
    H5Pset_chunk_cache(access, 10 * count + 1, bytes, 1);
    H5Dclose(set);
    set = H5Dopen2(c->file, path, access);
    H5Pclose(access);
    return set;
}

/* The name of the field: what was asked for, or the path's last part. */
static const char *field_name(const char *wanted, const char *path, char *out,
                              size_t size)
{
    const char *last = strrchr(path, '/');

    if (path > wanted)
        snprintf(out, size, "%.*s", (int)(path - wanted - 1), wanted);
    else
        snprintf(out, size, "%s", last ? last + 1 : path);
    return manifest_name_ok(out)
               ? NULL : "its name is none for a field (a letter, then "
                        "letters, digits, '_', '-', '.'): say "
                        "--field=NAME=PATH";
}

/* What it holds into item; why not, or NULL. */
static const char *describe(struct item *item)
{
    hsize_t dims[H5S_MAX_RANK] = { 0 };
    struct hdf5_field *f = &item->field;

    item->space = H5Dget_space(item->set);
    int rank = H5Sget_simple_extent_ndims(item->space);
    if (rank < 1)
        return "a single value, not an array with rows";
    if (rank > MLB_MAX_RANK)
        return "more than 8 dimensions";
    H5Sget_simple_extent_dims(item->space, dims, NULL);
    f->rank = (uint32_t)rank;
    for (int i = 0; i < rank; i++)
        f->shape[i] = dims[i];
    f->dtype = (uint32_t)get_type(item->set, &item->type);
    if (!f->dtype)
        return "its elements are no numbers of a kind that is known (--field "
               "names what is to be imported)";
    if (layout_array_bytes((enum mlb_dtype)f->dtype, rank - 1, f->shape + 1,
                           &item->row_bytes, NULL) < 0 ||
        item->row_bytes > IMPORT_MAX_ROW)
        return "rows of more than 1 GiB";
    return NULL;
}

/* wanted: PATH or NAME=PATH. */
static void add_set(struct child *c, const char *wanted)
{
    const char *equals = strchr(wanted, '=');
    const char *path = equals ? equals + 1 : wanted;
    struct item item = { .set = -1, .type = -1, .space = -1 };
    const char *why = c->count == VERSION_MAX_FIELDS ? "too many fields"
                                                     : NULL;

    if (!why)
        why = refuse_links(c->file, path);
    if (!why && (item.set = open_set(c, path)) < 0)
        why = "not a data set that can be opened";
    if (!why)
        why = refuse_storage(item.set);
    if (!why)
        why = describe(&item);
    if (!why)
        why = field_name(wanted, path, item.field.name,
                         sizeof(item.field.name));
    if (why)
        send_text(c, HDF5_PROBLEM, "%s: %s", path, why);
    else
        c->items[c->count++] = item;
}

/* What an object is that has no rows, or NULL. */
static const char *left_out(hid_t object)
{
    H5I_type_t type = object >= 0 ? H5Iget_type(object) : H5I_BADID;

    if (type == H5I_GROUP)
        return "a group (what is in it is imported by --field=PATH)";
    if (type == H5I_DATATYPE)
        return "a type";
    if (type != H5I_DATASET)
        return NULL;
    hid_t space = H5Dget_space(object);
    int rank = H5Sget_simple_extent_ndims(space);
    H5Sclose(space);
    return rank == 0 ? "a single value" : NULL;
}

/* All data sets at the top; what is none is told. */
static void add_top(struct child *c)
{
    H5G_info_t group;
    char name[HDF5_MAX_TEXT];
    H5L_info_t info;

    if (H5Gget_info(c->file, &group) < 0)
        return;
    for (hsize_t i = 0; i < group.nlinks; i++) {
        if (H5Lget_name_by_idx(c->file, ".", H5_INDEX_NAME, H5_ITER_INC, i,
                               name, sizeof(name), H5P_DEFAULT) < 0 ||
            H5Lget_info(c->file, name, &info, H5P_DEFAULT) < 0) {
            send_text(c, HDF5_PROBLEM, "a damaged list of data sets");
            return;
        }
        hid_t object = info.type == H5L_TYPE_HARD
                           ? H5Oopen(c->file, name, H5P_DEFAULT) : -1;
        const char *what = left_out(object);
        H5Oclose(object);
        if (what)
            send_text(c, HDF5_SAY, "%s: %s: left out", name, what);
        else
            add_set(c, name);
    }
}

static void send_rows(const struct child *c, uint64_t first, uint64_t count,
                      unsigned char *buffer)
{
    send_message(c, HDF5_ROWS, count);
    for (size_t i = 0; i < c->count; i++) {
        const struct item *item = &c->items[i];
        hsize_t start[MLB_MAX_RANK] = { first }, size[MLB_MAX_RANK];
        for (uint32_t d = 0; d < item->field.rank; d++)
            size[d] = d == 0 ? count : item->field.shape[d];
        hid_t memory = H5Screate_simple((int)item->field.rank, size, NULL);
        if (H5Sselect_hyperslab(item->space, H5S_SELECT_SET, start, NULL,
                                size, NULL) < 0 ||
            H5Dread(item->set, item->type, memory, item->space, H5P_DEFAULT,
                    buffer) < 0)
            _exit(2);
        H5Sclose(memory);
        send_bytes(c, buffer, count * item->row_bytes);
    }
}

static void send_all(struct child *c)
{
    uint64_t rows = c->items[0].field.shape[0], first = 0, widest = 1;

    for (size_t i = 0; i < c->count; i++)
        if (c->items[i].row_bytes > widest)
            widest = c->items[i].row_bytes;
    uint64_t most = widest < IMPORT_BATCH ? IMPORT_BATCH / widest : 1;
    unsigned char *buffer = xmalloc(most * widest);
    if (read(c->in, &first, sizeof(first)) != sizeof(first))
        _exit(1);
    for (; first < rows; first += most) {
        allow_time();
        send_rows(c, first, rows - first < most ? rows - first : most,
                  buffer);
    }
    send_message(c, HDF5_END, 0);
}

_Noreturn void hdf5_child(const char *path, char *const *wanted, int out,
                          int in)
{
    struct child *c = xcalloc(1, sizeof(*c));

    c->out = out;
    c->in = in;
    c->cache = CACHE;
    set_limits();
    allow_time();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5PLset_loading_state(0);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
#if H5_VERSION_GE(1, 10, 7)
    H5Pset_file_locking(access, false, true);
#endif
    c->file = H5Fopen(path, H5F_ACC_RDONLY, access);
    if (c->file < 0) {
        send_text(c, HDF5_ERROR, "not an HDF5 file, or a damaged one");
        _exit(0);
    }
    for (size_t i = 0; wanted && wanted[i]; i++)
        add_set(c, wanted[i]);
    if (!wanted || !wanted[0])
        add_top(c);
    for (size_t i = 0; i < c->count; i++) {
        send_message(c, HDF5_FIELD, 1);
        send_bytes(c, &c->items[i].field, sizeof(c->items[i].field));
    }
    send_message(c, HDF5_BEGIN, 0);
    if (c->count > 0)
        send_all(c);
    _exit(0);
}
