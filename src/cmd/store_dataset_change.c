/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch dataset tag, rm. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/json.h"
#include "base/units.h"
#include "cmd/store_dataset.h"
#include "store/resolve.h"
#include "store/retire.h"

struct arguments {
    struct store_words words;
    bool delete, yes, all, force;
};

enum { KEY_DELETE = 1401, KEY_ALL, KEY_FORCE };

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = a->words.context;
        return 0;
    case KEY_DELETE:
        a->delete = true;
        return 0;
    case KEY_ALL:
        a->all = true;
        return 0;
    case KEY_FORCE:
        a->force = true;
        return 0;
    case 'y':
        a->yes = true;
        return 0;
    default:
        return store_parse_words(key, arg, state, &a->words);
    }
}

/* ---- tag ---- */

static const struct argp_option tag_options[] = {
    { .name = "delete", .key = KEY_DELETE,
      .doc = "Forget the tag instead; the version stays" },
    { 0 },
};

/* The version that a tag means, or NULL. Caller frees. */
static char *tagged(const struct store_context *context, const char *name,
                    const char *tag)
{
    struct mlb_fields tags = MLB_FIELDS_INIT;

    resolve_tags(context->store, name, &tags, NULL);
    char *version = xstrdup(fields_get(&tags, tag));
    fields_clear(&tags);
    return version;
}

static void tell_tag(const struct store_context *context, const char *name,
                     const char *tag, const char *before, const char *now)
{
    if (context->json)
        store_print_json(json_pack(
            "{s:o, s:o, s:o, s:o}", "name", json_text(name), "tag",
            json_text(tag), "version", json_text(now), "previous",
            json_text(before)), 1);
    else if (!now)
        printf("%s:%s is no more (it was %s)\n", name, tag, before);
    else if (before && strcmp(before, now) != 0)
        printf("%s:%s is %s now (it was %s)\n", name, tag, now, before);
    else
        printf("%s:%s is %s\n", name, tag, now);
}

static int change_tag(const struct store_context *context,
                      const struct arguments *a, struct mlb_error *err)
{
    const char *reference = a->words.words.items[0];
    const char *tag = a->words.words.items[1];
    char *path = NULL, *name = NULL, *version = NULL, *before = NULL;
    int rc = -1;

    if (!resolve_name_ok(tag) || resolve_is_version(tag)) {
        mlb_error_set(err, MLB_ERR_USAGE, "not a tag: \"%s\" (letters, "
                      "digits and \"_-.+\"; not 16 hex digits, as versions "
                      "are)", tag);
        return -1;
    }
    if (a->delete && (strchr(reference, ':') ||
                      strcmp(tag, RESOLVE_LATEST) == 0)) {
        mlb_error_set(err, MLB_ERR_USAGE, strchr(reference, ':')
                      ? "--delete wants the name alone and the tag, as in "
                        "\"tag --delete digits stable\""
                      : "tag latest can be moved, but not deleted");
        return -1;
    }
    path = store_dataset_find(context, reference, err);
    if (!path)
        goto out;
    store_dataset_split(path, &name, &version);
    before = tagged(context, name, tag);
    rc = a->delete ? resolve_remove_tag(context->store, name, tag, err)
                   : resolve_set_tag(context->store, name, tag, version, err);
    if (rc == 0)
        tell_tag(context, name, tag, before, a->delete ? NULL : version);
out:
    free(before);
    free(version);
    free(name);
    free(path);
    return rc;
}

int store_dataset_tag(struct store_context *context, int argc, char **argv)
{
    static const struct argp argp = {
        .options = tag_options, .parser = parse,
        .children = store_words_children,
        .args_doc = "NAME[:VERSION|:TAG] TAG\n--delete NAME TAG",
        .doc = "Let TAG mean that version from now on: a new tag, or one "
               "that is moved, \"latest\" too. Jobs name a version by it "
               "(NAME:TAG); what a job got when it was submitted stays.",
    };
    struct arguments a = {
        .words = { context, "which data set, and what tag?", 2, 2,
                   MLB_STRINGS_INIT },
    };
    struct mlb_error err = { 0 };

    argp_parse(&argp, argc, argv, 0, NULL, &a);
    int rc = change_tag(context, &a, &err);
    strings_clear(&a.words.words);
    return rc < 0 ? store_fail(&err) : 0;
}

/* ---- rm ---- */

static const struct argp_option rm_options[] = {
    { .name = "yes", .key = 'y', .doc = "Do not ask" },
    { .name = "all", .key = KEY_ALL, .doc = "All versions of NAME" },
    { .name = "force", .key = KEY_FORCE,
      .doc = "Also a version that has tags other than latest" },
    { 0 },
};

/* The versions that a user's word means: NAME alone only if it is clear. 1:
 * there are none, only what an import left. */
static int find_versions(const struct store_context *context,
                         const struct arguments *a, char **name,
                         struct mlb_strings *versions, struct mlb_error *err)
{
    const char *word = a->words.words.items[0];
    size_t n = strcspn(word, ":");
    char *path = NULL, *version = NULL;

    if (a->all && word[n])
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "--all wants the name alone");
    if (word[n] || !resolve_name_ok(word)) {
        path = store_dataset_find(context, word, err);
        if (!path)
            return -1;
        store_dataset_split(path, name, &version);
        strings_push(versions, version);
        free(version);
        free(path);
        return 0;
    }
    *name = xstrdup(word);
    if (resolve_versions(context->store, word, versions, err) < 0)
        return -1;
    if (versions->count == 0) {
        char *directory = xasprintf("%s/datasets/%s", context->store, word);
        bool unfinished = files_is_dir(directory);
        free(directory);
        if (unfinished)
            return 1;
        free(store_dataset_find(context, word, err));
        return -1;
    }
    if (versions->count > 1 && !a->all)
        return mlb_error_set(err, MLB_ERR_USAGE, "%s has %zu versions: say "
                             "which (%s:VERSION, see \"mlbatch dataset list "
                             "%s\"), or --all", word, versions->count, word,
                             word);
    return 0;
}

static int check_tags(const struct store_context *context, const char *name,
                      const struct mlb_strings *versions,
                      struct mlb_error *err)
{
    for (size_t i = 0; i < versions->count; i++) {
        struct mlb_strings tags = MLB_STRINGS_INIT;
        int rc = 0;
        store_dataset_tags(context, name, versions->items[i], &tags);
        for (size_t k = 0; rc == 0 && k < tags.count; k++)
            if (strcmp(tags.items[k], RESOLVE_LATEST) != 0)
                rc = mlb_error_set(err, MLB_ERR_FAILED, "%s:%s has the tag "
                                   "%s (--force removes it all the same)",
                                   name, versions->items[i], tags.items[k]);
        strings_clear(&tags);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static int confirm(const struct store_context *context, const char *name,
                   const struct mlb_strings *versions, struct mlb_error *err)
{
    struct mlb_text question = MLB_TEXT_INIT;
    uint64_t bytes = 0;

    for (size_t i = 0; i < versions->count; i++) {
        struct manifest m;
        char *path = xasprintf("%s/datasets/%s/%s", context->store, name,
                               versions->items[i]);
        if (manifest_read(&m, path, NULL) == 0)
            bytes += store_dataset_bytes(&m);
        manifest_clear(&m);
        free(path);
    }
    if (versions->count == 1)
        text_addf(&question, "Remove %s:%s (", name, versions->items[0]);
    else
        text_addf(&question, "Remove all %zu versions of %s (",
                  versions->count, name);
    units_add_size(&question, (long long)bytes);
    text_add(&question, ")?");
    int rc = store_confirm(question.data, err);
    text_clear(&question);
    return rc;
}

static int remove_unfinished(const struct store_context *context,
                             const struct arguments *a, const char *name,
                             struct mlb_error *err)
{
    char *question = xasprintf("Remove what an import of %s that is not done "
                               "left?", name);
    int rc = a->yes ? 0 : store_confirm(question, err);

    if (rc == 0 && !retire_unfinished(context->store, name))
        rc = mlb_error_set(err, MLB_ERR_FAILED, "an import of %s runs, or "
                           "was cut off on another host: not removed", name);
    if (rc == 0 && context->json)
        store_print_json(json_pack("{s:o, s:[], s:n}", "name",
                                   json_text(name), "removed", "latest"), 1);
    else if (rc == 0)
        printf("removed what an import of %s left\n", name);
    free(question);
    return rc;
}

static int remove_versions(const struct store_context *context,
                           const struct arguments *a, struct mlb_error *err)
{
    struct mlb_strings versions = MLB_STRINGS_INIT;
    char *name = NULL, *latest = NULL, *before = NULL;
    int rc = find_versions(context, a, &name, &versions, err);

    if (rc > 0) {
        rc = remove_unfinished(context, a, name, err);
        goto out;
    }
    if (rc == 0 && !a->force)
        rc = check_tags(context, name, &versions, err);
    if (rc == 0 && !a->yes)
        rc = confirm(context, name, &versions, err);
    before = rc == 0 ? tagged(context, name, RESOLVE_LATEST) : NULL;
    for (size_t i = 0; rc == 0 && i < versions.count; i++) {
        rc = retire_version(context->store, name, versions.items[i], err);
        if (rc == 0 && !context->json)
            printf("removed %s:%s\n", name, versions.items[i]);
    }
    if (rc == 0)
        latest = tagged(context, name, RESOLVE_LATEST);
    if (rc == 0 && context->json)
        store_print_json(json_pack(
            "{s:o, s:o, s:o}", "name", json_text(name), "removed",
            store_strings_json(&versions), "latest", json_text(latest)), 1);
    else if (latest && before && strcmp(latest, before) != 0)
        printf("%s:latest is %s now\n", name, latest);
out:
    free(before);
    free(latest);
    free(name);
    strings_clear(&versions);
    return rc;
}

int store_dataset_rm(struct store_context *context, int argc, char **argv)
{
    static const struct argp argp = {
        .options = rm_options, .parser = parse,
        .children = store_words_children,
        .args_doc = "NAME[:VERSION|:TAG]",
        .doc = "Remove a version of a data set for good. Asks first, and "
               "without a terminal wants --yes. NAME alone will do if it has "
               "one version.",
    };
    struct arguments a = {
        .words = { context, "which data set?", 1, 1, MLB_STRINGS_INIT },
    };
    struct mlb_error err = { 0 };
    int code = 0;

    argp_parse(&argp, argc, argv, 0, NULL, &a);
    if (!context->store)
        code = store_fail_no_store();
    else if (remove_versions(context, &a, &err) < 0)
        code = store_fail(&err);
    strings_clear(&a.words.words);
    return code;
}
