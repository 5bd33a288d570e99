/* SPDX-License-Identifier: BSD-3-Clause */
/* How much memory there is for the page cache to keep a data set in. */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include <stdint.h>

/* Bytes that this process may still bring into memory without anything
 * having to go that is in use: what the kernel calls available, or less
 * where a control group (v1 or v2) above it sets a limit. root is "", or
 * for tests a directory that stands for it. 0: cannot be found out. */
uint64_t memory_available(const char *root);

#endif
