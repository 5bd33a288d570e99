/* SPDX-License-Identifier: BSD-3-Clause */
/* A job as a job file that reads back to the same job. */
#include "config.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "job/value.h"

#define LINE 72

/* A string of libconfig. Bytes that are not printable UTF-8 are escaped, so
 * that the file can be shown anywhere; the bytes that come back are the
 * same. */
static void add_string(struct mlb_text *out, const char *s)
{
    bool printable = text_is_printable(s);

    text_add(out, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            text_addf(out, "\\%c", c);
        else if (c == '\n')
            text_add(out, "\\n");
        else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !printable))
            text_addf(out, "\\x%02X", c);
        else
            text_addn(out, s, 1);
    }
    text_add(out, "\"");
}

/* An array on one line if it fits, else an element a line. */
static void add_strings(struct mlb_text *out, const struct mlb_strings *list)
{
    struct mlb_text line = MLB_TEXT_INIT;

    for (size_t i = 0; i < list->count; i++) {
        text_add(&line, i ? ", " : "");
        add_string(&line, list->items[i]);
    }
    if (line.length <= LINE) {
        text_addf(out, "[%s]", line.data);
    } else {
        text_add(out, "[");
        for (size_t i = 0; i < list->count; i++) {
            text_add(out, i ? ",\n    " : "\n    ");
            add_string(out, list->items[i]);
        }
        text_add(out, "\n]");
    }
    text_clear(&line);
}

/* libconfig 1.5 needs the L above 32 bits. */
static void add_number(struct mlb_text *out, long long value)
{
    text_addf(out, value > INT_MAX ? "%lldL" : "%lld", value);
}

/* The largest unit that divides it, as people write it. */
static void add_size(struct mlb_text *out, long long bytes)
{
    static const char units[] = "TGM";

    for (int i = 0; units[i]; i++) {
        long long unit = 1LL << (40 - 10 * i);
        if (bytes >= unit && bytes % unit == 0 && bytes / unit < 1 << 20) {
            text_addf(out, "\"%lld%c\"", bytes / unit, units[i]);
            return;
        }
    }
    add_number(out, bytes);
}

static void add_datasets(struct mlb_text *out, const struct mlb_job *job)
{
    text_add(out, "(");
    for (size_t i = 0; i < job->dataset_count; i++) {
        text_add(out, i ? ",\n    {" : "\n    {");
        for (const struct job_key *key = dataset_keys; key->path; key++) {
            const char *value = *(char *const *)(
                (const char *)&job->datasets[i] + key->offset);
            if (!value)
                continue;
            text_addf(out, " %s = ", key->path);
            add_string(out, value);
            text_add(out, ";");
        }
        text_add(out, " }");
    }
    text_add(out, "\n)");
}

/* Values of a sweep are text, so their digits stay as they were. */
static void add_axes(struct mlb_text *out, const struct mlb_axes *axes)
{
    text_add(out, "{");
    for (size_t i = 0; i < axes->count; i++) {
        text_addf(out, " %s = ", axes->items[i].name);
        add_strings(out, &axes->items[i].values);
        text_add(out, ";");
    }
    text_add(out, " }");
}

static void add_points(struct mlb_text *out, const struct mlb_axes *axes)
{
    text_add(out, "(");
    for (size_t k = 0; k < axes->items[0].values.count; k++) {
        text_add(out, k ? ",\n    {" : "\n    {");
        for (size_t i = 0; i < axes->count; i++) {
            text_addf(out, " %s = ", axes->items[i].name);
            add_string(out, axes->items[i].values.items[k]);
            text_add(out, ";");
        }
        text_add(out, " }");
    }
    text_add(out, "\n)");
}

static void add_value(struct mlb_text *out, const struct job_key *key,
                      const struct mlb_job *job)
{
    const void *place = job_key_value(key, job);

    switch (key->type) {
    case KEY_TEXT:
        add_string(out, *(char *const *)place);
        break;
    case KEY_BOOL:
        text_add(out, *(const long *)place ? "true" : "false");
        break;
    case KEY_COUNT:
    case KEY_DURATION:
    case KEY_INTERVAL:
        add_number(out, *(const long *)place);
        break;
    case KEY_SIZE:
        add_size(out, *(const long long *)place);
        break;
    case KEY_COMMAND:
        assert(!job->shell || job->command.count == 3);
        if (job->shell)
            add_string(out, job->command.items[2]);
        else
            add_strings(out, place);
        break;
    case KEY_STRINGS:
    case KEY_PAIRS:              /* as "NAME=value": any name is legal so */
        add_strings(out, place);
        break;
    case KEY_DATASETS:
        add_datasets(out, job);
        break;
    case KEY_POINTS:
        add_points(out, place);
        break;
    default:
        add_axes(out, place);
        break;
    }
}

void job_write(const struct mlb_job *job, struct mlb_text *out)
{
    const char *group = "";
    size_t length = 0;

    text_add(out, "# A job of mlbatch as it was understood; mlbatch submit "
                  "takes it again.\n");
    for (const struct job_key *key = job_keys; key->path; key++) {
        if (!value_is_given(key, job_key_value(key, job)))
            continue;
        const char *dot = strchr(key->path, '.');
        size_t n = dot ? (size_t)(dot - key->path) : 0;
        if (n != length || strncmp(group, key->path, n) != 0) {
            text_add(out, length ? "};\n" : "");
            if (n)
                text_addf(out, "%.*s = {\n", (int)n, key->path);
            group = key->path;
            length = n;
        }
        text_addf(out, n ? "    %s = " : "%s = ", key->path + n + (n > 0));
        add_value(out, key, job);
        text_add(out, ";\n");
    }
    text_add(out, length ? "};\n" : "");
}
