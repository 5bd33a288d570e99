/* SPDX-License-Identifier: BSD-3-Clause */
/* libFuzzer target: any bytes as two logs. What is found lies in them. */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "run/diagnose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *what)
{
    fprintf(stderr, "fuzz_diagnose: %s\n", what);
    abort();
}

static size_t count_lines(const struct diagnose_log *log)
{
    size_t lines = 0;

    for (size_t i = 0; i < log->length; i++)
        lines += log->bytes[i] == '\n';
    return lines + (log->length > 0 && log->bytes[log->length - 1] != '\n');
}

static void check(const struct diagnosis *d, const struct diagnose_log *logs)
{
    if (d->cause >= MLB_CAUSE_COUNT || !cause_name(d->cause) ||
        !cause_advice(d->cause)[0])
        fail("no such cause");
    if (!text_is_printable(d->text) || d->evidence_count > DIAGNOSIS_EVIDENCE)
        fail("a text that cannot be printed");
    for (size_t i = 0; i < d->evidence_count; i++) {
        size_t log = d->evidence[i].log, line = d->evidence[i].line;
        if (log > 1 || line == 0 || line > count_lines(&logs[log]))
            fail("a line that is not there");
        if (!text_is_printable(d->evidence[i].text) ||
            d->evidence[i].rank < -1)
            fail("evidence that cannot be printed");
    }
}

/* The first bytes are the facts, the rest two logs of exact size. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    struct diagnose_facts facts = {
        .state = (enum mlb_state)(data[0] % (MLB_STATE_STALLED + 2)),
        .exit_code = data[1],
        .first = { .rank = data[2] % 3 - 1, .exit = data[1],
                   .signal = data[3] % 32, .before = data[3] & 32,
                   .max_rss = data[3] & 64 ? 99 : 0 },
        .memory_limit = data[3] & 128 ? 100 : 0,
    };
    size_t half = (size - 4) / 2, rest = size - 4 - half;
    /* Of exactly their size: whoever reads beyond is caught. */
    char *first = malloc(half), *other = malloc(rest);
    if ((!first && half > 0) || (!other && rest > 0))
        abort();
    const struct diagnose_log logs[] = {
        { "out/rank-00000.log", 0, first, half },
        { "out/batch.log", -1, other, rest },
    };
    struct diagnosis d;

    if (half > 0)
        memcpy(first, data + 4, half);
    if (rest > 0)
        memcpy(other, data + 4 + half, rest);
    diagnose(&facts, logs, 2, &d);
    check(&d, logs);
    free(first);
    free(other);
    return 0;
}
