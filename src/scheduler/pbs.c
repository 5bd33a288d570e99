/* SPDX-License-Identifier: BSD-3-Clause */
/* The scheduler pbs: OpenPBS, PBS Pro and Torque, through their commands. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/process.h"
#include "scheduler/pbs_parts.h"

#define STARTING 41              /* substate: on its way to the node */
#define STARTING_LOOKS 40
#define LOOK_NANOSECONDS 250000000L

/* The version as "OpenPBS 23.06.06": 1 for Torque, 0, or -1. Programs of
 * that name come with other schedulers, too; their words tell. */
static int read_version(const char *said, char *version, size_t size)
{
    static const char openpbs[] = "pbs_version = ", torque[] = "Version: ";
    const char *at = strstr(said, openpbs);

    if (at) {
        at += strlen(openpbs);
        snprintf(version, size, "OpenPBS %.*s", (int)strcspn(at, " \r\n"),
                 at);
        return 0;
    }
    at = strcasestr(said, torque);
    if (!at)
        return -1;
    at += strlen(torque);
    snprintf(version, size, "Torque %.*s", (int)strcspn(at, " \r\n"), at);
    return 1;
}

/* The same of this machine's qstat, which is asked once. */
static int find_dialect(const char **version, struct mlb_error *err)
{
    static char known[64];
    static int dialect = -1;
    char *argv[] = { (char *)"qstat", (char *)"--version", NULL };
    struct pbs_answer answer = PBS_ANSWER_INIT;

    if (dialect < 0 && !process_exists(argv[0])) {
        mlb_error_set(err, MLB_ERR_UNSUPPORTED,
                      "there is no PBS here (no qstat on PATH)");
    } else if (dialect < 0 && pbs_run(argv, NULL, &answer, err) == 0) {
        text_addn(&answer.out, answer.errors.data, answer.errors.length);
        dialect = read_version(answer.out.data, known, sizeof(known));
        if (dialect < 0) {
            char *said = xstrndup(answer.out.data,
                                  strcspn(answer.out.data, "\n"));
            mlb_error_set(err, MLB_ERR_UNSUPPORTED,
                          "there is no PBS here: qstat --version says \"%s\"",
                          said);
            free(said);
        }
    }
    pbs_answer_clear(&answer);
    *version = known;
    return dialect;
}

int pbs_is_torque(struct mlb_error *err)
{
    const char *version;

    return find_dialect(&version, err);
}

static void describe(const char *server, bool torque, struct mlb_probe *found)
{
    const char *name = strstr(server, "Server: ");
    size_t n = 0;

    if (name) {
        name += strlen("Server: ");
        n = strcspn(name, "\n");
    }
    snprintf(found->text, sizeof(found->text), "server %.*s, %s",
             n ? (int)n : 1, n ? name : "?",
             torque ? "jobs that have ended are forgotten after a while"
             : strstr(server, "\n    job_history_enable = True")
                 ? "history of jobs is kept"
                 : "no history of jobs (job_history_enable is not set): how "
                   "a run ended is told by its own log alone");
}

static int probe(const struct mlb_site *site, struct mlb_probe *found,
                 struct mlb_error *err)
{
    char *argv[] = { (char *)"qstat", (char *)"-B", (char *)"-f", NULL };
    struct pbs_answer answer = PBS_ANSWER_INIT;
    const char *version;
    int torque = find_dialect(&version, err), rc = -1;

    (void)site;
    *found = (struct mlb_probe){ .text = "" };
    if (torque < 0)
        goto out;
    snprintf(found->version, sizeof(found->version), "%s", version);
    rc = pbs_run(argv, NULL, &answer, err);
    if (rc == 0 && answer.code != 0)
        rc = pbs_refused(&answer, "cannot ask the PBS server", err);
    if (rc == 0)
        describe(answer.out.data, torque != 0, found);
out:
    pbs_answer_clear(&answer);
    return rc;
}

int pbs_look(const char *id, struct pbs_answer *answer, struct pbs_job *job,
             struct mlb_error *err)
{
    struct mlb_strings ids = MLB_STRINGS_INIT;
    struct pbs_span span = { id, strlen(id) };
    int rc = -1;

    if (!pbs_text_is_id(span))
        return mlb_error_set(err, MLB_ERR_NOT_FOUND,
                             "\"%s\" is no job id of PBS", id);
    strings_push(&ids, id);
    if (pbs_ask(&ids, answer, NULL, err) == 0) {
        struct pbs_text reader = { answer->out.data, answer->out.length, 0 };
        rc = pbs_text_next(&reader, job) ? 0
             : answer->code ? pbs_refused(answer, "qstat", err)
                            : mlb_error_set(err, MLB_ERR_NOT_FOUND,
                                            "PBS does not know job %s", id);
    }
    strings_clear(&ids);
    return rc;
}

/* One command on one job: of several ids PBS answers for some only. */
static int act(const char *command, const char *id, struct mlb_error *err)
{
    char *argv[] = { (char *)command, (char *)id, NULL };
    struct pbs_answer answer = PBS_ANSWER_INIT;
    char what[64];
    int rc = pbs_run(argv, NULL, &answer, err);

    snprintf(what, sizeof(what), "%s %.40s", command, id);
    if (rc == 0 && answer.code != 0)
        rc = pbs_refused(&answer, what, err);
    pbs_answer_clear(&answer);
    return rc;
}

static void wait_a_little(void)
{
    struct timespec left = { .tv_nsec = LOOK_NANOSECONDS };

    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        continue;
}

/* A job that is deleted while it is sent to its node ends as failed or even
 * as finished, with status 0: let it arrive. */
static int cancel(const struct mlb_site *site, const char *id,
                  struct mlb_error *err)
{
    struct pbs_job job;
    bool starting = true;

    (void)site;
    for (int i = 0; starting && i < STARTING_LOOKS; i++) {
        struct pbs_answer answer = PBS_ANSWER_INIT;
        int rc = pbs_look(id, &answer, &job, err);
        starting = rc == 0 && job.state == 'R' && job.substate == STARTING;
        pbs_answer_clear(&answer);
        if (rc < 0)
            return -1;
        if (job.state == 'F' || job.state == 'C' || job.state == 'X')
            return mlb_error_set(err, MLB_ERR_NOT_FOUND, "job %s has ended",
                                 id);
        if (starting)
            wait_a_little();
    }
    return act("qdel", id, err);
}

/* qhold of a running job succeeds and does nothing, now or later. */
static int hold(const struct mlb_site *site, const char *id,
                struct mlb_error *err)
{
    struct pbs_answer answer = PBS_ANSWER_INIT;
    struct pbs_job job;
    int rc = pbs_look(id, &answer, &job, err);

    (void)site;
    if (rc == 0 && !(job.state && strchr("QHWT", job.state)))
        rc = mlb_error_set(err, MLB_ERR_REFUSED, "job %s does not wait any "
                           "more (PBS has it in state %c)", id,
                           job.state ? job.state : '?');
    pbs_answer_clear(&answer);
    return rc < 0 ? -1 : act("qhold", id, err);
}

static int release(const struct mlb_site *site, const char *id,
                   struct mlb_error *err)
{
    struct pbs_span span = { id, strlen(id) };

    (void)site;
    if (!pbs_text_is_id(span))
        return mlb_error_set(err, MLB_ERR_NOT_FOUND,
                             "\"%s\" is no job id of PBS", id);
    return act("qrls", id, err);
}

const struct mlb_scheduler scheduler_pbs = {
    .name = "pbs",
    .probe = probe,
    .submit = pbs_submit,
    .find = pbs_find,
    .query = pbs_query,
    .history = pbs_history,
    .cancel = cancel,
    .hold = hold,
    .release = release,
    .explain = pbs_explain,
};
