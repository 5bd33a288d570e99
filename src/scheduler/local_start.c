/* SPDX-License-Identifier: BSD-3-Clause */
/* A local job's start: its own process from submission to its script. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "scheduler/environment.h"
#include "scheduler/local_parts.h"

/* So often, and after so many milliseconds, a job that waits tries again to
 * read the queue: five minutes in all. */
#define FAILURES_MOST 60
#define FAILURE_WAIT 5000

/* A submitted job is a process from the first moment on. It detaches itself,
 * takes a ticket (local_queue.h), waits until it is its turn and becomes the
 * script by exec, so that its pid stands for the job all along. */

/* What the new process tells the one that submits. */
struct report {
    long number;                 /* of the ticket; 0: see error */
    struct mlb_error error;
};

static void reset_signals(void)
{
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    signal(SIGHUP, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void close_others(int keep)
{
    struct mlb_strings names = MLB_STRINGS_INIT;

    /* One of them was the list's own and is closed already. */
    files_list("/proc/self/fd", &names, NULL);
    for (size_t i = 0; i < names.count; i++) {
        int fd = atoi(names.items[i]);
        if (fd > 2 && fd != keep)
            close(fd);
    }
    strings_clear(&names);
}

/* Leave the terminal and all that is open; from here on standard error is
 * the job's log. */
int local_detach(struct newcomer *job, struct mlb_error *err)
{
    const struct mlb_plan *plan = job->plan;

    setsid();
    reset_signals();
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char *path = job->index >= 0
                     ? xasprintf("%s%ld.log", plan->output, job->index)
                 : plan->array.points > 0
                     ? xasprintf("%s/out/batch.log", plan->run_dir)
                     : xstrdup(plan->output);
    int log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (log < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot open %s", path);
    free(path);
    if (log < 0)
        return -1;
    if (chdir(plan->directory) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot work in %s",
                               plan->directory);
    if (dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot detach");
    close_others(job->report);
    return 0;
}

/* The point speaks for itself now. */
static int leave_array(const struct newcomer *job, struct queue *queue,
                       struct mlb_error *err)
{
    struct ticket *array = queue_find(queue, job->ticket.array);
    struct mlb_strings rest = MLB_STRINGS_INIT;

    if (!array)
        return 0;
    for (size_t i = 0; i < array->starting.count; i++)
        if (strtol(array->starting.items[i], NULL, 10) != job->index)
            strings_push(&rest, array->starting.items[i]);
    strings_clear(&array->starting);
    array->starting = rest;
    return queue_update(queue, array, err);
}

int local_take_ticket(struct newcomer *job, struct mlb_error *err)
{
    struct queue queue;
    const struct mlb_array *array = &job->plan->array;

    if (array->points > 0 && job->index < 0)
        job->ticket.indices = xstrdup(array->indices);
    job->ticket.run = xstrdup(job->plan->run);
    job->ticket.token = xstrdup(job->plan->token);
    /* The points of a held array do not even come here. */
    job->ticket.held = job->plan->hold && job->index < 0;
    job->ticket.cores = job->plan->cores;
    job->ticket.gpus = job->plan->tasks * job->plan->gpus_per_task;
    if (queue_open(&queue, job->site->store, err) < 0)
        return -1;
    int rc = queue_join(&queue, &job->ticket, err);
    if (rc == 0 && job->index >= 0)
        rc = leave_array(job, &queue, err);
    queue_close(&queue);
    return rc;
}

/* With the lock held: if it is this job's turn, the ticket says so. 1 if it
 * is, 0 if not yet, -1 if it cannot be told. */
static int try_start(struct newcomer *job, struct queue *queue,
                     struct mlb_error *err)
{
    struct ticket *ticket = &job->ticket;
    const struct ticket *stored = queue_find(queue, ticket->number);

    if (!stored)
        return mlb_error_set(err, MLB_ERR_NOT_FOUND,
                             "ticket %ld is no longer in the queue",
                             ticket->number);
    ticket->held = stored->held;
    if (!queue_admit(queue, ticket, job->cores, &job->site->local.gpus))
        return 0;
    ticket->running = true;
    ticket->since = time(NULL);
    return queue_update(queue, ticket, err) < 0 ? -1 : 1;
}

int local_wait_turn(struct newcomer *job, struct mlb_error *err)
{
    int changes = queue_watch(job->site->store), turn = 0, failures = 0;

    while (turn == 0) {
        struct queue queue;
        /* The store may be on a network that has a bad moment. */
        if (queue_open(&queue, job->site->store, err) < 0) {
            turn = ++failures < FAILURES_MOST ? 0 : -1;
            poll(NULL, 0, FAILURE_WAIT);
            continue;
        }
        failures = 0;
        turn = try_start(job, &queue, err);
        queue_release(&queue);
        if (turn == 0)
            queue_wait(&queue, &job->ticket, changes);
        queue_close(&queue);
    }
    if (changes >= 0)
        close(changes);
    return turn < 0 ? -1 : 0;
}

/* Becomes the script; returns only if that fails. */
void local_become(const struct newcomer *job)
{
    struct mlb_strings env = MLB_STRINGS_INIT;
    struct mlb_text gpus = MLB_TEXT_INIT;
    const struct mlb_strings *given = &job->ticket.given;
    char *script = xasprintf("%s/script-%s", job->plan->run_dir,
                             job->plan->token);
    if (!files_is_file(script)) {
        free(script);
        script = xasprintf("%s/script", job->plan->run_dir);
    }
    char id[SCHEDULER_ID_SIZE];

    local_write_id(id, job->ticket.number);
    if (job->index >= 0)
        local_write_point(id, job->ticket.array, job->index);
    for (size_t i = 0; i < given->count; i++)
        text_addf(&gpus, "%s%s", i ? "," : "", given->items[i]);
    environment_inherit(environ, &env);
    environment_set(&env, "MLB_LOCAL_JOB", id);
    environment_set(&env, "MLB_LOCAL_GPUS", gpus.data);
    if (job->index >= 0) {
        snprintf(id, sizeof(id), "%ld", job->index);
        environment_set(&env, "MLB_LOCAL_INDEX", id);
    }
    if (given->count > 0)
        environment_set(&env, "CUDA_VISIBLE_DEVICES", gpus.data);
    execve(script, (char *[]){ script, NULL }, env.items);
    /* A store mounted noexec: the shell may still read it. */
    if (errno == EACCES)
        execve("/bin/sh", (char *[]){ (char *)"sh", script, NULL }, env.items);
    dprintf(2, "mlbatch: cannot run %s: %s\n", script, strerror(errno));
}

/* All of a job's life up to the script. This process is no longer the
 * command that submits: it prints to its own log, and it ends. */
static void live(struct newcomer *job)
{
    struct report report = { .number = 0 };
    struct mlb_error err;

    if (local_detach(job, &report.error) == 0 &&
        local_take_ticket(job, &report.error) == 0)
        report.number = job->ticket.number;
    /* Whoever submits may be gone by now; the job stays. */
    signal(SIGPIPE, SIG_IGN);
    files_write_all(job->report, &report, sizeof(report));
    signal(SIGPIPE, SIG_DFL);
    close(job->report);
    if (report.number == 0)
        _exit(1);
    if (job->plan->array.points > 0)
        local_array(job);
    else if (local_wait_turn(job, &err) < 0)
        dprintf(2, "mlbatch: %s: cannot wait for its turn: %s\n",
                job->plan->run, err.text);
    else
        local_become(job);
    _exit(126);
}

/* Twice, so that the job is nobody's child but init's: whoever submits may
 * live long, and need not know of the job's end. */
static int fork_twice(struct newcomer *job, struct mlb_error *err)
{
    int status = 0;

    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        pid = fork();
        if (pid == 0)
            live(job);
        _exit(pid < 0 ? 1 : 0);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (pid < 0 || status != 0)
        return mlb_error_set(err, MLB_ERR_IO, "cannot start a process");
    return 0;
}

/* Put into the ticket whom it is after. */
static int set_after(struct newcomer *job, struct mlb_error *err)
{
    const struct mlb_strings *ids = &job->plan->after;

    for (size_t i = 0; i < ids->count; i++) {
        long number;
        int where = local_read_id(ids->items[i], &number);
        if (where != 0)
            return mlb_error_set(err, MLB_ERR_REFUSED,
                                 "cannot wait here for job %s%s",
                                 ids->items[i],
                                 where > 0 ? ", which is another machine's"
                                           : "");
        strings_pushf(&job->ticket.after, "%ld", number);
    }
    return 0;
}

static int check_fit(const struct newcomer *job, struct mlb_error *err)
{
    long gpus = job->plan->tasks * job->plan->gpus_per_task;
    long declared = (long)job->site->local.gpus.count;

    if (job->plan->cores > job->cores)
        return mlb_error_set(err, MLB_ERR_REFUSED,
                             "the job wants %ld cores, this machine has %ld",
                             job->plan->cores, job->cores);
    if (gpus > declared)
        return mlb_error_set(err, MLB_ERR_REFUSED,
                             "the job wants %ld GPUs, this machine declares "
                             "%ld (local.gpus in the site file)", gpus,
                             declared);
    return 0;
}

int local_submit(const struct mlb_plan *plan, const struct mlb_site *site,
                 char *id, struct mlb_error *err)
{
    struct report report = { .number = 0 };
    struct newcomer job = {
        .plan = plan, .site = site, .cores = local_cores(site),
        .ticket.given = MLB_STRINGS_INIT,
        .ticket.after = MLB_STRINGS_INIT,
        .ticket.skipped = MLB_STRINGS_INIT,
        .ticket.starting = MLB_STRINGS_INIT, .index = -1,
    };
    int fds[2] = { -1, -1 }, rc = check_fit(&job, err);
    ssize_t n;

    if (rc == 0)
        rc = set_after(&job, err);
    if (rc == 0 && pipe2(fds, O_CLOEXEC) < 0)
        rc = mlb_error_errno(err, MLB_ERR_IO, "cannot make a pipe");
    job.report = fds[1];
    if (rc == 0)
        rc = fork_twice(&job, err);
    if (rc < 0)
        goto out;
    close(fds[1]);
    fds[1] = -1;
    do
        n = read(fds[0], &report, sizeof(report));
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof(report)) {
        rc = mlb_error_set(err, MLB_ERR_IO, "the job's process died before "
                           "it had a ticket");
    } else if (report.number == 0) {
        rc = mlb_error_set(err, report.error.code, "%s", report.error.text);
    } else {
        local_write_id(id, report.number);
    }
out:
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    strings_clear(&job.ticket.after);
    return rc;
}
