/* SPDX-License-Identifier: BSD-3-Clause */
/* Importing npy, npz, IDX, tokens and HDF5: what comes out, and what is said
 * of bad ones. */
#include "config.h"

#include "import_fixture.h"

#include <signal.h>

static void npy_files_come_in(void **state)
{
    static const unsigned char turned[] = { 0x3f, 0x80, 0, 0, 0x40, 0, 0, 0 };
    static const float two[] = { 1, 2 };
    static const int64_t labels[] = { 7, 8, 9 };
    struct import_options o = { .source = source_in(state, "x.npy") };

    for (int version = 1; version <= 3; version++) {
        put_npy(o.source, version, SIX, six, sizeof(six));
        struct outcome out = good(state, o);
        assert_array(&out, "/fields/x", six, sizeof(six));
        assert_int_equal(out.result.existed, version > 1);
        done(&out);
    }
    put_npy(o.source, 1, HEADER(">f4", "False", "(2,)"), turned, 8);
    struct outcome out = good(state, o);
    assert_array(&out, "/fields/x", two, sizeof(two));
    done(&out);
    put_npy(o.source, 1, SIX, six, sizeof(six));
    put_npy(in(state, "y.npy"), 1, HEADER("<i8", "False", "(3,)"), labels,
            sizeof(labels));
    o.label = in(state, "y.npy");
    out = good(state, o);
    assert_array(&out, "/fields/y", labels, sizeof(labels));
    done(&out);
}

static void bad_npy_files_are_refused(void **state)
{
    static const struct {
        const char *header, *text;
        size_t bytes;
    } cases[] = {
        { HEADER("<f4", "True", "(3, 2)"), "Fortran", 24 },
        { HEADER("|O", "False", "(3,)"), "only numbers", 24 },
        { HEADER("<U4", "False", "(3,)"), "only numbers", 24 },
        { HEADER("f4", "False", "(3,)"), "only numbers", 24 },
        { "{'descr': [('a', '<f4')], 'shape': (3,)}", "records", 24 },
        { HEADER("<f4", "False", "()"), "single number", 4 },
        { HEADER("<f4", "False", "(0, 2)"), "no rows", 0 },
        { HEADER("<f4", "False", "(3, 0)"), "holds nothing", 0 },
        { HEADER("<f4", "False", "(4, 2)"), "ends in row 3", 24 },
        { HEADER("<f4", "False", "(2, 2)"), "goes on after", 24 },
        { HEADER("<f4", "False", "(3, 100000000)"), "ends in row 0", 24 },
        { HEADER("<f4", "False", "(3, 2"), "damaged header", 24 },
        { HEADER("<f4", "False", "(3, -2)"), "damaged header", 24 },
        { HEADER("<f4", "Maybe", "(3, 2)"), "damaged header", 24 },
        { HEADER("<f4", "False", "(3, 99999999999999999999999)"),
          "no array has", 24 },
        { HEADER("<f4", "False", "(3, 4611686018427387904)"), "2^62", 24 },
        { HEADER("<f4", "False", "(3, 1073741824)"), "1 GiB", 24 },
        { HEADER("<f4", "False", "(1,1,1,1,1,1,1,1,1)"), "8 dimensions", 4 },
        { HEADER("|b1", "False", "(6,)"), "only 0 and 1", 6 },
        { "{'descr': '<f4'", "damaged header", 0 },
        { "", "damaged header", 0 },
    };
    struct import_options o = { .source = source_in(state, "x.npy") };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put_npy(o.source, 1, cases[i].header, "\1\2\3\4\5\6\7\10" "12345678"
                "12345678", cases[i].bytes);
        bad(state, o, cases[i].text);
    }
    put_npy(o.source, 4, SIX, six, sizeof(six));
    bad(state, o, "version 4");
    put_file(o.source, "\x93NUMPY\1\0\xff\xff", 10);
    bad(state, o, "ends in its header");
    put_file(o.source, "", 0);
    bad(state, o, "not an npy file");
    put_npy(o.source, 1, SIX, six, sizeof(six));
    put_npy(in(state, "y.npy"), 1, HEADER("<f4", "False", "(2,)"), six, 8);
    o.label = in(state, "y.npy");
    bad(state, o, "first axis");
    bad(state, (struct import_options){ .source = source_in(state, "x.npy"),
                                        .format = "npz" }, "archive");
}

static void npz_members_are_fields(void **state)
{
    struct mlb_text a = MLB_TEXT_INIT, b = MLB_TEXT_INIT;
    struct import_options o = { .source = source_in(state, "a.npz") };

    add_npy(&a, 1, SIX, six, sizeof(six));
    add_npy(&b, 1, HEADER("|u1", "False", "(3,)"), "abc", 3);
    const struct member members[] = { { "pixels.npy", a.data, a.length },
                                      { "kind.npy", b.data, b.length },
                                      { "other.txt", "x", 1 },
                                      { "a/b.npy", b.data, b.length } };
    put_archive(o.source, true, members, 2);
    struct outcome out = good(state, o);
    assert_array(&out, "/fields/pixels", six, sizeof(six));
    assert_array(&out, "/fields/kind", "abc", 3);
    done(&out);
    assert_int_equal(files_remove_tree(in(state, "datasets"), NULL), 0);
    put_archive(o.source, true, members, 3);
    bad(state, o, "other.txt");
    put_archive(o.source, true, members + 3, 1);
    bad(state, o, "not a name for a field: \"a/b\"");
    assert_int_equal(truncate(o.source, 40), 0);
    bad(state, o, "archive");
    text_clear(&a);
    text_clear(&b);
}

static void idx_files_come_in(void **state)
{
    static const char images[] = "\0\0\x08\3\0\0\0\2\0\0\0\1\0\0\0\2" "abcd";
    static const char labels[] = "\0\0\x0b\1\0\0\0\2" "\1\2\3\4";
    static const int16_t turned[] = { 0x0102, 0x0304 };
    struct import_options o = { .source = xstrdup(in(state, "images-idx3-"
                                                            "ubyte")) };

    put_file(o.source, images, 20);
    put_file(in(state, "labels-idx1-ubyte"), labels, 12);
    o.label = in(state, "labels-idx1-ubyte");
    for (int i = 0; i < 2; i++) {
        struct outcome out = good(state, o);
        assert_array(&out, "/fields/x", "abcd", 4);
        assert_array(&out, "/fields/y", turned, 4);
        assert_int_equal(out.result.existed, i);
        done(&out);
        free((char *)(uintptr_t)o.source);
        o = (struct import_options){ .source = xstrdup(*state) };
    }
    put_file(in(state, "more-images-ubyte"), images, 20);
    assert_int_equal(files_remove_tree(in(state, "datasets"), NULL), 0);
    bad(state, o, "name one file");
    free((char *)(uintptr_t)o.source);
    o.source = source_in(state, "images-idx3-ubyte");
    put_file(o.source, images, 19);
    bad(state, o, "ends in row 1");
    put_file(o.source, images, 14);
    bad(state, o, "ends in its header");
    put_file(o.source, "\0\0\x0a\1", 4);
    bad(state, o, "not an IDX file");
    put_file(o.source, "\0\0\x08\0", 4);
    bad(state, o, "0 dimensions");
}

static void tokens_come_in(void **state)
{
    static const uint16_t ids[] = { 5, 0, 1, 2, 0, 7, 9 };
    static const uint64_t offsets[] = { 0, 2, 5, 7 };
    struct import_options o = { .source = source_in(state, "t.bin"),
                                .dtype = MLB_U16, .length = 3 };

    put_file(o.source, ids, sizeof(ids));
    struct outcome out = good(state, o);
    assert_array(&out, "/fields/tokens", ids, 12);
    assert_has(out.said.data, "1 tokens at the end do not fill a row of 3");
    done(&out);
    o.length = 0;
    o.separator = "0";
    out = good(state, o);
    assert_array(&out, "/fields/tokens/data", ids, sizeof(ids));
    assert_array(&out, "/fields/tokens/offsets", offsets, sizeof(offsets));
    done(&out);
    assert_int_equal(files_remove_tree(in(state, "datasets"), NULL), 0);
    o.separator = "65536";
    bad(state, o, "not an id of type u16");
    o.separator = "0";
    o.length = 5;
    bad(state, o, "--length=N or --separator=ID");
    o.separator = NULL;
    o.dtype = 0;
    bad(state, o, "--dtype=u16");
    o.dtype = MLB_U32;
    bad(state, o, "in the middle of a token");
    o.dtype = MLB_U16;
    o.length = 100;
    bad(state, o, "no rows");
    /* An npy file of any name; its header tells the type. */
    put_npy(o.source, 1, HEADER("<u2", "False", "(7,)"), ids, sizeof(ids));
    o.length = 7;
    out = good(state, o);
    assert_array(&out, "/fields/tokens", ids, sizeof(ids));
    done(&out);
    assert_int_equal(files_remove_tree(in(state, "datasets"), NULL), 0);
    put_npy(o.source, 1, HEADER("<u2", "False", "(8,)"), ids, sizeof(ids));
    bad(state, o, "there are fewer");
    put_npy(o.source, 1, HEADER("<u2", "False", "(6,)"), ids, sizeof(ids));
    bad(state, o, "there are more");
    put_npy(o.source, 1, HEADER("<f4", "False", "(3,)"), six, 12);
    bad(state, o, "one axis of whole numbers");
}

/* Our own files are HDF5 files. */
static void hdf5_files_come_in(void **state)
{
    char *const both[] = { "/data/small", "b=data/big", NULL };
    char *const one[] = { "s=/data/small", NULL };
    struct import_options o = { .source = xstrdup(in(state, "f.h5")),
                                .fields = one };

    make_sample(o.source);
    struct outcome out = good(state, o);
    assert_array(&out, "/fields/s", small, sizeof(small));
    done(&out);
    o.fields = (char *const[]){ "big=/data/big", NULL };
    out = good(state, o);
    assert_array(&out, "/fields/big", big, sizeof(big));
    done(&out);
    assert_int_equal(files_remove_tree(in(state, "datasets"), NULL), 0);
    o.fields = both;
    bad(state, o, "name by --field those that belong together");
    o.fields = (char *const[]){ "/data/none", NULL };
    bad(state, o, "no data set of that name");
    o.fields = (char *const[]){ "/data", NULL };
    bad(state, o, "not a data set");
    o.fields = (char *const[]){ "/index", NULL };
    bad(state, o, "no numbers");
    assert_int_equal(truncate(o.source, 5000), 0);
    bad(state, o, "not an HDF5 file, or a damaged one");
    free((char *)(uintptr_t)o.source);
}

/* Whatever libhdf5 does with it, we go on. */
static void damaged_hdf5_files_do_no_harm(void **state)
{
    const char *path = in(state, "f.h5");
    char *source = xstrdup(path);
    struct import_options o = { .source = source, .shard_bytes = 1 << 30,
                                .fields = (char *const[]){ "/data/small",
                                                           NULL } };

    make_sample(source);
    for (uint64_t at = 4096; at < 4096 + 2400; at += 37) {
        flip_bit(source, at);
        struct outcome out = run(state, o);
        if (out.rc == 0)
            assert_int_equal(files_remove_tree(in(state, "datasets"), NULL),
                             0);
        done(&out);
        flip_bit(source, at);
    }
    free(source);
}

/* Kill the process that reads the file. */
static void kill_reader(void *arg, uint64_t at, uint64_t total)
{
    char *path = xasprintf("/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "r");
    int pid;

    (void)arg;
    (void)at;
    (void)total;
    assert_non_null(f);
    if (fscanf(f, "%d", &pid) == 1)
        kill(pid, SIGKILL);
    fclose(f);
    free(path);
}

static void a_lost_reader_is_an_error(void **state)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct import_result result;
    struct mlb_error err = { 0 };
    struct import_options o = {
        .store = *state, .name = "d", .source = source_in(state, "f.h5"),
        .fields = (char *const[]){ "/data/big", NULL },
        .progress = kill_reader,
    };

    if (access("/proc/self/task", F_OK) < 0)
        skip();
    make_sample(o.source);
    assert_int_equal(import_run(&o, &result, &problems, &err), -1);
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    assert_has(err.text, "killed by signal 9");
    assert_false(files_is_dir(in(state, "datasets")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(npy_files_come_in),
        IN_DIRECTORY(bad_npy_files_are_refused),
        IN_DIRECTORY(npz_members_are_fields),
        IN_DIRECTORY(idx_files_come_in),
        IN_DIRECTORY(tokens_come_in),
        IN_DIRECTORY(hdf5_files_come_in),
        IN_DIRECTORY(damaged_hdf5_files_do_no_harm),
        IN_DIRECTORY(a_lost_reader_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
