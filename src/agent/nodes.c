/* SPDX-License-Identifier: BSD-3-Clause */
/* The ranks of a run on all nodes of a job of PBS, for launchers without a
 * program of their own: `ranks RUN_DIR NODE` here and on each other host, by
 * pbs_tmrsh where there is one, so that PBS knows of it, else by ssh. */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/process.h"
#include "base/units.h"

#include "agent/agent.h"
#include "agent/ask.h"
#include "agent/children.h"
#include "agent/nodefile.h"
#include "agent/settings.h"
#include "agent/spawn.h"

struct nodes {
    char *run_dir;
    char *program;               /* this agent */
    char *environment;           /* file; NULL: not written */
    struct settings settings;
    struct mlb_strings hosts;    /* of each node */
    struct children children;
};

static int write_environment(struct nodes *n, struct mlb_error *err)
{
    struct mlb_fields f = MLB_FIELDS_INIT;

    for (char *const *pair = environ; *pair; pair++)
        if (!nodefile_is_of_host(*pair))
            strings_push(&f.pairs, *pair);
    n->environment = xasprintf("%s/environment-%ld", n->run_dir,
                               (long)getpid());
    int rc = fields_write(&f, n->environment, err);
    fields_clear(&f);
    return rc;
}

/* The words for one node. Those of ssh go through the other side's shell. */
static void make_argv(const struct nodes *n, size_t node,
                      struct mlb_strings *argv)
{
    char number[32];
    const char *words[] = { n->program, "ranks", n->run_dir, number,
                            n->environment };
    const char *host = n->hosts.items[node];
    struct mlb_text line = MLB_TEXT_INIT;

    snprintf(number, sizeof(number), "%zu", node);
    bool here = strcmp(host, n->hosts.items[0]) == 0;
    bool tm = !here && process_exists("pbs_tmrsh");
    if (tm) {
        strings_push(argv, "pbs_tmrsh");
        strings_push(argv, host);
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (here || tm)
            strings_push(argv, words[i]);
        text_add(&line, i ? " " : "");
        text_add_shell(&line, words[i]);
    }
    if (!here && !tm) {
        strings_push(argv, "ssh");
        strings_push(argv, "-oBatchMode=yes");
        strings_push(argv, "--");
        strings_push(argv, host);
        strings_push(argv, line.data);
    }
    text_clear(&line);
}

static int start(struct nodes *n, size_t node, struct mlb_error *err)
{
    struct mlb_strings argv = MLB_STRINGS_INIT;
    struct spawn_call call = { .output = -1, .death_signal = SIGTERM };

    make_argv(n, node, &argv);
    call.argv = argv.items;
    call.is_agent = strcmp(argv.items[0], n->program) == 0;
    pid_t pid = spawn_start(&call, err);
    strings_clear(&argv);
    if (pid < 0)
        return -1;
    children_add(&n->children, pid);
    return 0;
}

/* Ended here, pbs_tmrsh and ssh leave what they started behind: the ranks
 * hear of the end through the run. */
static void ask_all(void *data)
{
    const struct nodes *n = data;
    const char *text = getenv("MLB_ATTEMPT");
    struct mlb_error err;
    long attempt;

    if (text && units_parse_long(text, 1, 1L << 30, &attempt, NULL) == 0 &&
        ask_publish(n->run_dir, attempt, ASK_STOP, &err) < 0)
        agent_complain(&err);
}

static int find_hosts(struct nodes *n, struct mlb_error *err)
{
    if (n->settings.nodes > 1)
        return nodefile_read(n->settings.nodes, &n->hosts, err);
    strings_push(&n->hosts, process_host());
    return 0;
}

/* The exit status, or -1 with err. */
static int run(struct nodes *n, struct mlb_error *err)
{
    n->children.signals = signals_open(err);
    if (n->children.signals < 0 ||
        settings_read(&n->settings, n->run_dir, err) < 0 ||
        find_hosts(n, err) < 0 || write_environment(n, err) < 0)
        return -1;
    n->children.kill_wait = n->settings.kill_wait;
    for (size_t i = 0; i < n->hosts.count && !n->children.stopping; i++)
        if (start(n, i, err) < 0) {
            agent_complain(err);
            n->children.code = err->code;
            children_stop(&n->children);
        }
    return children_watch(&n->children);
}

int nodes_main(int argc, char **argv)
{
    struct mlb_error err = { .code = MLB_OK };
    struct nodes n = {
        .settings = SETTINGS_INIT, .hosts = MLB_STRINGS_INIT,
        .children = { .signals = -1, .ask = ask_all, .data = &n },
    };

    if (argc != 2) {
        fputs("usage: mlbatch-agent nodes RUN_DIR\n", stderr);
        return MLB_ERR_USAGE;
    }
    n.run_dir = files_absolute(argv[1]);
    n.program = agent_sibling("mlbatch-agent");
    int rc = run(&n, &err);
    if (rc < 0) {
        agent_complain(&err);
        rc = err.code;
    }
    if (n.environment)
        unlink(n.environment);
    if (n.children.signals >= 0)
        close(n.children.signals);
    children_clear(&n.children);
    strings_clear(&n.hosts);
    settings_clear(&n.settings);
    free(n.environment);
    free(n.program);
    free(n.run_dir);
    return rc;
}
