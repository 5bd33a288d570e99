/* SPDX-License-Identifier: BSD-3-Clause */
/* The textfile of cards, read back by a parser of the format. */
#include "config.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/process.h"
#include "card_fixture.h"

/* What the format demands of a line; aborts the test otherwise. family: of
 * the last TYPE line. */
static const char *parse_name(const char *p, const char *set)
{
    size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz_");

    assert_true(n > 0);
    return p + strspn(p, set);
}

static const char *parse_labels(const char *p)
{
    assert_int_equal(*p, '{');
    do {
        p = parse_name(p + 1, "abcdefghijklmnopqrstuvwxyz_0123456789");
        assert_memory_equal(p, "=\"", 2);
        for (p += 2; *p != '"'; p++) {
            assert_true(*p != '\0' && *p != '\n');
            if (*p == '\\') {
                p++;
                assert_non_null(strchr("\\\"n", *p));
            }
        }
        p++;
    } while (*p == ',');
    assert_int_equal(*p, '}');
    return p + 1;
}

static const char *parse_value(const char *p)
{
    char *end;

    assert_int_equal(*p, ' ');
    strtod(p + 1, &end);
    assert_true(end > p + 1);
    assert_int_equal(*end, '\n');
    return end + 1;
}

/* Each line whole, each family one block with HELP and TYPE once, no series
 * twice. */
static void check_format(const char *text)
{
    struct mlb_strings families = MLB_STRINGS_INIT,
                       series = MLB_STRINGS_INIT;
    char family[256] = "";

    for (const char *p = text; *p;) {
        if (strncmp(p, "# HELP ", 7) == 0) {
            sscanf(p + 7, "%255s", family);
            assert_false(strings_have(&families, family));
            strings_push(&families, family);
            p = strchr(p, '\n') + 1;
            char *type = xasprintf("# TYPE %s gauge\n", family);
            assert_memory_equal(p, type, strlen(type));
            p += strlen(type);
            free(type);
            continue;
        }
        size_t n = strlen(family);
        assert_memory_equal(p, family, n);
        const char *end = parse_labels(p + n);
        char *one = xstrndup(p, (size_t)(end - p));
        assert_false(strings_have(&series, one));
        strings_push(&series, one);
        free(one);
        p = parse_value(end);
    }
    assert_true(series.count > 10);
    strings_clear(&families);
    strings_clear(&series);
}

static bool has_line(const char *text, const char *line)
{
    char *whole = xasprintf("\n%s\n", line);
    bool found = strstr(text, whole);

    free(whole);
    return found;
}

static void test_values(void **state)
{
    struct card_fixture *f = fixture_create();
    struct mlb_text t = MLB_TEXT_INIT;

    (void)state;
    card_prometheus(&f->card, 1, &t);
    check_format(t.data);
    assert_true(has_line(t.data, "mlbatch_wall_time_seconds{run=\"digits.3\","
                         "section=\"usage\"} 768"));
    assert_true(has_line(t.data, "mlbatch_memory_asked_bytes{run=\"digits.3\""
                         ",section=\"usage\"} 17179869184"));
    assert_true(has_line(t.data, "mlbatch_cpu_efficiency_ratio{"
                         "run=\"digits.3\",section=\"usage\"} 1.25"));
    assert_true(has_line(t.data, "mlbatch_gpus_used{run=\"digits.3\","
                         "section=\"usage\"} 0"));
    assert_true(has_line(t.data, "mlbatch_loss{run=\"digits.3\","
                         "section=\"training\"} +Inf"));
    assert_true(has_line(t.data, "mlbatch_ranks_cpu_ratio{run=\"digits.3\","
                         "of=\"rank 0 on n1\"} 0.5"));
    text_clear(&t);
    fixture_destroy(f);
}

/* What was not measured has no series, and one that says why. */
static void test_unavailable(void **state)
{
    struct card_fixture *f = fixture_create();
    struct mlb_text t = MLB_TEXT_INIT;

    (void)state;
    card_prometheus(&f->card, 1, &t);
    assert_null(strstr(t.data, "\nmlbatch_ipc{"));
    assert_true(has_line(t.data, "mlbatch_metric_unavailable{"
                         "run=\"digits.3\",metric=\"ipc\",of=\"usage\","
                         "cause=\"no-pmu\"} 1"));
    assert_true(has_line(t.data, "mlbatch_metric_unavailable{"
                         "run=\"digits.3\",metric=\"ranks_ipc\","
                         "of=\"rank 0 on n1\",cause=\"no-pmu\"} 1"));
    assert_true(has_line(t.data, "mlbatch_metric_missing{run=\"digits.3\","
                         "metric=\"cycles\",cause=\"no-pmu\"} 1"));
    assert_true(has_line(t.data, "mlbatch_metric_missing{run=\"digits.3\","
                         "metric=\"fp_ops\",cause=\"no-pmu\"} 1"));
    assert_true(has_line(t.data, "mlbatch_metric_degraded{run=\"digits.3\","
                         "metric=\"bandwidth\",of=\"training\","
                         "state=\"estimated\",cause=\"no-pmu\"} 1"));
    text_clear(&t);
    fixture_destroy(f);
}

/* Names with quotes, newlines and bytes that are no UTF-8; cards that give
 * the same series twice. */
static void test_hostile(void **state)
{
    struct card_fixture *f = fixture_create();
    struct card cards[3] = { f->card, f->card, f->card };
    struct mlb_text t = MLB_TEXT_INIT;

    (void)state;
    cards[1].run = (char *)HOSTILE;
    card_prometheus(cards, 3, &t);
    check_format(t.data);
    assert_non_null(strstr(t.data, "run=\"<script>alert('\\\"&`id`')"
                           "</script>\\n\xef\xbf\xbd$(x)\""));
    text_clear(&t);
    card_prometheus(NULL, 0, &t);
    assert_string_equal(t.data, "");
    fixture_destroy(f);
}

/* The real judge, where it is installed. */
static void test_promtool(void **state)
{
    struct card_fixture *f = fixture_create();
    struct mlb_text t = MLB_TEXT_INIT;
    char *argv[] = { "promtool", "check", "metrics", NULL };
    struct process_call call = { .argv = argv, .input = &t, .seconds = 60 };
    int status = -1;

    (void)state;
    card_prometheus(&f->card, 1, &t);
    bool there = process_exists("promtool");
    if (there) {
        assert_int_equal(process_run(&call, &status, NULL), 0);
        assert_int_not_equal(process_exit_code(status), 1);
    } else {
        print_message("skipped: there is no promtool here\n");
    }
    text_clear(&t);
    fixture_destroy(f);
    if (!there)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_unavailable),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_promtool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
