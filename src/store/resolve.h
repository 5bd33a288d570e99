/* SPDX-License-Identifier: BSD-3-Clause */
/* Data sets by name, without HDF5 and without opening them: for every
 * program. For the tools (allocates with xmalloc).
 *
 *     STORE/datasets/NAME/VERSION/manifest.json, shard-00000.h5 ...
 *     STORE/datasets/NAME/tags/TAG                 holds a VERSION */
#ifndef STORE_RESOLVE_H
#define STORE_RESOLVE_H

#include <stdbool.h>

#include "base/fields.h"
#include "base/text.h"
#include "mlbatch/error.h"

#define RESOLVE_LATEST "latest"

/* Is s fit for a data set or a tag: letters, digits and "_-.+", not first
 * '.' or '-', up to 100 bytes? */
bool resolve_name_ok(const char *s);

/* Is s a version: 16 hex digits? */
bool resolve_is_version(const char *s);

/* The directory of "NAME", "NAME:VERSION" or "NAME:TAG" (without one, tag
 * "latest"). Caller frees. MLB_ERR_NOT_FOUND, with a near name if there is
 * one; MLB_ERR_USAGE: not a reference. */
char *resolve_dataset(const char *store, const char *reference,
                      struct mlb_error *err);

/* The names of data sets that have a version, sorted, appended. */
int resolve_names(const char *store, struct mlb_strings *names,
                  struct mlb_error *err);

/* The versions of one, in the order of their digits, appended. */
int resolve_versions(const char *store, const char *name,
                     struct mlb_strings *versions, struct mlb_error *err);

/* Its tags, as pairs TAG=VERSION, appended. */
int resolve_tags(const char *store, const char *name,
                 struct mlb_fields *tags, struct mlb_error *err);

/* Let a tag mean a version from now on. */
int resolve_set_tag(const char *store, const char *name, const char *tag,
                    const char *version, struct mlb_error *err);

/* Forget a tag. MLB_ERR_NOT_FOUND, with a near name if there is one. */
int resolve_remove_tag(const char *store, const char *name, const char *tag,
                       struct mlb_error *err);

#endif
