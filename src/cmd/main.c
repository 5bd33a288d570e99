/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch: one subcommand a file, listed here. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/process.h"
#include "cmd/cmd.h"

const struct cmd_row cmd_table[] = {
    { "init", cmd_init, "write a commented job file to start from" },
    { "plan", cmd_plan, "show what a job would ask, launch and export" },
    { "submit", cmd_submit, "submit a job file or a command" },
    { "list", cmd_list, "list runs and where they stand" },
    { "status", cmd_status, "show one run: state, cause, times, places" },
    { "explain", cmd_explain, "say why a run waits, or why it ended" },
    { "logs", cmd_logs, "print or follow the log of a rank" },
    { "top", cmd_top, "show live what the tasks of runs do" },
    { "wait", cmd_wait, "wait for a run; exit with its exit code" },
    { "cancel", cmd_cancel, "end runs" },
    { "hold", cmd_hold, "keep waiting runs from starting" },
    { "release", cmd_release, "let held runs start" },
    { "interrupt", cmd_interrupt, "fake a timeout or a preemption" },
    { "dataset", cmd_dataset, "import, look at, export data sets" },
    { "checkpoint", cmd_checkpoint, "look at, export, prune checkpoints" },
    { "report", cmd_report, "show what a run used, and what to ask next" },
    { "doctor", cmd_doctor, "say what works here and how to mend the rest" },
    { "help", cmd_help, "explain a command, job files or site files" },
    { NULL, NULL, NULL },
};

static int unknown(const char *word)
{
    const char *names[sizeof(cmd_table) / sizeof(cmd_table[0])];
    size_t count = 0;

    for (; cmd_table[count].name; count++)
        names[count] = cmd_table[count].name;
    const char *near = text_suggest(word, names, count);
    char *shown = text_printable(word);
    fprintf(stderr, "mlbatch: no command \"%s\"", shown);
    if (near)
        fprintf(stderr, ", did you mean \"%s\"?\n", near);
    else
        fprintf(stderr, "; \"mlbatch help\" lists them\n");
    free(shown);
    return MLB_ERR_USAGE;
}

int main(int argc, char **argv)
{
    process_begin();
    argp_err_exit_status = MLB_ERR_USAGE;
    if (argc < 2) {
        cmd_help(1, argv);
        return MLB_ERR_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        puts("mlbatch " PACKAGE_VERSION);
        return 0;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return cmd_help(1, argv);
    for (const struct cmd_row *row = cmd_table; row->name; row++) {
        if (strcmp(word, row->name) != 0)
            continue;
        /* argp shows argv[0] in its help and messages. */
        char *name = xasprintf("mlbatch %s", row->name);
        argv[1] = name;
        int code = row->run(argc - 1, argv + 1);
        free(name);
        if (fflush(stdout) != 0 || ferror(stdout)) {
            perror("mlbatch: standard output");
            return MLB_ERR_IO;
        }
        return code;
    }
    return unknown(word);
}
