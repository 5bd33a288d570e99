/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch dataset import. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cmd/store_cmd.h"
#include "cmd/store_progress.h"
#include "store/import.h"

#define SHARD_BYTES (UINT64_C(1) << 30)
#define MAX_SPLITS 32

struct import_arguments {
    struct store_context *context;
    struct import_options o;
    struct version_split splits[MAX_SPLITS];
    struct mlb_strings names;     /* of the splits */
    struct mlb_strings fields, more;
};

enum {
    KEY_LABEL = 1101, KEY_SHAPE, KEY_SPLIT, KEY_SEED, KEY_SHARD, KEY_FORMAT,
    KEY_DTYPE, KEY_LENGTH, KEY_SEPARATOR, KEY_WHOLE_FILES, KEY_FIELD
};

static const struct argp_option import_flags[] = {
    { .name = "format", .key = KEY_FORMAT, .arg = "FORMAT",
      .doc = "csv, npy, npz, idx, webdataset, folder, text, tokens or hdf5; "
             "else it is told from the source" },
    { .name = "label", .key = KEY_LABEL, .arg = "COLUMN|FILE",
      .doc = "Field y: csv: first, last, a number from 1 or a name of the "
             "header; npy, idx: a file" },
    { .name = "shape", .key = KEY_SHAPE, .arg = "N,N",
      .doc = "csv: shape of a row of field x, as in 8,8" },
    { .name = "dtype", .key = KEY_DTYPE, .arg = "TYPE",
      .doc = "tokens: u16 or u32" },
    { .name = "length", .key = KEY_LENGTH, .arg = "N",
      .doc = "tokens: a row is so many" },
    { .name = "separator", .key = KEY_SEPARATOR, .arg = "ID",
      .doc = "tokens: a row ends with this one" },
    { .name = "whole-files", .key = KEY_WHOLE_FILES,
      .doc = "text: a row is a file, not a line" },
    { .name = "field", .key = KEY_FIELD, .arg = "[NAME=]PATH",
      .doc = "hdf5: import this data set, not all at the top; may be given "
             "more than once" },
    { .name = "split", .key = KEY_SPLIT, .arg = "NAME=SHARE",
      .doc = "Put that share of the rows, drawn at random, into a split; "
             "may be given more than once" },
    { .name = "seed", .key = KEY_SEED, .arg = "N",
      .doc = "What the splits are drawn by (0)" },
    { .name = "shard-size", .key = KEY_SHARD, .arg = "SIZE",
      .doc = "Begin a new file after this much (1G)" },
    { 0 },
};

static void add_split(struct import_arguments *a, const char *arg,
                      struct argp_state *state)
{
    const char *equals = strchr(arg, '=');
    char *end = NULL;
    double share = equals ? strtod(equals + 1, &end) : 0;

    if (!equals || end == equals + 1 || *end)
        argp_error(state, "not a split: \"%s\" (as in train=0.8)", arg);
    if (a->o.split_count == MAX_SPLITS)
        argp_error(state, "more than %d splits", MAX_SPLITS);
    char *name = xstrndup(arg, (size_t)(equals - arg));
    strings_push(&a->names, name);
    free(name);
    a->splits[a->o.split_count++] = (struct version_split){
        .name = a->names.items[a->names.count - 1], .share = share,
    };
}

static uint64_t parse_number(const char *arg, const char *what,
                             struct argp_state *state)
{
    char *end;

    errno = 0;
    unsigned long long n = strtoull(arg, &end, 10);
    if (errno || end == arg || *end || *arg == '-')
        argp_error(state, "not a %s: \"%s\"", what, arg);
    return n;
}

static uint64_t parse_shard_size(const char *arg, struct argp_state *state)
{
    long long bytes = 0;
    struct mlb_error err = { 0 };

    if (units_parse_size(arg, 1, &bytes, &err) < 0)
        argp_error(state, "shard-size: %s", err.text);
    return bytes > 0 ? (uint64_t)bytes : 1;
}

static enum mlb_dtype parse_dtype(const char *arg, struct argp_state *state)
{
    enum mlb_dtype dtype = mlb_dtype_find(arg);

    if (dtype != MLB_U16 && dtype != MLB_U32)
        argp_error(state, "tokens are of type u16 or u32, not \"%s\"", arg);
    return dtype;
}

static void parse_word(struct import_arguments *a, const char *arg,
                       unsigned number)
{
    if (number == 0)
        a->o.name = arg;
    else if (number == 1)
        a->o.source = arg;
    else
        strings_push(&a->more, arg);
}

/* What only some of the formats have. */
static error_t parse_special(int key, char *arg, struct argp_state *state)
{
    struct import_arguments *a = state->input;

    switch (key) {
    case KEY_FORMAT:
        a->o.format = arg;
        return 0;
    case KEY_DTYPE:
        a->o.dtype = parse_dtype(arg, state);
        return 0;
    case KEY_LENGTH:
        a->o.length = parse_number(arg, "length", state);
        if (a->o.length == 0)
            argp_error(state, "a row of no tokens");
        return 0;
    case KEY_SEPARATOR:
        a->o.separator = arg;
        return 0;
    case KEY_WHOLE_FILES:
        a->o.whole_files = true;
        return 0;
    case KEY_FIELD:
        strings_push(&a->fields, arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_import(int key, char *arg, struct argp_state *state)
{
    struct import_arguments *a = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = a->context;
        return 0;
    case KEY_LABEL:
        a->o.label = arg;
        return 0;
    case KEY_SHAPE:
        a->o.shape = arg;
        return 0;
    case KEY_SPLIT:
        add_split(a, arg, state);
        return 0;
    case KEY_SEED:
        a->o.seed = parse_number(arg, "seed", state);
        return 0;
    case KEY_SHARD:
        a->o.shard_bytes = parse_shard_size(arg, state);
        return 0;
    case ARGP_KEY_ARG:
        parse_word(a, arg, state->arg_num);
        return 0;
    case ARGP_KEY_END:
        if (state->arg_num < 2)
            argp_usage(state);
        return 0;
    default:
        return parse_special(key, arg, state);
    }
}

static const struct argp_child import_children[] = { { .argp = &store_argp },
                                                     { 0 } };

/* The command as the user could type it again. */
static char *command_text(int argc, char **argv)
{
    struct mlb_text t = MLB_TEXT_INIT;

    text_add(&t, argv[0]);
    for (int i = 1; i < argc; i++) {
        text_add(&t, " ");
        text_add_shell(&t, argv[i]);
    }
    return text_detach(&t);
}

static int run_import(struct import_options *o)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct import_result result;
    struct mlb_error err = { 0 };
    struct store_progress progress;
    int code = 0;

    store_progress_begin(&progress);
    o->progress = store_progress_show;
    o->say = store_progress_say;
    o->arg = &progress;
    int rc = import_run(o, &result, &problems, &err);
    store_progress_end(&progress);
    problems_print(&problems, stderr);
    if (rc < 0)
        code = store_fail(&err);
    else if (result.existed)
        printf("%s:%s is there already, with the same %" PRIu64 " rows\n",
               o->name, result.version, result.rows);
    else
        printf("%s:%s imported, %" PRIu64 " rows\n", o->name,
               result.version, result.rows);
    problems_clear(&problems);
    return code;
}

int store_import(struct store_context *context, int argc, char **argv)
{
    static const struct argp argp = {
        .options = import_flags, .parser = parse_import,
        .children = import_children, .args_doc = "NAME SOURCE...",
        .doc = "Make a version of data set NAME from CSV, npy, npz, IDX or "
               "HDF5 files, WebDataset tar files, a folder with a folder "
               "for each class, text or token ids. The version is a hash of "
               "the content; tag \"latest\" goes to it. An import that was "
               "cut off goes on when it is started again.",
    };
    struct import_arguments a = {
        .context = context, .names = MLB_STRINGS_INIT,
        .fields = MLB_STRINGS_INIT, .more = MLB_STRINGS_INIT,
        .o = { .shard_bytes = SHARD_BYTES },
    };
    char *command = command_text(argc, argv);
    int code;

    argp_parse(&argp, argc, argv, 0, NULL, &a);
    a.o.splits = a.splits;
    a.o.fields = a.fields.items;
    a.o.more = a.more.items;
    a.o.store = context->store;
    a.o.command = command;
    if (a.o.store)
        code = run_import(&a.o);
    else
        code = store_fail_no_store();
    free(command);
    strings_clear(&a.names);
    strings_clear(&a.fields);
    strings_clear(&a.more);
    return code;
}
