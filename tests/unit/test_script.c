/* SPDX-License-Identifier: BSD-3-Clause */
/* plan/script: what no name, path or option may do to the script. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/process.h"
#include "plan_fixture.h"

/* Random bytes, of which each fourth is one that some reader minds. */
static char *noise(unsigned *seed)
{
    static const char odd[] = "\n\r'\"\\%$`#;&|<>()-= \t*~!\xff\xc3";
    char text[24];
    size_t n = 1 + (size_t)rand_r(seed) % 20;

    for (size_t i = 0; i < n; i++)
        text[i] = rand_r(seed) % 4 ? (char)(1 + rand_r(seed) % 255)
                                   : odd[(size_t)rand_r(seed) %
                                         (sizeof(odd) - 1)];
    return xstrndup(text, n);
}

/* Each line is ours, or goes on within the single quotes of one of ours. */
static void check_lines(const char *script)
{
    bool quoted = false;

    while (*script) {
        bool comment = !quoted && *script == '#';
        if (!quoted && !comment && strncmp(script, "module load ", 12) != 0 &&
            strncmp(script, "exec ", 5) != 0)
            fail_msg("a line begins with \"%.20s\"", script);
        for (; *script && *script != '\n'; script++) {
            if (!quoted && !comment && *script == '\\')
                script++;
            else if (!comment && *script == '\'')
                quoted = !quoted;
        }
        script += *script == '\n';
    }
    assert_false(quoted);
}

/* What sbatch gets from "#SBATCH --option=...": NULL if it is not there. */
static void check_directive(const char *script, const char *option,
                            const char *want)
{
    char *start = xasprintf("\n#SBATCH --%s", option);
    const char *line = strstr(script, start);
    struct mlb_text got = MLB_TEXT_INIT;

    if (strpbrk(want, "\n\r")) {
        assert_null(line);
    } else {
        assert_non_null(line);
        const char *p = line + strlen(start) + 2;     /* = or blank, quote */
        assert_int_equal(p[-1], '"');
        for (; *p != '"'; p++) {
            p += *p == '\\';
            assert_true(*p && *p != '\n');
            text_addn(&got, p, 1);
        }
        assert_string_equal(got.data, want);
        assert_int_equal(p[1], '\n');
    }
    text_clear(&got);
    free(start);
}

/* Run the script with words for agent and module that show what they get. */
static void check_words(const struct fixture *f)
{
    char path[] = "/tmp/test_plan.XXXXXX";
    int fd = mkstemp(path), status = -1;
    struct mlb_text out = MLB_TEXT_INIT, want = MLB_TEXT_INIT;
    const char run[] = "module() { echo \"$2\"; }; . \"$0\"";
    char *argv[] = { (char *)"bash", (char *)"-c", (char *)run, path, NULL };
    const struct process_call call = { .argv = argv, .out = &out };
    size_t length = strlen(f->plan->script);

    assert_int_equal(write(fd, f->plan->script, length), length);
    close(fd);
    assert_int_equal(process_run(&call, &status, NULL), 0);
    unlink(path);
    assert_int_equal(status, 0);
    for (size_t i = 0; i < f->job->modules.count; i++)
        text_addf(&want, "%s\n", f->job->modules.items[i]);
    text_addf(&want, "attempt %s %s\n", f->context.run_dir, f->context.token);
    assert_string_equal(out.data, want.data);
    text_clear(&out);
    text_clear(&want);
}

static void test_script_noise(void **unused)
{
    unsigned seed = 20260301;

    (void)unused;
    for (int i = 0; i < 400; i++) {
        struct fixture f;
        fixture_make(&f, "", "slurm");
        char *words[6];
        for (size_t k = 0; k < 6; k++)
            words[k] = noise(&seed);
        free(f.job->name);
        f.job->name = xstrdup(words[0]);
        f.job->resources.account = xstrdup(words[1]);
        f.context.directory = words[2];
        f.context.run_dir = words[3];
        f.context.agent = "echo";
        strings_pushf(&f.job->slurm_options, "--wckey=%s", words[4]);
        strings_push(&f.job->slurm_options, "--reservation");
        strings_pushf(&f.job->slurm_options, "r%s", words[5]);
        strings_pushf(&f.job->modules, "m%s", words[0]);
        strings_pushf(&f.job->modules, "m%s", words[1]);
        plan_destroy(f.plan);
        f.plan = plan_create(f.job, f.site, &f.context, &f.problems);
        const char *script = f.plan->script;
        check_lines(script);
        check_directive(script, "job-name", f.plan->name);
        check_directive(script, "account", words[1]);
        check_directive(script, "chdir", words[2]);
        check_directive(script, "wckey", words[4]);
        check_directive(script, "reservation", f.job->slurm_options.items[2]);
        if (i % 8 == 0)
            check_words(&f);
        for (size_t k = 0; k < 6; k++)
            free(words[k]);
        fixture_clear(&f);
    }
}

/* A file name is a pattern to Slurm, unless it has a backslash. */
static void test_output(void **unused)
{
    static const struct { const char *run_dir, *want; } rows[] = {
        { "/s/r", "\n#SBATCH --output=\"/s/r/out/batch.log\"\n" },
        { "/s/%j%%", "\n#SBATCH --output=\"/s/%%j%%%%/out/batch.log\"\n" },
        { "/s/a\"b", "\n#SBATCH --output=\"/s/a\\\"b/out/batch.log\"\n" },
        { "/s/%a\\b",
          "\n#SBATCH --output=\"/s/%a\\\\\\\\b/out/batch.log\"\n" },
        { "/s/\n", "\n# output: left out here, it has a line break\n" },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture f;
        fixture_make(&f, "", "slurm");
        plan_destroy(f.plan);
        f.context.run_dir = rows[i].run_dir;
        f.plan = plan_create(f.job, f.site, &f.context, &f.problems);
        assert_non_null(strstr(f.plan->script, rows[i].want));
        fixture_clear(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_script_noise),
        cmocka_unit_test(test_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
