/* SPDX-License-Identifier: BSD-3-Clause */
/* An array on this machine: its process, which starts a process a point. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scheduler/local_parts.h"

/* Milliseconds between looks, should no signal and no inotify tell. */
#define LOOK 1000

struct array {
    struct newcomer *job;
    long most;                   /* points at a time */
    long alive;
    pid_t *children;             /* most of them, 0: none */
    int changes;                 /* of the queue's directory, or -1 */
};

static volatile sig_atomic_t ended;

static void on_signal(int signum)
{
    if (signum == SIGTERM)
        ended = 1;
}

/* One more than fits: so the next one waits in the queue already. */
static long most_at_once(const struct newcomer *job)
{
    long cores = job->plan->cores > 0 ? job->plan->cores : 1;
    long most = job->cores / cores + 1;

    return job->plan->array.at_once != MLB_UNSET &&
                   job->plan->array.at_once < most
               ? job->plan->array.at_once : most;
}

/* The life of one point; a child's. */
static void live(struct newcomer *job, long index)
{
    const struct newcomer *array = job;
    struct newcomer point = {
        .plan = array->plan, .site = array->site, .cores = array->cores,
        .report = -1, .index = index,
        .ticket = { .given = MLB_STRINGS_INIT, .after = MLB_STRINGS_INIT,
                    .skipped = MLB_STRINGS_INIT,
                    .starting = MLB_STRINGS_INIT,
                    .array = array->ticket.number, .index = index },
    };
    struct mlb_error err;

    if (local_detach(&point, &err) < 0 ||
        local_take_ticket(&point, &err) < 0 ||
        local_wait_turn(&point, &err) < 0)
        dprintf(2, "mlbatch: point %ld of %s: %s\n", index, job->plan->run,
                err.text);
    else
        local_become(&point);
    _exit(126);
}

/* Wait for the ends of children, a signal, or a change of the queue. */
static void wait_for_news(struct array *a)
{
    struct pollfd fd = { .fd = a->changes, .events = POLLIN };
    char events[4096];
    pid_t pid;

    if (poll(&fd, 1, LOOK) > 0)
        while (read(a->changes, events, sizeof(events)) > 0)
            continue;
    while (a->alive > 0 && (pid = waitpid(-1, NULL, WNOHANG)) > 0)
        for (long i = 0; i < a->most; i++)
            if (a->children[i] == pid) {
                a->children[i] = 0;
                a->alive--;
            }
}

static void begin(struct array *a, long index)
{
    long place = 0;

    while (a->children[place] > 0)
        place++;
    pid_t pid = fork();
    if (pid == 0)
        live(a->job, index);
    if (pid < 0)
        dprintf(2, "mlbatch: point %ld of %s: %s\n", index,
                a->job->plan->run, strerror(errno));
    a->children[place] = pid > 0 ? pid : 0;
    a->alive += pid > 0;
}

/* With the queue's lock: is it this point's turn to come into the queue? 1:
 * it is, or was cancelled (*skip); the ticket says so then. 0: not yet. */
static int may_begin(struct array *a, long index, bool *skip)
{
    struct ticket *own = &a->job->ticket;
    struct queue queue;
    char text[32];
    int rc = 0;

    if (queue_open(&queue, a->job->site->store, NULL) < 0)
        return 0;
    struct ticket *ticket = queue_find(&queue, own->number);
    if (ticket && !queue_is_blocked(&queue, ticket)) {
        snprintf(text, sizeof(text), "%ld", index);
        *skip = strings_have(&ticket->skipped, text);
        if (!*skip)
            strings_push(&ticket->starting, text);
        ticket->next++;
        rc = queue_update(&queue, ticket, NULL) == 0;
    }
    queue_close(&queue);
    return rc;
}

/* The n-th of the indices: "0-2,7" has 0, 1, 2, 7. -1: there is none. */
static long nth(const char *indices, long n)
{
    for (const char *p = indices; *p;) {
        char *end;
        long first = strtol(p, &end, 10), last = first;
        if (*end == '-')
            last = strtol(end + 1, &end, 10);
        if (n <= last - first)
            return first + n;
        n -= last - first + 1;
        p = *end == ',' ? end + 1 : "";
    }
    return -1;
}

static void end_children(const struct array *a)
{
    for (long i = 0; i < a->most; i++)
        if (a->children[i] > 0)
            kill(a->children[i], SIGTERM);
}

void local_array(struct newcomer *job)
{
    struct array a = { .job = job, .most = most_at_once(job) };
    const struct sigaction action = { .sa_handler = on_signal };
    bool told = false;
    long n = 0, index;

    a.children = xcalloc((size_t)a.most, sizeof(*a.children));
    a.changes = queue_watch(job->site->store);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGCHLD, &action, NULL);
    while (!ended && (index = nth(job->plan->array.indices, n)) >= 0) {
        bool skip = false;
        if (a.alive < a.most && may_begin(&a, index, &skip)) {
            if (!skip)
                begin(&a, index);
            n++;
        } else {
            wait_for_news(&a);
        }
    }
    while (a.alive > 0) {
        if (ended && !told)
            end_children(&a);
        told = told || ended;
        wait_for_news(&a);
    }
    _exit(ended ? 143 : 0);
}
