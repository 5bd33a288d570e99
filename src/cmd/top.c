/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch-top: what the tasks of running runs do now. */
#include "config.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/process.h"
#include "cmd/top.h"

/* The store is looked through for new runs so often. */
#define LOOK_SECONDS 5
/* --once reads all that there is, but not forever. */
#define ONCE_SECONDS 10

enum { KEY_STORE = 1001, KEY_SITE, KEY_ONCE };

struct watch {
    const char *store;
    struct mlb_strings names;            /* of runs; none: all */
    struct top_view view;
    bool once, json, more;
    double looked;
};

static const struct argp_option options[] = {
    { .name = "once", .key = KEY_ONCE,
      .doc = "Print one table and leave, as without a terminal" },
    { .name = "json", .key = 'j', .doc = "Print JSON and leave" },
    { .name = "sort", .key = 's', .arg = "COLUMN",
      .doc = "Sort by run, rank, node, cpu, rss, read, write, step, samples, "
             "loss, gpu or state" },
    { .name = "filter", .key = 'f', .arg = "TEXT",
      .doc = "Only rows with TEXT in run, node or state, or of that rank" },
    { .name = "store", .key = KEY_STORE, .arg = "DIR", .group = 90,
      .doc = "The store: data sets and runs" },
    /* Read by `mlbatch`, which knows site files. */
    { .name = "site", .key = KEY_SITE, .arg = "FILE", .group = 90,
      .doc = "Read this site file after all others" },
    { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct watch *w = state->input;
    int column;

    switch (key) {
    case KEY_ONCE:
        w->once = true;
        return 0;
    case 'j':
        w->json = w->once = true;
        return 0;
    case 's':
        column = top_column_find(arg);
        if (column < 0)
            argp_error(state, "--sort: no column \"%s\"", arg);
        w->view.sort = (enum top_column)column;
        return 0;
    case 'f':
        w->view.filter = arg;
        return 0;
    case KEY_STORE:
        w->store = arg;
        return 0;
    case KEY_SITE:
        argp_error(state, "--site cannot be shortened here");
        return 0;
    case ARGP_KEY_ARG:
        strings_push(&w->names, arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int fail(const struct mlb_error *err)
{
    char *shown = text_printable(err->text);

    fprintf(stderr, "mlbatch: %s\n", shown);
    free(shown);
    return err->code;
}

/* Takes run, unless it is watched already. */
static void add_run(struct watch *w, struct mlb_run *run, bool named)
{
    for (size_t i = 0; i < w->view.run_count; i++)
        if (strcmp(w->view.runs[i].run.path, run->path) == 0) {
            run_clear(run);
            return;
        }
    w->view.runs = xrealloc(w->view.runs, (w->view.run_count + 1) *
                                              sizeof(*w->view.runs));
    w->view.runs[w->view.run_count++] = (struct top_run){
        .run = *run, .named = named, .heard = -1e9,
    };
}

static int find_named(struct watch *w, struct mlb_error *err)
{
    for (size_t i = 0; i < w->names.count; i++) {
        struct mlb_run run = MLB_RUN_INIT;
        if (run_find(w->store, w->names.items[i], &run, err) < 0)
            return -1;
        add_run(w, &run, true);
    }
    return 0;
}

static int find_all(struct watch *w, struct mlb_error *err)
{
    struct mlb_strings ids = MLB_STRINGS_INIT;
    int rc = run_list(w->store, &ids, err);

    for (size_t i = 0; rc == 0 && i < ids.count; i++) {
        struct mlb_run run = {
            .id = xstrdup(ids.items[i]),
            .path = xasprintf("%s/runs/%s", w->store, ids.items[i]),
        };
        add_run(w, &run, false);
    }
    strings_clear(&ids);
    return rc;
}

/* Runs that do not run are only looked at when the store is. */
static void poll_runs(void *context)
{
    struct watch *w = context;
    bool look = top_now() - w->looked >= LOOK_SECONDS;

    if (look) {
        if (w->names.count == 0)
            find_all(w, NULL);
        w->looked = top_now();
    }
    w->more = false;
    for (size_t i = 0; i < w->view.run_count; i++)
        if ((look || top_run_is_open(&w->view.runs[i])) &&
            top_run_poll(&w->view.runs[i]))
            w->more = true;
}

static void tell_problems(const struct watch *w)
{
    struct mlb_strings problems = MLB_STRINGS_INIT;

    for (size_t i = 0; i < w->view.run_count; i++)
        top_run_problems(&w->view.runs[i], &problems);
    for (size_t i = 0; i < problems.count; i++) {
        char *shown = text_printable(problems.items[i]);
        fprintf(stderr, "mlbatch: %s\n", shown);
        free(shown);
    }
    strings_clear(&problems);
}

static void print_once(struct watch *w)
{
    double until = top_now() + ONCE_SECONDS;

    do {
        w->looked = -LOOK_SECONDS;
        poll_runs(w);
    } while (w->more && top_now() < until);
    top_view_make(&w->view, top_now());
    if (w->json)
        top_print_json(&w->view);
    else if (w->view.row_count > 0)
        top_print(&w->view);
    else
        fprintf(stderr, "mlbatch: nothing runs%s\n",
                w->names.count ? " of that" : "");
    if (w->view.hidden > 0)
        fprintf(stderr, "mlbatch: %zu runs that have been quiet for over an "
                "hour are not shown (name them)\n", w->view.hidden);
    tell_problems(w);
}

/* Each journal of each run is a file that stays open. */
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options, .parser = parse, .args_doc = "[RUN]...",
        .doc = "Show what the tasks of running runs do now; without RUN, of "
               "all in the store.",
    };
    struct watch w = { .names = MLB_STRINGS_INIT,
                       .looked = -LOOK_SECONDS };
    struct mlb_error err = { 0 };
    char name[] = "mlbatch top";
    int code = 0;

    process_begin();
    raise_limit();
    argp_err_exit_status = MLB_ERR_USAGE;
    argv[0] = name;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &w);
    if (!w.store)
        code = fail(&(struct mlb_error){ MLB_ERR_USAGE, "which store? "
                                         "(start \"mlbatch top\")" });
    else if ((w.names.count ? find_named(&w, &err) : find_all(&w, &err)) < 0)
        code = fail(&err);
    else if (w.once || !isatty(0) || !isatty(1))
        print_once(&w);
    else if (top_screen(&(struct top_screen){ &w.view, poll_runs, &w },
                        &err) < 0)
        code = fail(&err);
    for (size_t i = 0; i < w.view.run_count; i++)
        top_run_clear(&w.view.runs[i]);
    free(w.view.runs);
    w.view.runs = NULL;
    w.view.run_count = 0;
    top_view_clear(&w.view);
    strings_clear(&w.names);
    if (code == 0 && (fflush(stdout) != 0 || ferror(stdout))) {
        perror("mlbatch: standard output");
        code = MLB_ERR_IO;
    }
    return code;
}
