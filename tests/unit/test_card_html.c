/* SPDX-License-Identifier: BSD-3-Clause */
/* The card's page: well-formed, escaped, whole without gnuplot. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/files.h"
#include "base/process.h"
#include "card_fixture.h"
#include "report/html.h"
#include "report/plot.h"

#define SIZE_LIMIT (500u * 1024)

static size_t count(const char *text, const char *word)
{
    size_t n = 0;

    for (const char *p = text; (p = strstr(p, word)); p++)
        n++;
    return n;
}

/* As XML and, for what only HTML knows, by Python's parser: elements match,
 * headings go down by one, ids are unique and those referred to are there,
 * nothing is loaded. */
static void check_page(const struct mlb_text *page)
{
    static char program[] =
        "import sys, xml.dom.minidom as m\n"
        "d = m.parseString(sys.stdin.buffer.read())\n"
        "a = d.getElementsByTagName('*')\n"
        "ids = [e.getAttribute('id') for e in a if e.hasAttribute('id')]\n"
        "assert len(ids) == len(set(ids)), ids\n"
        "level = 0\n"
        "for e in a:\n"
        "    n = e.tagName\n"
        "    assert n not in ('script', 'img', 'link', 'iframe', 'a'), n\n"
        "    for k, v in e.attributes.items():\n"
        "        assert not k.startswith('on'), k\n"
        "        assert k not in ('src', 'href', 'xlink:href', 'style'), k\n"
        "        if k == 'aria-labelledby':\n"
        "            assert set(v.split()) <= set(ids), v\n"
        "    if n in ('h1', 'h2', 'h3'):\n"
        "        assert int(n[1]) <= level + 1, n\n"
        "        level = int(n[1])\n"
        "    if n == 'table':\n"
        "        assert e.getElementsByTagName('caption')\n"
        "    if n == 'th':\n"
        "        assert e.getAttribute('scope') in ('row', 'col')\n"
        "    if n == 'svg' and not e.hasAttribute('aria-hidden'):\n"
        "        assert e.getAttribute('role') == 'img'\n"
        "        assert e.getElementsByTagName('title')\n";
    char *argv[] = { "python3", "-c", program, NULL };
    struct mlb_text errors = MLB_TEXT_INIT;
    struct process_call call = { .argv = argv, .input = page,
                                 .errors = &errors, .seconds = 60 };
    int status = -1;

    if (!process_exists("python3")) {
        print_message("not parsed: there is no python3 here\n");
        return;
    }
    assert_int_equal(process_run(&call, &status, NULL), 0);
    if (status != 0)
        print_message("%s", errors.data);
    assert_int_equal(status, 0);
    text_clear(&errors);
}

static void test_page(void **state)
{
    struct card_fixture *f = fixture_create();
    struct mlb_text t = MLB_TEXT_INIT;
    struct mlb_error err = { 0 };

    (void)state;
    assert_int_equal(card_html(&f->card, &t, &err), 0);
    assert_true(t.length < SIZE_LIMIT);
    check_page(&t);
    assert_non_null(strstr(t.data, "default-src &#39;none&#39;"));
    assert_non_null(strstr(t.data, "n/a: " NO_PMU));
    assert_non_null(strstr(t.data, "21 %"));
    assert_non_null(strstr(t.data, "--time=16"));
    assert_non_null(strstr(t.data, "62 more are not shown"));
    assert_non_null(strstr(t.data, "4 GPUs were asked for and never used"));
    assert_non_null(strstr(t.data, "echo &#39;&lt;done&gt;&#39;"));
    assert_non_null(strstr(t.data, "<h3>Training: loss</h3>"));
    assert_non_null(strstr(t.data, "2 values are NaN, infinite"));
    text_clear(&t);
    fixture_destroy(f);
}

/* What may differ without harm: the style, the version. */
static char *normal(const char *page)
{
    struct mlb_text t = MLB_TEXT_INIT;
    const char *style = strstr(page, "<style>");

    for (const char *p = page; *p;) {
        size_t n = strlen(PACKAGE_VERSION);
        if (p == style)
            p = strstr(p, "</style>");
        if (strncmp(p, PACKAGE_VERSION, n) == 0) {
            text_add(&t, "VERSION");
            p += n;
        } else {
            text_addn(&t, p++, 1);
        }
    }
    return text_detach(&t);
}

/* Without plots, which differ with gnuplot's version. To make it anew after
 * looking at the page: the program says where it left what it got. */
static void test_golden(void **state)
{
    struct card_fixture *f = fixture_create();
    struct mlb_text t = MLB_TEXT_INIT, golden = MLB_TEXT_INIT;
    const char *srcdir = getenv("srcdir");
    char *path = xasprintf("%s/tests/golden/card.html",
                           srcdir ? srcdir : ".");

    (void)state;
    f->card.plot_count = 0;
    assert_int_equal(card_html(&f->card, &t, NULL), 0);
    char *page = normal(t.data);
    assert_int_equal(files_read(path, SIZE_LIMIT, &golden, NULL), 0);
    if (strcmp(page, golden.data) != 0) {
        files_publish("card.html.got", page, strlen(page), 0644, NULL);
        fail_msg("card.html.got differs from %s", path);
    }
    free(page);
    free(path);
    text_clear(&t);
    text_clear(&golden);
    fixture_destroy(f);
}

/* No byte of a user's makes markup. */
static void test_escape(void **state)
{
    struct card_fixture *f = fixture_create();
    struct mlb_text t = MLB_TEXT_INIT;

    (void)state;
    f->card.cause = (char *)HOSTILE;
    f->card.run = f->card.name = f->card.state = f->card.command =
        f->card.scheduler = f->card.job = (char *)HOSTILE;
    f->advice = (struct card_advice){
        HOSTILE, (char *)HOSTILE, (char *)HOSTILE, (char *)HOSTILE,
        (char *)HOSTILE, (char *)HOSTILE,
    };
    f->card.advice_basis = (char *)HOSTILE;
    f->missing = (struct card_missing){ (char *)HOSTILE, (char *)HOSTILE,
                                        "" };
    f->cells[2].reason = (char *)HOSTILE;
    f->usage[2].value.reason = (char *)HOSTILE;
    assert_int_equal(card_html(&f->card, &t, NULL), 0);
    check_page(&t);
    assert_null(strstr(t.data, "<script"));
    assert_true(count(t.data, "&lt;script&gt;alert(&#39;&quot;&amp;`id`&#39;)"
                      "&lt;/script&gt;\\x0a\\xff$(x)") > 10);
    text_clear(&t);
    fixture_destroy(f);
}

/* gnuplot can run programs: nothing that a user wrote may reach it. */
static void test_script(void **state)
{
    struct card_fixture *f = fixture_create();
    struct mlb_text t = MLB_TEXT_INIT;

    (void)state;
    f->plots[0].title = f->plots[0].key = f->plots[0].unit = HOSTILE;
    plot_script(f->plots, 3, &t);
    assert_int_equal(count(t.data, "set terminal svg"), 3);
    assert_null(strpbrk(t.data, "`;!|&\\"));
    assert_null(strstr(t.data, "script"));
    assert_null(strstr(t.data, "nan"));
    assert_null(strstr(t.data, "inf"));
    text_clear(&t);
    fixture_destroy(f);
}

/* What stands alone between gaps is marked, or nobody would see it. */
static void test_lone_points(void **state)
{
    struct card_fixture *f = fixture_create();
    struct mlb_text t = MLB_TEXT_INIT;

    (void)state;
    plot_script(&f->plots[2], 1, &t);
    assert_null(strstr(t.data, "linespoints"));
    f->loss[POINTS - 2] = NAN;
    text_clear(&t);
    plot_script(&f->plots[2], 1, &t);
    assert_non_null(strstr(t.data, "linespoints"));
    text_clear(&t);
    fixture_destroy(f);
}

static void test_drawings(void **state)
{
    struct card_fixture *f = fixture_create();
    struct mlb_strings svg = MLB_STRINGS_INIT;
    struct mlb_error err = { 0 };
    double one = 1, none = NAN;
    struct card_line empty = { (char *)"", 1, &one, &none },
                     single = { (char *)"", 1, &one, &one };
    struct card_plot plots[4] = { f->plots[0], f->plots[0], f->plots[0],
                                  f->plots[2] };

    (void)state;
    if (!process_exists("gnuplot")) {
        print_message("skipped: there is no gnuplot here\n");
        fixture_destroy(f);
        skip();
    }
    plots[1].lines = &empty;
    plots[2].lines = &single;
    plots[1].line_count = plots[2].line_count = 1;
    int rc = plot_draw(plots, 4, &svg, &err);
    if (rc < 0)
        print_message("%s\n", err.text);
    assert_int_equal(rc, 0);
    assert_int_equal(svg.count, 4);
    assert_int_equal(count(svg.items[0], "<path class=\"c1\""), 1);
    assert_int_equal(count(svg.items[0], "<path class=\"c2\""), 1);
    assert_string_equal(svg.items[1], "");
    assert_int_equal(count(svg.items[2], "<circle class=\"p c1\""), 1);
    assert_non_null(strstr(svg.items[3], "class=\"c1\""));
    for (size_t i = 0; i < svg.count; i++)
        assert_null(strstr(svg.items[i], "id="));
    strings_clear(&svg);
    fixture_destroy(f);
}

/* A drawing that is not as gnuplot's are never gets into the page. */
static void test_bad_drawings(void **state)
{
    static const char *const bad[] = {
        "", "<svg", "<svg>", "<svg><g></svg>", "<svg></g></svg>",
        "<svg><script>x</script></svg>", "<svg><image href='x'/></svg>",
        "<svg><text>7<b></text></svg>", "<svg><text>alert</text></svg>",
        "<svg><path d='M0,0 url(x)'/></svg>", "<svg><defs></svg>",
        "<svg><g transform='url(#x)'></g></svg>",
        "<svg><use xlink:href='http://x'/></svg>",
    };
    struct mlb_text t = MLB_TEXT_INIT;
    const char *next;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(plot_svg(bad[i], &next, &t), -1);
    text_clear(&t);
    assert_int_equal(plot_svg("<?xml?><svg x='<'><title>t</title><g><path "
                              "stroke='rgb(  2,   0,   0)' d='M1,2  L3,4'/>"
                              "</g></svg>rest", &next, &t), 0);
    assert_string_equal(t.data, "<path class=\"c2\" d=\"M1,2 L3,4\"/>\n");
    assert_string_equal(next, "rest");
    text_clear(&t);
}

/* Without gnuplot, and with one that fails, all tables stand. */
static void test_no_gnuplot(void **state)
{
    char directory[] = "/tmp/mlb-html-XXXXXX";
    char *path = xstrdup(getenv("PATH"));
    struct card_fixture *f = fixture_create();
    struct mlb_text t = MLB_TEXT_INIT;

    (void)state;
    assert_non_null(mkdtemp(directory));
    setenv("PATH", directory, 1);
    assert_int_equal(card_html(&f->card, &t, NULL), 0);
    assert_non_null(strstr(t.data, "gnuplot is not installed here"));
    assert_int_equal(count(t.data, "<svg class=\"plot\""), 0);
    assert_int_equal(count(t.data, "<details>"), 4);
    setenv("PATH", path, 1);
    check_page(&t);
    text_clear(&t);
    char *program = xasprintf("%s/gnuplot", directory);
    FILE *file = fopen(program, "w");
    fputs("#!/bin/sh\necho '<svg><script>'\nexit 0\n", file);
    fclose(file);
    assert_int_equal(chmod(program, 0755), 0);
    char *both = xasprintf("%s:%s", directory, path);
    setenv("PATH", both, 1);
    assert_int_equal(card_html(&f->card, &t, NULL), 0);
    setenv("PATH", path, 1);
    assert_non_null(strstr(t.data, "not understood"));
    assert_int_equal(count(t.data, "<svg class=\"plot\""), 0);
    remove(program);
    remove(directory);
    free(both);
    free(program);
    free(path);
    text_clear(&t);
    fixture_destroy(f);
}

/* A long line keeps its peaks, whatever is left out of it. */
static void test_thinning(void **state)
{
    size_t n = 100000;
    double *x = xcalloc(n, sizeof(*x)), *y = xcalloc(n, sizeof(*y));
    struct card_line line = { (char *)"l", n, x, y };
    struct card_plot plot = { "p", "P", "", "step", false, &line, 1 };
    struct mlb_text t = MLB_TEXT_INIT;

    (void)state;
    for (size_t i = 0; i < n; i++) {
        x[i] = (double)i;
        y[i] = 1;
    }
    y[12345] = 777;
    y[54321] = -777;
    y[60000] = NAN;
    plot_script(&plot, 1, &t);
    assert_true(t.length < 40000);
    assert_non_null(strstr(t.data, "\n12345 777\n"));
    assert_non_null(strstr(t.data, "\n54321 -777\n"));
    text_clear(&t);
    html_plots(&t, &(struct card){ .plots = &plot, .plot_count = 1 });
    assert_true(t.length < 100000);
    text_clear(&t);
    free(x);
    free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_script),
        cmocka_unit_test(test_lone_points),
        cmocka_unit_test(test_drawings),
        cmocka_unit_test(test_bad_drawings),
        cmocka_unit_test(test_no_gnuplot),
        cmocka_unit_test(test_thinning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
