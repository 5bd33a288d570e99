/* SPDX-License-Identifier: BSD-3-Clause */
/* Importing a source and looking at what came out, or at what was said. */
#ifndef TESTS_IMPORT_FIXTURE_H
#define TESTS_IMPORT_FIXTURE_H

#include "store_fixture.h"

#include <archive.h>
#include <archive_entry.h>
#include <jansson.h>

/* What an import gave. */
struct outcome {
    int rc;
    struct mlb_error err;
    struct mlb_problems problems;
    struct import_result result;
    struct mlb_text said;
    struct container *shard;      /* the first */
    json_t *manifest;
};

/* As in(), and it stays. */
static const char *source_in(void **state, const char *name)
{
    static char path[4096];

    snprintf(path, sizeof(path), "%s", in(state, name));
    return path;
}

static UNUSED void say(void *arg, const char *line)
{
    text_addf(arg, "%s\n", line);
}

static UNUSED struct outcome run(void **state, struct import_options o)
{
    struct outcome out = { .problems = MLB_PROBLEMS_INIT,
                           .said = MLB_TEXT_INIT };
    struct mlb_text said = MLB_TEXT_INIT;

    o.store = *state;
    o.name = "d";
    o.say = say;
    o.arg = &said;
    out.rc = import_run(&o, &out.result, &out.problems, &out.err);
    out.said = said;
    if (out.rc == 0) {
        char *path = xasprintf("%s/datasets/d/%s/shard-00000.h5", o.store,
                               out.result.version);
        char *text = xasprintf("%s/datasets/d/%s/manifest.json", o.store,
                               out.result.version);
        out.shard = container_open(path, CONTAINER_DATASET, &out.err);
        out.manifest = json_load_file(text, 0, NULL);
        assert_non_null(out.shard);
        assert_non_null(out.manifest);
        free(path);
        free(text);
    } else {
        assert_false(files_is_dir(in(state, "datasets")));
    }
    return out;
}

static UNUSED void done(struct outcome *out)
{
    container_close(out->shard);
    json_decref(out->manifest);
    problems_clear(&out->problems);
    text_clear(&out->said);
}

/* It worked. */
static UNUSED struct outcome good(void **state, struct import_options o)
{
    struct outcome out = run(state, o);

    if (out.rc < 0)
        fail_msg("%s: %s", out.err.text, out.problems.lines.count
                                             ? out.problems.lines.items[0]
                                             : "");
    return out;
}

/* It did not, and text is in what was said of it. */
static UNUSED void bad(void **state, struct import_options o, const char *text)
{
    struct outcome out = run(state, o);
    struct mlb_text all = MLB_TEXT_INIT;

    assert_int_equal(out.rc, -1);
    for (size_t i = 0; i < out.problems.lines.count; i++)
        text_addf(&all, "%s\n", out.problems.lines.items[i]);
    text_add(&all, out.err.text);
    assert_has(all.data, text);
    text_clear(&all);
    done(&out);
}

static UNUSED void assert_array(const struct outcome *out, const char *name,
                         const void *wanted, size_t bytes)
{
    const struct container_info *a = container_find(out->shard, name);
    struct mlb_error err = { 0 };
    char *got = xmalloc(bytes + 1);

    if (!a)
        fail_msg("no %s", name);
    assert_int_equal(a->bytes, bytes);
    assert_ok(container_read(out->shard, a, NULL, got, &err), err);
    assert_memory_equal(got, wanted, bytes);
    free(got);
}

/* What the manifest says of field i. */
static UNUSED const char *field_text(const struct outcome *out, size_t i,
                              const char *key)
{
    return json_string_value(json_object_get(json_array_get(
        json_object_get(out->manifest, "fields"), i), key));
}

static UNUSED void put_file(const char *path, const void *bytes, size_t length)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, length, f), length);
    assert_int_equal(fclose(f), 0);
}

/* The bytes of an npy file. */
static UNUSED void add_npy(struct mlb_text *t, int version, const char *header,
                    const void *data, size_t length)
{
    size_t n = strlen(header);
    const unsigned char size[] = { (unsigned char)n, (unsigned char)(n >> 8),
                                   0, 0 };

    text_addn(t, "\x93NUMPY", 6);
    text_addf(t, "%c", version);
    text_addn(t, "", 1);
    text_addn(t, size, version == 1 ? 2 : 4);
    text_add(t, header);
    text_addn(t, data, length);
}

static UNUSED void put_npy(const char *path, int version, const char *header,
                    const void *data, size_t length)
{
    struct mlb_text t = MLB_TEXT_INIT;

    add_npy(&t, version, header, data, length);
    put_file(path, t.data, t.length);
    text_clear(&t);
}

static const UNUSED float six[6] = { 1, 2, 3, 4, 5, 6 };
#define SIX "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }\n"
#define HEADER(descr, order, shape)                                          \
    "{'descr': '" descr "', 'fortran_order': " order ", 'shape': " shape ", }"

/* A tar or zip file with pairs of names and contents. */
struct member {
    const char *name, *bytes;
    size_t length;
};

static UNUSED void put_archive(const char *path, bool is_zip,
                        const struct member *members, size_t count)
{
    struct archive *a = archive_write_new();

    if (is_zip)
        archive_write_set_format_zip(a);
    else
        archive_write_set_format_ustar(a);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    for (size_t i = 0; i < count; i++) {
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, members[i].name);
        archive_entry_set_size(e, (int64_t)members[i].length);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, 0644);
        if (strstr(members[i].name, "link")) {
            archive_entry_set_filetype(e, AE_IFLNK);
            archive_entry_set_symlink(e, "/etc/passwd");
        }
        assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
        archive_write_data(a, members[i].bytes, members[i].length);
        archive_entry_free(e);
    }
    assert_int_equal(archive_write_free(a), ARCHIVE_OK);
}

#endif
