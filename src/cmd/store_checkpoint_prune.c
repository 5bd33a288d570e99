/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch checkpoint prune. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/units.h"
#include "cmd/store_checkpoint.h"
#include "cmd/store_words.h"
#include "store/checkpoint.h"
#include "store/retention.h"

struct arguments {
    struct store_words words;
    struct mlb_retention rules;
    bool dry, yes;
};

enum { KEY_KEEP = 1601, KEY_EVERY, KEY_BEST, KEY_METRIC, KEY_HIGHER,
       KEY_DRY };

static const struct argp_option flags[] = {
    { .name = "keep", .key = KEY_KEEP, .arg = "K",
      .doc = "Keep the newest K" },
    { .name = "keep-every", .key = KEY_EVERY, .arg = "N",
      .doc = "Keep steps that are a multiple of N, too" },
    { .name = "best", .key = KEY_BEST, .arg = "K",
      .doc = "Keep the best K by --metric, too" },
    { .name = "metric", .key = KEY_METRIC, .arg = "NAME",
      .doc = "What the program noted, as \"list\" shows it" },
    { .name = "higher", .key = KEY_HIGHER,
      .doc = "A higher metric is better (else a lower one)" },
    { .name = "dry-run", .key = KEY_DRY, .doc = "Only say what would go" },
    { .name = "yes", .key = 'y', .doc = "Do not ask" },
    { 0 },
};

static uint64_t parse_count(const char *arg, const char *name, uint64_t most,
                            struct argp_state *state)
{
    char *end;

    errno = 0;
    unsigned long long n = strtoull(arg, &end, 10);
    if (errno || *arg < '0' || *arg > '9' || *end || n == 0 || n > most)
        argp_error(state, "--%s: not a number from 1: \"%s\"", name, arg);
    return n;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = a->words.context;
        return 0;
    case KEY_KEEP:
        a->rules.last = (int)parse_count(arg, "keep", INT_MAX, state);
        return 0;
    case KEY_EVERY:
        a->rules.every = parse_count(arg, "keep-every", UINT64_MAX, state);
        return 0;
    case KEY_BEST:
        a->rules.best = (int)parse_count(arg, "best", INT_MAX, state);
        return 0;
    case KEY_METRIC:
        a->rules.metric = arg;
        return 0;
    case KEY_HIGHER:
        a->rules.higher_is_better = 1;
        return 0;
    case KEY_DRY:
        a->dry = true;
        return 0;
    case 'y':
        a->yes = true;
        return 0;
    case ARGP_KEY_END:
        if (!a->rules.last && !a->rules.every && !a->rules.best)
            argp_error(state, "what is to stay? (--keep=K, "
                              "--keep-every=N, --best=K)");
        if ((a->rules.best > 0) != (a->rules.metric != NULL))
            argp_error(state, "--best and --metric go together");
        break;
    }
    return store_parse_words(key, arg, state, &a->words);
}

/* What is there, and what shall become of it. */
struct pruning {
    const struct mlb_retention *rules;
    char *directory;
    struct retention_saved *saved;
    size_t count, going;
    uint64_t bytes;               /* of those that go */
    bool any_metric;
};

static char *path_of(const struct pruning *p, size_t i)
{
    char path[PATH_MAX];

    if (checkpoint_path(p->directory, p->saved[i].step, path, sizeof(path),
                        NULL) < 0)
        return NULL;
    return xstrdup(path);
}

/* Note a checkpoint if it can be opened; damaged ones are not touched. */
static void look_at(struct pruning *p, uint64_t step)
{
    struct retention_saved *s = &p->saved[p->count];
    const char *name;
    double value;

    s->step = step;
    s->metric = NAN;
    char *path = path_of(p, p->count);
    struct mlb_checkpoint_reader *r =
        path ? mlb_checkpoint_open(path, NULL) : NULL;
    for (int i = 0; r && (name = mlb_checkpoint_metric(r, i, &value)); i++)
        if (p->rules->metric && strcmp(name, p->rules->metric) == 0) {
            s->metric = value;
            p->any_metric = true;
        }
    p->count += r != NULL;
    mlb_checkpoint_close(r);
    free(path);
}

/* Something that stays must be sound to the last byte. */
static int check_kept(const struct pruning *p, struct mlb_error *err)
{
    for (size_t i = 0; i < p->count; i++) {
        char *path = p->saved[i].keep ? path_of(p, i) : NULL;
        struct mlb_checkpoint_reader *r =
            path ? mlb_checkpoint_open(path, NULL) : NULL;
        bool sound = r && mlb_checkpoint_verify(r, NULL) == 0;
        mlb_checkpoint_close(r);
        free(path);
        if (sound)
            return 0;
    }
    return mlb_error_set(err, MLB_ERR_FAILED, "none of those that would stay "
                         "in %s is sound; nothing was removed (\"mlbatch "
                         "checkpoint verify\" tells more)", p->directory);
}

static int plan(struct pruning *p, struct mlb_error *err)
{
    uint64_t *steps = NULL;
    size_t count = 0;
    int rc = checkpoint_steps(p->directory, &steps, &count, err);

    p->saved = xcalloc(count + 1, sizeof(*p->saved));
    for (size_t i = 0; rc == 0 && i < count; i++)
        look_at(p, steps[i]);
    free(steps);
    if (rc == 0 && count == 0)
        return mlb_error_set(err, MLB_ERR_NOT_FOUND,
                             "there is no checkpoint in %s", p->directory);
    if (rc == 0 && p->rules->metric && !p->any_metric)
        return mlb_error_set(err, MLB_ERR_NOT_FOUND, "no checkpoint in %s "
                             "has a metric %s (\"mlbatch checkpoint list\" "
                             "shows them)", p->directory, p->rules->metric);
    if (rc == 0)
        rc = retention_pick(p->rules, p->saved, p->count, err);
    for (size_t i = 0; rc == 0 && i < p->count; i++) {
        char *path = p->saved[i].keep ? NULL : path_of(p, i);
        p->going += path != NULL;
        p->bytes += path ? store_checkpoint_bytes(path) : 0;
        free(path);
    }
    return rc;
}

static int confirm(const struct pruning *p, struct mlb_error *err)
{
    struct mlb_text t = MLB_TEXT_INIT;

    text_addf(&t, "Remove %zu of %zu checkpoints in %s (", p->going,
              p->count, p->directory);
    units_add_size(&t, (long long)p->bytes);
    text_add(&t, ")?");
    int rc = store_confirm(t.data, err);
    text_clear(&t);
    return rc;
}

/* Oldest first, so that stopped half-way the newer ones are left. */
static int remove_all(const struct pruning *p, bool dry, json_t *removed,
                      struct mlb_error *err)
{
    int rc = 0;

    for (size_t i = p->count; rc == 0 && i > 0; i--) {
        char *path = p->saved[i - 1].keep ? NULL : path_of(p, i - 1);
        if (path && !dry)
            rc = checkpoint_remove(path, err);
        if (path && rc == 0 && removed)
            json_array_append_new(removed, json_text(path));
        else if (path && rc == 0)
            printf("%s step %" PRIu64 "\n", dry ? "would remove" : "removed",
                   p->saved[i - 1].step);
        free(path);
    }
    return rc;
}

static int prune(const struct store_context *context,
                 const struct arguments *a, struct mlb_error *err)
{
    struct pruning p = { .rules = &a->rules };
    struct store_place place;
    json_t *removed = context->json ? json_array() : NULL;
    int rc = store_place_find(context, a->words.words.items[0], &place, err);

    if (rc == 0 && !place.directory)
        rc = mlb_error_set(err, MLB_ERR_USAGE, "%s is a single checkpoint; "
                           "prune wants a run or a directory", place.path);
    p.directory = place.directory;
    if (rc == 0)
        rc = plan(&p, err);
    if (rc == 0 && p.going > 0 && !a->dry)
        rc = check_kept(&p, err);
    if (rc == 0 && p.going > 0 && !a->dry && !a->yes)
        rc = confirm(&p, err);
    if (rc == 0)
        rc = remove_all(&p, a->dry, removed, err);
    if (rc == 0 && removed)
        store_print_json(json_pack("{s:b, s:O, s:I, s:I}", "dry_run", a->dry,
                                   "removed", removed, "kept",
                                   (json_int_t)(p.count - p.going), "bytes",
                                   (json_int_t)p.bytes), 1);
    else if (rc == 0)
        printf("%zu %s\n", p.count - p.going, a->dry ? "would stay"
                                                     : "stay");
    json_decref(removed);
    free(p.saved);
    store_place_clear(&place);
    return rc;
}

int store_checkpoint_prune(struct store_context *context, int argc,
                           char **argv)
{
    static const struct argp argp = {
        .options = flags, .parser = parse, .children = store_words_children,
        .args_doc = "RUN|DIR",
        .doc = "Remove the checkpoints of a run that none of the rules wants "
               "to keep. The newest always stays, damaged ones are not "
               "touched, and nothing goes before one that stays was read "
               "and found sound.",
    };
    struct arguments a = {
        .words = { context, "which run?", 1, 1, MLB_STRINGS_INIT },
    };
    struct mlb_error err = { 0 };

    argp_parse(&argp, argc, argv, 0, NULL, &a);
    int rc = prune(context, &a, &err);
    strings_clear(&a.words.words);
    return rc < 0 ? store_fail(&err) : 0;
}
