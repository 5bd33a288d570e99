/* SPDX-License-Identifier: BSD-3-Clause */
/* libFuzzer target: any text as a job file. What can be read is checked and
 * written, and what was written must read back the same. */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/job_equal.h"

/* libconfig 1.5 loses the strings that it has read when it meets a syntax
 * error: its grammar has no destructor for them. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *what, const char *text)
{
    fprintf(stderr, "fuzz_job: %s\n%s\n", what, text);
    abort();
}

/* Write job and read that again. */
static void round_trip(const struct mlb_job *job)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct mlb_text text = MLB_TEXT_INIT;
    struct mlb_job *again = job_create();
    struct mlb_error err;

    job_write(job, &text);
    if (job_read_string(again, text.data, "again", &problems, &err) < 0)
        fail(err.text, text.data);
    if (problems.lines.count > 0)
        fail(problems.lines.items[0], text.data);
    const char *differs = job_difference(job, again);
    if (differs)
        fail(differs, text.data);
    job_destroy(again);
    text_clear(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct mlb_job *job = job_create();
    struct mlb_error err;
    char *text = xmalloc(size + 1);

    memcpy(text, data, size);
    text[size] = '\0';
    if (job_read_string(job, text, "fuzz", &problems, &err) == 0) {
        job_check(job, &problems);
        round_trip(job);
    }
    /* The same bytes as what a person types on the command line. */
    job_override(job, text, &problems);
    problems_clear(&problems);
    job_destroy(job);
    free(text);
    return 0;
}
