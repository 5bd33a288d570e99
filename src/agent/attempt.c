/* SPDX-License-Identifier: BSD-3-Clause */
/* The batch step: parent of the launch line for one attempt of a run. */
#include "config.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/json.h"
#include "base/process.h"
#include "base/state.h"
#include "base/units.h"
#include "run/events.h"
#include "run/interrupt.h"

#include "agent/after.h"
#include "agent/again.h"
#include "agent/agent.h"
#include "agent/attempt.h"
#include "agent/claim.h"
#include "agent/head.h"
#include "agent/hostlist.h"
#include "agent/nodefile.h"
#include "agent/patience.h"
#include "agent/point.h"
#include "agent/rank.h"
#include "agent/spawn.h"

#define LOG_LIMIT 65536              /* bytes at its end that are read */

/* Those that decide what a run is taken for and whether it goes on. */
static bool is_vital(const char *name)
{
    static const char *const names[] = { "attempt-start", "attempt-end",
                                         "restart", "not-restarted" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

void attempt_note(const struct attempt *a, const char *name,
                  json_t *fields)
{
    struct patience patience = { 0 };
    struct mlb_error err;

    /* Somebody who told us to end will not wait for long. */
    if (is_vital(name))
        patience.seconds = a->ending.asked
                               ? (double)a->settings.kill_wait / 2
                               : PATIENCE_SECONDS;
    if (a->number > 0)
        json_object_set_new(fields, "attempt", json_integer(a->number));
    while (events_append(a->run_dir, a->writer, name, json_incref(fields),
                         &err) < 0)
        if (!patience_again(&patience, &err)) {
            agent_complain(&err);
            break;
        }
    json_decref(fields);
}

/* Names of the job's nodes: an event's list. */
static json_t *node_list(const struct settings *settings)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    struct mlb_error err;
    const char *list = getenv("SLURM_JOB_NODELIST");
    json_t *nodes = json_array();

    if (list && strcmp(settings->scheduler, "slurm") == 0 &&
        hostlist_expand(list, &names, &err) < 0)
        agent_complain(&err);
    if (strcmp(settings->scheduler, "pbs") == 0 &&
        nodefile_read(settings->nodes, &names, &err) < 0)
        agent_complain(&err);
    if (names.count == 0)
        strings_push(&names, settings_node());
    for (size_t i = 0; i < names.count; i++)
        json_array_append_new(nodes, json_string(names.items[i]));
    strings_clear(&names);
    return nodes;
}

/* argv[0] as the batch step finds it: the job's own PATH is for its
 * command, and need not have the launcher. */
static void find_launcher(struct mlb_strings *launch)
{
    const char *path = getenv("PATH");

    if (strchr(launch->items[0], '/'))
        return;
    for (const char *p = path ? path : "/usr/bin:/bin"; *p;) {
        size_t n = strcspn(p, ":");
        char *file = xasprintf("%.*s/%s", (int)n, p, launch->items[0]);
        bool found = n > 0 && process_exists(file);
        if (found)
            strings_set(launch, 0, file);
        free(file);
        if (found)
            return;
        p += n + (p[n] == ':');
    }
}

/* Say that the attempt starts, and what its ranks need to know. */
static void begin(struct attempt *a)
{
    const struct settings *s = &a->settings;
    char *address = head_address();
    int port = head_port(a->job);
    struct mlb_strings *to = &a->environment;
    char *log = xasprintf("%s/out/batch.log", a->run_dir);

    a->log_from = files_size(log);
    attempt_note(a, "attempt-start",
         json_pack("{s:s, s:s, s:o, s:s, s:i, s:I}", "job", a->job, "host",
                   process_host(), "nodes", node_list(s), "address", address,
                   "port", port, "log_from", (json_int_t)a->log_from));
    free(log);
    rank_forget();
    strings_pushf(to, "MLB_HEAD_ADDR=%s", address);
    strings_pushf(to, "MLB_HEAD_PORT=%d", port);
    strings_pushf(to, "MLB_ATTEMPT=%ld", a->number);
    strings_pushf(to, "MLB_RUN=%s", s->run);
    strings_pushf(to, "MLB_RUN_DIR=%s", a->run_dir);
    if (geteuid() == 0) {        /* containers and test clusters */
        strings_push(to, "OMPI_ALLOW_RUN_AS_ROOT=1");
        strings_push(to, "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1");
    }
    for (size_t i = 0; i < s->environment.count; i++)
        strings_push(to, s->environment.items[i]);
    find_launcher(&a->settings.launch);
    free(address);
}

/* Have the record made by the program that knows HDF5. The event log has
 * everything all the same, so a failure is no more than said. */
static void seal(struct attempt *a)
{
    char *program = agent_sibling("mlbatch-store");
    char *argv[] = { program, (char *)"seal", (char *)a->run_dir, NULL };
    struct process_call call = { .argv = argv };
    struct mlb_error err;
    int status, code = -1;

    if (process_run(&call, &status, &err) < 0)
        agent_complain(&err);
    else
        code = process_exit_code(status);
    if (code != 0)
        fprintf(stderr, "mlbatch-agent: the record was not sealed: %s "
                "ended with %d\n", program, code);
    attempt_note(a, "sealed", json_pack("{s:i}", "exit", code));
    free(program);
}

/* What was written into the batch log since the attempt began; that of other
 * attempts is before it. */
static void read_log(const struct attempt *a, struct mlb_text *out)
{
    char *path = xasprintf("%s/out/batch.log", a->run_dir);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    char buffer[LOG_LIMIT];
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0) {
        off_t from = st.st_size - LOG_LIMIT;
        ssize_t n = pread(fd, buffer, sizeof(buffer),
                          from > a->log_from ? from : a->log_from);
        for (ssize_t i = 0; i < n; i++)
            if (buffer[i] == '\0')
                buffer[i] = ' ';
        if (n > 0)
            text_addn(out, buffer, (size_t)n);
    }
    if (fd >= 0)
        close(fd);
    free(path);
}

static void find_reason(struct attempt *a)
{
    struct mlb_text log = MLB_TEXT_INIT;

    if (strcmp(a->settings.scheduler, "slurm") == 0) {
        read_log(a, &log);
        if (log.length > 0)
            a->ending.told = slurm_job_reason(log.data, a->job);
    }
    text_clear(&log);
}

static void finish(struct attempt *a, struct again *again)
{
    struct mlb_events events = MLB_EVENTS_INIT;
    struct mlb_error err;
    struct cause cause;

    a->ending.attempt = a->number;
    a->ending.tasks = a->settings.tasks;
    a->ending.have_tasks = settings_have_tasks(&a->settings);
    a->ending.walltime = a->settings.walltime;
    if (events_read(a->run_dir, &events, &err) < 0)
        agent_complain(&err);
    find_reason(a);
    cause_find(&events, &a->ending, &cause);
    if (cause.text[0])
        fprintf(stderr, "mlbatch-agent: %s: %s\n", state_name(cause.state),
                cause.text);
    again_decide(a, &events, cause.state, again);
    events_clear(&events);
    ask_remove(a->run_dir, a->number);
    interrupt_remove(a->run_dir, a->number);
    attempt_note(a, "attempt-end",
         json_pack("{s:s, s:s, s:i, s:o, s:I, s:f}", "job", a->job, "state",
                           state_name(cause.state), "exit", a->ending.code,
                           "text", json_text(cause.text), "saved",
                           (json_int_t)again->saved.step, "saved_at",
                           again->saved.at));
}

static int duplicate(const struct attempt *a, const char *text)
{
    attempt_note(a, "duplicate",
         json_pack("{s:s, s:s}", "job", a->job, "text", text));
    fprintf(stderr, "mlbatch-agent: not run: %s\n", text);
    return 0;
}

/* This attempt's number: how often the run was started before, and one. */
static int count_attempts(struct attempt *a, struct mlb_error *err)
{
    struct mlb_events events = MLB_EVENTS_INIT;

    if (events_read(a->run_dir, &events, err) < 0)
        return -1;
    a->number = 1;
    for (size_t i = 0; i < events.count; i++)
        a->number += strcmp(events.items[i].name, "attempt-start") == 0;
    events_clear(&events);
    return 0;
}

/* From the plan to the ended attempt. The exit status, or -1 with err if it
 * did not come to running anything. */
static int run(struct attempt *a, const char *token, struct mlb_error *err)
{
    char *other = NULL;

    if (settings_read(&a->settings, a->run_dir, err) < 0)
        return -1;
    a->job = claim_job(&a->settings);
    if (strcmp(token, a->settings.token) != 0)
        return duplicate(a, "superseded by a later submission");
    struct patience patience = { .seconds = PATIENCE_SECONDS };
    int rc;
    while ((rc = claim_take(a->run_dir, &a->settings, a->job, &other,
                            err)) < 0 && patience_again(&patience, err))
        continue;
    if (rc == 0) {
        char *text = xasprintf("job %s runs this submission already", other);
        duplicate(a, text);
        free(text);
        free(other);
        return 0;
    }
    int code = 0;
    if (rc < 0)
        return -1;
    if (after_check(a, &code))
        return code;
    if (count_attempts(a, err) < 0)
        return -1;
    struct again again;
    begin(a);
    if (attempt_launch(a, err) < 0)
        a->ending.failure = err->text;
    finish(a, &again);
    seal(a);
    again_perform(a, &again);
    return a->ending.code;
}

/* What can still be said when the plan or the claim cannot be read. */
static int give_up(struct attempt *a, const struct mlb_error *err)
{
    agent_complain(err);
    if (a->number == 0 && count_attempts(a, NULL) < 0)
        return err->code;
    attempt_note(a, "attempt-end",
                 json_pack("{s:s*, s:s, s:i, s:o}", "job", a->job, "state",
                           state_name(MLB_STATE_FAILED), "exit", err->code,
                           "text", json_text(err->text)));
    return err->code;
}

int attempt_main(int argc, char **argv)
{
    struct mlb_error err = { .code = MLB_OK };
    struct attempt a = {
        .settings = SETTINGS_INIT,
        .environment = MLB_STRINGS_INIT,
        .launch = -1,
    };

    long offset = 0;

    if (argc < 3 || argc > 4 ||
        (argc == 4 && units_parse_long(argv[3], 0, INT_MAX, &offset,
                                       NULL) < 0)) {
        fputs("usage: mlbatch-agent attempt RUN_DIR TOKEN [OFFSET]\n",
              stderr);
        return MLB_ERR_USAGE;
    }
    a.run_dir = files_absolute(argv[1]);
    a.writer = xasprintf("batch-%s", settings_node());
    a.signals = signals_open(&err);
    int rc = a.signals < 0 ? -1 : 0;
    if (rc == 0 && argc == 4)
        rc = point_enter(&a, offset, &err);
    if (rc == 0)
        rc = run(&a, argv[2], &err);
    if (rc < 0)
        rc = give_up(&a, &err);
    if (a.signals >= 0)
        close(a.signals);
    strings_clear(&a.environment);
    settings_clear(&a.settings);
    free(a.job);
    free(a.writer);
    free(a.run_dir);
    return rc;
}
