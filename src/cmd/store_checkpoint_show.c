/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch checkpoint show, verify. */
#include "config.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/units.h"
#include "cmd/store_checkpoint.h"
#include "cmd/store_progress.h"
#include "cmd/store_words.h"
#include "store/checkpoint.h"
#include "store/restore.h"
#include "store/view.h"

#define MAX_INFO (1 << 20)
#define NAME_COLUMNS 32           /* at least */

/* ---- show ---- */

struct showing {
    struct mlb_checkpoint_reader *reader;
    struct store_progress progress;
    unsigned char *buffer;
    uint64_t done, total;
    json_t *tensors, *states;     /* NULL: to print */
    size_t damaged;
    size_t columns;               /* of the longest name */
};

/* Read all of a tensor: is it as it was saved? */
static bool is_sound(struct showing *s, const struct mlb_tensor *t)
{
    uint64_t at = 0;
    int64_t n;

    while ((n = view_read(s->reader, t, at, s->buffer, NULL)) > 0) {
        at += (uint64_t)n;
        s->done += (uint64_t)n;
        store_progress_show(&s->progress, s->done, s->total);
    }
    return n == 0;
}

/* The width for printf, which counts bytes. */
static int padded(const struct showing *s, const char *name)
{
    return (int)(s->columns + strlen(name) - store_columns(name));
}

static void measure_names(struct showing *s)
{
    struct mlb_tensor t;
    const char *name;
    uint64_t length;

    s->columns = NAME_COLUMNS;
    for (int i = 0; mlb_checkpoint_tensor(s->reader, i, &t) == 0; i++)
        if (store_columns(t.name) > s->columns)
            s->columns = store_columns(t.name);
    for (int i = 0; (name = mlb_checkpoint_state(s->reader, i, &length)); i++)
        if (store_columns(name) > s->columns)
            s->columns = store_columns(name);
}

static void show_tensor(struct showing *s, int i)
{
    size_t pieces = s->reader->tensors[i].count;
    struct mlb_tensor t;

    mlb_checkpoint_tensor(s->reader, i, &t);
    bool sound = is_sound(s, &t);
    s->damaged += !sound;
    if (s->tensors) {
        json_t *shape = json_array();
        for (int d = 0; d < t.rank; d++)
            json_array_append_new(shape,
                                  json_integer((json_int_t)t.shape[d]));
        json_array_append_new(s->tensors, json_pack(
            "{s:s, s:s, s:o, s:I, s:I, s:b}", "name", t.name, "dtype",
            mlb_dtype_name(t.dtype), "shape", shape, "bytes",
            (json_int_t)view_bytes(&t), "shards", (json_int_t)pieces,
            "sound", sound));
        return;
    }
    struct mlb_text type = MLB_TEXT_INIT, size = MLB_TEXT_INIT;
    store_add_type(&type, t.dtype, t.rank, t.shape);
    units_add_size(&size, (long long)view_bytes(&t));
    store_progress_end(&s->progress);
    printf("%-*s  %-20s  %10s  %6zu  %s\n", padded(s, t.name), t.name,
           type.data, size.data, pieces, sound ? "ok" : "DAMAGED");
    text_clear(&size);
    text_clear(&type);
}

static void show_state(struct showing *s, const char *name, uint64_t length)
{
    void *bytes = NULL;
    bool sound = mlb_checkpoint_load_state(s->reader, name, &bytes, &length,
                                           NULL) == 0;

    free(bytes);
    s->damaged += !sound;
    if (s->states) {
        json_array_append_new(s->states, json_pack(
            "{s:s, s:I, s:b}", "name", name, "bytes", (json_int_t)length,
            "sound", sound));
        return;
    }
    struct mlb_text size = MLB_TEXT_INIT;
    units_add_size(&size, (long long)length);
    printf("%-*s  %-20s  %10s  %6s  %s\n", padded(s, name), name, "state",
           size.data, "", sound ? "ok" : "DAMAGED");
    text_clear(&size);
}

static void show_contents(struct showing *s)
{
    struct mlb_tensor t;
    const char *name;
    uint64_t length;

    measure_names(s);
    if (!s->tensors)
        printf("%-*s  %-20s  %10s  %6s  %s\n", (int)s->columns, "NAME",
               "TYPE", "BYTES", "SHARDS", "DATA");
    for (int i = 0; mlb_checkpoint_tensor(s->reader, i, &t) == 0; i++)
        s->total += view_bytes(&t);
    for (int i = 0; i < mlb_checkpoint_tensors(s->reader); i++)
        show_tensor(s, i);
    store_progress_end(&s->progress);
    for (int i = 0; (name = mlb_checkpoint_state(s->reader, i, &length)); i++)
        show_state(s, name, length);
}

/* What the saver noted of the program: an object, or NULL. */
static json_t *read_info(const struct mlb_checkpoint_reader *r)
{
    struct container *file = NULL;
    const struct container_info *a = restore_find(r, CHECKPOINT_INFO, &file);
    char *text = NULL;
    json_t *info = NULL;

    if (a && restore_text(file, a, MAX_INFO, &text, NULL) == 0)
        info = json_loads(text, 0, NULL);
    free(text);
    if (info && !json_is_object(info)) {
        json_decref(info);
        info = NULL;
    }
    return info;
}

static void print_head(const struct showing *s, const char *path,
                       json_t *info)
{
    struct mlb_text size = MLB_TEXT_INIT, metrics = MLB_TEXT_INIT;
    char *shown = text_printable(path);
    json_t *value;
    const char *key;

    units_add_size(&size, (long long)store_checkpoint_bytes(path));
    store_add_metrics(&metrics, s->reader);
    printf("checkpoint  %s\nstep        %" PRIu64 "\nsize        %s in %zu "
           "file%s\n", shown, mlb_checkpoint_step(s->reader), size.data,
           s->reader->file_count, s->reader->file_count == 1 ? "" : "s");
    free(shown);
    json_object_foreach(info, key, value) {
        if (json_integer_value(value) == 0 && json_is_integer(value))
            continue;             /* not known: saved outside of a run */
        char *text = json_is_string(value)
                         ? text_printable(json_string_value(value))
                         : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        if (text && *text)
            printf("%-10s  %s\n", key, text);
        free(text);
    }
    if (metrics.length > 0)
        printf("metrics     %s\n", metrics.data);
    putchar('\n');
    text_clear(&size);
    text_clear(&metrics);
}

static int show_path(const struct store_context *context, const char *path,
                     struct mlb_error *err)
{
    struct showing s = { .reader = mlb_checkpoint_open(path, err) };

    if (!s.reader)
        return -1;
    json_t *info = read_info(s.reader);
    s.buffer = xmalloc(VIEW_PIECE);
    if (context->json) {
        s.tensors = json_array();
        s.states = json_array();
    } else {
        print_head(&s, path, info);
    }
    store_progress_begin(&s.progress);
    show_contents(&s);
    if (context->json)
        store_print_json(json_pack(
            "{s:o, s:I, s:I, s:s, s:o, s:o, s:o, s:O}", "path",
            json_text(path), "step",
            (json_int_t)mlb_checkpoint_step(s.reader), "bytes",
            (json_int_t)store_checkpoint_bytes(path), "layout",
            s.reader->is_directory ? "nodes" : "shared", "tensors",
            s.tensors, "states", s.states, "metrics",
            store_metrics_json(s.reader), "info",
            info ? info : json_null()), 2);
    json_decref(info);
    free(s.buffer);
    mlb_checkpoint_close(s.reader);
    if (s.damaged > 0)
        return mlb_error_set(err, MLB_ERR_FAILED,
                             "%s: %zu damaged tensor%s or state%s", path,
                             s.damaged, s.damaged == 1 ? "" : "s",
                             s.damaged == 1 ? "" : "s");
    return 0;
}

int store_checkpoint_show(struct store_context *context, int argc,
                          char **argv)
{
    static const struct argp argp = {
        .parser = store_words_parser, .children = store_words_children,
        .args_doc = "RUN[:STEP]|FILE",
        .doc = "Show the tensors and the state in a checkpoint (of a run the "
               "newest), and whether their data are as they were written.",
    };
    struct store_words w = { context, "which run or checkpoint?", 1, 1,
                             MLB_STRINGS_INIT };
    struct mlb_error err = { 0 };
    int code = 0;

    argp_parse(&argp, argc, argv, 0, NULL, &w);
    char *path = store_checkpoint_find(context, w.words.items[0], &err);
    if (!path || show_path(context, path, &err) < 0)
        code = store_fail(&err);
    free(path);
    strings_clear(&w.words);
    return code;
}

/* ---- verify ---- */

/* The paths that a word means: all in a directory. */
static int find_all(const struct store_context *context, const char *word,
                    struct mlb_strings *paths, struct mlb_error *err)
{
    struct store_place place;
    char path[PATH_MAX];
    uint64_t *steps = NULL;
    size_t count = 0;

    if (store_place_find(context, word, &place, err) < 0)
        return -1;
    int rc = 0;
    if (place.path)
        strings_push(paths, place.path);
    else
        rc = checkpoint_steps(place.directory, &steps, &count, err);
    if (rc == 0 && !place.path && count == 0)
        rc = mlb_error_set(err, MLB_ERR_NOT_FOUND, "there is no checkpoint "
                           "in %s", place.directory);
    for (size_t s = count; rc == 0 && s > 0; s--) {
        rc = checkpoint_path(place.directory, steps[s - 1], path,
                             sizeof(path), err);
        strings_push(paths, path);
    }
    free(steps);
    store_place_clear(&place);
    return rc;
}

/* Returns the exit code of this one. */
static int verify_one(const char *path, json_t *all)
{
    struct mlb_error err = { 0 };
    struct mlb_checkpoint_reader *r = mlb_checkpoint_open(path, &err);
    int rc = r ? mlb_checkpoint_verify(r, &err) : -1;

    mlb_checkpoint_close(r);
    if (all) {
        json_array_append_new(all, json_pack(
            "{s:o, s:b, s:o}", "path", json_text(path), "sound", rc == 0,
            "error", rc < 0 ? json_text(err.text) : json_null()));
    } else {
        char *shown = text_printable(rc < 0 ? err.text : path);
        printf("%s  %s\n", rc < 0 ? "DAMAGED" : "ok     ", shown);
        free(shown);
    }
    if (rc == 0)
        return 0;
    return err.code == MLB_ERR_NOT_FOUND ? MLB_ERR_NOT_FOUND : MLB_ERR_FAILED;
}

static int verify_all(const struct mlb_strings *paths, json_t *all, int code)
{
    struct store_progress progress;
    uint64_t total = 0, done = 0;

    for (size_t i = 0; i < paths->count; i++)
        total += store_checkpoint_bytes(paths->items[i]);
    store_progress_begin(&progress);
    for (size_t i = 0; i < paths->count; i++) {
        uint64_t bytes = store_checkpoint_bytes(paths->items[i]);
        store_progress_end(&progress);
        int one = verify_one(paths->items[i], all);
        if (one && code != MLB_ERR_FAILED)
            code = one;
        done += bytes;
        store_progress_show(&progress, done, total);
    }
    store_progress_end(&progress);
    return code;
}

int store_checkpoint_verify(struct store_context *context, int argc,
                            char **argv)
{
    static const struct argp argp = {
        .parser = store_words_parser, .children = store_words_children,
        .args_doc = "RUN[:STEP]|DIR|FILE...",
        .doc = "Read checkpoints and compare every checksum. Exits with 1 "
               "if one is damaged.",
    };
    struct store_words w = { context, "which run or checkpoint?", 1, 0,
                             MLB_STRINGS_INIT };
    struct mlb_strings paths = MLB_STRINGS_INIT;
    int code = 0;

    argp_parse(&argp, argc, argv, 0, NULL, &w);
    for (size_t i = 0; i < w.words.count; i++) {
        struct mlb_error err = { 0 };
        if (find_all(context, w.words.items[i], &paths, &err) < 0)
            code = store_fail(&err);
    }
    json_t *all = context->json ? json_array() : NULL;
    code = verify_all(&paths, all, code);
    if (all)
        store_print_json(json_pack("{s:o}", "checkpoints", all), 1);
    strings_clear(&paths);
    strings_clear(&w.words);
    return code;
}
