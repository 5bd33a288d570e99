/* SPDX-License-Identifier: BSD-3-Clause */
/* What is imported and how: the key by which an import that was cut off is
 * known again, and the provenance. */
#include "config.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <xxhash.h>

#include "base/files.h"
#include "base/json.h"
#include "base/process.h"
#include "store/import_parts.h"
#include "store/place.h"

#define MAX_SOURCES 1000          /* in the provenance */

static void set_text(json_t *to, const char *key, const char *value)
{
    if (value)
        json_object_set_new(to, key, json_text(value));
}

/* The options that were given. */
static json_t *options_json(const struct importer *im)
{
    const struct import_options *o = im->o;
    json_t *all = json_object(), *splits = json_object();
    json_t *fields = json_array();

    set_text(all, "format", im->format->name);
    set_text(all, "label", o->label);
    set_text(all, "shape", o->shape);
    set_text(all, "dtype", mlb_dtype_name(o->dtype));
    set_text(all, "separator", o->separator);
    if (o->length)
        json_object_set_new(all, "length",
                            json_integer((json_int_t)o->length));
    if (o->whole_files)
        json_object_set_new(all, "whole_files", json_true());
    for (size_t i = 0; o->fields && o->fields[i]; i++)
        json_array_append_new(fields, json_text(o->fields[i]));
    if (json_array_size(fields) > 0)
        json_object_set(all, "fields", fields);
    for (size_t i = 0; i < o->split_count; i++)
        json_object_set_new(splits, o->splits[i].name,
                            json_real(o->splits[i].share));
    if (o->split_count > 0)
        json_object_set(all, "splits", splits);
    json_object_set_new(all, "seed", json_integer((json_int_t)o->seed));
    json_decref(fields);
    json_decref(splits);
    return all;
}

static json_t *fields_json(const struct importer *im)
{
    json_t *all = json_array();

    for (size_t i = 0; i < im->field_count; i++) {
        const struct version_field *f = &im->fields[i];
        struct mlb_text t = MLB_TEXT_INIT;
        text_addf(&t, "%s %s%s %s", f->name, mlb_dtype_name(f->dtype),
                  f->ragged ? " ragged" : "", f->codec ? f->codec : "-");
        for (int d = 0; d < f->rank; d++)
            text_addf(&t, " %" PRIu64, f->shape[d]);
        json_array_append_new(all, json_text(t.data));
        text_clear(&t);
    }
    return all;
}

/* One number for all sources: path, size and times of each. */
static void add_sources(const struct importer *im, json_t *to)
{
    XXH3_state_t *state = XXH3_createState();
    struct mlb_text t = MLB_TEXT_INIT;

    if (state)
        XXH3_128bits_reset(state);
    for (size_t i = 0; state && i < im->source_count; i++) {
        const struct import_source *s = &im->sources[i];
        char *path = files_absolute(s->path);
        text_clear(&t);
        text_addf(&t, "%s\n%" PRIu64 " %" PRId64 " %" PRId64 "\n", path,
                  s->bytes, s->modified, s->changed);
        XXH3_128bits_update(state, t.data, t.length);
        free(path);
    }
    if (state) {
        XXH128_hash_t hash = XXH3_128bits_digest(state);
        text_clear(&t);
        text_addf(&t, "%016" PRIx64 "%016" PRIx64, (uint64_t)hash.high64,
                  (uint64_t)hash.low64);
        set_text(to, "sources", t.data);
    }
    XXH3_freeState(state);
    text_clear(&t);
}

char *import_key(const struct importer *im)
{
    json_t *all = json_object();

    set_text(all, "program", "mlbatch " PACKAGE_VERSION);
    json_object_set_new(all, "options", options_json(im));
    json_object_set_new(all, "fields", fields_json(im));
    json_object_set_new(all, "shard_bytes",
                        json_integer((json_int_t)im->o->shard_bytes));
    add_sources(im, all);
    char *key = json_dumps(all, JSON_INDENT(2) | JSON_SORT_KEYS);
    json_decref(all);
    return key;
}

/* The work tree may be a stranger's, unpacked from an archive: what its
 * settings and hooks name must not be run. */
#define GIT "git", "--no-optional-locks", "-c", "core.hooksPath=/dev/null", \
            "-c", "core.fsmonitor="

/* What git says in a directory; false if it failed. */
static bool ask_git(const char *directory, char *const *argv,
                    struct mlb_text *out, int *status)
{
    struct mlb_text errors = MLB_TEXT_INIT;
    const struct process_call call = { .argv = argv, .directory = directory,
                                       .out = out, .errors = &errors,
                                       .limit = (size_t)64 << 10 };
    int rc = process_run(&call, status, NULL);

    text_clear(&errors);
    return rc == 0 && WIFEXITED(*status);
}

/* Does the work tree's own configuration have programs that git would run
 * to compare files? Those cannot be turned off one and all. */
static bool has_filters(const char *directory)
{
    char *const filters[] = { GIT, "config", "--show-scope", "--includes",
                              "--name-only", "--get-regexp", "^filter[.]",
                              NULL };
    struct mlb_text names = MLB_TEXT_INIT;
    int status = 0;
    bool asked = ask_git(directory, filters, &names, &status);
    /* 1: there are none. */
    bool has = !asked || WEXITSTATUS(status) > 1;

    for (const char *line = names.data; line && *line && !has;) {
        has = strncmp(line, "local", 5) == 0 ||
              strncmp(line, "worktree", 8) == 0;
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    text_clear(&names);
    return has;
}

/* The commit of the work tree that a file is in, NULL if it is in none. */
static json_t *git_json(const char *path)
{
    char *const head[] = { GIT, "rev-parse", "HEAD", NULL };
    char *const differs[] = { GIT, "diff", "--no-ext-diff", "--no-textconv",
                              "--ignore-submodules=dirty", "--quiet", "HEAD",
                              NULL };
    struct mlb_text commit = MLB_TEXT_INIT;
    char directory[PATH_MAX];
    json_t *made = NULL;
    int status = 0;

    if (!process_exists("git") ||
        place_directory(path, directory, sizeof(directory), NULL) < 0)
        return NULL;
    if (ask_git(directory, head, &commit, &status) &&
        WEXITSTATUS(status) == 0) {
        commit.data[strcspn(commit.data, "\n")] = '\0';
        /* Not known is said as the worse of the two. */
        bool clean = !has_filters(directory) &&
                     ask_git(directory, differs, NULL, &status) &&
                     WEXITSTATUS(status) == 0;
        made = json_pack("{s:o, s:b}", "commit", json_text(commit.data),
                         "dirty", !clean);
    }
    text_clear(&commit);
    return made;
}

static json_t *source_json(const struct import_source *s,
                           struct mlb_error *err)
{
    char hash[33];

    if (version_hash_file(s->path, hash, err) < 0)
        return NULL;
    char *path = files_absolute(s->path);
    json_t *made = json_pack("{s:o, s:I, s:s}", "path", json_text(path),
                             "bytes", (json_int_t)s->bytes, "xxh3_128",
                             hash);
    free(path);
    return made;
}

json_t *import_origin(const struct importer *im, struct mlb_error *err)
{
    json_t *all = json_object(), *sources = json_array();
    char when[32];
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    set_text(all, "command", im->o->command);
    set_text(all, "time", when);
    set_text(all, "program", "mlbatch " PACKAGE_VERSION);
    json_t *git = git_json(im->sources[0].path);
    if (git)
        json_object_set_new(all, "git", git);
    json_object_set_new(all, "options", options_json(im));
    json_object_set_new(all, "sources", sources);
    for (size_t i = 0; i < im->source_count && i < MAX_SOURCES; i++) {
        json_t *source = source_json(&im->sources[i], err);
        if (!source) {
            json_decref(all);
            return NULL;
        }
        json_array_append_new(sources, source);
    }
    if (im->source_count > MAX_SOURCES)
        json_object_set_new(all, "sources_total",
                            json_integer((json_int_t)im->source_count));
    return all;
}
