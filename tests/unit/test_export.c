/* SPDX-License-Identifier: BSD-3-Clause */
/* What leaves the store: exports read by numpy, verify, diff, removal. */
#include "config.h"

#include "store_fixture.h"
#include "store_sample.h"

#include "store/audit.h"
#include "store/compare.h"
#include "store/export.h"
#include "store/retire.h"

static const struct mlb_strings no_fields = MLB_STRINGS_INIT;

/* Run a Python program with the directory as its argument; numpy is the
 * system's. Returns false, and says so, where there is none. */
static bool python(void **state, const char *program)
{
    if (system("/usr/bin/python3 -c 'import numpy' 2> /dev/null") != 0) {
        print_message("not compared: no /usr/bin/python3 with numpy\n");
        return false;
    }
    char *file = xstrdup(in(state, "check.py"));
    write_file(file, program);
    char *command = xasprintf("/usr/bin/python3 '%s' '%s'", file,
                              (const char *)*state);
    assert_int_equal(system(command), 0);
    free(command);
    free(file);
    return true;
}

static int export_to(const char *directory, const char *to,
                     enum export_format format, struct mlb_error *err)
{
    struct export_dataset r = { .directory = directory, .to = to,
                                .format = format, .fields = &no_fields };
    struct export_result result;
    int rc = export_dataset(&r, &result, err);

    export_result_clear(&result);
    return rc;
}

static void test_npz(void **state)
{
    struct mlb_error err = { 0 };
    char *path = sample_dataset(*state);

    assert_ok(export_to(path, in(state, "a.npz"), EXPORT_NPZ, &err), err);
    python(state,
           "import sys, numpy as np\n"
           "z = np.load(sys.argv[1] + '/a.npz')\n"
           "assert set(z) == {'image.data', 'image.offsets', 'path.data',\n"
           "                  'path.offsets', 'y', 'w'}, set(z)\n"
           "d, o = z['image.data'], z['image.offsets']\n"
           "assert o.dtype == np.uint64 and d.dtype == np.uint8\n"
           "rows = [bytes(d[int(a):int(b)]) for a, b in zip(o, o[1:])]\n"
           "assert rows == [b'one', b'', b'three', b'4', b'fiver'], rows\n"
           "assert z['y'].dtype == np.int64\n"
           "assert z['y'].tolist() == [0, 1, 0, 1, 7]\n"
           "w = (z['w'].astype(np.uint32) << 16).view(np.float32)\n"
           "assert w[:4].tolist() == [[1, 0], [2, 1], [3, 2], [4, 3]], w\n"
           "assert np.isnan(w[4, 0]) and w[4, 1] == -np.inf\n");
    free(path);
}

static void test_split_of_npz(void **state)
{
    struct mlb_error err = { 0 };
    struct mlb_strings fields = MLB_STRINGS_INIT;
    char *path = sample_dataset(*state);
    struct export_result result;
    struct export_dataset r = { .directory = path, .format = EXPORT_NPZ,
                                .split = "train", .fields = &fields };

    r.to = in(state, "a.npz");
    strings_push(&fields, "path");
    assert_ok(export_dataset(&r, &result, &err), err);
    assert_int_equal(result.rows, 3);
    export_result_clear(&result);
    python(state,
           "import sys, numpy as np\n"
           "z = np.load(sys.argv[1] + '/a.npz')\n"
           "assert set(z) == {'path.data', 'path.offsets'}\n"
           "assert z['path.offsets'].tolist() == [0, 7, 14, 14]\n"
           "assert bytes(z['path.data']) == b'a/1.jpga/1.jpg'\n");
    r.split = "trian";
    assert_int_equal(export_dataset(&r, &result, &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    assert_has(err.text, "did you mean train?");
    export_result_clear(&result);
    strings_clear(&fields);
    free(path);
}

static void assert_file(void **state, const char *name, const char *wanted)
{
    struct mlb_text t = MLB_TEXT_INIT;
    struct mlb_error err = { 0 };

    assert_ok(files_read(in(state, name), 1 << 20, &t, &err), err);
    assert_string_equal(t.data, wanted);
    text_clear(&t);
}

static void test_csv(void **state)
{
    struct mlb_error err = { 0 };
    char *path = sample_dataset(*state);

    assert_ok(export_to(path, in(state, "a.csv"), EXPORT_CSV, &err), err);
    assert_file(state, "a.csv", "y,w[0],w[1]\n0,1,0\n1,2,1\n0,3,2\n1,4,3\n"
                                "7,nan,-inf\n");
    assert_int_equal(export_to(path, in(state, "a.csv"), EXPORT_CSV, &err),
                     -1);
    assert_int_equal(err.code, MLB_ERR_FAILED);
    assert_has(err.text, "--force");
    free(path);
}

static void test_files_stay_inside(void **state)
{
    struct mlb_error err = { 0 };
    char *path = sample_dataset(*state);

    assert_ok(export_to(path, in(state, "out"), EXPORT_FILES, &err), err);
    assert_file(state, "out/cat/1.jpg", "one");
    assert_file(state, "out/d_g/2.jpg", "");
    assert_file(state, "out/cat/00000002-1.jpg", "three");
    assert_file(state, "out/d_g/00000003.jpg", "4");
    assert_file(state, "out/class-7/5.jpg", "fiver");
    assert_int_equal(count_files(in(state, "out")), 3);
    /* Beside it only the data sets: no temporary, nothing two levels up. */
    assert_int_equal(count_files(*state), 2);
    assert_int_equal(export_to(path, in(state, "out"), EXPORT_FILES, &err),
                     -1);
    assert_int_equal(err.code, MLB_ERR_FAILED);
    free(path);
}

static void test_nothing_is_left_of_a_damaged_one(void **state)
{
    static const char *const to[] = { "a.npz", "a.csv", "a" };
    struct mlb_error err = { 0 };
    char *path = sample_dataset(*state);
    char *shard = xasprintf("%s/shard-00001.h5", path);
    struct container *c = container_open(shard, CONTAINER_DATASET, &err);
    const struct container_info *a = container_find(c, "/fields/y");

    flip_bit(shard, a->offset);
    a = container_find(c, "/fields/image/data");
    flip_bit(shard, a->offset);
    container_close(c);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(export_to(path, in(state, to[i]), EXPORT_NPZ + i,
                                   &err), -1);
        assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
        assert_has(err.text, "row 3 of field");
        assert_int_equal(count_files(*state), 1);
    }
    free(shard);
    free(path);
}

/* ---- verify ---- */

struct findings {
    size_t count;
    int64_t row;                  /* of the last one that named one */
    char field[64];
    char text[1024];              /* all of them */
};

static void collect(void *arg, const struct audit_finding *f)
{
    struct findings *all = arg;

    all->count++;
    if (f->row >= 0) {
        all->row = f->row;
        snprintf(all->field, sizeof(all->field), "%s", f->field);
    }
    strncat(all->text, f->text, sizeof(all->text) - strlen(all->text) - 1);
}

static struct findings verify(const char *path)
{
    struct findings all = { .row = -1 };
    struct audit a = { .directory = path, .report = collect,
                       .report_arg = &all };
    struct mlb_error err = { 0 };

    assert_ok(audit_dataset(&a, &err), err);
    assert_int_equal(a.findings, all.count);
    return all;
}

static void test_verify_sound(void **state)
{
    char *path = sample_dataset(*state), *rows = make_rows(state, 10, true);

    assert_int_equal(verify(path).count, 0);
    assert_int_equal(verify(rows).count, 0);
    free(rows);
    free(path);
}

static void test_verify_names_the_row(void **state)
{
    struct mlb_error err = { 0 };
    char *path = sample_dataset(*state);
    char *shard = xasprintf("%s/shard-00001.h5", path);
    struct container *c = container_open(shard, CONTAINER_DATASET, &err);
    const struct container_info *a = container_find(c, "/fields/image/data");

    flip_bit(shard, a->offset + 2);          /* "4", then "fiver" */
    struct findings all = verify(path);
    assert_int_equal(all.row, 4);
    assert_string_equal(all.field, "image");
    assert_has(all.text, "shard-00001.h5: its bytes are not those");
    flip_bit(shard, a->offset + 2);
    assert_int_equal(verify(path).count, 0);
    a = container_find(c, "/fields/path/offsets");
    flip_bit(shard, a->offset + 8);
    assert_has(verify(path).text, "damaged");
    container_close(c);
    free(shard);
    free(path);
}

static void test_verify_sees_another_content(void **state)
{
    struct mlb_error err = { 0 };
    struct mlb_text t = MLB_TEXT_INIT;
    char *path = sample_dataset(*state);
    char *file = xasprintf("%s/manifest.json", path);

    assert_ok(files_read(file, 1 << 20, &t, &err), err);
    char *cat = strstr(t.data, "\"cat\"");
    assert_non_null(cat);
    memcpy(cat, "\"dog\"", 5);
    write_file(file, t.data);
    struct findings all = verify(path);
    assert_int_equal(all.count, 1);
    assert_has(all.text, "hash of the content");
    text_clear(&t);
    free(file);
    free(path);
}

/* ---- diff, removal ---- */

static void test_diff(void **state)
{
    struct mlb_error err = { 0 };
    char *a = make_rows(state, 10, true), *b = make_rows(state, 10, false);
    char *c = make_rows(state, 12, true);
    struct compare_request same = { .a = a, .b = b };
    struct compare_request other = { .a = a, .b = c };
    json_t *diff = NULL;

    assert_string_equal(a, b);               /* shards are no content */
    assert_ok(compare_datasets(&same, &diff, &err), err);
    assert_true(json_is_true(json_object_get(diff, "same")));
    json_decref(diff);
    assert_ok(compare_datasets(&other, &diff, &err), err);
    assert_false(json_is_true(json_object_get(diff, "same")));
    const json_t *x = json_array_get(json_object_get(diff, "fields"), 0);
    assert_int_equal(json_integer_value(json_object_get(x, "rows")), 0);
    json_decref(diff);
    free(a);
    free(b);
    free(c);
}

static void test_retire(void **state)
{
    struct mlb_error err = { 0 };
    char *a = make_rows(state, 10, false), *b = make_rows(state, 12, false);
    const char *first = strrchr(a, '/') + 1, *second = strrchr(b, '/') + 1;

    assert_ok(retire_version(*state, "rows", second, &err), err);
    char *latest = resolve_dataset(*state, "rows", &err);
    assert_string_equal(latest, a);
    assert_ok(retire_version(*state, "rows", first, &err), err);
    assert_int_equal(count_files(in(state, "datasets")), 0);
    assert_int_equal(retire_version(*state, "rows", first, &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    free(latest);
    free(a);
    free(b);
}

/* ---- checkpoints ---- */

static int save_as(const char *path, const char *to,
                   enum export_format format, const char *tensors,
                   struct mlb_error *err)
{
    struct export_checkpoint r = { .path = path, .to = to, .format = format,
                                   .tensors = tensors };
    struct export_result result;
    int rc = export_checkpoint(&r, &result, err);

    export_result_clear(&result);
    return rc;
}

static const char check_tensors[] =
    "import sys, json, struct, numpy as np\n"
    "raw = open(sys.argv[1] + '/a.safetensors', 'rb').read()\n"
    "n, = struct.unpack('<Q', raw[:8])\n"
    "head = json.loads(raw[8:8 + n])\n"
    "assert n % 8 == 0 and head.pop('__metadata__')['step'] == '3'\n"
    "z = np.load(sys.argv[1] + '/a.npz')\n"
    "types = {'F64': 'f8', 'F32': 'f4', 'F16': 'f2', 'BF16': 'u2',\n"
    "         'I64': 'i8', 'I32': 'i4', 'I16': 'i2', 'I8': 'i1',\n"
    "         'U64': 'u8', 'U32': 'u4', 'U16': 'u2', 'U8': 'u1',\n"
    "         'BOOL': 'b1', 'F8_E4M3': 'u1', 'F8_E5M2': 'u1', 'C64': 'c8'}\n"
    "assert set(z) == set(head) | {'t/c128'}, (set(z), set(head))\n"
    "assert {t['dtype'] for t in head.values()} == set(types)\n"
    "end = 0\n"
    "for name, t in head.items():\n"
    "    a, b = t['data_offsets']\n"
    "    kind = np.dtype('<' + types[t['dtype']])\n"
    "    assert a == end and a % kind.itemsize == 0, name\n"
    "    got = np.frombuffer(raw[8 + n + a:8 + n + b], kind)\n"
    "    got = got.reshape(t['shape'])\n"
    "    assert got.dtype == z[name].dtype, name\n"
    "    assert got.tobytes() == z[name].tobytes(), name\n"
    "    end = b\n"
    "assert len(raw) == 8 + n + end\n"
    "big = np.arange(1500000, dtype='f4') * np.float32(0.5)\n"
    "assert (z['big'] == big.reshape(1500, 1000)).all()\n"
    "assert z['t/i16'].tolist() == [[0, 1, 2], [3, 4, 5]]\n"
    "assert z['t/bool'].tolist() == [[False, True, False],\n"
    "                                [True, False, True]]\n"
    "assert z['scalar'] == 2.5 and z['scalar'].shape == ()\n"
    "assert z['gr\\u00f6\\u00dfe'].shape == (0, 3)\n";

static void test_tensors(void **state)
{
    struct mlb_error err = { 0 };
    const char *path = in(state, "step-000000000003.h5");
    char *out = xstrdup(in(state, "a.safetensors"));

    sample_checkpoint(*state, 3, 0);
    assert_int_equal(save_as(path, out, EXPORT_SAFETENSORS, NULL, &err), -1);
    assert_int_equal(err.code, MLB_ERR_UNSUPPORTED);
    assert_has(err.text, "t/c128");
    assert_int_equal(save_as(path, out, EXPORT_SAFETENSORS, "nix", &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    assert_ok(save_as(path, out, EXPORT_SAFETENSORS, "!(t/c128)", &err),
              err);
    assert_ok(save_as(path, in(state, "a.npz"), EXPORT_NPZ, NULL, &err),
              err);
    python(state, check_tensors);
    free(out);
}

static void test_damaged_tensor(void **state)
{
    struct mlb_error err = { 0 };
    const char *path = in(state, "step-000000000003.h5");

    sample_checkpoint(*state, 3, 0);
    struct container *c = container_open(path, CONTAINER_CHECKPOINT, &err);
    flip_bit(path, container_find(c, "/tensors/big")->offset + 5000000);
    container_close(c);
    assert_int_equal(save_as(path, in(state, "a.npz"), EXPORT_NPZ, NULL,
                             &err), -1);
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    assert_has(err.text, "/tensors/big is damaged");
    assert_int_equal(access(in(state, "a.npz"), F_OK), -1);
}

static void test_checkpoint_diff(void **state)
{
    struct mlb_error err = { 0 };
    struct compare_request r = { .a = in(state, "step-000000000003.h5"),
                                 .b = in(state, "step-000000000004.d") };
    json_t *diff = NULL;

    sample_checkpoint(*state, 3, 0);
    sample_checkpoint(*state, 4, 2);
    assert_ok(compare_checkpoints(&r, &diff, &err), err);
    assert_false(json_is_true(json_object_get(diff, "same")));
    const json_t *all = json_object_get(diff, "tensors");
    bool found = false;
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *t = json_array_get(all, i);
        const char *name = json_string_value(json_object_get(t, "name"));
        if (strcmp(name, "big") != 0)
            continue;
        found = true;
        assert_int_equal(json_integer_value(json_object_get(
            t, "differing")), 1);
        assert_true(json_real_value(json_object_get(t, "max_abs")) == 2.0);
    }
    assert_true(found);
    json_decref(diff);
    r.b = r.a;
    assert_ok(compare_checkpoints(&r, &diff, &err), err);
    assert_true(json_is_true(json_object_get(diff, "same")));
    json_decref(diff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(test_npz),
        IN_DIRECTORY(test_split_of_npz),
        IN_DIRECTORY(test_csv),
        IN_DIRECTORY(test_files_stay_inside),
        IN_DIRECTORY(test_nothing_is_left_of_a_damaged_one),
        IN_DIRECTORY(test_verify_sound),
        IN_DIRECTORY(test_verify_names_the_row),
        IN_DIRECTORY(test_verify_sees_another_content),
        IN_DIRECTORY(test_diff),
        IN_DIRECTORY(test_retire),
        IN_DIRECTORY(test_tensors),
        IN_DIRECTORY(test_damaged_tensor),
        IN_DIRECTORY(test_checkpoint_diff),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
