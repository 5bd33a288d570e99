/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch dataset and checkpoint: handed to mlbatch-store.
 *
 * libhdf5 takes longer to load than a whole `mlbatch submit` may take, so
 * this program does without it and starts another for what needs it. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "cmd/cmd.h"

/* Pull the common options out of argv, wherever they stand, into options;
 * the rest is for the other program. "--" ends the search. */
static void take_options(int argc, char **argv, struct cmd_options *options,
                         struct mlb_strings *rest)
{
    const struct {
        const char *name;
        const char **value;
    } known[] = { { "--site", &options->site },
                  { "--store", &options->store },
                  { "--scheduler", &options->scheduler } };
    bool ended = false;

    for (int i = 1; i < argc; i++) {
        size_t k = 0;
        ended = ended || strcmp(argv[i], "--") == 0;
        for (; !ended && k < 3; k++) {
            size_t n = strlen(known[k].name);
            if (strncmp(argv[i], known[k].name, n) != 0)
                continue;
            if (argv[i][n] == '=') {
                *known[k].value = argv[i] + n + 1;
                break;
            }
            if (argv[i][n] == '\0' && i + 1 < argc) {
                *known[k].value = argv[++i];
                break;
            }
        }
        if (ended || k == 3)
            strings_push(rest, argv[i]);
    }
}

/* A run's name stands for its checkpoints (for show: the newest), also where
 * a file is called the same: programs often are. A path has a slash or ends
 * in .h5. */
static int name_to_path(const struct cmd_context *context, char *word,
                        bool newest, char **path, struct mlb_error *err)
{
    struct mlb_run run = MLB_RUN_INIT;
    const char *dot = strrchr(word, '.');

    if (strchr(word, '/') || (dot && strcmp(dot, ".h5") == 0)) {
        *path = xstrdup(word);
        return 0;
    }
    int rc = run_find(context->store, word, &run, err);
    if (rc == 0 && newest)
        *path = cmd_newest_checkpoint(&run);
    if (rc == 0 && !*path)
        *path = run_path(&run, "checkpoints");
    if (rc < 0 && files_is_dir(word)) {
        *path = xstrdup(word);
        rc = 0;
    }
    run_clear(&run);
    return rc;
}

static int hand_over(const char *group, int argc, char **argv)
{
    struct cmd_context context = CMD_CONTEXT_INIT;
    struct cmd_options options = { 0 };
    struct mlb_strings rest = MLB_STRINGS_INIT, call = MLB_STRINGS_INIT;
    struct mlb_error err = { 0 };
    bool checkpoint = strcmp(group, "checkpoint") == 0;

    take_options(argc, argv, &options, &rest);
    int code = cmd_open(&context, &options);
    if (code)
        goto out;
    char *program = cmd_helper("mlbatch-store");
    strings_push(&call, program);
    strings_pushf(&call, "--store=%s", context.store);
    strings_push(&call, group);
    for (size_t i = 0; i < rest.count; i++) {
        char *path = NULL;
        bool is_run = checkpoint && i > 0 && rest.items[i][0] != '-';
        if (is_run && name_to_path(&context, rest.items[i],
                                   strcmp(rest.items[0], "show") == 0, &path,
                                   &err) < 0) {
            code = cmd_fail(&err);
            break;
        }
        strings_push(&call, path ? path : rest.items[i]);
        free(path);
    }
    if (!code) {
        execv(program, call.items);
        mlb_error_errno(&err, MLB_ERR_UNSUPPORTED,
                        "cannot start %s (is mlbatch installed whole?)",
                        program);
        code = cmd_fail(&err);
    }
    free(program);
out:
    strings_clear(&rest);
    strings_clear(&call);
    cmd_close(&context);
    return code;
}

int cmd_dataset(int argc, char **argv)
{
    return hand_over("dataset", argc, argv);
}

int cmd_checkpoint(int argc, char **argv)
{
    return hand_over("checkpoint", argc, argv);
}
