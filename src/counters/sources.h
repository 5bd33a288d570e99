/* SPDX-License-Identifier: BSD-3-Clause */
/* The sources of counters, one file each. A probe adds its line's text
 * after the name: "ok: ..." or "unavailable: <reason, what to do>". */
#ifndef COUNTERS_SOURCES_H
#define COUNTERS_SOURCES_H

#include "base/text.h"

void papi_probe(struct mlb_text *out);
void perf_probe(struct mlb_text *out);
void proc_probe(struct mlb_text *out);
void cgroup_probe(struct mlb_text *out);

/* What the kernel says to counting instructions in hardware, in words, with
 * what to do; NULL if it lets us. PAPI gives one code for many causes. */
const char *perf_hardware_refusal(void);

/* Keep a core busy for ms milliseconds of this process's own CPU time. */
void counters_burn(int ms);

#endif
