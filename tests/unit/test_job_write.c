/* SPDX-License-Identifier: BSD-3-Clause */
/* A job that is written reads back the same, whatever bytes it holds. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "job_equal.h"

static struct mlb_job *read_text(const char *text)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct mlb_job *job = job_create();
    struct mlb_error err;

    if (job_read_string(job, text, "t.conf", &problems, &err) < 0)
        fail_msg("%s\n%s", err.text, text);
    assert_int_equal(problems.lines.count, 0);
    return job;
}

/* xorshift64* (Marsaglia 2003, Vigna 2016): the same jobs on every machine. */
static uint64_t seed = 88172645463325252u;

static uint64_t any(uint64_t below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (seed * 2685821657736338717u >> 16) % below;
}

static char *any_text(void)
{
    static const char *const awkward[] = {
        "", "\"", "\\", "\\x41", "\\n", "\n", "\r\n", "\t", "'", "$(x)",
        "/*", "*/", "#", "//", "@include \"x\"", "\xff\xfe", "\xc3\xa9",
        "\xc2\x80", "\x7f", "\x01" "2", "};", "\\\"",
    };
    struct mlb_text t = MLB_TEXT_INIT;

    for (uint64_t n = any(6); n > 0; n--) {
        if (any(2))
            text_add(&t, awkward[any(sizeof(awkward) / sizeof(awkward[0]))]);
        for (uint64_t k = any(8); k > 0; k--) {
            char c = (char)(1 + any(255));
            text_addn(&t, &c, 1);
        }
    }
    return text_detach(&t);
}

static void add_any(struct mlb_strings *list, bool pairs)
{
    for (uint64_t n = any(5); n > 0; n--) {
        char *s = any_text(), *v = any_text();
        for (char *c = s; pairs && (c = strchr(c, '='));)
            *c = '_';
        strings_pushf(list, pairs ? "%s=%s" : "%s", s, v);
        free(s);
        free(v);
    }
}

static void any_datasets(struct mlb_job *job)
{
    job->dataset_count = 1 + any(3);
    job->datasets = xcalloc(job->dataset_count, sizeof(*job->datasets));
    for (size_t i = 0; i < job->dataset_count; i++) {
        job->datasets[i].name = any(4) ? any_text() : NULL;
        job->datasets[i].version = any(2) ? any_text() : NULL;
        job->datasets[i].as = any(2) ? any_text() : NULL;
    }
}

/* Those of a list of points are equally long. */
static void any_axes(struct mlb_axes *axes, bool points)
{
    size_t count = 1 + any(3), length = 1 + any(4);

    axes->items = xcalloc(count, sizeof(*axes->items));
    axes->count = count;
    for (size_t i = 0; i < count; i++) {
        struct mlb_sweep_axis *axis = &axes->items[i];
        *axis = (struct mlb_sweep_axis){ xasprintf("a-%zu_*", i),
                                         MLB_STRINGS_INIT };
        if (!points)
            add_any(&axis->values, false);
        for (size_t k = 0; points && k < length; k++) {
            char *text = any_text();
            strings_push(&axis->values, text);
            free(text);
        }
    }
}

static void any_value(const struct job_key *key, struct mlb_job *job)
{
    void *place = job_key_place(key, job);
    static const long numbers[] = { 0, 1, 60, 2147483647, 2147483648,
                                    4294967296, 1L << 62, 3 << 20 };
    long number = any(2) ? numbers[any(8)] : (long)any(1 << 20);

    switch (key->type) {
    case KEY_TEXT:
        *(char **)place = any_text();
        break;
    case KEY_COUNT:
    case KEY_DURATION:
    case KEY_INTERVAL:
        *(long *)place = number;
        break;
    case KEY_BOOL:
        *(long *)place = number % 2;
        break;
    case KEY_SIZE:
        *(long long *)place = any(2) ? number : (long)any(5000) << 30;
        break;
    case KEY_COMMAND:
        if (any(3) == 0) {
            char *line = any_text();
            strings_push(place, "sh");
            strings_push(place, "-c");
            strings_push(place, line);
            job->shell = true;
            free(line);
        } else {
            add_any(place, false);
        }
        break;
    case KEY_DATASETS:
        any_datasets(job);
        break;
    case KEY_AXES:
    case KEY_POINTS:
        any_axes(place, key->type == KEY_POINTS);
        break;
    default:
        add_any(place, key->type == KEY_PAIRS);
        break;
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < 3000; i++) {
        struct mlb_job *job = job_create();
        struct mlb_text text = MLB_TEXT_INIT;
        for (const struct job_key *key = job_keys; key->path; key++)
            if (any(3) == 0)
                any_value(key, job);
        job_write(job, &text);
        /* Whatever it holds, the file can be shown on a terminal. */
        for (const char *c = text.data; *c; c++)
            assert_true((unsigned char)*c >= 0x20 || *c == '\n');
        struct mlb_job *back = read_text(text.data);
        const char *differs = job_difference(job, back);
        if (differs)
            fail_msg("job %d differs in %s:\n%s", i, differs, text.data);
        job_destroy(back);
        text_clear(&text);
        job_destroy(job);
    }
}

static void test_write(void **state)
{
    struct mlb_job *job =
        read_text("name = \"a\"; command = \"b | c\";"
                  "resources = { nodes = 2; walltime = \"1h\";"
                  " memory_per_node = \"1.5G\"; };");
    struct mlb_text text = MLB_TEXT_INIT;

    (void)state;
    job_write(job, &text);
    assert_string_equal(strchr(text.data, '\n') + 1,
                        "name = \"a\";\n"
                        "command = \"b | c\";\n"
                        "resources = {\n"
                        "    nodes = 2;\n"
                        "    memory_per_node = \"1536M\";\n"
                        "    walltime = 3600;\n"
                        "};\n");
    assert_int_equal(text.data[0], '#');
    text_clear(&text);
    job_destroy(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
