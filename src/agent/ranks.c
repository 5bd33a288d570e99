/* SPDX-License-Identifier: BSD-3-Clause */
/* All ranks of a run on this machine, or those of one of its nodes, each a
 * `task` of its own. */
#include "config.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/units.h"

#include "agent/agent.h"
#include "agent/children.h"
#include "agent/settings.h"
#include "agent/spawn.h"

struct ranks {
    char *run_dir;
    char *program;               /* this agent */
    struct settings settings;
    struct children tasks;
};

static int start(struct ranks *r, long rank, struct mlb_error *err)
{
    char *argv[] = { r->program, (char *)"task", r->run_dir, NULL };
    struct mlb_strings environment = MLB_STRINGS_INIT;
    struct spawn_call call = {
        .argv = argv,
        .environment = &environment,
        .output = -1,
        .death_signal = SIGTERM,
        .is_agent = true,
    };
    long each = r->settings.tasks_per_node, left = r->settings.tasks;
    long node = rank / each;

    left -= node * each;
    strings_pushf(&environment, "MLB_RANK_GLOBAL=%ld", rank);
    strings_pushf(&environment, "MLB_RANK_SIZE=%ld", r->settings.tasks);
    strings_pushf(&environment, "MLB_RANK_LOCAL=%ld", rank % each);
    strings_pushf(&environment, "MLB_RANK_LOCAL_SIZE=%ld",
                  left < each ? left : each);
    strings_pushf(&environment, "MLB_RANK_NODE=%ld", node);
    pid_t pid = spawn_start(&call, err);
    strings_clear(&environment);
    if (pid < 0)
        return -1;
    children_add(&r->tasks, pid);
    return 0;
}

/* The exit status, or -1 with err. node -1: all ranks of the run. */
static int run(struct ranks *r, long node, struct mlb_error *err)
{
    r->tasks.signals = signals_open(err);
    if (r->tasks.signals < 0 ||
        settings_read(&r->settings, r->run_dir, err) < 0)
        return -1;
    long each = r->settings.tasks_per_node, last = r->settings.tasks;
    if (node >= r->settings.nodes)
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "no node %ld: the run has %ld", node,
                             r->settings.nodes);
    if (node >= 0 && (node + 1) * each < last)
        last = (node + 1) * each;
    r->tasks.kill_wait = r->settings.kill_wait;
    for (long i = node < 0 ? 0 : node * each; i < last && !r->tasks.stopping;
         i++)
        if (start(r, i, err) < 0) {
            agent_complain(err);
            r->tasks.code = err->code;
            children_stop(&r->tasks);
        }
    return children_watch(&r->tasks);
}

/* The first node's environment, which what started us here did not carry. */
static int take_environment(const char *path, struct mlb_error *err)
{
    struct mlb_fields f = MLB_FIELDS_INIT;
    int rc = fields_read(&f, path, err);

    for (size_t i = 0; rc == 0 && i < f.pairs.count; i++) {
        const char *pair = f.pairs.items[i], *value = strchr(pair, '=') + 1;
        char *name = xstrndup(pair, (size_t)(value - 1 - pair));
        setenv(name, value, 1);
        free(name);
    }
    fields_clear(&f);
    return rc;
}

int ranks_main(int argc, char **argv)
{
    struct mlb_error err = { .code = MLB_OK };
    struct ranks r = { .settings = SETTINGS_INIT, .tasks.signals = -1 };
    long node = -1;
    int rc = 0;

    if (argc < 2 || argc > 4 ||
        (argc > 2 &&
         units_parse_long(argv[2], 0, INT_MAX, &node, NULL) < 0)) {
        fputs("usage: mlbatch-agent ranks RUN_DIR [NODE [ENVIRONMENT]]\n",
              stderr);
        return MLB_ERR_USAGE;
    }
    r.run_dir = files_absolute(argv[1]);
    r.program = agent_sibling("mlbatch-agent");
    if (argc > 3)
        rc = take_environment(argv[3], &err);
    if (rc == 0)
        rc = run(&r, node, &err);
    if (rc < 0) {
        agent_complain(&err);
        rc = err.code;
    }
    if (r.tasks.signals >= 0)
        close(r.tasks.signals);
    children_clear(&r.tasks);
    settings_clear(&r.settings);
    free(r.program);
    free(r.run_dir);
    return rc;
}
