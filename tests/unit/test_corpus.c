/* SPDX-License-Identifier: BSD-3-Clause */
/* Logs as they look, one file each: every one gives its cause, by the line
 * that the index says. */
#include "config.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/files.h"
#include "run/evidence.h"

struct row {
    char name[64], place[16];
    int exit;
    long line;
};

static char *corpus_path(const char *name)
{
    const char *srcdir = getenv("srcdir");

    return xasprintf("%s/tests/diagnose/%s", srcdir ? srcdir : ".", name);
}

/* A run of one rank that ended so, with that log. */
static void make_run(const struct row *row, struct mlb_run *run)
{
    struct mlb_text log = MLB_TEXT_INIT;
    char *from = corpus_path(row->name);
    bool batch = strcmp(row->place, "batch") == 0;
    char *to = run_path(run, batch ? "out/batch.log" : "out/rank-00000.log");
    char *events = run_path(run, "events"), *out = run_path(run, "out");

    assert_int_equal(files_mkdirs(events, NULL), 0);
    assert_int_equal(files_mkdirs(out, NULL), 0);
    assert_int_equal(files_read(from, 1 << 20, &log, NULL), 0);
    assert_int_equal(files_append(to, log.data, log.length, NULL), 0);
    if (!batch)
        assert_int_equal(events_append(run->path, "w", "task-end",
            json_pack("{s:i, s:i, s:s, s:i, s:i}", "attempt", 1, "rank", 0,
                      "node", "node1", "exit", row->exit, "signal", 0),
            NULL), 0);
    text_clear(&log);
    free(from);
    free(to);
    free(events);
    free(out);
}

/* "cuda-out-of-memory.torch.log" is "CUDA out of memory"? */
static bool is_named(const char *file, const char *cause)
{
    for (; *cause; file++, cause++)
        if (*file != (*cause == ' ' ? '-' : tolower((unsigned char)*cause)))
            return false;
    return *file == '.';
}

/* Returns the number of what is wrong. */
static int check(const struct row *row)
{
    char template[] = "/tmp/mlb-corpus-XXXXXX";
    struct mlb_run run = { .id = (char *)"x.1",
                           .path = mkdtemp(template) };
    struct mlb_events events = MLB_EVENTS_INIT;
    const struct mlb_run_state state = { .state = MLB_STATE_FAILED,
                                         .exit_code = row->exit };
    struct evidence v;
    struct diagnosis d;
    int wrong = 0;

    make_run(row, &run);
    assert_int_equal(events_read(run.path, &events, NULL), 0);
    evidence_gather(&run, &events, 1, &state, &v);
    diagnose(&v.facts, v.logs, v.log_count, &d);
    if (!is_named(row->name, cause_name(d.cause)) ||
        (row->line > 0 && (d.evidence_count == 0 ||
                           (long)d.evidence[0].line != row->line))) {
        print_error("%s: %s, line %zu, not %ld\n", row->name, d.text,
                    d.evidence_count > 0 ? d.evidence[0].line : 0,
                    row->line);
        wrong = 1;
    }
    for (size_t i = 0; i < d.evidence_count; i++)
        if (!text_is_printable(d.evidence[i].text))
            fail_msg("%s: evidence with control characters", row->name);
    evidence_clear(&v);
    events_clear(&events);
    assert_int_equal(files_remove_tree(run.path, NULL), 0);
    return wrong;
}

static void test_corpus(void **state)
{
    char *path = corpus_path("index"), line[256];
    FILE *index = fopen(path, "r");
    int wrong = 0, rows = 0;

    (void)state;
    assert_non_null(index);
    while (fgets(line, sizeof(line), index)) {
        struct row row;
        if (*line == '#')
            continue;
        assert_int_equal(sscanf(line, "%63s %15s %d %ld", row.name, row.place,
                                &row.exit, &row.line), 4);
        wrong += check(&row);
        rows++;
    }
    fclose(index);
    free(path);
    assert_int_equal(wrong, 0);
    /* None is forgotten. */
    struct mlb_strings names = MLB_STRINGS_INIT;
    path = corpus_path("");
    assert_int_equal(files_list(path, &names, NULL), 0);
    assert_int_equal(names.count, (size_t)rows + 1);
    strings_clear(&names);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corpus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
