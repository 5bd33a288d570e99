/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch logs: print or follow the output of a rank. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "base/files.h"
#include "base/units.h"
#include "cmd/cmd.h"

/* Look again after so long even if inotify heard nothing: on a network file
 * system the writer is another machine. */
#define LOOK_MS 500
#define ASK_SECONDS 30

struct arguments {
    struct cmd_options common;
    const char *run;
    long rank;
    bool follow, batch;
};

static const struct argp_option options[] = {
    { .name = "follow", .key = 'f',
      .doc = "Go on printing until the run ends" },
    { .name = "rank", .key = 'r', .arg = "N", .doc = "Of this rank [0]" },
    { .name = "batch", .key = 'b',
      .doc = "Of the batch step: what the launcher said" },
    { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    struct mlb_error err;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->common;
        return 0;
    case 'f':
        a->follow = true;
        return 0;
    case 'b':
        a->batch = true;
        return 0;
    case 'r':
        if (units_parse_long(arg, 0, 99999999, &a->rank, &err) < 0)
            argp_error(state, "--rank: %s", err.text);
        return 0;
    default:
        return cmd_parse_run(key, arg, state, &a->run);
    }
}

/* Copy what is new in the file to standard output. 1: something was. */
static int copy_news(int fd, struct mlb_error *err)
{
    char part[65536];
    int any = 0;

    for (;;) {
        ssize_t n = read(fd, part, sizeof(part));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mlb_error_errno(err, MLB_ERR_IO, "cannot read the log");
        if (n == 0)
            return any;
        if (files_write_all(1, part, (size_t)n) < 0)
            return mlb_error_errno(err, MLB_ERR_IO, "standard output");
        any = 1;
    }
}

/* The log tells of the end at once; the scheduler, asked seldom, of a run
 * that ended without a word or never began. */
static bool has_ended(const struct cmd_context *context, struct cmd_run *run,
                      time_t *ask_at)
{
    if (cmd_run_read(run, NULL) < 0)
        return true;
    if (!state_is_final(run->state.state) && time(NULL) >= *ask_at) {
        struct cmd_context shared = *context;
        shared.answer_age = ASK_SECONDS;
        cmd_runs_query(&shared, run, 1);
        *ask_at = time(NULL) + ASK_SECONDS;
    }
    return state_is_final(run->state.state) || run->lost;
}

/* The order matters: first see that the run has ended, then read the rest;
 * the other way round the last lines could be missed. */
static int follow(const struct cmd_context *context, struct cmd_run *run,
                  const char *path, struct mlb_error *err)
{
    time_t ask_at = time(NULL) + ASK_SECONDS;
    char *directory = run_path(&run->run, "out");
    int inotify = inotify_init1(IN_CLOEXEC), fd = -1, rc = 0;

    inotify_add_watch(inotify, directory, IN_MODIFY | IN_CREATE);
    free(directory);
    for (;;) {
        bool ended = has_ended(context, run, &ask_at);
        if (fd < 0)
            fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            rc = copy_news(fd, err);
        if (rc < 0 || ended)
            break;
        cmd_wait_for_news(inotify, LOOK_MS);
    }
    if (fd >= 0)
        close(fd);
    if (inotify >= 0)
        close(inotify);
    return rc < 0 ? -1 : 0;
}

static bool any_rank(const struct cmd_run *run)
{
    char *first = run_path(&run->run, "out/rank-00000.log");
    bool there = files_is_file(first);

    free(first);
    return there;
}

static int print_log(struct cmd_run *run, const char *path,
                     const struct arguments *a, struct mlb_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 && a->batch)
        return mlb_error_set(err, MLB_ERR_NOT_FOUND,
                             "%s has no log of its batch step: it is %s",
                             run->run.id, state_name(run->state.state));
    if (fd < 0 && a->rank > 0 && any_rank(run))
        return mlb_error_set(err, MLB_ERR_NOT_FOUND,
                             "%s has no log of rank %ld, but of others",
                             run->run.id, a->rank);
    if (fd < 0) {
        /* No rank started: what the launcher said is the next best. */
        char *batch = run_path(&run->run, "out/batch.log");
        fd = open(batch, O_RDONLY | O_CLOEXEC);
        free(batch);
        fprintf(stderr, "mlbatch: %s has no log of rank %ld: it is %s%s\n",
                run->run.id, a->rank, state_name(run->state.state),
                fd < 0 ? "" : "; the batch step's log:");
        if (fd < 0)
            return mlb_error_set(err, MLB_ERR_NOT_FOUND, "no log yet");
    }
    int rc = copy_news(fd, err);
    close(fd);
    return rc < 0 ? -1 : 0;
}

int cmd_logs(int argc, char **argv)
{
    static const struct argp_child children[] = {
        { &cmd_common_argp, 0, NULL, 90 }, { 0 },
    };
    static const struct argp argp = {
        .options = options, .parser = parse, .children = children,
        .args_doc = "RUN",
        .doc = "Print the output of a rank.",
    };
    struct arguments a = { 0 };
    struct cmd_context context = CMD_CONTEXT_INIT;
    struct cmd_run run = { 0 };
    struct mlb_error err = { 0 };
    char *path = NULL;

    cmd_parse(&argp, argc, argv, &a);
    int code = cmd_open(&context, &a.common);
    if (code)
        goto out;
    if (cmd_run_get(&context, a.run, &run, &err) < 0) {
        code = cmd_fail(&err);
        goto out;
    }
    if (run.point_count > 0) {
        mlb_error_set(&err, MLB_ERR_USAGE,
                      "%s is a sweep: name one of its points, %s/0 to %zu",
                      run.run.id, run.run.id, run.point_count - 1);
        code = cmd_fail(&err);
        goto out;
    }
    path = a.batch ? run_path(&run.run, "out/batch.log")
                   : xasprintf("%s/out/rank-%05ld.log", run.run.path, a.rank);
    if ((a.follow ? follow(&context, &run, path, &err)
                  : print_log(&run, path, &a, &err)) < 0)
        code = cmd_fail(&err);
out:
    free(path);
    cmd_run_clear(&run);
    cmd_close(&context);
    return code;
}
