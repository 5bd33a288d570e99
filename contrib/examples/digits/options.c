/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading the command line. */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "network.h"
#include "options.h"

enum {
    NOT_GIVEN = -1,
};

static const struct options defaults = {
    .epochs = 20,
    .batch = 64,
    .hidden = 64,
    .seed = 1,
    .save_every = 0,
    .keep = NOT_GIVEN,
    .rate = 0.2,
};

static const struct argp_option rows[] = {
    { "epochs", 'e', "N", 0, "Train for N epochs in all (20)", 0 },
    { "batch", 'b', "N", 0, "Rows in a batch over all ranks (64)", 0 },
    { "hidden", 'h', "N", 0, "Hidden units (64)", 0 },
    { "seed", 's', "N", 0, "First weights and order of rows (1)", 0 },
    { "rate", 'r', "X", 0, "Learning rate (0.2)", 0 },
    { "save-every", 'S', "N", 0,
      "Save after every N epochs, too (0: when asked, and at the end)", 0 },
    { "keep", 'k', "N", 0,
      "Newest checkpoints to keep (as the job file says; 0: all)", 0 },
    { 0 },
};

/* The options that are whole numbers, and what they may be. */
static const struct whole {
    int key;
    const char *name;
    size_t at;                   /* in struct options */
    long long min, max;
} wholes[] = {
    { 'e', "--epochs", offsetof(struct options, epochs), 1, INT_MAX },
    { 'b', "--batch", offsetof(struct options, batch), 1, NETWORK_MAX_BATCH },
    { 'h', "--hidden", offsetof(struct options, hidden), 1,
      NETWORK_MAX_HIDDEN },
    { 's', "--seed", offsetof(struct options, seed), 0, LLONG_MAX },
    { 'S', "--save-every", offsetof(struct options, save_every), 0, INT_MAX },
    { 'k', "--keep", offsetof(struct options, keep), 0, INT_MAX },
    { 0 },
};

static const struct whole *find_whole(int key)
{
    for (const struct whole *whole = wholes; whole->key; whole++)
        if (whole->key == key)
            return whole;
    return NULL;
}

/* name is what the user calls it, for the message. */
static void read_whole(const struct whole *whole, const char *name,
                       const char *text, struct argp_state *state)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < whole->min ||
        value > whole->max)
        argp_error(state, "%s: '%s' is not a whole number from %lld to %lld",
                   name, text, whole->min, whole->max);
    *(long long *)((char *)state->input + whole->at) = value;
}

static void read_rate(const char *text, struct argp_state *state)
{
    struct options *options = state->input;
    char *end;
    options->rate = strtod(text, &end);
    if (end == text || *end || !(options->rate > 0) ||
        !isfinite(options->rate))
        argp_error(state, "--rate: '%s' is not a number above 0", text);
}

static error_t read_one(int key, char *text, struct argp_state *state)
{
    const struct whole *whole = find_whole(key);
    if (whole)
        read_whole(whole, whole->name, text, state);
    else if (key == 'r')
        read_rate(text, state);
    else if (key == ARGP_KEY_ARG)
        argp_error(state, "'%s': nothing but options is expected", text);
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

void options_read(struct options *options, int argc, char **argv)
{
    static const struct argp argp = {
        .options = rows,
        .parser = read_one,
        .doc = "Train a small network to read digits, over all MPI ranks.\v"
               "MLB_DATA_TRAIN holds the path of the data set. A run goes on "
               "from the latest checkpoint in MLB_CHECKPOINT_DIR, else in "
               "the directory checkpoints.",
    };
    argp_err_exit_status = 2;
    *options = defaults;
    argp_parse(&argp, argc, argv, 0, NULL, options);
}
