/* SPDX-License-Identifier: BSD-3-Clause */
/* report: the same card as text, JSON and CSV, against files of the truth. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/files.h"
#include "record_fixture.h"
#include "report/card_parts.h"

static const struct card_style plain = { .unicode = false, .width = 80 };
static const struct card_style blocks = { .unicode = true, .width = 80 };

/* A run with everything, and names that break what they can. */
static struct record *full(void)
{
    static const double losses[] = { 2.5, 1, NAN, 0.25 };
    struct record *r = fixture_record(2, 2, 2, 1);

    for (size_t i = 0; i < 4; i++) {
        fixture_task(r, i, METRIC_CPU_TIME, (int64_t)(i + 1) * 40 * SECOND);
        fixture_task(r, i, METRIC_CYCLES, 100000000000);
        fixture_task(r, i, METRIC_INSTRUCTIONS, 150000000000);
        fixture_task(r, i, METRIC_MPI_TIME, (int64_t)i * 10 * SECOND);
        fixture_task(r, i, METRIC_STEP, 101);
        fixture_task(r, i, METRIC_STEP_TIME, 90 * SECOND);
        fixture_task(r, i, METRIC_SAMPLES, 1010);
        fixture_task(r, i, METRIC_READ_CHARS, 4 * GiB);
        fixture_task(r, i, METRIC_READ_BYTES, GiB);
        r->tasks[i].peak_rss = (int64_t)(i + 1) * GiB;
        r->tasks[i].state[METRIC_RSS] = METRIC_OK;
    }
    metric_status_set(&r->status[METRIC_RSS], METRIC_OK, METRIC_FINE, "proc",
                      "");
    for (int i = 0; i < 4; i++)
        fixture_gpu(r, i == 0 ? 0 : 20 * i, i == 0 ? 0 : 100);
    metric_status_set(&r->status[METRIC_GPU_USE], METRIC_OK, METRIC_FINE,
                      "nvml", "");
    fixture_metric(r, "loss,\n\"x\" \xff", losses, 4);
    fixture_points = 10;
    for (int i = 0; i < 10; i++)
        fixture_cpu[i] = 4e9;
    return r;
}

static void compute(struct card *card, struct record *r)
{
    struct mlb_error err = { 0 };

    assert_int_equal(card_compute(r, card, &err), 0);
}

/* MLB_GOLDEN_WRITE=1 writes them anew, for the eyes of a person. */
static void assert_golden(const char *name, const struct mlb_text *text)
{
    struct mlb_text golden = MLB_TEXT_INIT;
    const char *srcdir = getenv("srcdir");
    char *path = xasprintf("%s/tests/golden/card/%s", srcdir ? srcdir : ".",
                           name);

    if (getenv("MLB_GOLDEN_WRITE")) {
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fwrite(text->data, 1, text->length, f);
        fclose(f);
    }
    assert_int_equal(files_read(path, 1 << 20, &golden, NULL),
                     0);
    assert_string_equal(text->data, golden.data);
    text_clear(&golden);
    free(path);
}

/* Every line fits, and holds nothing that a terminal would act on. */
static void assert_columns(const char *text)
{
    int columns = 0;

    for (; *text; text++) {
        columns = *text == '\n' ? 0
                  : columns + (((unsigned char)*text & 0xc0) != 0x80);
        assert_true(columns <= 80);
        assert_true(*text == '\n' || (unsigned char)*text >= ' ');
    }
}

static void check_text(struct record *r, const char *name,
                       const struct card_style *style)
{
    struct mlb_text out = MLB_TEXT_INIT;
    struct card card;

    compute(&card, r);
    card_text(&card, style, &out);
    assert_columns(out.data);
    assert_golden(name, &out);
    text_clear(&out);
    card_clear(&card);
}

static void test_text(void **state)
{
    struct record *r = full();

    (void)state;
    check_text(r, "full.txt", &blocks);
    check_text(r, "full-ascii.txt", &plain);
    fixture_free(r);
    r = fixture_record(2, 2, 1, 1);
    check_text(r, "nothing.txt", &plain);
    fixture_free(r);
}

static void assert_shown(double number, const char *unit, const char *shown)
{
    struct mlb_text out = MLB_TEXT_INIT;

    card_format(number, unit, &out);
    assert_string_equal(out.data, shown);
    text_clear(&out);
}

/* No more digits than a person reads. */
static void test_digits(void **state)
{
    (void)state;
    assert_shown(0.00052, "1", "0.052 %");
    assert_shown(0.0000123, "1", "0.0012 %");
    assert_shown(-0.00052, "1", "-0.052 %");
    assert_shown(0.002, "1", "0.2 %");
    assert_shown(0, "1", "0.0 %");
}

/* The card of r as text in columns; caller frees. */
static char *text_of(struct record *r, int columns)
{
    struct mlb_text out = MLB_TEXT_INIT;
    struct card card;

    compute(&card, r);
    card_text(&card, &(struct card_style){ .width = columns }, &out);
    card_clear(&card);
    return text_detach(&out);
}

/* At no width does a line part a number from its sign, and the last line has
 * an end, so that a prompt stands on its own. */
static void test_lines(void **state)
{
    (void)state;
    for (int columns = 40; columns < 120; columns++) {
        struct record *r = full();
        char *text = text_of(r, columns);
        assert_null(strstr(text, "\n    %"));
        assert_non_null(strstr(text, "50 %"));
        assert_int_equal(text[strlen(text) - 1], '\n');
        free(text);
        fixture_free(r);
    }
}

/* A count of what is wrong is told where there is something wrong. */
static void test_finite(void **state)
{
    static const double fine[] = { 2, 1 }, wrong[] = { 2, INFINITY };
    struct record *r = fixture_record(1, 1, 1, 0);
    char *text;

    (void)state;
    fixture_metric(r, "loss", fine, 2);
    text = text_of(r, 80);
    assert_non_null(strstr(text, "highest  values\n"));
    assert_null(strstr(text, "not finite"));
    free(text);
    fixture_metric(r, "norm", wrong, 2);
    text = text_of(r, 80);
    assert_non_null(strstr(text, "values  not finite\n"));
    free(text);
    fixture_free(r);
}

/* Why it failed stands under that it did, whatever bytes it is made of. */
static void test_cause(void **state)
{
    static const char begin[] = "digits.3: failed\n"
                                "  rank 0: exit code 3 <\\x1b>\n  ./train";
    struct record *r = fixture_record(1, 1, 1, 0);
    struct mlb_text out = MLB_TEXT_INIT;
    struct card card;

    (void)state;
    strcpy(r->attempts[0].state, "failed");
    strcpy(r->attempts[0].text, "rank 0: exit code 3 <\x1b>");
    char *text = text_of(r, 80);
    assert_int_equal(strncmp(text, begin, strlen(begin)), 0);
    free(text);
    compute(&card, r);
    card_html(&card, &out, NULL);
    assert_non_null(strstr(out.data,
                           "<p>rank 0: exit code 3 &lt;\\x1b&gt;</p>"));
    text_clear(&out);
    card_json(&card, &out);
    assert_non_null(strstr(out.data, "rank 0: exit code 3"));
    text_clear(&out);
    card_clear(&card);
    fixture_free(r);
}

static void test_color(void **state)
{
    struct record *r = full();
    struct mlb_text out = MLB_TEXT_INIT;
    struct card card;

    (void)state;
    compute(&card, r);
    card_text(&card, &(struct card_style){ .color = true, .width = 80 },
              &out);
    assert_non_null(strstr(out.data, "\033[1;31m! \033[0m"));
    text_clear(&out);
    card_clear(&card);
    fixture_free(r);
}

static json_t *get(json_t *o, const char *a, const char *b)
{
    json_t *found = json_object_get(
        json_object_get(json_object_get(o, "sections"), a), b);

    assert_non_null(found);
    return found;
}

static void test_json(void **state)
{
    struct record *r = full();
    struct mlb_text out = MLB_TEXT_INIT;
    struct card card;

    (void)state;
    compute(&card, r);
    card_json(&card, &out);
    json_t *o = json_loads(out.data, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(o);
    assert_string_equal(json_string_value(json_object_get(o, "schema")),
                        "mlbatch-card/1");
    assert_true(json_number_value(json_object_get(
        get(o, "usage", "cpu_efficiency"), "value")) == 0.5);
    json_t *flops = get(o, "hardware", "flops");
    assert_true(json_is_null(json_object_get(flops, "value")));
    assert_string_equal(json_string_value(json_object_get(flops, "status")),
                        "unavailable");
    assert_string_equal(json_string_value(json_object_get(flops, "cause")),
                        "no-pmu");
    assert_string_equal(json_string_value(json_object_get(flops, "reason")),
                        "no counters in this machine");
    json_t *metric = json_array_get(json_object_get(json_object_get(
        json_object_get(o, "tables"), "metrics"), "rows"), 0);
    assert_string_equal(json_string_value(json_object_get(metric, "name")),
                        "loss,\n\"x\" \xef\xbf\xbd");
    json_t *line = json_array_get(json_object_get(json_array_get(
        json_object_get(o, "plots"), 0), "lines"), 0);
    assert_string_equal(json_string_value(json_array_get(
        json_object_get(line, "y"), 2)), "NaN");
    json_decref(o);
    text_clear(&out);
    card_clear(&card);
    fixture_free(r);
}

static size_t count_commas(const char *line)
{
    size_t n = 0;
    bool quoted = false;

    for (; *line && (quoted || *line != '\n'); line++) {
        if (*line == '"')
            quoted = !quoted;
        n += !quoted && *line == ',';
    }
    return n;
}

static void test_csv(void **state)
{
    struct record *r = full(), *other = fixture_record(1, 1, 1, 0);
    struct mlb_text out = MLB_TEXT_INIT;
    struct card cards[2];

    (void)state;
    compute(&cards[0], r);
    compute(&cards[1], other);
    free(cards[1].name);
    cards[1].name = xstrdup("a \"b\", c\nd");
    card_csv(cards, 2, &out);
    const char *second = strchr(out.data, '\n') + 1;
    const char *third = strchr(second, '\n') + 1;
    assert_int_equal(count_commas(out.data), count_commas(second));
    assert_int_equal(count_commas(out.data), count_commas(third));
    assert_non_null(strstr(out.data,
                           ",flops,flops_status,flops_reason,"));
    assert_non_null(strstr(second, ",,unavailable,no counters in this "
                           "machine,"));
    assert_non_null(strstr(third, ",\"a \"\"b\"\", c\nd\","));
    assert_non_null(strstr(third, ",unavailable,not a part of this run"));
    text_clear(&out);
    card_clear(&cards[0]);
    card_clear(&cards[1]);
    fixture_free(r);
    fixture_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_digits),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_finite),
        cmocka_unit_test(test_cause),
        cmocka_unit_test(test_color),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_csv),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
