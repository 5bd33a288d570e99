/* SPDX-License-Identifier: BSD-3-Clause */
/* The scheduler local: jobs on this machine, in turn, without a daemon. */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/process.h"
#include "base/units.h"
#include "scheduler/local_parts.h"

long local_cores(const struct mlb_site *site)
{
    cpu_set_t set;

    if (site->local.cores != MLB_UNSET)
        return site->local.cores;
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        return CPU_COUNT(&set);
    return sysconf(_SC_NPROCESSORS_ONLN);   /* over 1024 processors */
}

void local_write_id(char *id, long number)
{
    snprintf(id, SCHEDULER_ID_SIZE, "%.100s:%ld", process_host(), number);
}

void local_write_point(char *id, long array, long index)
{
    snprintf(id, SCHEDULER_ID_SIZE, "%.80s:%ld_%ld", process_host(), array,
             index);
}

/* The index in the id of an array's point, else -1. */
long local_read_index(const char *id)
{
    const char *colon = strrchr(id, ':');
    const char *mark = colon ? strchr(colon, '_') : NULL;
    long index;

    return mark && units_parse_long(mark + 1, 0, 1L << 30, &index, NULL) == 0
               ? index : -1;
}

int local_read_id(const char *id, long *number)
{
    const char *colon = strrchr(id, ':');
    const char *host = process_host();
    char digits[24] = "";

    if (colon)
        snprintf(digits, sizeof(digits), "%.*s",
                 (int)strcspn(colon + 1, "_"), colon + 1);
    if (!colon || units_parse_long(digits, 1, 1L << 62, number, NULL) < 0)
        return -1;
    size_t n = (size_t)(colon - id);
    return strlen(host) == n && strncmp(host, id, n) == 0 ? 0 : 1;
}

static int find(const struct mlb_plan *plan, const struct mlb_site *site,
                char *id, struct mlb_error *err)
{
    struct queue queue;
    int found = queue_look(&queue, site->store, err);

    if (found < 0)
        return -1;
    for (size_t i = 0; i < queue.count && !found; i++)
        if (strcmp(queue.tickets[i].token, plan->token) == 0) {
            local_write_id(id, queue.tickets[i].number);
            found = 1;
        }
    queue_close(&queue);
    /* A job that was quick has no ticket any more. */
    return found ? 1 : scheduler_find_claim(plan, id);
}

static void describe_wait(const struct queue *queue, const struct ticket *t,
                          struct mlb_job_status *job)
{
    struct mlb_text text = MLB_TEXT_INIT;
    long before = 0;

    if (queue_lets_pass(queue, t)) {
        for (size_t i = 0; i < t->after.count; i++)
            before += queue_parent(queue, t, i) != NULL;
        snprintf(job->reason, sizeof(job->reason),
                 t->held ? "held" : "waits for the end of %ld job%s", before,
                 before == 1 ? "" : "s");
        return;
    }
    for (size_t i = 0; i < queue->count; i++)
        before += !queue->tickets[i].running &&
                  queue->tickets[i].number < t->number &&
                  !queue_lets_pass(queue, &queue->tickets[i]);
    text_addf(&text, "waits for %ld core%s", t->cores,
              t->cores == 1 ? "" : "s");
    if (t->gpus > 0)
        text_addf(&text, " and %ld GPU%s", t->gpus, t->gpus == 1 ? "" : "s");
    if (before > 0)
        text_addf(&text, ", %ld before it", before);
    snprintf(job->reason, sizeof(job->reason), "%s", text.data);
    text_clear(&text);
}

/* How many of the indices come before this one. */
static long place_of(const char *indices, long index)
{
    long place = 0;

    for (const char *p = indices; *p;) {
        char *end;
        long first = strtol(p, &end, 10), last = first;
        if (*end == '-')
            last = strtol(end + 1, &end, 10);
        if (index <= last)
            return place + index - first;
        place += last - first + 1;
        p = *end == ',' ? end + 1 : "";
    }
    return place;
}

/* Has the point of an array come into the queue, or been passed over? */
static bool has_begun(const struct ticket *array, long index)
{
    return place_of(array->indices, index) < array->next;
}

static bool have_index(const struct mlb_strings *list, long index)
{
    char text[32];

    snprintf(text, sizeof(text), "%ld", index);
    return strings_have(list, text);
}

/* A point that has no ticket of its own: not yet, or not any more. */
static void fill_point(const struct queue *queue, const struct ticket *array,
                       long index, struct mlb_job_status *job)
{
    if (array && have_index(&array->skipped, index)) {
        job->state = MLB_STATE_CANCELLED;
    } else if (array && (!has_begun(array, index) ||
                         have_index(&array->starting, index))) {
        job->state = MLB_STATE_PENDING;
        if (queue_is_blocked(queue, array))
            describe_wait(queue, array, job);
        else
            snprintf(job->reason, sizeof(job->reason),
                     "waits for other points");
    } else {
        job->state = MLB_STATE_FAILED;
        snprintf(job->reason, sizeof(job->reason), "its process is gone");
    }
}

static void fill(const struct queue *queue, struct mlb_job_status *job)
{
    long number;
    int where = local_read_id(job->id, &number);

    *job = (struct mlb_job_status){ .id = job->id, .token = job->token,
                                    .exit_code = -1 };
    if (where == 1) {
        /* Only that host can tell, and "gone" would be a lie. */
        job->known = true;
        snprintf(job->reason, sizeof(job->reason),
                 "runs on %.*s, ask there",
                 (int)(strrchr(job->id, ':') - job->id), job->id);
    }
    if (where != 0)
        return;
    job->known = true;
    const struct ticket *t = queue_find(queue, number);
    long index = local_read_index(job->id);
    if (index >= 0) {
        const struct ticket *array = t;
        t = queue_point(queue, number, index);
        if (!t) {
            fill_point(queue, array, index, job);
            return;
        }
    }
    if (!t || (job->token && strcmp(t->token, job->token) != 0)) {
        /* This very host would show the process if there were one. */
        job->state = MLB_STATE_FAILED;
        snprintf(job->reason, sizeof(job->reason), "its process is gone");
        return;
    }
    job->state = t->running ? MLB_STATE_RUNNING : MLB_STATE_PENDING;
    if (t->running) {
        job->start = t->since;
        snprintf(job->nodes, sizeof(job->nodes), "%s", process_host());
    } else {
        describe_wait(queue, t, job);
    }
}

static int query(const struct mlb_site *site, struct mlb_job_status *jobs,
                 size_t count, struct mlb_error *err)
{
    struct queue queue;

    assert(site->store);
    if (queue_look(&queue, site->store, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        fill(&queue, &jobs[i]);
    queue_close(&queue);
    return 0;
}

/* The number of a job of this host, which alone can verb it. */
static int find_number(const char *id, const char *verb, long *number,
                       struct mlb_error *err)
{
    int where = local_read_id(id, number);

    if (where == 1)
        return mlb_error_set(err, MLB_ERR_UNSUPPORTED,
                             "job %s runs on %.*s: %s it there", id,
                             (int)(strrchr(id, ':') - id), id, verb);
    if (where < 0)
        return mlb_error_set(err, MLB_ERR_NOT_FOUND,
                             "\"%s\" is no id of a local job", id);
    return 0;
}

/* SIGTERM to the very process of the ticket: with a pidfd the pid cannot
 * become another's between the look and the signal. */
static int end_process(const struct ticket *ticket, const char *id,
                       struct mlb_error *err)
{
    int fd = (int)syscall(SYS_pidfd_open, ticket->pid, 0);
    int rc = -1;

    errno = ESRCH;
    if (ticket_is_alive(ticket))
        rc = fd >= 0 ? (int)syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL,
                                    0)
                     : kill(ticket->pid, SIGTERM);
    if (rc < 0)
        mlb_error_errno(err, errno == ESRCH ? MLB_ERR_NOT_FOUND
                                            : MLB_ERR_REFUSED,
                        "cannot cancel job %s", id);
    if (fd >= 0)
        close(fd);
    return rc;
}

static int cancel(const struct mlb_site *site, const char *id,
                  struct mlb_error *err)
{
    struct queue queue;
    long number = 0;

    assert(site->store);
    long index = local_read_index(id);
    if (find_number(id, "cancel", &number, err) < 0)
        return -1;
    /* What has not begun is kept from it under the lock. */
    if ((index < 0 ? queue_look(&queue, site->store, err)
                   : queue_open(&queue, site->store, err)) < 0)
        return -1;
    struct ticket *ticket = queue_find(&queue, number);
    if (index >= 0 && ticket && !queue_point(&queue, number, index) &&
        !has_begun(ticket, index)) {
        char text[32];
        snprintf(text, sizeof(text), "%ld", index);
        strings_push(&ticket->skipped, text);
        int done = queue_update(&queue, ticket, err);
        queue_close(&queue);
        return done;
    }
    if (index >= 0)
        ticket = queue_point(&queue, number, index);
    int rc = ticket ? end_process(ticket, id, err)
                    : mlb_error_set(err, MLB_ERR_NOT_FOUND,
                                    "job %s has ended", id);
    queue_close(&queue);
    return rc;
}

/* The ticket is its process's own until it waits: then who holds the lock
 * may change it, and the process sees the change. */
static int set_held(const struct mlb_site *site, const char *id, bool held,
                    struct mlb_error *err)
{
    struct queue queue;
    const char *verb = held ? "hold" : "release";
    long number = 0;

    assert(site->store);
    if (find_number(id, verb, &number, err) < 0 ||
        queue_open(&queue, site->store, err) < 0)
        return -1;
    struct ticket *ticket = queue_find(&queue, number);
    if (local_read_index(id) >= 0)
        ticket = queue_point(&queue, number, local_read_index(id));
    int rc = 0;
    if (!ticket && local_read_index(id) >= 0) {
        rc = mlb_error_set(err, MLB_ERR_UNSUPPORTED,
                           "cannot %s job %s: only all of its sweep", verb,
                           id);
    } else if (!ticket) {
        rc = mlb_error_set(err, MLB_ERR_NOT_FOUND, "job %s has ended", id);
    } else if (ticket->running) {
        rc = mlb_error_set(err, MLB_ERR_REFUSED,
                           "cannot %s job %s: it has started", verb, id);
    } else {
        ticket->held = held;
        rc = queue_update(&queue, ticket, err);
    }
    queue_close(&queue);
    return rc;
}

static int hold(const struct mlb_site *site, const char *id,
                struct mlb_error *err)
{
    return set_held(site, id, true, err);
}

static int release(const struct mlb_site *site, const char *id,
                   struct mlb_error *err)
{
    return set_held(site, id, false, err);
}

static int probe(const struct mlb_site *site, struct mlb_probe *found,
                 struct mlb_error *err)
{
    (void)err;
    snprintf(found->version, sizeof(found->version), "local");
    snprintf(found->text, sizeof(found->text), "%ld cores, %zu GPUs declared",
             local_cores(site), site->local.gpus.count);
    return 0;
}

const struct mlb_scheduler scheduler_local = {
    .name = "local",
    .at_hand = true,
    .probe = probe,
    .limits = NULL,
    .submit = local_submit,
    .arrays = true,
    .find = find,
    .query = query,
    .cancel = cancel,
    .hold = hold,
    .release = release,
    .explain = local_explain,
};
