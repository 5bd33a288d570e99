/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch checkpoint list|show|verify. */
#include "config.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/files.h"
#include "base/json.h"
#include "base/units.h"
#include "cmd/store_cmd.h"
#include "store/checkpoint.h"
#include "store/container.h"

struct arguments {
    struct store_context *context;
    struct mlb_strings paths;
    size_t most;                  /* how many; 0: any number */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;

    if (key == ARGP_KEY_INIT)
        state->child_inputs[0] = a->context;
    else if (key == ARGP_KEY_ARG && (!a->most || a->paths.count < a->most))
        strings_push(&a->paths, arg);
    else if (key == ARGP_KEY_ARG ||
             (key == ARGP_KEY_END && a->paths.count == 0))
        argp_usage(state);
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static const struct argp_child plain_children[] = { { .argp = &store_argp },
                                                    { 0 } };
static const struct argp_child json_children[] = {
    { .argp = &store_json_argp }, { 0 }
};

/* The directory of checkpoints that a user's word means: one, a run's
 * directory, or a run of the store. Caller frees. */
static char *find_directory(const struct store_context *context,
                            const char *word)
{
    char *inner = xasprintf("%s/checkpoints", word);
    char *run = xasprintf("%s/runs/%s/checkpoints",
                          context->store ? context->store : ".", word);
    char *found = NULL;

    if (files_is_dir(inner))
        found = xstrdup(inner);
    else if (!files_is_dir(word) && !strchr(word, '/') && files_is_dir(run))
        found = xstrdup(run);
    else
        found = xstrdup(word);
    free(inner);
    free(run);
    return found;
}

static void add_time(struct mlb_text *out, uint64_t ns)
{
    time_t seconds = (time_t)(ns / 1000000000u);
    char text[32];
    struct tm tm;

    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S",
             localtime_r(&seconds, &tm));
    text_add(out, text);
}

static void print_listed(uint64_t step, struct container *c,
                         const struct mlb_error *why)
{
    struct mlb_text line = MLB_TEXT_INIT, size = MLB_TEXT_INIT;

    text_addf(&line, "%12" PRIu64 "  ", step);
    if (c) {
        units_add_size(&size, (long long)container_file_size(c));
        text_addf(&line, "%10s  ", size.data);
        add_time(&line, container_created(c));
    } else {
        char *shown = text_printable(why->text);
        text_addf(&line, "%10s  %s", "damaged", shown);
        free(shown);
    }
    puts(line.data);
    text_clear(&size);
    text_clear(&line);
}

static json_t *listed_json(uint64_t step, const char *path,
                           struct container *c, const struct mlb_error *why)
{
    json_t *item = json_pack("{s:I, s:o, s:b}", "step", (json_int_t)step,
                             "path", json_text(path), "complete", c != NULL);

    if (c) {
        json_object_set_new(item, "bytes", json_integer(
            (json_int_t)container_file_size(c)));
        json_object_set_new(item, "created", json_real(
            (double)container_created(c) / 1e9));
    } else {
        json_object_set_new(item, "error", json_text(why->text));
    }
    return item;
}

static int print_list(const struct store_context *context,
                      const char *directory, struct mlb_error *err)
{
    uint64_t *steps = NULL;
    size_t count = 0;
    json_t *all = json_array();
    int rc = checkpoint_steps(directory, &steps, &count, err);

    if (rc == 0 && !context->json && count > 0)
        printf("%12s  %10s  %s\n", "STEP", "SIZE", "SAVED");
    for (size_t i = 0; rc == 0 && i < count; i++) {
        char path[PATH_MAX];
        struct mlb_error why = { 0 };
        rc = checkpoint_path(directory, steps[i], path, sizeof(path), err);
        struct container *c = rc < 0 ? NULL : container_open(
            path, CONTAINER_CHECKPOINT, &why);
        if (context->json)
            json_array_append_new(all, listed_json(steps[i], path, c, &why));
        else
            print_listed(steps[i], c, &why);
        container_close(c);
    }
    if (rc == 0 && context->json) {
        json_t *top = json_pack("{s:i, s:O}", "schema", 1, "checkpoints",
                                all);
        json_print(top);
        json_decref(top);
    }
    json_decref(all);
    free(steps);
    return rc;
}

static int list(struct store_context *context, int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse, .children = json_children, .args_doc = "RUN|DIR",
        .doc = "List the checkpoints of a run, the newest first. What is "
               "shown is complete; \"verify\" also reads the data.",
    };
    struct arguments a = { context, MLB_STRINGS_INIT, 1 };
    struct mlb_error err = { 0 };
    int code = 0;

    argp_parse(&argp, argc, argv, 0, NULL, &a);
    char *directory = find_directory(context, a.paths.items[0]);
    if (!files_is_dir(directory))
        mlb_error_set(&err, MLB_ERR_NOT_FOUND, "no such directory or run: %s",
                      a.paths.items[0]);
    if (err.code || print_list(context, directory, &err) < 0)
        code = store_fail(&err);
    free(directory);
    strings_clear(&a.paths);
    return code;
}

/* One array of a checkpoint, its data read. Returns whether it is sound. */
static bool show_array(struct container *c, const struct container_info *a,
                       json_t *all)
{
    bool sound = container_check(c, a, NULL) == 0;

    if (all) {
        json_t *shape = json_array();
        for (int i = 0; i < a->rank; i++)
            json_array_append_new(shape,
                                  json_integer((json_int_t)a->shape[i]));
        json_array_append_new(all, json_pack(
            "{s:s, s:s, s:o, s:I, s:b}", "name", a->name, "dtype",
            mlb_dtype_name(a->dtype), "shape", shape, "bytes",
            (json_int_t)a->bytes, "sound", sound));
        return sound;
    }
    struct mlb_text type = MLB_TEXT_INIT, size = MLB_TEXT_INIT;
    store_add_type(&type, a->dtype, a->rank, a->shape);
    units_add_size(&size, (long long)a->bytes);
    printf("%-34s  %-20s  %10s  %s\n", a->name, type.data, size.data,
           sound ? "ok" : "DAMAGED");
    text_clear(&size);
    text_clear(&type);
    return sound;
}

static int show_file(const struct store_context *context, const char *path,
                     struct mlb_error *err)
{
    struct container *c = container_open(path, CONTAINER_CHECKPOINT, err);
    json_t *all = context->json ? json_array() : NULL;
    size_t damaged = 0;

    if (!c) {
        json_decref(all);
        return -1;
    }
    if (!context->json)
        printf("%-34s  %-20s  %10s  %s\n", "NAME", "TYPE", "BYTES", "DATA");
    for (size_t i = 0; i < container_count(c); i++)
        damaged += !show_array(c, container_get(c, i), all);
    if (context->json) {
        json_t *top = json_pack("{s:i, s:o, s:I, s:o}", "schema", 1, "path",
                                json_text(path), "bytes",
                                (json_int_t)container_file_size(c), "arrays",
                                all);
        json_print(top);
        json_decref(top);
    }
    container_close(c);
    if (damaged > 0)
        return mlb_error_set(err, MLB_ERR_FAILED, "%s: %zu damaged array%s",
                             path, damaged, damaged == 1 ? "" : "s");
    return 0;
}

static int show(struct store_context *context, int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse, .children = json_children, .args_doc = "RUN|FILE",
        .doc = "Show the tensors and the state in a checkpoint, and whether "
               "their data are as they were written.",
    };
    struct arguments a = { context, MLB_STRINGS_INIT, 1 };
    struct mlb_error err = { 0 };
    int code = 0;

    argp_parse(&argp, argc, argv, 0, NULL, &a);
    if (show_file(context, a.paths.items[0], &err) < 0)
        code = store_fail(&err);
    strings_clear(&a.paths);
    return code;
}

/* The files that the user's words mean: those in directories, too. */
static int find_files(const struct store_context *context,
                      const struct mlb_strings *words,
                      struct mlb_strings *files, struct mlb_error *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < words->count; i++) {
        char path[PATH_MAX];
        uint64_t *steps = NULL;
        size_t count = 0;
        char *directory = find_directory(context, words->items[i]);
        if (!files_is_dir(directory))
            strings_push(files, directory);
        else
            rc = checkpoint_steps(directory, &steps, &count, err);
        for (size_t s = count; rc == 0 && s > 0; s--) {
            rc = checkpoint_path(directory, steps[s - 1], path, sizeof(path),
                                 err);
            strings_push(files, path);
        }
        free(steps);
        free(directory);
    }
    return rc;
}

static int verify_file(const char *path)
{
    struct mlb_error err = { 0 };
    struct mlb_checkpoint_reader *r = mlb_checkpoint_open(path, &err);
    int rc = r ? mlb_checkpoint_verify(r, &err) : -1;

    mlb_checkpoint_close(r);
    char *shown = text_printable(rc < 0 ? err.text : path);
    printf("%s  %s\n", rc < 0 ? "DAMAGED" : "ok     ", shown);
    free(shown);
    return rc < 0 ? (err.code == MLB_ERR_NOT_FOUND ? MLB_ERR_NOT_FOUND
                                                   : MLB_ERR_FAILED) : 0;
}

static int verify(struct store_context *context, int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse, .children = plain_children,
        .args_doc = "RUN|DIR|FILE...",
        .doc = "Read checkpoints and compare every checksum. Exits with 1 "
               "if one is damaged.",
    };
    struct arguments a = { context, MLB_STRINGS_INIT, 0 };
    struct mlb_strings files = MLB_STRINGS_INIT;
    struct mlb_error err = { 0 };
    int code = 0;

    argp_parse(&argp, argc, argv, 0, NULL, &a);
    if (find_files(context, &a.paths, &files, &err) < 0)
        code = store_fail(&err);
    else if (files.count == 0) {
        mlb_error_set(&err, MLB_ERR_NOT_FOUND, "no checkpoint there");
        code = store_fail(&err);
    }
    for (size_t i = 0; code != MLB_ERR_IO && i < files.count; i++) {
        int one = verify_file(files.items[i]);
        if (one != 0 && code != MLB_ERR_FAILED)
            code = one;
    }
    strings_clear(&files);
    strings_clear(&a.paths);
    return code;
}

int store_checkpoint(struct store_context *context, int argc, char **argv)
{
    static const struct store_row table[] = {
        { "list", list, "list the checkpoints of a run" },
        { "show", show, "show what is in a checkpoint" },
        { "verify", verify, "read checkpoints and compare all checksums" },
        { NULL, NULL, NULL },
    };

    return store_dispatch(table, context, argc, argv);
}
