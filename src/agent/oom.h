/* SPDX-License-Identifier: BSD-3-Clause */
/* Has the kernel ended programs because memory ran out? */
#ifndef AGENT_OOM_H
#define AGENT_OOM_H

/* How many since it began to count: of this process's control group of
 * memory, whoever's limit it was (Linux 4.13 for version 1, 4.18 for 2); else
 * of the whole node since it was booted; -1 if neither is to be had. */
long oom_kills(void);

#endif
