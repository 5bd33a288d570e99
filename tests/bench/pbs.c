/* SPDX-License-Identifier: BSD-3-Clause */
/* How fast jobs are read from what qstat says, to their state:
 *   pbs CAPTURE...   the captures over and over, 256 MB of them
 * Prints "pbs_parse MB/s", at its best of some tries. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/files.h"
#include "scheduler/pbs_state.h"

#define BYTES ((size_t)256 << 20)
#define TRIES 3

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The jobs that were read, each of which has its state. */
static size_t read_all(const struct mlb_text *text)
{
    struct pbs_text reader = { text->data, text->length, 0 };
    struct pbs_job job;
    size_t count = 0;

    while (pbs_text_next(&reader, &job)) {
        struct mlb_job_status status = { .exit_code = -1 };
        pbs_state_fill(&job, &status);
        count += status.known;
    }
    return count;
}

int main(int argc, char **argv)
{
    struct mlb_text once = MLB_TEXT_INIT, text = MLB_TEXT_INIT;
    struct mlb_error err;
    double best = 0;

    for (int i = 1; i < argc; i++)
        if (files_read(argv[i], BYTES, &once, &err) < 0) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
    size_t jobs = read_all(&once), times = 0;
    if (jobs == 0)
        return 1;
    for (; text.length < BYTES; times++)
        text_addn(&text, once.data, once.length);
    for (int i = 0; i < TRIES; i++) {
        double start = now();
        if (read_all(&text) != jobs * times) {
            fputs("pbs: jobs were lost\n", stderr);
            return 1;
        }
        double rate = (double)text.length / 1e6 / (now() - start);
        best = rate > best ? rate : best;
    }
    printf("pbs_parse %.0f\n", best);
    text_clear(&text);
    text_clear(&once);
    return 0;
}
