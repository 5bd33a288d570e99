/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes put aside in a file without a name until their shard is written;
 * what is short stays in memory. For the tools. */
#ifndef STORE_VERSION_SPOOL_H
#define STORE_VERSION_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "mlbatch/error.h"

struct spool {
    const char *directory;        /* for the file; the caller's */
    int fd;                       /* -1: no file yet */
    unsigned char *buffer;        /* the last bytes */
    size_t used;
    uint64_t bytes;               /* all */
};

void spool_init(struct spool *s, const char *directory);
void spool_clear(struct spool *s);

int spool_add(struct spool *s, const void *bytes, size_t length,
              struct mlb_error *err);
/* Forget what is in it. */
int spool_reset(struct spool *s, struct mlb_error *err);

/* container_source; from is the spool. */
int spool_get(void *from, uint64_t offset, void *out, size_t length,
              struct mlb_error *err);

#endif
