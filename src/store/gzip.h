/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes of a file in order, unpacked if it is gzip. Unlike zlib's own calls
 * for files it does not pass over what stands behind a gzip stream: that
 * would silently lose the rest of a file of many streams with one damaged
 * header. For the tools. */
#ifndef STORE_GZIP_H
#define STORE_GZIP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mlbatch/error.h"

struct gzip;

/* path stays the caller's, and must live as long. */
struct gzip *gzip_open(const char *path, struct mlb_error *err);
void gzip_close(struct gzip *g);              /* NULL is fine */

/* The next length bytes, fewer only at the end; -1: damaged, unreadable. */
ssize_t gzip_read(struct gzip *g, void *out, size_t length,
                  struct mlb_error *err);
/* Pass over bytes. Past the end of a plain file the next read tells. */
int gzip_skip(struct gzip *g, uint64_t length, struct mlb_error *err);
/* Bytes of the file that were used so far. */
uint64_t gzip_done(const struct gzip *g);

#endif
