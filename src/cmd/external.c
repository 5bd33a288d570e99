/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch dataset, checkpoint and report: handed to mlbatch-store; top: to
 * mlbatch-top.
 *
 * libhdf5 takes longer to load than a whole `mlbatch submit` may take, so
 * this program does without it and starts another for what needs it. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* group: the first word for the program, or NULL. */
static int hand_over(const char *name, const char *group, int argc,
                     char **argv)
{
    struct cmd_context context = CMD_CONTEXT_INIT;
    struct cmd_options options = { 0 };
    struct mlb_strings rest = MLB_STRINGS_INIT, call = MLB_STRINGS_INIT;
    struct mlb_error err = { 0 };

    take_options(argc, argv, &options, &rest);
    int code = cmd_open(&context, &options);
    if (code)
        goto out;
    char *program = cmd_helper(name);
    strings_push(&call, program);
    strings_pushf(&call, "--store=%s", context.store);
    if (group)
        strings_push(&call, group);
    for (size_t i = 0; i < rest.count; i++)
        strings_push(&call, rest.items[i]);
    execv(program, call.items);
    mlb_error_errno(&err, MLB_ERR_UNSUPPORTED,
                    "cannot start %s (%s)", program,
                    group ? "is mlbatch installed whole?"
                          : "was mlbatch built without ncurses?");
    code = cmd_fail(&err);
    free(program);
out:
    strings_clear(&rest);
    strings_clear(&call);
    cmd_close(&context);
    return code;
}

int cmd_dataset(int argc, char **argv)
{
    return hand_over("mlbatch-store", "dataset", argc, argv);
}

int cmd_checkpoint(int argc, char **argv)
{
    return hand_over("mlbatch-store", "checkpoint", argc, argv);
}

int cmd_top(int argc, char **argv)
{
    return hand_over("mlbatch-top", NULL, argc, argv);
}

int cmd_report(int argc, char **argv)
{
    return hand_over("mlbatch-store", "report", argc, argv);
}
