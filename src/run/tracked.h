/* SPDX-License-Identifier: BSD-3-Clause */
/* How much git tracks in a work tree, without asking git. */
#ifndef RUN_TRACKED_H
#define RUN_TRACKED_H

/* About the bytes of a tar of the tracked files, from the sizes that
 * TOP/.git/index remembers: `git archive` takes a second to find out that a
 * large history does not fit. -1 if it cannot be told so: a linked work
 * tree, an index of another version than 2 and 3, files under LFS (whose
 * sizes are those of the data, not of the pointers that git has). */
long long tracked_bytes(const char *top);

#endif
