/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of site file keys. */
#ifndef JOB_SITE_KEYS_H
#define JOB_SITE_KEYS_H

#include "job/keys.h"
#include "job/site.h"

extern const struct job_key site_keys[];          /* in struct mlb_site */
extern const struct job_key launcher_keys[];      /* struct mlb_launcher */
extern const struct job_key partition_keys[];     /* mlb_site_partition */

/* Free what a launcher or partition holds, not the struct. */
void launcher_clear(struct mlb_launcher *launcher);
void partition_clear(struct mlb_site_partition *partition);

#endif
