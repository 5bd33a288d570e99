/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch-store: all commands that need HDF5, run by mlbatch. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_LIBURING
#include <liburing.h>
#endif

#include "base/process.h"
#include "cmd/store_cmd.h"
#include "mlbatch/dtype.h"
#include "run/record.h"
#include "store/container.h"
#include "store/io.h"

#define DIRECT_BYTES 4096         /* aligned to this, O_DIRECT takes it */

enum { KEY_STORE = 1001, KEY_SITE };

static error_t parse_store(int key, char *arg, struct argp_state *state)
{
    struct store_context *context = state->input;

    if (key == KEY_SITE)
        argp_error(state, "--site cannot be shortened here");
    if (key != KEY_STORE)
        return ARGP_ERR_UNKNOWN;
    context->store = arg;
    return 0;
}

static error_t parse_json(int key, char *arg, struct argp_state *state)
{
    struct store_context *context = state->input;

    (void)arg;
    if (key == ARGP_KEY_INIT)
        state->child_inputs[0] = context;
    else if (key == 'j')
        context->json = true;
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static const struct argp_option store_options[] = {
    { .name = "store", .key = KEY_STORE, .arg = "DIR", .group = 90,
      .doc = "The store: data sets and runs" },
    /* Read by `mlbatch`, which knows site files. */
    { .name = "site", .key = KEY_SITE, .arg = "FILE", .group = 90,
      .doc = "Read this site file after all others" },
    { 0 },
};

static const struct argp_option json_options[] = {
    { .name = "json", .key = 'j', .doc = "Print JSON" },
    { 0 },
};

const struct argp store_argp = { .options = store_options,
                                 .parser = parse_store };
static const struct argp_child json_children[] = { { .argp = &store_argp },
                                                   { 0 } };
const struct argp store_json_argp = { .options = json_options,
                                      .parser = parse_json,
                                      .children = json_children };

int store_fail(const struct mlb_error *err)
{
    char *shown = text_printable(err->text);

    fprintf(stderr, "mlbatch: %s\n", shown);
    free(shown);
    return err->code;
}

int store_fail_no_store(void)
{
    struct mlb_error err;

    mlb_error_set(&err, MLB_ERR_USAGE, "no store: give --store=DIR");
    return store_fail(&err);
}

void store_add_type(struct mlb_text *out, int dtype, int rank,
                    const uint64_t *shape)
{
    text_add(out, mlb_dtype_name(dtype));
    for (int i = 0; i < rank; i++)
        text_addf(out, "%s%" PRIu64, i == 0 ? " [" : ", ", shape[i]);
    if (rank > 0)
        text_add(out, "]");
}

void store_add_age(struct mlb_text *out, double when)
{
    double age = difftime(time(NULL), (time_t)when);

    if (when <= 0 || age < 0)
        text_add(out, "-");
    else if (age < 60)
        text_addf(out, "%.0f s", age);
    else if (age < 3600)
        text_addf(out, "%.0f min", floor(age / 60));
    else if (age < 2 * 86400)
        text_addf(out, "%.0f h", floor(age / 3600));
    else
        text_addf(out, "%.0f d", floor(age / 86400));
}

size_t store_columns(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

int store_confirm(const char *question, struct mlb_error *err)
{
    char line[16] = "";

    if (!isatty(STDIN_FILENO))
        return mlb_error_set(err, MLB_ERR_USAGE, "%s Nobody to ask: give "
                             "--yes", question);
    fflush(stdout);
    fprintf(stderr, "%s [y/N] ", question);
    if (fgets(line, sizeof(line), stdin) &&
        (strcasecmp(line, "y\n") == 0 || strcasecmp(line, "yes\n") == 0))
        return 0;
    return mlb_error_set(err, MLB_ERR_FAILED, "nothing was removed");
}

static void print_rows(const struct store_row *table, const char *name,
                       FILE *to)
{
    fprintf(to, "Usage: %s COMMAND ...\n\n", name);
    for (; table->name; table++)
        fprintf(to, "  %-12s %s\n", table->name, table->help);
    fprintf(to, "\n\"%s COMMAND --help\" tells more.\n", name);
}

static int unknown(const struct store_row *table, const char *name,
                   const char *word)
{
    const char *names[16];
    size_t count = 0;

    for (; table[count].name && count < 16; count++)
        names[count] = table[count].name;
    const char *near = text_suggest(word, names, count);
    char *shown = text_printable(word);
    fprintf(stderr, "%s: no command \"%s\"", name, shown);
    if (near)
        fprintf(stderr, ", did you mean \"%s\"?\n", near);
    else
        fprintf(stderr, "; \"%s --help\" lists them\n", name);
    free(shown);
    return MLB_ERR_USAGE;
}

int store_dispatch(const struct store_row *table,
                   struct store_context *context, int argc, char **argv)
{
    static const char option[] = "--store=";
    const char *name = argv[0];

    for (; argc > 1 && strncmp(argv[1], option, strlen(option)) == 0;
         argc--, argv++)
        context->store = argv[1] + strlen(option);
    if (argc < 2) {
        print_rows(table, name, stderr);
        return MLB_ERR_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-?") == 0 ||
        strcmp(word, "-h") == 0) {
        print_rows(table, name, stdout);
        return 0;
    }
    const struct store_row *row = table;
    while (row->name && strcmp(word, row->name) != 0)
        row++;
    if (!row->name)
        return unknown(table, name, word);
    char *full = xasprintf("%s %s", name, word);
    argv[1] = full;               /* argp shows it in help and messages */
    int code = row->run(context, argc - 1, argv + 1);
    free(full);
    return code;
}

/* The input of a command with one plain argument. */
struct one_argument {
    struct store_context *context;
    const char *value;
    bool optional;
};

static error_t parse_one(int key, char *arg, struct argp_state *state)
{
    struct one_argument *one = state->input;

    if (key == ARGP_KEY_INIT)
        state->child_inputs[0] = one->context;
    else if (key == ARGP_KEY_ARG && !one->value)
        one->value = arg;
    else if (key == ARGP_KEY_ARG ||
             (key == ARGP_KEY_END && !one->value && !one->optional))
        argp_usage(state);
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static const struct argp_child store_children[] = { { .argp = &store_argp },
                                                    { 0 } };

static int seal(struct store_context *context, int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse_one, .children = store_children,
        .args_doc = "RUN_DIRECTORY",
        .doc = "Write the record of a run, record.h5, from its events.",
    };
    struct one_argument one = { .context = context };
    struct mlb_error err = { 0 };

    argp_parse(&argp, argc, argv, 0, NULL, &one);
    return record_seal(one.value, &err) < 0 ? store_fail(&err) : 0;
}

static void probe_uring(void)
{
#ifdef HAVE_LIBURING
    struct io_uring ring;
    int rc = io_uring_queue_init(8, &ring, 0);

    if (rc == 0) {
        io_uring_queue_exit(&ring);
        puts("io_uring: ok: can be set up");
    } else {
        printf("io_uring: unavailable: %s\n", strerror(-rc));
    }
#else
    puts("io_uring: unavailable: built without liburing");
#endif
}

/* Does a file in directory take a write that bypasses the page cache? */
static void probe_direct(const char *directory)
{
    char *path = xasprintf("%s/.mlb-probe-XXXXXX", directory);
    void *block = aligned_alloc(DIRECT_BYTES, DIRECT_BYTES);
    int fd = mkostemp(path, O_CLOEXEC | O_DIRECT);
    bool works = false;

    if (fd >= 0 && block) {
        memset(block, 0, DIRECT_BYTES);
        works = pwrite(fd, block, DIRECT_BYTES, 0) == DIRECT_BYTES;
    }
    if (works)
        printf("O_DIRECT: ok: in %s\n", directory);
    else
        printf("O_DIRECT: unavailable: in %s: %s\n", directory,
               strerror(errno));
    /* Where open says no it may have made the file all the same. */
    unlink(path);
    if (fd >= 0)
        close(fd);
    free(block);
    free(path);
}

/* What large arrays would be written with. */
static void probe_io(const char *directory)
{
    struct mlb_error err;
    char used[64];

    if (io_probe(directory, used, sizeof(used), &err) == 0)
        printf("io: ok: %s\n", used);
    else
        printf("io: unavailable: %s\n", err.text);
}

static int probe(struct store_context *context, int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse_one, .children = store_children,
        .args_doc = "[DIRECTORY]",
        .doc = "Say what storage can do here; O_DIRECT in DIRECTORY, else "
               "in the store.",
    };
    struct one_argument one = { .context = context, .optional = true };

    argp_parse(&argp, argc, argv, 0, NULL, &one);
    printf("HDF5: ok: %s\n", container_hdf5_version());
    probe_uring();
    const char *directory = one.value ? one.value : context->store;
    if (directory) {
        probe_direct(directory);
        probe_io(directory);
    }
    return 0;
}

static const struct store_row table[] = {
    { "dataset", store_dataset, "import, look at and export data sets" },
    { "checkpoint", store_checkpoint, "look at, export and prune checkpoints" },
    { "report", store_report, "print the cards of runs" },
    { "advise", store_advise, "say what a job should ask next" },
    { "seal", seal, "write the record of a run" },
    { "probe", probe, "say what storage can do here" },
    { NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
    struct store_context context = { 0 };
    char name[] = "mlbatch";

    process_begin();
    argp_err_exit_status = MLB_ERR_USAGE;
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("mlbatch-store " PACKAGE_VERSION);
        return 0;
    }
    if (argc > 0)
        argv[0] = name;
    int code = argc > 0 ? store_dispatch(table, &context, argc, argv)
                        : MLB_ERR_USAGE;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("mlbatch: standard output");
        return MLB_ERR_IO;
    }
    return code;
}
