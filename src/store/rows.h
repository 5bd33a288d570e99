/* SPDX-License-Identifier: BSD-3-Clause */
/* Many small reads from anywhere in some files, deep in the queue of the
 * device: what a shuffled batch is made of.
 *
 *     struct rows *r = rows_open(fds, count, NULL);
 *     group.reads = ...; group.count = ...;
 *     rows_push(r, &group);        returns at once; push more of them
 *     rows_wait(r, &group);        0, or the errno of one that failed
 *     rows_close(r);
 *
 * Groups are read in the order they are pushed. The engine is io_uring, else
 * threads that call pread, else pread alone; past the page cache where the
 * file system allows. Reads must begin and end on rows_align() in the file,
 * the end of the file excepted, and in memory. One handle belongs to one
 * thread of the process that opened it. */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ROWS_DEPTH 512              /* reads in flight, at most */
#define ROWS_PIECE ((uint32_t)256 << 10)   /* reaches the disk's full speed */

enum rows_engine {
    ROWS_BEST,
    ROWS_URING,
    ROWS_THREADS,
    ROWS_PLAIN,
};

/* For tests and benchmarks; all zero is what everybody else wants. */
struct rows_options {
    enum rows_engine engine;        /* this one or none */
    bool buffered;                  /* not O_DIRECT */
};

struct rows_group;

/* One read. length is at most ROWS_PIECE. */
struct rows_read {
    uint64_t offset;
    uint32_t length, needed;        /* of it, as it may go past the end */
    uint32_t file;                  /* number of */
    unsigned char *to;
    struct rows_group *group;       /* filled in */
};

/* Reads that are waited for together. Caller's, as are the reads, until
 * rows_wait has returned. */
struct rows_group {
    struct rows_read *reads;
    size_t count;
    unsigned buffer;                /* number of the one that all go to */
    size_t sent, done;              /* the engine's from here on */
    int error;
    struct rows_group *next;
};

struct rows;

/* Prepare to read from files, which are open and stay the caller's. NULL
 * with errno: no memory, or ENOTSUP where options ask for what is not
 * there. */
struct rows *rows_open(const int *fds, size_t count,
                       const struct rows_options *options);

/* Wait for what is in flight, forget the rest, give all back. NULL is fine.
 * In a child of the process that opened it only memory is freed. */
void rows_close(struct rows *r);

/* What offsets in the files and addresses are multiples of. */
size_t rows_align(const struct rows *r);

/* Say where the buffers are that groups read to, which can save the kernel
 * work. Nothing may be in flight. */
struct rows_buffer {
    unsigned char *bytes;
    size_t size;
};
void rows_set_buffers(struct rows *r, const struct rows_buffer *buffers,
                      size_t count);

/* Give a group to the engine. */
void rows_push(struct rows *r, struct rows_group *group);

/* Wait until all of a group has been read: 0, or an errno. */
int rows_wait(struct rows *r, struct rows_group *group);

/* Wait until all groups have been read. */
void rows_drain(struct rows *r);

/* Wait for what is in flight and forget the rest, of all groups. */
void rows_cancel(struct rows *r);

/* Did the kernel stop answering, so that it may still write to the buffers,
 * or is this a child, which does not have them? Then nobody may give their
 * memory back. */
bool rows_is_lost(const struct rows *r);

/* "io_uring, O_DIRECT": what is in use. */
void rows_describe(const struct rows *r, char *out, size_t size);

#endif
