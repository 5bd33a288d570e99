/* SPDX-License-Identifier: BSD-3-Clause */
/* report/advise: what the next request should be, and never is. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "record_fixture.h"
#include "report/advise.h"
#include "report/card_parts.h"

/* A completed run of a rank that asked 16 GiB, an hour and 4 CPUs. */
static struct advise_facts run(double gib, double seconds, double cores)
{
    return (struct advise_facts){
        .job = xstrdup("digits"), .nodes = 1, .tasks = 1,
        .cpus_per_task = 4, .gpus_per_task = 0,
        .memory_asked = 16.0 * GiB, .time_asked = 3600,
        .memory = card_known(gib * GiB, "test"),
        .cores = card_known(cores, "test"),
        .seconds = card_known(seconds, "test"),
        .gpus_used = -1, .completed = true };
}

static const struct card_advice *find(const struct advise_result *result,
                                      const char *key)
{
    for (size_t i = 0; i < result->count; i++)
        if (strstr(result->items[i].key, key))
            return &result->items[i];
    return NULL;
}

static struct advise_result advise(struct advise_facts *facts, size_t count)
{
    struct advise_result result;

    advise_make(facts, count, NULL, &result);
    for (size_t i = 0; i < count; i++)
        advise_facts_clear(&facts[i]);
    return result;
}

static void test_one_run(void **state)
{
    struct advise_facts facts[] = { run(1.5, 400, 1.02) };
    struct advise_result result = advise(facts, 1);

    (void)state;
    assert_int_equal(result.count, 3);
    const struct card_advice *a = find(&result, "memory_per_node");
    assert_string_equal(a->was, "16G");
    assert_string_equal(a->value, "2304M");      /* 1.5 * 1.5 = 2.25 GiB */
    assert_string_equal(a->sbatch, "--mem=2304M");
    assert_string_equal(a->pbs,
                        "-l select=1:ncpus=1:mpiprocs=1:mem=2304mb");
    assert_string_equal(a->basis, "used by one run: 1.5 GiB, and 50 %");
    a = find(&result, "walltime");
    assert_string_equal(a->was, "01:00:00");
    assert_string_equal(a->value, "00:10:00");
    assert_string_equal(a->sbatch, "--time=10");
    assert_string_equal(a->pbs, "-l walltime=00:10:00");
    a = find(&result, "cpus_per_task");
    assert_string_equal(a->was, "4");
    assert_string_equal(a->value, "1");
    assert_string_equal(a->sbatch, "--cpus-per-task=1");
    assert_non_null(strstr(result.basis, "from one run"));
    advise_clear(&result);
}

/* With three runs the margin is 20 %: 1.2 * max(p95, newest). */
static void test_three_runs(void **state)
{
    struct advise_facts facts[] = { run(1, 300, 1.6), run(2, 200, 1.6),
                                    run(1, 250, 1.6) };
    struct advise_result result = advise(facts, 3);

    (void)state;
    assert_string_equal(find(&result, "memory_per_node")->value, "2560M");
    assert_string_equal(find(&result, "walltime")->value, "00:06:00");
    assert_string_equal(find(&result, "cpus_per_task")->value, "2");
    assert_non_null(strstr(find(&result, "memory_per_node")->basis,
                           "95th percentile of 3 runs: 2.0 GiB, and 20 %"));
    advise_clear(&result);
}

/* Never below what once ran out: that and a half. */
static void test_out_of_memory(void **state)
{
    struct advise_facts facts[] = { run(1, 300, 4), run(4, 10, 4) };

    (void)state;
    facts[1].completed = false;
    facts[1].out_of_memory = true;
    facts[1].memory_asked = 4.0 * GiB;
    struct advise_result result = advise(facts, 2);
    assert_string_equal(find(&result, "memory_per_node")->value, "6G");
    assert_string_equal(find(&result, "memory_per_node")->basis,
                        "4.0 GiB ran out of memory: that and a half");
    advise_clear(&result);

    /* The newest ran out of what it asked: more. */
    facts[0] = run(16, 300, 4);
    facts[0].completed = false;
    facts[0].out_of_memory = true;
    result = advise(facts, 1);
    assert_string_equal(find(&result, "memory_per_node")->value, "24G");
    advise_clear(&result);
}

/* It is the present request that changes, not what the last run asked: that
 * may have followed advice already. */
static void test_request(void **state)
{
    const struct advise_request file = { .nodes = 1, .tasks = 1,
        .cpus_per_task = 4, .memory = 16.0 * GiB, .seconds = 3600 };
    struct advise_facts facts[] = { run(1, 300, 1), run(1, 300, 1) };
    struct advise_result result;

    (void)state;
    facts[0].memory_asked = 1.5 * GiB;
    facts[0].time_asked = 480;
    facts[0].cpus_per_task = 1;
    advise_make(facts, 2, NULL, &result);
    assert_int_equal(result.count, 0);
    advise_clear(&result);
    advise_make(facts, 2, &file, &result);
    assert_string_equal(find(&result, "memory_per_node")->was, "16G");
    assert_string_equal(find(&result, "memory_per_node")->value, "1536M");
    assert_string_equal(find(&result, "walltime")->value, "00:08:00");
    assert_string_equal(find(&result, "cpus_per_task")->value, "1");
    advise_clear(&result);

    /* A file that asks what once ran out gets more, after a run that had
     * it, too. */
    const struct advise_request small = { .nodes = 1, .tasks = 1,
        .cpus_per_task = 1, .memory = 1.0 * GiB, .seconds = 480 };
    facts[0].memory_asked = 2.0 * GiB;
    facts[1].completed = false;
    facts[1].out_of_memory = true;
    facts[1].memory_asked = 1.0 * GiB;
    advise_make(facts, 2, &small, &result);
    assert_string_equal(find(&result, "memory_per_node")->value, "1536M");
    advise_clear(&result);
    for (size_t i = 0; i < 2; i++)
        advise_facts_clear(&facts[i]);
}

static void test_time_limit(void **state)
{
    struct advise_facts facts[] = { run(15, 3600, 4), run(15, 100, 4) };

    (void)state;
    facts[0].completed = false;
    facts[0].hit_limit = true;
    struct advise_result result = advise(facts, 2);
    assert_string_equal(find(&result, "walltime")->value, "01:30:00");
    assert_non_null(strstr(find(&result, "walltime")->basis, "longer"));
    advise_clear(&result);
}

/* A run that failed at once says nothing of what the next one needs. */
static void test_failed(void **state)
{
    struct advise_facts facts[] = { run(0.1, 1, 0.2) };

    (void)state;
    facts[0].completed = false;
    struct advise_result result = advise(facts, 1);
    assert_int_equal(result.count, 0);
    assert_non_null(strstr(result.basis, "no run has completed"));
    advise_clear(&result);
}

static void test_unavailable(void **state)
{
    struct advise_facts facts[] = { run(1, 3500, 3.9) };

    (void)state;
    card_value_clear(&facts[0].memory);
    facts[0].memory = card_missing(METRIC_NO_GROUP, "not in a group");
    struct advise_result result = advise(facts, 1);
    assert_null(find(&result, "memory_per_node"));
    assert_non_null(strstr(result.basis,
                           "nothing on memory: not in a group"));
    advise_clear(&result);
}

/* More may have been needed than what was seen: no reason to ask less. */
static void test_lower_bound(void **state)
{
    struct advise_facts facts[] = { run(1, 3500, 3.9) };

    (void)state;
    card_worsen(&facts[0].memory, METRIC_ESTIMATED, METRIC_NOT_ASKED,
                "of the largest process alone");
    struct advise_result result = advise(facts, 1);
    assert_null(find(&result, "memory_per_node"));
    assert_non_null(strstr(result.basis, "nothing on memory: of the largest "
                           "process alone"));
    advise_clear(&result);
    facts[0] = run(15.5, 3500, 3.9);
    card_worsen(&facts[0].memory, METRIC_PARTIAL, METRIC_LOST, "a part");
    result = advise(facts, 1);
    assert_string_equal(find(&result, "memory_per_node")->value, "24G");
    advise_clear(&result);
}

static void test_enough(void **state)
{
    /* 98 % of the time: longer. The rest fits. */
    struct advise_facts facts[] = { run(12, 3540, 3.97) };
    struct advise_result result = advise(facts, 1);

    (void)state;
    assert_int_equal(result.count, 1);
    assert_string_equal(result.items[0].key, "resources.walltime");
    assert_string_equal(result.items[0].value, "01:30:00");
    advise_clear(&result);
}

static void test_gpus(void **state)
{
    struct advise_facts facts[] = { run(12, 3000, 3.97) };

    (void)state;
    facts[0].tasks = 2;
    facts[0].gpus_per_task = 4;
    facts[0].gpus_used = 3;
    struct advise_result result = advise(facts, 1);
    assert_string_equal(find(&result, "gpus_per_task")->value, "2");
    assert_string_equal(find(&result, "gpus_per_task")->pbs,
                        "-l select=1:ncpus=8:mpiprocs=2:ngpus=4:mem=16gb");
    advise_clear(&result);
    facts[0] = run(12, 3000, 3.97);
    facts[0].gpus_per_task = 4;
    result = advise(facts, 1);
    assert_null(find(&result, "gpus_per_task"));
    assert_non_null(strstr(result.basis, "nothing on GPUs"));
    advise_clear(&result);
}

/* From a record: several nodes, and the highest of them. */
static void test_facts(void **state)
{
    struct record *r = fixture_record(2, 1, 4, 0);
    struct advise_facts facts;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        fixture_task(r, i, METRIC_CPU_TIME, (int64_t)(i + 1) * 50 * SECOND);
        r->tasks[i].peak_rss = (int64_t)(i + 1) * GiB;
        r->tasks[i].state[METRIC_RSS] = METRIC_OK;
    }
    /* For a while both used two: 4e9 ns a second. */
    fixture_points = 10;
    for (int i = 0; i < 10; i++)
        fixture_cpu[i] = i < 3 ? 4e9 : 1e9;
    assert_int_equal(advise_facts_read(&facts, r, NULL), 0);
    assert_string_equal(facts.job, "digits");
    assert_true(facts.memory.number == 2.0 * GiB);
    assert_true(facts.cores.number == 2);
    assert_true(facts.seconds.number == 100);
    assert_true(facts.completed);
    assert_int_equal(facts.gpus_used, -1);
    advise_facts_clear(&facts);
    fixture_free(r);
}

static void test_json(void **state)
{
    struct advise_facts facts[] = { run(1.5, 400, 1.02) };
    struct advise_result result = advise(facts, 1);
    struct mlb_text out = MLB_TEXT_INIT;

    (void)state;
    advise_json("dig\n\"its", 1, &result, &out);
    assert_non_null(strstr(out.data, "\"schema\": \"mlbatch-advice/1\""));
    assert_non_null(strstr(out.data, "\"job\": \"dig\\n\\\"its\""));
    assert_non_null(strstr(out.data, "\"value\": \"00:10:00\""));
    text_clear(&out);
    advise_clear(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_run),
        cmocka_unit_test(test_three_runs),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_time_limit),
        cmocka_unit_test(test_failed),
        cmocka_unit_test(test_unavailable),
        cmocka_unit_test(test_lower_bound),
        cmocka_unit_test(test_enough),
        cmocka_unit_test(test_gpus),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
