/* SPDX-License-Identifier: BSD-3-Clause */
/* mpirun in a job of PBS. One that was built with PBS's own interface (tm)
 * finds the job's hosts itself; most are not, and would start all ranks on
 * the first host: those are told the hosts, and to start there by pbs_tmrsh. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/process.h"

#include "agent/agent.h"
#include "agent/nodefile.h"
#include "agent/settings.h"
#include "agent/spawn.h"

#define SECONDS 60

enum kind { OTHER, OPEN_MPI, OPEN_MPI_TM };

/* Which mpirun is on PATH? What is not Open MPI finds its hosts by itself. */
static enum kind find_kind(void)
{
    char *argv[] = { (char *)"ompi_info", (char *)"--parsable", NULL };
    struct mlb_text out = MLB_TEXT_INIT, errors = MLB_TEXT_INIT;
    struct process_call call = { .argv = argv, .out = &out,
                                 .errors = &errors, .seconds = SECONDS };
    enum kind kind = OTHER;
    int status;

    if (process_run(&call, &status, NULL) == 0 && status == 0)
        kind = strstr(out.data, ":plm:tm:") ? OPEN_MPI_TM : OPEN_MPI;
    text_clear(&out);
    text_clear(&errors);
    return kind;
}

static int write_hosts(const char *path, const struct settings *settings,
                       const struct mlb_strings *hosts,
                       struct mlb_error *err)
{
    struct mlb_text t = MLB_TEXT_INIT;

    for (size_t i = 0; i < hosts->count; i++)
        text_addf(&t, "%s slots=%ld\n", hosts->items[i],
                  settings->tasks_per_node);
    int rc = files_publish(path, t.data, t.length, 0600, err);
    text_clear(&t);
    return rc;
}

/* Its name goes into a list of words: one with a blank cannot be said. */
static void set_starter(void)
{
    char *program = agent_sibling("mlbatch-tmrsh");

    if (process_exists("pbs_tmrsh") && process_exists(program) &&
        !strpbrk(program, " \t:,")) {
        setenv("OMPI_MCA_plm_rsh_agent", program, 1);
        setenv("PRTE_MCA_plm_ssh_agent", program, 1);
    }
    free(program);
}

/* The variables of this job, for the ranks of other hosts: Open MPI carries
 * there none but its own. */
static void export_all(struct mlb_strings *argv)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789_";

    for (char *const *pair = environ; *pair; pair++) {
        size_t n = strspn(*pair, letters);
        if (n == 0 || (*pair)[n] != '=' || nodefile_is_of_host(*pair) ||
            strncmp(*pair, "OMPI_", 5) == 0 ||
            strncmp(*pair, "PRTE_", 5) == 0)
            continue;
        strings_push(argv, "-x");
        strings_pushf(argv, "%.*s", (int)n, *pair);
    }
}

/* argv of mpirun: what this one must be told, then the template's words. */
static int make_argv(const char *run_dir, char *const *words,
                     struct mlb_strings *argv, struct mlb_error *err)
{
    struct settings settings = SETTINGS_INIT;
    struct mlb_strings hosts = MLB_STRINGS_INIT;
    enum kind kind = find_kind();
    int rc = settings_read(&settings, run_dir, err);

    strings_push(argv, "mpirun");
    if (rc == 0 && kind == OPEN_MPI && settings.nodes > 1) {
        char *path = xasprintf("%s/hosts", run_dir);
        rc = nodefile_read(settings.nodes, &hosts, err);
        if (rc == 0)
            rc = write_hosts(path, &settings, &hosts, err);
        strings_push(argv, "--hostfile");
        strings_push(argv, path);
        set_starter();
        free(path);
    } else if (rc == 0 && kind == OPEN_MPI_TM && settings.nodes > 1) {
        /* Torque counts CPUs, not ranks. */
        strings_push(argv, "--map-by");
        strings_pushf(argv, "ppr:%ld:node", settings.tasks_per_node);
    } else if (kind != OTHER) {
        strings_push(argv, "--oversubscribe");
    }
    if (rc == 0 && kind != OTHER && settings.nodes > 1)
        export_all(argv);
    for (; *words; words++)
        strings_push(argv, *words);
    strings_clear(&hosts);
    settings_clear(&settings);
    return rc;
}

int mpirun_main(int argc, char **argv)
{
    struct mlb_strings words = MLB_STRINGS_INIT;
    struct mlb_error err;

    if (argc < 3) {
        fputs("usage: mlbatch-agent mpirun RUN_DIR WORD...\n", stderr);
        return MLB_ERR_USAGE;
    }
    char *run_dir = files_absolute(argv[1]);
    int code = 0;
    if (make_argv(run_dir, argv + 2, &words, &err) < 0) {
        agent_complain(&err);
        code = err.code;
    } else {
        signal(SIGXFSZ, SIG_DFL);
        execvp(words.items[0], words.items);
        code = spawn_exit_code(errno);
        mlb_error_errno(&err, MLB_ERR_NOT_FOUND, "cannot run mpirun");
        agent_complain(&err);
    }
    strings_clear(&words);
    free(run_dir);
    return code;
}
