/* SPDX-License-Identifier: BSD-3-Clause */
/* What it takes to tell a run's state: tests/bench/state DIRECTORY. A log of
 * 1024 ranks, three attempts and many metrics is read, and merged with what
 * the scheduler says. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/files.h"
#include "run/state.h"

#define ATTEMPTS 3
#define RANKS 1024
#define METRICS 40000
#define ROUNDS 7

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void add(struct mlb_text *t, double *time, long attempt,
                const char *rest)
{
    *time += 0.001;
    text_addf(t, "{\"time\":%.6f,\"attempt\":%ld,%s}\n", *time, attempt,
              rest);
}

static void add_attempt(struct mlb_text *t, double *time, long attempt)
{
    char rest[256];

    add(t, time, attempt, "\"event\":\"attempt-start\",\"job\":\"7\","
        "\"host\":\"n1\",\"nodes\":[\"n1\",\"n2\"]");
    for (int i = 0; i < RANKS; i++) {
        snprintf(rest, sizeof(rest), "\"event\":\"task-start\",\"rank\":%d,"
                 "\"node\":\"n%d\",\"pid\":%d", i, i / 8, 1000 + i);
        add(t, time, attempt, rest);
    }
    for (int i = 0; i < METRICS; i++) {
        snprintf(rest, sizeof(rest), "\"event\":\"metric\",\"rank\":0,"
                 "\"name\":\"loss\",\"step\":%d,\"value\":%.6f", i,
                 2.0 / (1 + i));
        add(t, time, attempt, rest);
    }
    for (int i = 0; i < RANKS; i++) {
        snprintf(rest, sizeof(rest), "\"event\":\"task-end\",\"rank\":%d,"
                 "\"node\":\"n%d\",\"exit\":0,\"signal\":0,\"seconds\":12.25,"
                 "\"max_rss\":%d", i, i / 8, 4096 * i);
        add(t, time, attempt, rest);
    }
    add(t, time, attempt, "\"event\":\"attempt-end\",\"job\":\"7\","
        "\"state\":\"timeout\",\"exit\":143,\"text\":\"\"");
    if (attempt < ATTEMPTS)
        add(t, time, attempt, "\"event\":\"restart\",\"cause\":\"timeout\","
            "\"action\":\"requeue\",\"count\":1,\"text\":\"\"");
}

int main(int argc, char **argv)
{
    const struct mlb_witness live = { .answer = MLB_ANSWERED };
    const struct mlb_witness late = { .answer = MLB_ANSWERED, .known = true,
                                      .state = MLB_STATE_PREEMPTED,
                                      .exit_code = -1 };
    double time = 1700000000, read = 1e9, merge = 1e9;
    struct mlb_text t = MLB_TEXT_INIT;
    struct mlb_run_state state = { .attempts = 0 };

    if (argc != 2)
        return 2;
    char *dir = xasprintf("%s/events", argv[1]);
    char *path = xasprintf("%s/batch-n1.jsonl", dir);
    for (long attempt = 1; attempt <= ATTEMPTS; attempt++)
        add_attempt(&t, &time, attempt);
    if (files_mkdirs(dir, NULL) < 0 ||
        files_publish(path, t.data, t.length, 0600, NULL) < 0)
        return 1;
    for (int i = 0; i < ROUNDS; i++) {
        struct mlb_events events = MLB_EVENTS_INIT;
        double from = now();
        if (events_read(argv[1], &events, NULL) < 0)
            return 1;
        double middle = now();
        run_state(&events, &live, &late, &state);
        double to = now();
        read = middle - from < read ? middle - from : read;
        merge = to - middle < merge ? to - middle : merge;
        events_clear(&events);
    }
    if (state.state != MLB_STATE_TIMEOUT || state.attempts != ATTEMPTS)
        return 1;
    printf("log_mb %.1f\n", (double)t.length / 1e6);
    printf("event_log_mb_per_s %.0f\n", (double)t.length / 1e6 / read);
    printf("state_merge_mb_per_s %.0f\n", (double)t.length / 1e6 / merge);
    text_clear(&t);
    free(path);
    free(dir);
    return 0;
}
