/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch help: the overview, the keys, or a command's manual. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"
#include "cmd/cmd.h"
#include "job/keys.h"

static void overview(void)
{
    printf("Usage: mlbatch COMMAND [OPTION...]\n"
           "Train on any HPC cluster from one job file.\n\n");
    for (const struct cmd_row *row = cmd_table; row->name; row++)
        printf("  %-12s %s\n", row->name, row->help);
    printf("\nStart: mlbatch init; mlbatch plan train.conf; mlbatch submit "
           "train.conf\n"
           "More:  mlbatch help COMMAND | job | site; man mlbatch\n");
}

static int keys(void (*help)(struct mlb_text *out))
{
    struct mlb_text t = MLB_TEXT_INIT;

    help(&t);
    fputs(t.data, stdout);
    text_clear(&t);
    return 0;
}

/* "mlbatch dataset import --help" */
static int subcommand_help(const struct cmd_row *row, char *word)
{
    char *name = xasprintf("mlbatch %s", row->name);
    char *argv[] = { name, word, (char *)"--help", NULL };
    int code = row->run(3, argv);

    free(name);
    return code;
}

static int command_help(const struct cmd_row *row)
{
    char *page = xasprintf("mlbatch-%s", row->name);
    int status = -1;
    const struct process_call look = {
        .argv = (char *[]){ (char *)"man", (char *)"-w", page, NULL },
        .out = &(struct mlb_text)MLB_TEXT_INIT,
        .errors = &(struct mlb_text)MLB_TEXT_INIT,
    };

    /* Only if there is a manual to show, and a person to see it. */
    if (isatty(1) && process_run(&look, &status, NULL) == 0 && status == 0)
        execlp("man", "man", page, (char *)NULL);
    text_clear(look.out);
    text_clear(look.errors);
    free(page);
    char *name = xasprintf("mlbatch %s", row->name);
    char *argv[] = { name, (char *)"--help", NULL };
    int code = row->run(2, argv);
    free(name);
    return code;
}

int cmd_help(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        overview();
        return 0;
    }
    if (strcmp(argv[1], "job") == 0)
        return keys(job_keys_help);
    if (strcmp(argv[1], "site") == 0)
        return keys(site_keys_help);
    for (const struct cmd_row *row = cmd_table; row->name; row++) {
        if (strcmp(row->name, argv[1]) != 0)
            continue;
        if (argc > 2 && (row->run == cmd_dataset ||
                         row->run == cmd_checkpoint))
            return subcommand_help(row, argv[2]);
        if (row->run != cmd_help)
            return command_help(row);
        overview();
        return 0;
    }
    char *shown = text_printable(argv[1]);
    fprintf(stderr, "mlbatch: no help on \"%s\"; there is help on each "
            "command, on job and on site\n", shown);
    free(shown);
    return MLB_ERR_USAGE;
}
