/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch-agent: the program on the nodes. Run by mlbatch's own scripts. */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"

#include "agent/agent.h"

int probe_main(int argc, char **argv)
{
    char *program = agent_sibling("mlbatch-counters-probe");

    (void)argc;
    (void)argv;
    execl(program, program, (char *)NULL);
    perror(program);
    free(program);
    return MLB_ERR_NOT_FOUND;
}

static const struct {
    const char *name;
    int (*handler)(int argc, char **argv);
    const char *arguments, *help;
} subcommands[] = {
    { "attempt", attempt_main, "RUN_DIR TOKEN [OFFSET]",
      "run the launch line (the batch step)" },
    { "task", task_main, "RUN_DIR", "run one rank" },
    { "ranks", ranks_main, "RUN_DIR", "run all ranks on this machine" },
    { "nodes", nodes_main, "RUN_DIR", "run all ranks of a job of PBS" },
    { "mpirun", mpirun_main, "RUN_DIR WORD...", "run mpirun in a job of PBS" },
    { "probe", probe_main, "", "say what this node can count" },
};
#define SUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

static void print_help(FILE *to)
{
    fputs("usage: mlbatch-agent SUBCOMMAND [ARGUMENT...]\n"
          "The part of mlbatch that runs on the nodes of a job.\n\n", to);
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        fprintf(to, "  %-8s %-15s %s\n", subcommands[i].name,
                subcommands[i].arguments, subcommands[i].help);
}

int main(int argc, char **argv)
{
    process_begin();
    /* A limit on files' sizes is an error of writing, not an end. */
    signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; argc > 1 && i < SUBCOMMANDS; i++)
        if (strcmp(argv[1], subcommands[i].name) == 0)
            return subcommands[i].handler(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        print_help(stdout);
        return MLB_OK;
    }
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("mlbatch-agent " PACKAGE_VERSION);
        return MLB_OK;
    }
    print_help(stderr);
    return MLB_ERR_USAGE;
}
