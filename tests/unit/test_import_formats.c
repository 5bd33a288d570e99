/* SPDX-License-Identifier: BSD-3-Clause */
/* Importing WebDataset tar files, folders and text, and telling formats from
 * each other. */
#include "config.h"

#include "import_fixture.h"

static void tar_files_come_in(void **state)
{
    static const uint64_t offsets[] = { 0, 2, 5 };
    static const int64_t classes[] = { 3, -4 };
    static const struct member members[] = {
        { "../a/1.jpg", "ab", 2 }, { "../a/1.cls", "3\n", 2 },
        { "/b.x/2.cls", " -4", 3 }, { "/b.x/2.jpg", "cde", 3 },
        { "/b.x/._2.jpg", "hidden", 6 },
    };
    struct import_options o = { .source = source_in(state, "a.tar") };

    put_archive(o.source, false, members, 5);
    struct outcome out = good(state, o);
    assert_int_equal(out.result.rows, 2);
    assert_array(&out, "/fields/cls", classes, sizeof(classes));
    assert_array(&out, "/fields/jpg/data", "abcde", 5);
    assert_array(&out, "/fields/jpg/offsets", offsets, sizeof(offsets));
    assert_string_equal(field_text(&out, 1, "codec"), "jpeg");
    assert_array(&out, "/fields/__key__/data", "../a/1/b.x/2", 12);
    done(&out);
}

static void bad_rows_of_tar_files_are_named(void **state)
{
    static const struct member members[] = {
        { "1.cls", "3", 1 }, { "1.txt", "ok", 2 },
        { "2.cls", "x", 1 }, { "2.txt", "ok", 2 },
        { "3.cls", "3", 1 },
        { "4.cls", "3", 1 }, { "4.txt", "\xff", 1 },
        { "5.cls", "3", 1 }, { "5.txt", "ok", 2 }, { "5.png", "ok", 2 },
        { "6.cls", "3", 1 }, { "6.txt", "ok", 2 }, { "6.txt", "ok", 2 },
        { "link.cls", "", 0 }, { "bare", "x", 1 },
    };
    static const char *const wanted[] = {
        "a.tar: 2: cls is not a whole number",
        "a.tar: 3: no txt", "a.tar: 4: txt is not valid UTF-8",
        "a.tar: 5: field png is not in the first row",
        "a.tar: 6: field txt is there twice",
        "a.tar: link.cls: a member that is no regular file",
        "a.tar: bare: a member without an ending",
    };
    struct import_options o = { .source = source_in(state, "a.tar") };

    put_archive(o.source, false, members, 15);
    for (size_t i = 0; i < 7; i++)
        bad(state, o, wanted[i]);
    put_archive(o.source, false, members, 0);
    bad(state, o, "no rows");
    put_archive(o.source, false, members, 2);
    assert_int_equal(truncate(o.source, 1024 + 100), 0);
    bad(state, o, "archive");
}

/* The first rows alone do not tell that a field is ragged. */
static void arrays_in_tar_files_may_be_ragged(void **state)
{
    static const uint64_t offsets[] = { 0, 1, 2, 5 };
    static const float all[] = { 1, 2, 1, 2, 1, 2, 3, 4, 5, 6 };
    struct mlb_text a = MLB_TEXT_INIT, b = MLB_TEXT_INIT, c = MLB_TEXT_INIT;
    struct import_options o = { .source = source_in(state, "a.tar") };

    add_npy(&a, 1, HEADER("<f4", "False", "(1, 2)"), six, 8);
    add_npy(&b, 1, HEADER("<f4", "False", "(3, 2)"), six, 24);
    add_npy(&c, 1, HEADER("<f4", "False", "(2, 3)"), six, 24);
    const struct member members[] = { { "1.npy", a.data, a.length },
                                      { "2.npy", a.data, a.length },
                                      { "3.npy", b.data, b.length },
                                      { "4.npy", c.data, c.length } };
    put_archive(o.source, false, members, 2);
    struct outcome out = good(state, o);
    assert_array(&out, "/fields/npy", all, 16);
    done(&out);
    put_archive(o.source, false, members, 3);
    out = good(state, o);
    assert_array(&out, "/fields/npy/data", all, sizeof(all));
    assert_array(&out, "/fields/npy/offsets", offsets, sizeof(offsets));
    done(&out);
    assert_int_equal(files_remove_tree(in(state, "datasets"), NULL), 0);
    put_archive(o.source, false, members, 4);
    bad(state, o, "a.tar: 4: npy has another type or shape");
    text_clear(&a);
    text_clear(&b);
    text_clear(&c);
}

static void folders_of_classes_come_in(void **state)
{
    static const int32_t classes[] = { 0, 0, 1 };
    struct import_options o = { .source = xstrdup(in(state, "f")) };

    assert_int_equal(mkdir(o.source, 0700), 0);
    assert_int_equal(mkdir(in(state, "f/dog"), 0700), 0);
    assert_int_equal(mkdir(in(state, "f/cat"), 0700), 0);
    write_file(in(state, "f/dog/1.JPG"), "woof");
    write_file(in(state, "f/cat/2.jpg"), "");
    write_file(in(state, "f/cat/1.jpeg"), "meow");
    write_file(in(state, "f/.hidden"), "x");
    struct outcome out = good(state, o);
    assert_array(&out, "/fields/x/data", "meowwoof", 8);
    assert_array(&out, "/fields/y", classes, sizeof(classes));
    assert_array(&out, "/classes/y", "catdog", 6);
    assert_array(&out, "/fields/path/data",
                 "cat/1.jpegcat/2.jpgdog/1.JPG", 28);
    assert_string_equal(field_text(&out, 0, "codec"), "jpeg");
    done(&out);
    assert_int_equal(symlink("1.jpeg", in(state, "f/cat/3.png")), 0);
    out = good(state, o);
    assert_string_equal(field_text(&out, 0, "codec"), "bytes");
    done(&out);
    assert_int_equal(files_remove_tree(in(state, "datasets"), NULL), 0);
    assert_int_equal(symlink("/etc/passwd", in(state, "f/cat/4.png")), 0);
    bad(state, o, "f/cat/4.png: a link that leads to no file in the folder");
    assert_int_equal(unlink(in(state, "f/cat/4.png")), 0);
    assert_int_equal(symlink("/etc", in(state, "f/etc")), 0);
    bad(state, o, "f/etc: neither a folder of a class");
    assert_int_equal(unlink(in(state, "f/etc")), 0);
    assert_int_equal(mkdir(in(state, "f/eel"), 0700), 0);
    bad(state, o, "f/eel: a class without a file");
    free((char *)(uintptr_t)o.source);
}

static void text_comes_in(void **state)
{
    static const uint64_t offsets[] = { 0, 3, 3, 7 };
    static const uint64_t whole[] = { 0, 8, 9 };
    struct import_options o = { .source = xstrdup(in(state, "a.txt")) };
    char *const more[] = { xstrdup(in(state, "b.txt")), NULL };

    write_file(o.source, "one\r\n\nf\xc3\xbcr");
    struct outcome out = good(state, o);
    assert_array(&out, "/fields/text/data", "onef\xc3\xbcr", 7);
    assert_array(&out, "/fields/text/offsets", offsets, sizeof(offsets));
    done(&out);
    write_file(more[0], "x");
    o.more = more;
    out = good(state, o);
    assert_int_equal(out.result.rows, 4);
    done(&out);
    write_file(o.source, "one\ntwo\n");
    o.whole_files = true;
    out = good(state, o);
    assert_array(&out, "/fields/text/offsets", whole, sizeof(whole));
    assert_array(&out, "/fields/path/data", "a.txtb.txt", 10);
    done(&out);
    assert_int_equal(files_remove_tree(in(state, "datasets"), NULL), 0);
    o.whole_files = false;
    put_file(o.source, "fine\n\xc0\x80\nfine\n\xed\xa0\x80\n", 18);
    bad(state, o, "a.txt:2: not valid UTF-8");
    bad(state, o, "a.txt:4: not valid UTF-8");
    o.format = "csv";
    bad(state, o, "takes one file");
    free((char *)(uintptr_t)o.source);
    free(more[0]);
}

static void formats_are_told_from_the_source(void **state)
{
    static const char images[] = "\0\0\x08\1\0\0\0\2ab";
    struct import_options o = { .source = source_in(state, "nameless") };

    put_npy(o.source, 1, SIX, six, sizeof(six));
    struct outcome out = good(state, o);
    done(&out);
    put_file(o.source, images, 10);
    out = good(state, o);
    assert_array(&out, "/fields/x", "ab", 2);
    done(&out);
    write_file(o.source, "1,2\n");
    out = good(state, o);
    assert_int_equal(out.result.rows, 1);
    done(&out);
    assert_int_equal(files_remove_tree(in(state, "datasets"), NULL), 0);
    o.format = "xls";
    bad(state, o, "csv, npy, npz, idx, webdataset");
    o.format = NULL;
    o.source = *state;
    bad(state, o, "cannot tell what is in");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(tar_files_come_in),
        IN_DIRECTORY(bad_rows_of_tar_files_are_named),
        IN_DIRECTORY(arrays_in_tar_files_may_be_ragged),
        IN_DIRECTORY(folders_of_classes_come_in),
        IN_DIRECTORY(text_comes_in),
        IN_DIRECTORY(formats_are_told_from_the_source),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
