/* SPDX-License-Identifier: BSD-3-Clause */
/* Values of keys: from text, within bounds, given or not. */
#ifndef JOB_VALUE_H
#define JOB_VALUE_H

#include "job/keys.h"

/* Put text at place as the scalar type says (KEY_TEXT, KEY_COUNT, KEY_SIZE,
 * KEY_DURATION, KEY_INTERVAL, KEY_BOOL). On failure place is as it was and
 * err says what is wrong with the value, without the name of the key. */
int value_parse(enum job_type type, void *place, const char *text,
                struct mlb_error *err);

/* Is what place holds within the bounds of key? Fine where nothing was
 * given and for types without bounds. */
int value_in_bounds(const struct job_key *key, const void *place,
                    struct mlb_error *err);

/* Does place hold something of key's type? */
bool value_is_given(const struct job_key *key, const void *place);

/* Letters, digits and _, at least one of them? */
bool value_is_identifier(const char *s);

/* Empty lists that are more than strings. */
void job_clear_datasets(struct mlb_job *job);
void job_clear_axes(struct mlb_axes *axes);

/* nodes and tasks_per_node where --ntasks was given, and one of them on the
 * command line. Does nothing else. */
void job_settle_tasks(struct mlb_job *job);

/* ---- origins: see struct mlb_job ---- */

/* Record where key comes from; what was known of it and below it goes. */
void origin_set(struct mlb_fields *origins, const char *key,
                const char *where);

#endif
