/* SPDX-License-Identifier: BSD-3-Clause */
/* Has the kernel ended programs because memory ran out? */
#ifndef AGENT_OOM_H
#define AGENT_OOM_H

/* How many on this node since it was booted, in whatever control group
 * ("oom_kill" of /proc/vmstat, Linux 4.13); -1 if that is not to be had. */
long oom_kills(void);

#endif
