/* SPDX-License-Identifier: BSD-3-Clause */
/* report/card: numbers of records whose truth was computed by hand. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "record_fixture.h"
#include "report/card_parts.h"

static struct card card;

static void compute(struct record *r)
{
    struct mlb_error err = { 0 };

    assert_int_equal(card_compute(r, &card, &err), 0);
}

static void done(struct record *r)
{
    card_clear(&card);
    fixture_free(r);
}

static const struct card_value *value(const char *key)
{
    const struct card_row *row = card_find(&card, key);

    assert_non_null(row);
    return &row->value;
}

static void assert_is(const char *key, double number, enum metric_state state)
{
    const struct card_value *v = value(key);

    if (v->state != state)
        print_message("%s: %s\n", key, v->reason);
    assert_int_equal(v->state, state);
    assert_true(fabs(v->number - number) <= 1e-9 * fabs(number) + 1e-12);
}

static void assert_lacks(const char *key, const char *reason)
{
    const struct card_value *v = value(key);

    assert_int_equal(v->state, METRIC_UNAVAILABLE);
    assert_true(isnan(v->number));
    if (!strstr(v->reason, reason))
        print_message("%s: \"%s\"\n", key, v->reason);
    assert_non_null(strstr(v->reason, reason));
}

/* CPUs are those of all nodes: 2 nodes of 2 ranks of 2 CPUs, 100 s. */
static void test_cpu(void **state)
{
    struct record *r = fixture_record(2, 2, 2, 0);

    (void)state;
    for (size_t i = 0; i < 4; i++)
        fixture_task(r, i, METRIC_CPU_TIME, (int64_t)(i + 1) * 40 * SECOND);
    compute(r);
    assert_is("wall_time", 100, METRIC_OK);
    assert_is("cpu_time", 400, METRIC_OK);
    assert_is("cpu_efficiency", 0.5, METRIC_OK);
    assert_is("cpu_cores", 4, METRIC_OK);
    assert_is("cpu_imbalance", (160 - 100) / 160.0, METRIC_OK);
    assert_non_null(strstr(card_find(&card, "cpu_imbalance")->text,
                           "most: rank 3 on n2; least: rank 0 on n1"));
    done(r);
}

static void test_oversubscribed(void **state)
{
    struct record *r = fixture_record(1, 1, 2, 0);

    (void)state;
    fixture_task(r, 0, METRIC_CPU_TIME, 500 * SECOND);
    compute(r);
    assert_is("cpu_efficiency", 2.5, METRIC_OK);
    assert_non_null(strstr(card.warnings.items[0], "oversubscribed"));
    done(r);
}

/* Aggregates say of how many they are, and refuse under 80 %. */
static void test_coverage(void **state)
{
    struct record *r = fixture_record(1, 10, 1, 0);

    (void)state;
    for (size_t i = 0; i < 8; i++)
        fixture_task(r, i, METRIC_CPU_TIME, 100 * SECOND);
    compute(r);
    assert_is("cpu_time", 800, METRIC_PARTIAL);
    assert_int_equal(value("cpu_efficiency")->have, 8);
    assert_int_equal(value("cpu_efficiency")->of, 10);
    assert_int_equal(value("cpu_efficiency")->state, METRIC_PARTIAL);
    card_clear(&card);
    r->tasks[7].state[METRIC_CPU_TIME] = METRIC_UNAVAILABLE;
    compute(r);
    assert_lacks("cpu_time", "measured for only 7 of 10 ranks");
    assert_lacks("cpu_efficiency", "measured for only 7 of 10 ranks");
    done(r);
}

/* Memory of several nodes is not added against the request of one. */
static void test_memory(void **state)
{
    struct record *r = fixture_record(2, 2, 1, 0);

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        r->tasks[i].peak_rss = (int64_t)(i + 1) * GiB;
        r->tasks[i].state[METRIC_RSS] = METRIC_OK;
    }
    r->status[METRIC_RSS].state = METRIC_OK;
    r->status[METRIC_RSS].reason[0] = '\0';
    compute(r);
    const struct card_row *row = card_find(&card, "memory");
    assert_is("memory", 7.0 * GiB, METRIC_ESTIMATED);
    assert_true(row->asked == 16.0 * GiB);
    assert_non_null(strstr(row->text, "n2"));
    card_clear(&card);
    /* What one process had at most is no less than what was sampled. */
    r->tasks[3].max_rss = 5 * GiB;
    compute(r);
    assert_is("memory", 8.0 * GiB, METRIC_ESTIMATED);
    done(r);
}

/* What wait4 said stands where nobody sampled, and says what it is. */
static void test_not_sampled(void **state)
{
    struct record *r = fixture_record(1, 1, 1, 0);

    (void)state;
    r->tasks[0].user_seconds = 20;
    r->tasks[0].system_seconds = 5;
    r->tasks[0].max_rss = GiB;
    compute(r);
    assert_is("cpu_time", 25, METRIC_OK);
    assert_is("memory", 1.0 * GiB, METRIC_ESTIMATED);
    assert_non_null(strstr(value("memory")->reason, "largest process"));
    assert_int_equal(card.missing_count, 1);
    assert_int_equal(strncmp(card.missing[0].what, "rss, ", 5), 0);
    done(r);
}

static void test_gpus_unused(void **state)
{
    struct record *r = fixture_record(1, 4, 1, 1);

    (void)state;
    for (int i = 0; i < 4; i++)
        fixture_gpu(r, 0, 0);
    compute(r);
    assert_string_equal(card.warnings.items[0],
                        "4 GPUs were asked for and none was used");
    assert_is("gpus_used", 0, METRIC_OK);
    assert_is("gpu_use", 0, METRIC_OK);
    done(r);
}

/* A GPU of which nobody knows is neither idle nor busy. */
static void test_gpus_unmeasured(void **state)
{
    struct record *r = fixture_record(1, 4, 1, 1);

    (void)state;
    fixture_gpu(r, 100, 100);
    compute(r);
    assert_lacks("gpu_use", "measured for only 1 of 4 GPUs");
    assert_is("gpus_used", 1, METRIC_PARTIAL);
    assert_non_null(strstr(card.warnings.items[0],
                           "3 of 4 GPUs could not be measured"));
    card_clear(&card);
    for (int i = 0; i < 3; i++)
        fixture_gpu(r, -1, 0);
    compute(r);
    assert_lacks("gpu_use", "measured for only 1 of 4 GPUs");
    card_clear(&card);
    r->gpu_count = 0;
    compute(r);
    assert_lacks("gpus_used", "none of the 4 GPUs could be measured");
    assert_lacks("gpu_use", "no counters in this machine");
    for (size_t i = 0; i < card.warnings.count; i++)
        assert_null(strstr(card.warnings.items[i], "none was used"));
    done(r);
}

static void test_gpu_mean(void **state)
{
    struct record *r = fixture_record(1, 2, 1, 1);

    (void)state;
    fixture_gpu(r, 100, 100);
    fixture_gpu(r, 50, 80);
    r->gpus[1].seconds = 300;
    fixture_uses = 10;
    for (int i = 0; i < 10; i++)
        fixture_use[i] = i < 2 || i == 6 ? 50 : 0;
    compute(r);
    assert_is("gpu_use", (100 * 100 + 50 * 300) / 400.0 / 100, METRIC_OK);
    const struct card_table *gpus = &card.tables[card.table_count - 1];
    assert_string_equal(gpus->key, "gpus");
    assert_string_equal(gpus->columns[8].key, "idle_longest");
    assert_true(gpus->cells[8].number == 4);     /* 2..6 s */
    assert_true(gpus->cells[9].number == 3);     /* 7..10 s */
    done(r);
}

/* The truth of the hardware's counters, and who lacks what. */
static void test_hardware(void **state)
{
    struct record *r = fixture_record(1, 2, 1, 0);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        fixture_task(r, i, METRIC_CPU_TIME, 50 * SECOND);
        fixture_task(r, i, METRIC_CYCLES, 100000000000);
        fixture_task(r, i, METRIC_INSTRUCTIONS, 150000000000);
        fixture_task(r, i, METRIC_LLC_MISSES, 1000000000);
    }
    compute(r);
    assert_is("ipc", 1.5, METRIC_OK);
    assert_is("cpu_clock", 2e9, METRIC_OK);
    assert_is("memory_bandwidth", 2e9 * 64 / 100, METRIC_ESTIMATED);
    assert_lacks("flops", "no counters");
    assert_lacks("roofline", "no counters");
    card_clear(&card);
    for (size_t i = 0; i < 2; i++)
        fixture_task(r, i, METRIC_FP_OPS, 64000000000);
    r->tasks[1].state[METRIC_CYCLES] = METRIC_ESTIMATED;
    compute(r);
    assert_int_equal(value("ipc")->state, METRIC_ESTIMATED);
    assert_is("flops", 1.28e9, METRIC_OK);
    assert_is("intensity", 1, METRIC_ESTIMATED);
    assert_lacks("roofline", "peak of the nodes is unknown");
    card_clear(&card);
    /* 100 GFLOP/s, 5 GB/s: at 1 FLOP/byte the roof is 5 GFLOP/s. */
    static const char peaks[] = "peak_gflops=100\0peak_bandwidth=5000000000";
    text_addn(&r->plan, peaks, sizeof(peaks));
    compute(r);
    assert_is("roofline", 1.28 / 5, METRIC_ESTIMATED);
    assert_string_equal(card_find(&card, "roofline")->text,
                        "bound by memory");
    done(r);
}

static void test_mpi(void **state)
{
    struct record *r = fixture_record(1, 2, 1, 0);

    (void)state;
    fixture_task(r, 0, METRIC_MPI_TIME, 20 * SECOND);
    fixture_task(r, 1, METRIC_MPI_TIME, 60 * SECOND);
    compute(r);
    assert_is("mpi_share", 0.4, METRIC_OK);
    assert_is("load_balance", 60 / 80.0, METRIC_OK);
    assert_is("parallel_efficiency", 0.6, METRIC_OK);
    assert_is("transfer_efficiency", 0.8, METRIC_OK);
    assert_non_null(strstr(card_find(&card, "load_balance")->text,
                           "rank 0 on n1"));
    done(r);
}

/* 101 steps: the time spans 100 of them. */
static void test_training(void **state)
{
    static const double losses[] = { 2.5, NAN, 0.5, INFINITY };
    struct record *r = fixture_record(1, 2, 1, 0);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        fixture_task(r, i, METRIC_STEP, 101);
        fixture_task(r, i, METRIC_SAMPLES, 1010);
        fixture_task(r, i, METRIC_STEP_TIME, (int64_t)(i + 1) * 50 * SECOND);
    }
    fixture_metric(r, "lo\nss", losses, 4);
    compute(r);
    assert_is("steps", 101, METRIC_OK);
    assert_is("samples", 2020, METRIC_OK);
    assert_is("step_time", 0.75, METRIC_OK);
    assert_is("samples_rate", 1000 / 50.0 + 1000 / 100.0, METRIC_OK);
    assert_is("step_imbalance", 0.25, METRIC_OK);
    const struct card_table *table = &card.tables[0];
    assert_string_equal(table->key, "metrics");
    assert_string_equal(table->names[0], "lo\nss");
    assert_true(table->cells[0].number == 2.5);
    assert_true(isinf(table->cells[1].number));
    assert_true(table->cells[2].number == 0.5);
    assert_true(table->cells[3].number == 2.5);
    assert_true(table->cells[5].number == 2);
    assert_non_null(strstr(card.warnings.items[1], "not finite from step 2"));
    done(r);
}

static void test_io(void **state)
{
    struct record *r = fixture_record(1, 1, 1, 0);

    (void)state;
    fixture_task(r, 0, METRIC_READ_CHARS, 1000);
    fixture_task(r, 0, METRIC_READ_BYTES, 250);
    fixture_task(r, 0, METRIC_WRITE_BYTES, 0);
    compute(r);
    assert_is("read_cached", 0.75, METRIC_OK);
    assert_is("read_rate", 2.5, METRIC_OK);
    assert_is("write_bytes", 0, METRIC_OK);      /* measured: it is 0 */
    assert_lacks("write_chars", "no counters");
    done(r);
}

static void test_idle(void **state)
{
    struct record *r = fixture_record(1, 1, 1, 0);

    (void)state;
    fixture_points = 20;
    for (int i = 0; i < 20; i++)
        fixture_cpu[i] = (i >= 5 && i < 12) || i > 16 ? 1e7 : 9e8;
    compute(r);
    assert_is("idle_longest", 7, METRIC_OK);
    assert_is("idle_tail", 3, METRIC_OK);
    card_clear(&card);
    r->gpus = NULL;
    fixture_gpu(r, 50, 50);
    fixture_uses = 20;
    for (int i = 0; i < 20; i++)
        fixture_use[i] = i == 8 ? 90 : 0;
    compute(r);
    assert_is("idle_longest", 3, METRIC_OK);
    done(r);
}

/* What no sample tells of a GPU is not that it did nothing. */
static void test_idle_unseen(void **state)
{
    struct record *r = fixture_record(1, 1, 1, 1);

    (void)state;
    fixture_points = fixture_uses = 20;
    for (int i = 0; i < 20; i++) {
        fixture_cpu[i] = 1e7;
        fixture_use[i] = i < 4 ? 0 : i < 16 ? NAN : 90;
    }
    fixture_gpu(r, 50, 50);
    compute(r);
    assert_is("idle_longest", 3, METRIC_PARTIAL);
    card_clear(&card);
    for (int i = 0; i < 20; i++)
        fixture_use[i] = NAN;
    compute(r);
    assert_int_equal(card_find(&card, "idle_longest")->value.state,
                     METRIC_UNAVAILABLE);
    const struct card_table *gpus = &card.tables[card.table_count - 1];
    assert_int_equal(gpus->cells[8].state, METRIC_UNAVAILABLE);
    assert_int_equal(gpus->cells[9].state, METRIC_UNAVAILABLE);
    done(r);
}

/* Two attempts: the first never told its end, the second ran 50 s. */
static void test_attempts(void **state)
{
    struct record *r = fixture_record(1, 1, 1, 0);

    (void)state;
    fixture_task(r, 0, METRIC_CPU_TIME, 80 * SECOND);
    r->attempt_count = 2;
    r->attempts = xrealloc(r->attempts, 2 * sizeof(*r->attempts));
    r->attempts[1] = r->attempts[0];
    r->attempts[0].end = NAN;
    r->attempts[0].state[0] = '\0';
    r->attempts[1].number = 2;
    r->attempts[1].start = START + 1000;
    r->attempts[1].end = START + 1050;
    r->tasks = xrealloc(r->tasks, 2 * sizeof(*r->tasks));
    r->task_count = 2;
    r->tasks[1] = r->tasks[0];
    r->tasks[1].attempt = 2;
    r->tasks[1].seconds = 50;
    r->tasks[1].total[METRIC_CPU_TIME] = 40 * SECOND;
    r->tasks[0].exit = LONG_MIN;
    compute(r);
    assert_is("wall_time", 150, METRIC_PARTIAL);
    assert_is("longest_attempt", 100, METRIC_PARTIAL);
    assert_is("cpu_time", 120, METRIC_PARTIAL);
    assert_int_equal(card.attempts, 2);
    assert_true(card.seconds == 50);
    done(r);
}

static void test_sampling(void **state)
{
    struct record *r = fixture_record(1, 1, 1, 0);

    (void)state;
    fixture_set(r->nodes[0].total, r->nodes[0].state,
                METRIC_AGENT_CPU_TIME, SECOND / 20);
    r->nodes[0].late = 3;
    compute(r);
    assert_is("sampling_cpu", 0.0005, METRIC_OK);
    assert_is("sampling_late", 0.03, METRIC_OK);
    assert_lacks("sampling_memory", "no counters");
    done(r);
}

/* Nothing at all was measured: no number may appear from nowhere. */
static void test_nothing(void **state)
{
    static const char *const known[] = { "wall_time", "sampling_late",
                                         "sampling_ticks" };
    struct record *r = fixture_record(2, 2, 1, 1);

    (void)state;
    compute(r);
    for (size_t i = 0; i < card.section_count; i++)
        for (size_t k = 0; k < card.sections[i].count; k++) {
            const struct card_row *row = &card.sections[i].rows[k];
            bool is_known = false;
            for (size_t n = 0; n < 3; n++)
                is_known = is_known || strcmp(row->key, known[n]) == 0;
            if (!is_known && card_has(&row->value))
                print_message("%s has %g\n", row->key, row->value.number);
            assert_true(is_known || !card_has(&row->value));
            assert_true(is_known || *row->value.reason);
        }
    assert_int_equal(card.missing_count, 2);
    assert_string_equal(card.missing[0].cause, "no-pmu");
    assert_string_equal(card.missing[1].what, "4 of 4 GPUs");
    done(r);
}

static void test_hostile(void **state)
{
    struct record *r = fixture_record(1, 1, 1, 0);
    struct mlb_error err = { 0 };

    (void)state;
    r->tasks[0].node = 7;
    r->tasks[0].state[METRIC_CPU_TIME] = 99;
    r->attempts[0].end = START - 10;
    r->attempt_count = 1;
    compute(r);
    assert_is("wall_time", 100, METRIC_PARTIAL);
    assert_lacks("cpu_time", "no counters");
    card_clear(&card);
    r->attempt_count = 0;
    compute(r);
    assert_lacks("wall_time", "no attempt has begun");
    card_clear(&card);
    static const char huge[] = "nodes=9223372036854775807\0"
                               "tasks=9223372036854775807\0"
                               "gpus_per_task=9223372036854775807";
    text_clear(&r->plan);
    text_addn(&r->plan, huge, sizeof(huge));
    compute(r);
    assert_lacks("cpu_efficiency", "no counters");
    assert_true(isnan(card_find(&card, "cpu_cores")->asked));
    card_clear(&card);
    text_add(&r->plan, "no equals sign");
    assert_int_equal(card_compute(r, &card, &err), -1);
    done(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cpu),
        cmocka_unit_test(test_oversubscribed),
        cmocka_unit_test(test_coverage),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_not_sampled),
        cmocka_unit_test(test_gpus_unused),
        cmocka_unit_test(test_gpus_unmeasured),
        cmocka_unit_test(test_gpu_mean),
        cmocka_unit_test(test_hardware),
        cmocka_unit_test(test_mpi),
        cmocka_unit_test(test_training),
        cmocka_unit_test(test_io),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_idle_unseen),
        cmocka_unit_test(test_attempts),
        cmocka_unit_test(test_sampling),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
