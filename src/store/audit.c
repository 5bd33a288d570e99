/* SPDX-License-Identifier: BSD-3-Clause */
/* Verifying a version of a data set. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/text.h"
#include "store/audit.h"
#include "store/version.h"

/* While one is looked at. */
struct looking {
    struct audit *audit;
    struct manifest m;
    uint64_t done, total;         /* bytes, for the progress */
    XXH3_state_t *whole;          /* the content, as versions are made now */
    XXH3_state_t *first;          /* and as they were made at first */
    XXH3_state_t *part, *lengths; /* of one field */
    bool complete;                /* all content was read and is sound */
};

static void report(struct looking *l, const struct audit_finding *finding)
{
    l->audit->findings++;
    l->audit->report(l->audit->report_arg, finding);
}

static void progress(struct looking *l, uint64_t bytes)
{
    l->done += bytes;
    if (l->audit->progress)
        l->audit->progress(l->audit->progress_arg, l->done, l->total);
}

/* ---- files ---- */

static void check_file_hash(struct looking *l, size_t i, const char *path)
{
    const struct manifest_shard *s = &l->m.shards[i];
    const json_t *item = json_array_get(json_object_get(l->m.json, "shards"),
                                        i);
    const char *said = json_string_value(json_object_get(item, "xxh3_128"));
    struct audit_finding f = { .shard = s->file, .row = -1 };
    struct mlb_error err = { 0 };
    char hash[33];
    char *text = NULL;

    if (version_hash_file(path, hash, &err) < 0)
        text = xstrdup(err.text);
    else if (!said)
        text = xasprintf("%s: the manifest has no hash of it", s->file);
    else if (strcmp(said, hash) != 0)
        text = xasprintf("%s: its bytes are not those that were published "
                         "(XXH3-128 %s, the manifest says %s)", s->file,
                         hash, said);
    f.text = text;
    if (text)
        report(l, &f);
    free(text);
}

static void check_container(struct looking *l, size_t i, const char *path)
{
    const struct manifest_shard *s = &l->m.shards[i];
    struct audit_finding f = { .shard = s->file, .row = -1 };
    struct mlb_error err = { 0 };
    struct container *c = container_open(path, CONTAINER_DATASET, &err);
    int rc = c ? container_verify(c, &err) : -1;

    if (rc == 0 && container_file_size(c) != s->bytes)
        rc = mlb_error_set(&err, MLB_ERR_BAD_INPUT, "%s: %" PRIu64 " bytes "
                           "long, the manifest says %" PRIu64, s->file,
                           container_file_size(c), s->bytes);
    f.text = err.text;
    if (rc < 0)
        report(l, &f);
    container_close(c);
}

static void check_files(struct looking *l)
{
    for (size_t i = 0; i < l->m.shard_count; i++) {
        char *path = column_shard_path(l->audit->directory, i);
        check_file_hash(l, i, path);
        progress(l, l->m.shards[i].bytes);
        check_container(l, i, path);
        progress(l, l->m.shards[i].bytes);
        free(path);
    }
}

/* ---- rows ---- */

/* The digest of a state in the order of bytes that does not depend on the
 * machine, into another. */
static void add_digest(XXH3_state_t *to, const XXH3_state_t *part)
{
    XXH128_canonical_t bytes;

    XXH128_canonicalFromHash(&bytes, XXH3_128bits_digest(part));
    XXH3_128bits_update(to, &bytes, sizeof(bytes));
}

static void add_line(struct looking *l, const char *both,
                     const char *only_now)
{
    XXH3_128bits_update(l->whole, both, strlen(both));
    XXH3_128bits_update(l->first, both, strlen(both));
    XXH3_128bits_update(l->whole, only_now, strlen(only_now));
    XXH3_128bits_update(l->first, "\n", 1);
}

static void check_rows(struct looking *l, const struct column *c,
                       const struct column_batch *b, uint64_t *damaged)
{
    const char *shard = l->m.shards[c->shard].file;

    for (uint64_t i = 0; i < b->rows; i++) {
        if (column_is_sound(b, i))
            continue;
        l->complete = false;
        if (++*damaged > AUDIT_MAX_ROWS)
            continue;
        struct audit_finding f = { shard, c->field->name,
                                   (int64_t)(b->first + i), NULL };
        char *text = xasprintf("%s: row %" PRId64 " of field %s is damaged",
                               shard, f.row, f.field);
        f.text = text;
        report(l, &f);
        free(text);
    }
}

static void hash_rows(struct looking *l, const struct column *c,
                      const struct column_batch *b)
{
    uint64_t bytes = b->rows ? b->ends[b->rows - 1] : 0;

    XXH3_128bits_update(l->part, b->bytes, bytes);
    XXH3_128bits_update(l->first, b->bytes, bytes);
    for (uint64_t i = 0; c->ragged && i < b->rows; i++) {
        uint64_t length = b->ends[i] - column_start(b, i);
        XXH3_128bits_update(l->lengths, &length, sizeof(length));
    }
    progress(l, bytes);
}

static void look_at_shard(struct looking *l, struct column *c, size_t i,
                          struct column_batch *b)
{
    const char *shard = l->m.shards[i].file;
    struct mlb_error err = { 0 };
    uint64_t damaged = 0, at = 0;
    int rc = column_open_shard(c, i, &err);

    while (rc == 0 && at < c->rows) {
        rc = column_fetch(c, c->first + at, c->rows - at, b, &err);
        if (rc < 0)
            break;
        check_rows(l, c, b, &damaged);
        hash_rows(l, c, b);
        at += b->rows;
    }
    if (rc < 0) {
        struct audit_finding f = { shard, c->field->name, -1, err.text };
        report(l, &f);
        l->complete = false;
    }
    if (damaged > AUDIT_MAX_ROWS) {
        char *text = xasprintf("%s: %" PRIu64 " rows of field %s are damaged "
                               "in all", shard, damaged, c->field->name);
        struct audit_finding f = { shard, c->field->name, -1, text };
        report(l, &f);
        free(text);
    }
}

static void check_field(struct looking *l, size_t i)
{
    struct column c;
    struct column_batch b = { 0 };
    struct mlb_text line = MLB_TEXT_INIT, more = MLB_TEXT_INIT;

    column_init(&c, &l->m, l->audit->directory, i);
    text_addf(&line, "field %s %s", c.field->name,
              mlb_dtype_name(c.field->dtype));
    for (int d = 0; d < c.field->rank; d++)
        text_addf(&line, " %" PRIu64, c.field->shape[d]);
    text_addf(&more, "%s%s%s\n", c.ragged ? " ragged" : "",
              *c.codec ? " codec " : "", c.codec);
    add_line(l, line.data, more.data);
    XXH3_128bits_reset(l->part);
    XXH3_128bits_reset(l->lengths);
    for (size_t s = 0; s < l->m.shard_count; s++)
        look_at_shard(l, &c, s, &b);
    add_digest(l->whole, l->part);
    if (c.ragged)
        add_digest(l->whole, l->lengths);
    text_clear(&line);
    text_clear(&more);
    column_batch_clear(&b);
    column_clear(&c);
}

/* ---- the rest of the content ---- */

static void check_split(struct looking *l, size_t i)
{
    const struct manifest_split *s = &l->m.splits[i];
    struct mlb_error err = { 0 };
    uint64_t *ids = NULL;
    char *line = xasprintf("split %s %" PRIu64, s->name, s->rows);

    if (column_split_ids(&l->m, l->audit->directory, i, &ids, &err) < 0) {
        struct audit_finding f = { l->m.shards[0].file, NULL, -1, err.text };
        report(l, &f);
        l->complete = false;
    } else {
        add_line(l, line, "\n");
        XXH3_128bits_reset(l->part);
        XXH3_128bits_update(l->part, ids, s->rows * sizeof(*ids));
        XXH3_128bits_update(l->first, ids, s->rows * sizeof(*ids));
        add_digest(l->whole, l->part);
    }
    free(line);
    free(ids);
}

static void add_classes(struct looking *l, size_t i)
{
    const json_t *names = json_object_get(column_json(&l->m, i), "classes");
    char *line = xasprintf("classes %s\n", l->m.fields[i].name);

    if (json_array_size(names) > 0) {
        XXH3_128bits_update(l->whole, line, strlen(line));
        XXH3_128bits_reset(l->part);
        for (size_t k = 0; k < json_array_size(names); k++) {
            const char *name = json_string_value(json_array_get(names, k));
            XXH3_128bits_update(l->part, name ? name : "",
                                name ? strlen(name) + 1 : 1);
        }
        add_digest(l->whole, l->part);
    }
    free(line);
}

static bool is_version(const struct looking *l, const XXH3_state_t *state)
{
    char hash[MANIFEST_VERSION_LENGTH + 1];

    snprintf(hash, sizeof(hash), "%016" PRIx64,
             (uint64_t)XXH3_128bits_digest(state).high64);
    return strcmp(hash, l->m.version) == 0;
}

static void check_content(struct looking *l)
{
    struct audit_finding f = { .row = -1 };
    const char *slash = strrchr(l->audit->directory, '/');
    const char *name = slash ? slash + 1 : l->audit->directory;
    char *rows = xasprintf("\nrows %" PRIu64 "\n", l->m.rows);

    XXH3_128bits_reset(l->whole);
    XXH3_128bits_reset(l->first);
    XXH3_128bits_update(l->whole, "mlbatch-dataset 2", 17);
    XXH3_128bits_update(l->first, "mlbatch-dataset 1", 17);
    XXH3_128bits_update(l->whole, rows, strlen(rows));
    XXH3_128bits_update(l->first, rows, strlen(rows));
    free(rows);
    for (size_t i = 0; i < l->m.field_count; i++)
        check_field(l, i);
    for (size_t i = 0; i < l->m.split_count; i++)
        check_split(l, i);
    for (size_t i = 0; i < l->m.field_count; i++)
        add_classes(l, i);
    f.text = "the hash of the content is not the version: rows, splits or "
             "the manifest have been changed";
    if (l->complete && !is_version(l, l->whole) && !is_version(l, l->first))
        report(l, &f);
    f.text = "the directory has the name of another version";
    if (strcmp(name, l->m.version) != 0)
        report(l, &f);
}

int audit_dataset(struct audit *audit, struct mlb_error *err)
{
    struct looking l = { .audit = audit, .complete = true };

    audit->findings = 0;
    if (manifest_read(&l.m, audit->directory, err) < 0)
        return -1;
    for (size_t i = 0; i < l.m.shard_count; i++)
        l.total += 3 * l.m.shards[i].bytes;
    l.whole = XXH3_createState();
    l.first = XXH3_createState();
    l.part = XXH3_createState();
    l.lengths = XXH3_createState();
    int rc = l.whole && l.first && l.part && l.lengths
                 ? 0 : mlb_error_set(err, MLB_ERR_IO, "out of memory");
    if (rc == 0) {
        check_files(&l);
        check_content(&l);
    }
    XXH3_freeState(l.whole);
    XXH3_freeState(l.first);
    XXH3_freeState(l.part);
    XXH3_freeState(l.lengths);
    manifest_clear(&l.m);
    return rc;
}
