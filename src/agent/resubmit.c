/* SPDX-License-Identifier: BSD-3-Clause */
/* Handing the run to the scheduler once more, from its own job. */
#include "config.h"

#include <stdlib.h>

#include "base/process.h"

#include "agent/resubmit.h"

#define SECONDS 180                  /* its own patience is less */
#define WORDS_LIMIT 65536

int resubmit(const char *run_dir, const struct settings *settings,
             const char *job, const char *change, struct mlb_text *words,
             struct mlb_error *err)
{
    struct mlb_strings argv = MLB_STRINGS_INIT;
    struct process_call call = { .errors = words, .limit = WORDS_LIMIT,
                                 .seconds = SECONDS };
    int status, code = -1;

    if (!settings->program || !settings->store)
        return mlb_error_set(err, MLB_ERR_UNSUPPORTED, "the plan does not "
                             "name the program that submitted it");
    strings_push(&argv, settings->program);
    strings_push(&argv, "submit");
    strings_pushf(&argv, "--again=%s", run_dir);
    strings_pushf(&argv, "--store=%s", settings->store);
    strings_pushf(&argv, "--scheduler=%s", settings->scheduler);
    strings_push(&argv, "--parsable");
    if (*change)
        strings_push(&argv, change);
    call.argv = argv.items;
    setenv("MLB_RESUBMIT", job, 1);
    if (process_run(&call, &status, err) == 0)
        code = process_exit_code(status);
    unsetenv("MLB_RESUBMIT");
    strings_clear(&argv);
    return code;
}
