/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the files of the engine for rows. */
#ifndef STORE_ROWS_PARTS_H
#define STORE_ROWS_PARTS_H

#include "store/rows.h"

/* How reads are done. Nothing of it fails: what goes wrong is a result. */
struct rows_driver {
    const char *name;
    int (*start)(struct rows *r);       /* -1: not here */
    /* The same buffers for all that is read from now on. */
    void (*set_buffers)(struct rows *r, const struct rows_buffer *buffers,
                        size_t count);
    /* Send as many of the groups that wait as the queue takes. */
    void (*send)(struct rows *r);
    /* Wait for one at least of those in flight and settle what is done. */
    void (*collect)(struct rows *r, const struct rows_group *group);
    void (*stop)(struct rows *r);       /* nothing is in flight */
};

struct rows {
    pid_t owner;
    int *files;                /* two a file: through the page cache, and
                                * past it or -1 */
    size_t count;              /* of files */
    bool direct;               /* all files are open so */
    bool refused;              /* but reading from one did not work */
    bool lost;                 /* nobody knows what is still in flight */
    size_t align;
    struct rows_group *first, *last;     /* not all sent yet */
    size_t in_flight;
    const struct rows_driver *driver;
    void *state;               /* the driver's */
};

extern const struct rows_driver rows_uring_driver, rows_threads_driver;

/* The file descriptor for a read. */
int rows_fd(const struct rows *r, const struct rows_read *read);

/* The next read to be sent, or NULL. */
struct rows_read *rows_next(struct rows *r);

/* One pread: bytes read or the negative errno. */
ssize_t rows_transfer(int fd, const struct rows_read *read);

/* A read is done with that result; what is missing is read at once. */
void rows_settle(struct rows *r, struct rows_read *read, ssize_t result);

#endif
