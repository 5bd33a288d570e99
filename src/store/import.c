/* SPDX-License-Identifier: BSD-3-Clause */
/* Importing a CSV file as a version of a data set. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/files.h"
#include "base/json.h"
#include "store/import.h"
#include "store/resolve.h"

/* "8,8" or "8x8" into the shape of field, whose product is columns. */
static int parse_shape(const char *text, size_t columns,
                       struct mlb_field *field, struct mlb_error *err)
{
    uint64_t product = 1;

    field->rank = 0;
    for (const char *p = text; *p;) {
        char *end;
        unsigned long n = strtoul(p, &end, 10);
        if (end == p || *p == '-' || n < 1 || n > columns ||
            field->rank == MANIFEST_MAX_FIELD_RANK ||
            (*end && *end != ',' && *end != 'x') || (*end && !end[1]))
            return mlb_error_set(err, MLB_ERR_USAGE, "not a shape for %zu "
                                 "columns: \"%s\" (as in 8,8)", columns,
                                 text);
        field->shape[field->rank++] = n;
        product *= product <= columns ? n : 1;
        p = *end ? end + 1 : end;
    }
    if (field->rank == 0 || product != columns)
        return mlb_error_set(err, MLB_ERR_USAGE, "shape %s does not hold the "
                             "%zu columns of a row", text, columns);
    return 0;
}

/* Field x of all columns but the label, field y of that. */
static int make_fields(struct table *t, const struct import_options *o,
                       struct version_field *fields, size_t *count,
                       struct mlb_error *err)
{
    size_t columns = t->columns - (t->has_label ? 1 : 0);

    *count = 0;
    if (columns > 0) {
        struct version_field *x = &fields[(*count)++];
        *x = (struct version_field){
            .field = { .name = "x", .dtype = MLB_F32, .rank = 1,
                       .shape = { columns } },
            .source = table_get_values, .from = t,
        };
        if (o->shape && parse_shape(o->shape, columns, &x->field, err) < 0)
            return -1;
    }
    if (t->has_label)
        fields[(*count)++] = (struct version_field){
            .field = { .name = "y", .dtype = t->label_type },
            .source = table_get_labels, .from = t,
        };
    return 0;
}

static json_t *make_provenance(const struct import_options *o,
                               struct mlb_error *err)
{
    char hash[33], when[32];
    char *source = files_absolute(o->source);
    time_t now = time(NULL);
    struct tm tm;
    json_t *made = NULL;

    gmtime_r(&now, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (version_hash_file(o->source, hash, err) == 0)
        made = json_pack("{s:o, s:s, s:o, s:o, s:I, s:s, s:s}", "source",
                         json_text(source), "source_xxh3_128", hash, "label",
                         json_text(o->label), "command",
                         json_text(o->command), "seed", (json_int_t)o->seed,
                         "time", when, "program",
                         "mlbatch " PACKAGE_VERSION);
    free(source);
    return made;
}

static int publish(struct table *t, const struct import_options *o,
                   const char *directory, struct import_result *result,
                   struct mlb_error *err)
{
    struct version_field fields[2];
    struct version_request request = {
        .directory = directory, .name = o->name, .rows = t->rows,
        .fields = fields, .splits = o->splits,
        .split_count = o->split_count, .seed = o->seed,
        .shard_bytes = o->shard_bytes,
    };
    int rc = make_fields(t, o, fields, &request.field_count, err);

    if (rc == 0 && !(request.provenance = make_provenance(o, err)))
        rc = -1;
    if (rc == 0)
        rc = version_publish(&request, result->version, &result->existed,
                             err);
    if (rc == 0)
        rc = resolve_set_tag(o->store, o->name, RESOLVE_LATEST,
                             result->version, err);
    json_decref(request.provenance);
    return rc;
}

int import_csv(const struct import_options *options,
               struct import_result *result, struct mlb_problems *problems,
               struct mlb_error *err)
{
    struct table t = { 0 };
    char *directory = NULL;
    int rc = -1;

    *result = (struct import_result){ .rows = 0 };
    if (!resolve_name_ok(options->name))
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "not a name for a data set: \"%s\" (letters, "
                             "digits, '_', '-', '.', '+')", options->name);
    directory = xasprintf("%s/datasets/%s", options->store, options->name);
    struct table_options reading = {
        .source = options->source, .directory = directory,
        .label = options->label, .progress = options->progress,
        .progress_arg = options->progress_arg,
    };
    if (!files_is_file(options->source)) {
        mlb_error_set(err, MLB_ERR_NOT_FOUND, "no such file: %s",
                      options->source);
        goto out;
    }
    if (files_mkdirs(directory, err) < 0 ||
        table_read(&t, &reading, problems, err) < 0)
        goto out;
    result->rows = t.rows;
    rc = publish(&t, options, directory, result, err);
out:
    table_clear(&t);
    free(directory);
    return rc;
}
