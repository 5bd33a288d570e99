/* SPDX-License-Identifier: BSD-3-Clause */
/* Counting and drawing the labels of a data set. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "cmd/store_cmd.h"
#include "cmd/store_histogram.h"
#include "store/column.h"
#include "store/value.h"

#define SHOWN 40                  /* values with a bar */
#define WIDTH 80                  /* columns of a terminal */
#define MAX_LABEL 24

bool histogram_has(const struct manifest *m, size_t field)
{
    const struct mlb_field *f = &m->fields[field];

    return f->rank == 0 && value_is_integer(f->dtype) &&
           !column_is_ragged(m, field);
}

static void add(struct histogram *h, int64_t value, uint64_t rows)
{
    size_t low = 0, high = h->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (h->values[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == h->count || h->values[low] != value) {
        if (h->count == HISTOGRAM_MOST) {
            h->overflow = true;
            return;
        }
        size_t n = h->count++ - low;
        memmove(h->values + low + 1, h->values + low, n * sizeof(int64_t));
        memmove(h->counts + low + 1, h->counts + low, n * sizeof(uint64_t));
        h->values[low] = value;
        h->counts[low] = 0;
    }
    h->counts[low] += rows;
}

static int count_rows(struct histogram *h, const char *directory,
                      struct mlb_error *err)
{
    struct column c;
    struct column_batch b = { 0 };
    int rc = 0;

    column_init(&c, h->m, directory, h->field);
    for (uint64_t at = 0; rc == 0 && at < h->m->rows && !h->overflow;
         at += b.rows) {
        rc = column_read(&c, at, h->m->rows - at, &b, err);
        for (uint64_t i = 0; rc == 0 && i < b.rows; i++)
            add(h, value_get_integer(c.field->dtype,
                                     b.bytes + column_start(&b, i)), 1);
    }
    column_batch_clear(&b);
    column_clear(&c);
    return rc;
}

int histogram_fill(struct histogram *h, const struct manifest *m,
                   const char *directory, size_t field,
                   struct mlb_error *err)
{
    const json_t *about = column_json(m, field);
    const json_t *counts = json_object_get(about, "counts");

    h->m = m;
    h->field = field;
    h->classes = json_object_get(about, "classes");
    h->count = 0;
    h->overflow = false;
    if (!json_is_array(counts))
        return count_rows(h, directory, err);
    for (size_t i = 0; i < json_array_size(counts); i++) {
        const json_t *pair = json_array_get(counts, i);
        json_int_t rows = json_integer_value(json_array_get(pair, 1));
        add(h, json_integer_value(json_array_get(pair, 0)),
            rows > 0 ? (uint64_t)rows : 0);
    }
    return 0;
}

static const char *class_of(const struct histogram *h, int64_t value)
{
    return value < 0 ? NULL : json_string_value(
        json_array_get(h->classes, (size_t)value));
}

/* The value and its class, cut to what fits. Caller frees. */
static char *label_of(const struct histogram *h, int64_t value)
{
    const char *name = class_of(h, value);
    char *shown = name ? text_printable(name) : NULL;
    struct mlb_text t = MLB_TEXT_INIT;

    text_addf(&t, "%" PRId64, value);
    if (shown)
        text_addf(&t, " %s", shown);
    free(shown);
    return text_detach(&t);
}

/* s in exactly so many columns. */
static void print_padded(const char *s, size_t columns)
{
    size_t n = 0;

    for (; *s; s++) {
        bool begins = ((unsigned char)*s & 0xc0) != 0x80;
        if (begins && n == columns)
            break;
        n += begins;
        putchar(*s);
    }
    printf("%*s", (int)(columns - n), "");
}

static void print_bars(const struct histogram *h)
{
    size_t width = 1;
    uint64_t most = 1;

    for (size_t i = 0; i < h->count; i++) {
        char *label = label_of(h, h->values[i]);
        size_t n = store_columns(label);
        width = n > width ? n : width;
        most = h->counts[i] > most ? h->counts[i] : most;
        free(label);
    }
    width = width > MAX_LABEL ? MAX_LABEL : width;
    int digits = snprintf(NULL, 0, "%" PRIu64, most);
    int bar = WIDTH - 6 - (int)width - digits;
    for (size_t i = 0; i < h->count; i++) {
        char *label = label_of(h, h->values[i]);
        double part = (double)h->counts[i] / (double)most;
        fputs("  ", stdout);
        print_padded(label, width);
        printf("  %*" PRIu64 "  ", digits, h->counts[i]);
        for (int k = 0; k < (int)(part * bar + 0.5); k++)
            putchar('#');
        putchar('\n');
        free(label);
    }
}

void histogram_print(const struct histogram *h)
{
    const char *name = h->m->fields[h->field].name;

    if (h->count == 0)
        return;
    if (h->overflow || h->count > SHOWN) {
        printf("%s has %s%zu different values\n", name,
               h->overflow ? "more than " : "", h->count);
        return;
    }
    printf("rows by %s\n", name);
    print_bars(h);
}

void histogram_add_json(const struct histogram *h, json_t *labels,
                        json_t *all)
{
    const char *name = h->m->fields[h->field].name;
    json_t *values = json_array();

    for (size_t i = 0; !h->overflow && i < h->count; i++) {
        json_int_t value = h->values[i], rows = (json_int_t)h->counts[i];
        json_array_append_new(values, json_pack(
            "{s:I, s:o, s:I}", "value", value, "class",
            json_text(class_of(h, h->values[i])), "rows", rows));
        if (strcmp(name, "y") == 0)
            json_array_append_new(labels, json_pack(
                "{s:I, s:I}", "label", value, "rows", rows));
    }
    json_array_append_new(all, json_pack(
        "{s:s, s:b, s:o}", "field", name, "too_many", h->overflow, "values",
        values));
}
