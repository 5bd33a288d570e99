/* SPDX-License-Identifier: BSD-3-Clause */
/* The queue of this machine: a directory with one ticket for each job.
 *
 *   STORE/local/HOST/lock      whoever changes something holds its flock
 *   STORE/local/HOST/last      last ticket number given (fields: ticket)
 *   STORE/local/HOST/t-N       ticket N (fields, see struct ticket)
 *
 * A sweep has one ticket, of a process that starts another for each point
 * when it may; that one takes a ticket of its own.
 *
 * A ticket is worth what its process is: it names the process for good (pid,
 * start time, boot) and counts as long as that one lives. So nobody has to
 * give a place back, and nothing that is killed keeps one. Tickets of the
 * dead are removed by whoever next holds the lock.
 *
 * The directory is in one user's store: two users of one machine have two
 * queues, and each counts its cores as if it were alone. */
#ifndef SCHEDULER_LOCAL_QUEUE_H
#define SCHEDULER_LOCAL_QUEUE_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "base/text.h"
#include "mlbatch/error.h"

struct ticket {
    long number;                 /* first come, first served */
    char *run, *token;
    pid_t pid;
    unsigned long long start;    /* process_start_time of pid */
    char *boot;                  /* process_boot_id */
    long cores, gpus;            /* wanted */
    bool running;                /* else it waits */
    bool held;                   /* ... and lets others pass */
    struct mlb_strings after;    /* numbers of tickets that it waits for, and
                                    lets others pass meanwhile */
    time_t since;                /* when it came to be running */
    struct mlb_strings given;    /* the GPUs it has */
    /* Of an array's process, which never runs itself: */
    char *indices;               /* of its points; "" if it is none */
    long next;                   /* so many of them have begun */
    struct mlb_strings skipped;  /* indices that were cancelled before */
    struct mlb_strings starting; /* indices that have no ticket yet */
    /* Of one of these points: */
    long array;                  /* number of the array's ticket, else 0 */
    long index;
};
void ticket_clear(struct ticket *ticket);
/* From its file. On failure there is nothing to clear. */
int ticket_read(const char *path, struct ticket *ticket,
                struct mlb_error *err);
/* STORE/local/HOST, and a ticket's file there. Caller frees. */
char *queue_directory(const char *store);
char *ticket_path(const char *directory, long number);

struct queue {
    char *directory;
    int lock;                    /* -1: only looked at */
    struct ticket *tickets;      /* of live processes, lowest number first */
    size_t count;
};
#define QUEUE_INIT { .lock = -1 }

/* Take the lock (waiting for it; the directory is made if missing) and read
 * all tickets. */
int queue_open(struct queue *queue, const char *store,
               struct mlb_error *err);
/* Only read: no lock, nothing made or removed. No directory, no tickets. */
int queue_look(struct queue *queue, const char *store,
               struct mlb_error *err);
/* Give the lock back, but keep what was read. */
void queue_release(struct queue *queue);
/* Free all, and give the lock back. */
void queue_close(struct queue *queue);

/* With the lock held: put the ticket of this process into the queue. Its
 * number is chosen here; pid, start and boot are set here. */
int queue_join(struct queue *queue, struct ticket *ticket,
               struct mlb_error *err);
/* With the lock held: store a ticket as changed. */
int queue_update(const struct queue *queue, const struct ticket *ticket,
                 struct mlb_error *err);

struct ticket *queue_find(const struct queue *queue, long number);
/* The n-th that ticket is after; NULL if that one has ended. */
const struct ticket *queue_parent(const struct queue *queue,
                                  const struct ticket *ticket, size_t n);
/* Is it held, or after one that has not ended? */
bool queue_is_blocked(const struct queue *queue, const struct ticket *ticket);
/* The ticket of a point of an array, NULL if it has none (any more). */
struct ticket *queue_point(const struct queue *queue, long array, long index);
/* Does it let others pass: is it blocked, or an array? */
bool queue_lets_pass(const struct queue *queue, const struct ticket *ticket);
/* May ticket start now? Only the first that lets no others pass may, if so
 * many cores are free; the GPUs it gets (of all) are added to its given. */
bool queue_admit(const struct queue *queue, struct ticket *ticket, long cores,
                 const struct mlb_strings *gpus);

/* Is the very process of this ticket alive? A zombie is not. */
bool ticket_is_alive(const struct ticket *ticket);

/* ---- local_wait.c ---- */
/* Wait until something may have changed for a ticket: the one that waits
 * before it, or else any that runs, ended or changed; a held one waits for a
 * change of its own, one that is after others for these. The queue is as it was
 * read; changes is a descriptor of queue_watch, made before it was read, so
 * that nothing is missed. Does not poll, but for a look every 5 s. */
void queue_wait(const struct queue *queue, const struct ticket *ticket,
                int changes);
/* -1 if the directory cannot be watched: that is fine. */
int queue_watch(const char *store);

#endif
