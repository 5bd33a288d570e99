/* SPDX-License-Identifier: BSD-3-Clause */
/* What this node can count. */
#ifndef COUNTERS_COUNTERS_H
#define COUNTERS_COUNTERS_H

#include "base/text.h"

/* One line a source, for `mlbatch doctor`: "papi: ok: ..." or
 * "papi: unavailable: <reason, and what to do>". A source is ok only if a
 * counter was added, started, fed with work and read more than zero. */
void counters_probe(struct mlb_text *out);

#endif
