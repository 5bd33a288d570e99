/* SPDX-License-Identifier: BSD-3-Clause */
/* From the name of a data set to the directory of a version. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "store/resolve.h"

#define MAX_NAME 100
#define VERSION_LENGTH 16

bool resolve_name_ok(const char *s)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_-.+";
    size_t n = strlen(s);

    return n > 0 && n <= MAX_NAME && s[0] != '.' && s[0] != '-' &&
           strspn(s, allowed) == n;
}

bool resolve_is_version(const char *s)
{
    return strlen(s) == VERSION_LENGTH &&
           strspn(s, "0123456789abcdef") == VERSION_LENGTH;
}

int resolve_versions(const char *store, const char *name,
                     struct mlb_strings *versions, struct mlb_error *err)
{
    struct mlb_strings found = MLB_STRINGS_INIT;
    char *directory = xasprintf("%s/datasets/%s", store, name);
    int rc = files_list(directory, &found, err);

    for (size_t i = 0; i < found.count; i++) {
        char *path = xasprintf("%s/%s", directory, found.items[i]);
        if (resolve_is_version(found.items[i]) && files_is_dir(path))
            strings_push(versions, found.items[i]);
        free(path);
    }
    strings_clear(&found);
    free(directory);
    return rc;
}

int resolve_names(const char *store, struct mlb_strings *names,
                  struct mlb_error *err)
{
    struct mlb_strings found = MLB_STRINGS_INIT;
    char *directory = xasprintf("%s/datasets", store);
    int rc = files_list(directory, &found, err);

    for (size_t i = 0; rc == 0 && i < found.count; i++) {
        struct mlb_strings versions = MLB_STRINGS_INIT;
        char *path = xasprintf("%s/%s", directory, found.items[i]);
        if (resolve_name_ok(found.items[i]) && files_is_dir(path))
            rc = resolve_versions(store, found.items[i], &versions, err);
        if (versions.count > 0)
            strings_push(names, found.items[i]);
        strings_clear(&versions);
        free(path);
    }
    strings_clear(&found);
    free(directory);
    return rc;
}

/* The version that a tag holds; caller frees. */
static char *read_tag(const char *store, const char *name, const char *tag,
                      struct mlb_error *err)
{
    struct mlb_text t = MLB_TEXT_INIT;
    char *path = xasprintf("%s/datasets/%s/tags/%s", store, name, tag);
    char *version = NULL;

    if (files_read(path, 1024, &t, err) == 0) {
        size_t n = strcspn(t.data, "\n");
        version = xstrndup(t.data, n);
        if (!resolve_is_version(version)) {
            mlb_error_set(err, MLB_ERR_BAD_INPUT,
                          "%s does not hold a version", path);
            free(version);
            version = NULL;
        }
    }
    text_clear(&t);
    free(path);
    return version;
}

int resolve_tags(const char *store, const char *name,
                 struct mlb_fields *tags, struct mlb_error *err)
{
    struct mlb_strings found = MLB_STRINGS_INIT;
    char *directory = xasprintf("%s/datasets/%s/tags", store, name);
    int rc = files_list(directory, &found, err);

    for (size_t i = 0; i < found.count; i++) {
        char *version = resolve_name_ok(found.items[i])
                            ? read_tag(store, name, found.items[i], NULL)
                            : NULL;
        if (version)
            fields_add(tags, found.items[i], version);
        free(version);
    }
    strings_clear(&found);
    free(directory);
    return rc;
}

int resolve_set_tag(const char *store, const char *name, const char *tag,
                    const char *version, struct mlb_error *err)
{
    char *directory = xasprintf("%s/datasets/%s/tags", store, name);
    char *path = xasprintf("%s/%s", directory, tag);
    char *line = xasprintf("%s\n", version);
    int rc = files_mkdirs(directory, err);

    if (rc == 0)
        rc = files_publish(path, line, strlen(line), 0644, err);
    free(line);
    free(path);
    free(directory);
    return rc;
}

/* There is no such version or tag: say so, with a near tag. */
static void unknown_tag(const char *store, const char *name,
                        const char *word, struct mlb_error *err)
{
    struct mlb_fields tags = MLB_FIELDS_INIT;
    struct mlb_strings names = MLB_STRINGS_INIT;

    resolve_tags(store, name, &tags, NULL);
    for (size_t i = 0; i < tags.pairs.count; i++) {
        const char *pair = tags.pairs.items[i];
        strings_pushf(&names, "%.*s", (int)strcspn(pair, "="), pair);
    }
    const char *near = text_suggest(word, (const char *const *)names.items,
                                    names.count);
    mlb_error_set(err, MLB_ERR_NOT_FOUND, "data set %s has no version or "
                  "tag %s%s%s%s", name, word, near ? ", did you mean " : "",
                  near ? near : "", near ? "?" : "");
    strings_clear(&names);
    fields_clear(&tags);
}

int resolve_remove_tag(const char *store, const char *name, const char *tag,
                       struct mlb_error *err)
{
    char *directory = xasprintf("%s/datasets/%s/tags", store, name);
    char *path = xasprintf("%s/%s", directory, tag);
    int rc = unlink(path) == 0 ? files_sync_dir(directory, err) : -1;

    if (rc < 0 && errno == ENOENT)
        unknown_tag(store, name, tag, err);
    else if (rc < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot remove %s", path);
    free(path);
    free(directory);
    return rc;
}

static void unknown_name(const char *store, const char *name,
                         struct mlb_error *err)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    const char *near = NULL;

    if (resolve_names(store, &names, NULL) == 0)
        near = text_suggest(name, (const char *const *)names.items,
                            names.count);
    if (near)
        mlb_error_set(err, MLB_ERR_NOT_FOUND, "no data set %s in %s, did you "
                      "mean %s?", name, store, near);
    else
        mlb_error_set(err, MLB_ERR_NOT_FOUND, "no data set %s in %s", name,
                      store);
    strings_clear(&names);
}

/* An import that is not done: a directory without a version. */
static bool is_unfinished(const char *store, const char *name)
{
    struct mlb_strings versions = MLB_STRINGS_INIT;
    bool is = resolve_versions(store, name, &versions, NULL) == 0 &&
              versions.count == 0;

    strings_clear(&versions);
    return is;
}

/* The version meant by what is after the ':'; caller frees. */
static char *find_version(const char *store, const char *name,
                          const char *word, struct mlb_error *err)
{
    struct mlb_error why = { MLB_OK, "" };
    char *version = resolve_is_version(word)
                        ? xstrdup(word) : read_tag(store, name, word, &why);

    if (!version && why.code == MLB_ERR_NOT_FOUND &&
        is_unfinished(store, name))
        mlb_error_set(err, MLB_ERR_NOT_FOUND, "data set %s has no version: "
                      "its import is not done (if it was cut off, the same "
                      "command goes on with it)", name);
    else if (!version && why.code == MLB_ERR_NOT_FOUND)
        unknown_tag(store, name, word, err);
    else if (!version && err)
        *err = why;
    return version;
}

char *resolve_dataset(const char *store, const char *reference,
                      struct mlb_error *err)
{
    size_t n = strcspn(reference, ":");
    char *name = xstrndup(reference, n);
    const char *word = reference[n] ? reference + n + 1 : RESOLVE_LATEST;
    char *directory = xasprintf("%s/datasets/%s", store, name);
    char *version = NULL, *path = NULL;
    struct stat st;

    if (!resolve_name_ok(name) || !resolve_name_ok(word)) {
        mlb_error_set(err, MLB_ERR_USAGE, "not a data set: \"%s\" (NAME, "
                      "NAME:VERSION or NAME:TAG)", reference);
        goto out;
    }
    if (stat(directory, &st) < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            unknown_name(store, name, err);
        else
            mlb_error_errno(err, MLB_ERR_IO, "cannot read %s", directory);
        goto out;
    }
    version = find_version(store, name, word, err);
    if (!version)
        goto out;
    path = xasprintf("%s/%s", directory, version);
    if (!files_is_dir(path)) {
        mlb_error_set(err, MLB_ERR_NOT_FOUND, "data set %s has no version %s",
                      name, version);
        free(path);
        path = NULL;
    }
out:
    free(version);
    free(directory);
    free(name);
    return path;
}
