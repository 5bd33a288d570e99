/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory on huge pages for buffers of direct I/O. */
#ifndef STORE_HUGE_H
#define STORE_HUGE_H

#include <stddef.h>

/* New memory of at least so many bytes that begins on a huge page; not
 * touched yet, which costs more than filling it. A child of fork has none of
 * it: the kernel may be reading or writing it, and a copy made on the next
 * write would go to the wrong side. NULL with errno. */
unsigned char *huge_map(size_t bytes);
void huge_unmap(unsigned char *memory, size_t bytes);        /* NULL: fine */

/* Touch the pages of [from, to). */
void huge_touch(unsigned char *memory, size_t from, size_t to);

#endif
