/* SPDX-License-Identifier: BSD-3-Clause */
/* Removing versions of data sets. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "store/manifest.h"
#include "store/place.h"
#include "store/resolve.h"
#include "store/retire.h"
#include "store/version_parts.h"

static bool is_newer(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec > b->tv_sec ||
           (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

char *retire_newest(const char *store, const char *name, const char *except)
{
    struct mlb_strings versions = MLB_STRINGS_INIT;
    struct timespec best = { 0 };
    char *newest = NULL;

    resolve_versions(store, name, &versions, NULL);
    for (size_t i = 0; i < versions.count; i++) {
        char *path = xasprintf("%s/datasets/%s/%s/" MANIFEST_FILE, store,
                               name, versions.items[i]);
        struct stat st;
        if ((!except || strcmp(versions.items[i], except) != 0) &&
            stat(path, &st) == 0 && (!newest || is_newer(&st.st_mtim,
                                                         &best))) {
            free(newest);
            newest = xstrdup(versions.items[i]);
            best = st.st_mtim;
        }
        free(path);
    }
    strings_clear(&versions);
    return newest;
}

static int drop_tags(const char *store, const char *name,
                     const char *version, struct mlb_error *err)
{
    struct mlb_fields tags = MLB_FIELDS_INIT;
    int rc = resolve_tags(store, name, &tags, err);

    for (size_t i = 0; rc == 0 && i < tags.pairs.count; i++) {
        const char *pair = tags.pairs.items[i];
        size_t n = strcspn(pair, "=");
        if (strcmp(pair + n + 1, version) != 0)
            continue;
        char *tag = xstrndup(pair, n);
        char *other = strcmp(tag, RESOLVE_LATEST) == 0
                          ? retire_newest(store, name, version) : NULL;
        rc = other ? resolve_set_tag(store, name, tag, other, err)
                   : resolve_remove_tag(store, name, tag, err);
        free(other);
        free(tag);
    }
    fields_clear(&tags);
    return rc;
}

/* A temporary of a dead process, or what stands beside one? */
static bool is_left(const char *name)
{
    size_t n = strlen(name), m = strlen(VERSION_KEY);
    bool is_key = n > m && strcmp(name + n - m, VERSION_KEY) == 0;
    char *temporary = xstrndup(name, is_key ? n - m : n);
    bool is = place_is_dead(temporary);

    free(temporary);
    return is;
}

/* Remove what dead writers and removers left in a data set's directory. */
static void clean(const char *directory)
{
    struct mlb_strings names = MLB_STRINGS_INIT;

    files_list(directory, &names, NULL);
    for (size_t i = 0; i < names.count; i++) {
        char *path = xasprintf("%s/%s", directory, names.items[i]);
        if (is_left(names.items[i]))
            files_remove_tree(path, NULL);
        free(path);
    }
    strings_clear(&names);
}

/* Only if nothing is in it, which rmdir asks itself. */
static void drop_directory(const char *directory)
{
    char *tags = xasprintf("%s/tags", directory);

    rmdir(tags);
    rmdir(directory);
    free(tags);
}

int retire_version(const char *store, const char *name, const char *version,
                   struct mlb_error *err)
{
    char *directory = xasprintf("%s/datasets/%s", store, name);
    char *path = xasprintf("%s/%s", directory, version);
    char away[PATH_MAX];
    int rc = -1;

    clean(directory);
    if (drop_tags(store, name, version, err) < 0 ||
        place_temporary(directory, away, sizeof(away), err) < 0)
        goto out;
    if (rename(path, away) < 0) {
        mlb_error_errno(err, errno == ENOENT ? MLB_ERR_NOT_FOUND
                                             : MLB_ERR_IO,
                        "cannot remove %s", path);
        goto out;
    }
    if (files_sync_dir(directory, err) < 0 ||
        files_remove_tree(away, err) < 0)
        goto out;
    drop_directory(directory);
    rc = 0;
out:
    free(path);
    free(directory);
    return rc;
}

bool retire_unfinished(const char *store, const char *name)
{
    char *directory = xasprintf("%s/datasets/%s", store, name);

    clean(directory);
    drop_directory(directory);
    bool gone = !files_is_dir(directory);
    free(directory);
    return gone;
}
