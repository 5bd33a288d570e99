/* SPDX-License-Identifier: BSD-3-Clause */
/* The queue of this machine: a directory with one ticket for each job. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fields.h"
#include "base/files.h"
#include "base/process.h"
#include "scheduler/local_queue.h"

/* ---- tickets ---- */

void ticket_clear(struct ticket *ticket)
{
    free(ticket->run);
    free(ticket->token);
    free(ticket->boot);
    free(ticket->indices);
    if (ticket->skipped.items)
        strings_clear(&ticket->skipped);
    if (ticket->starting.items)
        strings_clear(&ticket->starting);
    if (ticket->given.items)
        strings_clear(&ticket->given);
    if (ticket->after.items)
        strings_clear(&ticket->after);
    *ticket = (struct ticket){ .given = MLB_STRINGS_INIT,
                               .after = MLB_STRINGS_INIT,
                               .skipped = MLB_STRINGS_INIT,
                               .starting = MLB_STRINGS_INIT };
}

bool ticket_is_alive(const struct ticket *ticket)
{
    return ticket->pid > 0 && ticket->start != 0 &&
           strcmp(ticket->boot, process_boot_id()) == 0 &&
           process_is_alive(ticket->pid, ticket->start);
}

char *ticket_path(const char *directory, long number)
{
    return xasprintf("%s/t-%ld", directory, number);
}

static char *copy_of(const struct mlb_fields *f, const char *name)
{
    const char *value = fields_get(f, name);

    return xstrdup(value ? value : "");
}

int ticket_read(const char *path, struct ticket *ticket,
                struct mlb_error *err)
{
    struct mlb_fields f = MLB_FIELDS_INIT;

    *ticket = (struct ticket){ .given = MLB_STRINGS_INIT,
                               .after = MLB_STRINGS_INIT,
                               .skipped = MLB_STRINGS_INIT,
                               .starting = MLB_STRINGS_INIT };
    if (fields_read(&f, path, err) < 0) {
        fields_clear(&f);
        return -1;
    }
    const char *start = fields_get(&f, "start");
    const char *state = fields_get(&f, "state");
    ticket->number = fields_get_long(&f, "ticket", 0);
    ticket->run = copy_of(&f, "run");
    ticket->token = copy_of(&f, "token");
    ticket->pid = (pid_t)fields_get_long(&f, "pid", 0);
    ticket->start = start ? strtoull(start, NULL, 10) : 0;
    ticket->boot = copy_of(&f, "boot");
    ticket->cores = fields_get_long(&f, "cores", 0);
    ticket->gpus = fields_get_long(&f, "gpus", 0);
    ticket->running = state && strcmp(state, "running") == 0;
    ticket->held = state && strcmp(state, "held") == 0;
    ticket->since = (time_t)fields_get_long(&f, "since", 0);
    fields_get_all(&f, "gpu", &ticket->given);
    fields_get_all(&f, "after", &ticket->after);
    ticket->indices = copy_of(&f, "indices");
    ticket->next = fields_get_long(&f, "next", 0);
    ticket->array = fields_get_long(&f, "array", 0);
    ticket->index = fields_get_long(&f, "index", 0);
    fields_get_all(&f, "skipped", &ticket->skipped);
    fields_get_all(&f, "starting", &ticket->starting);
    fields_clear(&f);
    return 0;
}

static int ticket_write(const char *directory, const struct ticket *ticket,
                        struct mlb_error *err)
{
    struct mlb_fields f = MLB_FIELDS_INIT;
    char *path = ticket_path(directory, ticket->number);

    fields_addf(&f, "ticket", "%ld", ticket->number);
    fields_add(&f, "run", ticket->run);
    fields_add(&f, "token", ticket->token);
    fields_addf(&f, "pid", "%ld", (long)ticket->pid);
    fields_addf(&f, "start", "%llu", ticket->start);
    fields_add(&f, "boot", ticket->boot);
    fields_addf(&f, "cores", "%ld", ticket->cores);
    fields_addf(&f, "gpus", "%ld", ticket->gpus);
    fields_add(&f, "state", ticket->running ? "running"
                            : ticket->held  ? "held"
                                            : "waiting");
    fields_addf(&f, "since", "%lld", (long long)ticket->since);
    for (size_t i = 0; i < ticket->given.count; i++)
        fields_add(&f, "gpu", ticket->given.items[i]);
    for (size_t i = 0; i < ticket->after.count; i++)
        fields_add(&f, "after", ticket->after.items[i]);
    if (ticket->indices && *ticket->indices) {
        fields_add(&f, "indices", ticket->indices);
        fields_addf(&f, "next", "%ld", ticket->next);
    }
    for (size_t i = 0; i < ticket->skipped.count; i++)
        fields_add(&f, "skipped", ticket->skipped.items[i]);
    for (size_t i = 0; i < ticket->starting.count; i++)
        fields_add(&f, "starting", ticket->starting.items[i]);
    if (ticket->array > 0) {
        fields_addf(&f, "array", "%ld", ticket->array);
        fields_addf(&f, "index", "%ld", ticket->index);
    }
    int rc = fields_write(&f, path, err);
    free(path);
    fields_clear(&f);
    return rc;
}

/* ---- the queue ---- */

char *queue_directory(const char *store)
{
    char *host = text_encode_name(process_host());
    char *directory = xasprintf("%s/local/%s", store, host);

    free(host);
    return directory;
}

static int by_number(const void *a, const void *b)
{
    const struct ticket *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

/* One file of the directory. What cannot be read as a ticket of a live
 * process is no ticket; with the lock held it is removed. */
static void load_one(struct queue *q, const char *name)
{
    char *path = xasprintf("%s/%s", q->directory, name);
    struct ticket ticket;
    bool good = ticket_read(path, &ticket, NULL) == 0;

    if (good && ticket_is_alive(&ticket)) {
        q->tickets = xrealloc(q->tickets,
                              (q->count + 1) * sizeof(*q->tickets));
        q->tickets[q->count++] = ticket;
    } else {
        if (good)
            ticket_clear(&ticket);
        if (q->lock >= 0)
            unlink(path);
    }
    free(path);
}

static int load_all(struct queue *q, struct mlb_error *err)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    int rc = files_list(q->directory, &names, err);

    /* "t-7.tmp-..." is a ticket that is just being written. */
    for (size_t i = 0; rc == 0 && i < names.count; i++)
        if (strncmp(names.items[i], "t-", 2) == 0 &&
            !strchr(names.items[i], '.'))
            load_one(q, names.items[i]);
    if (q->count > 1)
        qsort(q->tickets, q->count, sizeof(*q->tickets), by_number);
    strings_clear(&names);
    return rc;
}

int queue_open(struct queue *q, const char *store, struct mlb_error *err)
{
    *q = (struct queue)QUEUE_INIT;
    q->directory = queue_directory(store);
    char *path = xasprintf("%s/lock", q->directory);
    int rc = files_mkdirs(q->directory, err);

    if (rc == 0) {
        q->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        rc = q->lock < 0 ? -1 : flock(q->lock, LOCK_EX);
        while (rc < 0 && q->lock >= 0 && errno == EINTR)
            rc = flock(q->lock, LOCK_EX);
        if (rc < 0)
            mlb_error_errno(err, MLB_ERR_IO, "cannot lock %s", path);
    }
    if (rc == 0)
        rc = load_all(q, err);
    free(path);
    if (rc < 0)
        queue_close(q);
    return rc;
}

int queue_look(struct queue *q, const char *store, struct mlb_error *err)
{
    *q = (struct queue)QUEUE_INIT;
    q->directory = queue_directory(store);
    int rc = load_all(q, err);

    if (rc < 0)
        queue_close(q);
    return rc;
}

void queue_release(struct queue *q)
{
    if (q->lock >= 0)
        close(q->lock);
    q->lock = -1;
}

void queue_close(struct queue *q)
{
    for (size_t i = 0; i < q->count; i++)
        ticket_clear(&q->tickets[i]);
    free(q->tickets);
    free(q->directory);
    queue_release(q);
    *q = (struct queue)QUEUE_INIT;
}

/* The number is stored before the ticket: a crash between the two leaves a
 * gap, not a number that is given twice. */
static int next_number(struct queue *q, long *number, struct mlb_error *err)
{
    struct mlb_fields f = MLB_FIELDS_INIT;
    char *path = xasprintf("%s/last", q->directory);
    long last = 0;

    if (fields_read(&f, path, NULL) == 0)
        last = fields_get_long(&f, "ticket", 0);
    if (q->count > 0 && q->tickets[q->count - 1].number > last)
        last = q->tickets[q->count - 1].number;
    fields_clear(&f);
    fields_addf(&f, "ticket", "%ld", last + 1);
    int rc = fields_write(&f, path, err);
    fields_clear(&f);
    free(path);
    *number = last + 1;
    return rc;
}

int queue_join(struct queue *q, struct ticket *ticket, struct mlb_error *err)
{
    ticket->pid = getpid();
    ticket->start = process_start_time(ticket->pid);
    free(ticket->boot);
    ticket->boot = xstrdup(process_boot_id());
    if (next_number(q, &ticket->number, err) < 0)
        return -1;
    return ticket_write(q->directory, ticket, err);
}

int queue_update(const struct queue *q, const struct ticket *ticket,
                 struct mlb_error *err)
{
    return ticket_write(q->directory, ticket, err);
}

struct ticket *queue_find(const struct queue *q, long number)
{
    for (size_t i = 0; i < q->count; i++)
        if (q->tickets[i].number == number)
            return &q->tickets[i];
    return NULL;
}

const struct ticket *queue_parent(const struct queue *q,
                                  const struct ticket *ticket, size_t n)
{
    return queue_find(q, strtol(ticket->after.items[n], NULL, 10));
}

struct ticket *queue_point(const struct queue *q, long array, long index)
{
    for (size_t i = 0; i < q->count; i++)
        if (q->tickets[i].array == array && q->tickets[i].index == index)
            return &q->tickets[i];
    return NULL;
}

bool queue_lets_pass(const struct queue *q, const struct ticket *ticket)
{
    return (ticket->indices && *ticket->indices) ||
           queue_is_blocked(q, ticket);
}

bool queue_is_blocked(const struct queue *q, const struct ticket *ticket)
{
    bool waits = ticket->held;

    for (size_t i = 0; i < ticket->after.count && !waits; i++)
        waits = queue_parent(q, ticket, i);
    return waits;
}

bool queue_admit(const struct queue *q, struct ticket *ticket, long cores,
                 const struct mlb_strings *gpus)
{
    struct mlb_strings taken = MLB_STRINGS_INIT;
    bool first = !queue_lets_pass(q, ticket);

    for (size_t i = 0; i < q->count; i++) {
        const struct ticket *t = &q->tickets[i];
        if (t->running) {
            cores -= t->cores;
            strings_copy(&taken, &t->given);
        } else if (t->number < ticket->number && !queue_lets_pass(q, t)) {
            first = false;
        }
    }
    strings_clear(&ticket->given);
    for (size_t i = 0; i < gpus->count; i++)
        if ((long)ticket->given.count < ticket->gpus &&
            !strings_have(&taken, gpus->items[i]))
            strings_push(&ticket->given, gpus->items[i]);
    strings_clear(&taken);
    bool enough = first && cores >= ticket->cores &&
                  (long)ticket->given.count == ticket->gpus;
    if (!enough)
        strings_clear(&ticket->given);
    return enough;
}
