/* SPDX-License-Identifier: BSD-3-Clause */
/* The hosts of a job of PBS, by the file that PBS_NODEFILE names. */
#ifndef AGENT_NODEFILE_H
#define AGENT_NODEFILE_H

#include <stdbool.h>

#include "base/text.h"
#include "mlbatch/error.h"

/* The host of each of a plan's nodes, in order, added to hosts. The file has
 * a line a rank (OpenPBS) or a CPU (Torque); where PBS put two nodes of the
 * plan on one host that host is given twice. MLB_ERR_NOT_FOUND if there is
 * no such file, which only the job's first host has; MLB_ERR_BAD_INPUT if
 * its lines do not fit so many nodes. */
int nodefile_read(long nodes, struct mlb_strings *hosts,
                  struct mlb_error *err);

/* Is "NAME=value" one of those that each host of a job has its own of? True
 * also of what is no such pair. */
bool nodefile_is_of_host(const char *pair);

#endif
