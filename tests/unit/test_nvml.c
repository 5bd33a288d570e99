/* SPDX-License-Identifier: BSD-3-Clause */
/* GPUs by a stub of NVML: which are the job's, what they give, and what is
 * said of those that do not. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "counters/source.h"

#define UUID(n) "GPU-00000000-0000-0000-0000-00000000000" #n

static struct counters_entity found[8];
static struct metric_status why;

static const char *const variables[] = {
    "STUB_NVML", "STUB_NVML_GPUS", "STUB_NVML_MINOR", "CUDA_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL", "NVIDIA_VISIBLE_DEVICES", "SLURM_STEP_GPUS",
    "SLURM_JOB_GPUS",
};

static int clean(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        unsetenv(variables[i]);
    nvml_source.close();
    return 0;
}

/* ---- which GPUs ---- */

/* The last digits of the UUIDs that are found of four GPUs. */
static void assert_found(const char *name, const char *value, long expected,
                         const char *digits)
{
    char own[9] = "";

    setenv("STUB_NVML_GPUS", "4", 1);
    setenv(name, value, 1);
    size_t count = nvml_source.gpus(expected, found, 8, &why);
    for (size_t i = 0; i < count; i++)
        own[i] = found[i].uuid[strlen(found[i].uuid) - 1];
    assert_string_equal(own, digits);
    unsetenv(name);
}

static void test_stub_names(void **state)
{
    (void)state;
    assert_found("CUDA_VISIBLE_DEVICES", "2,0", 0, "20");
    assert_found("CUDA_VISIBLE_DEVICES", UUID(3), 0, "3");
    assert_found("CUDA_VISIBLE_DEVICES", UUID(1) "," UUID(1), 0, "1");
    assert_found("CUDA_VISIBLE_DEVICES", "1,-1,2", 4, "1");
    assert_found("CUDA_VISIBLE_DEVICES", "0,9,2", 4, "0");
    assert_found("CUDA_VISIBLE_DEVICES", "0,x", 4, "0");
    assert_found("CUDA_VISIBLE_DEVICES", "9", 4, "");
    assert_found("GPU_DEVICE_ORDINAL", "1", 0, "1");
    assert_found("NVIDIA_VISIBLE_DEVICES", "all", 0, "");
    assert_found("NVIDIA_VISIBLE_DEVICES", "all", 2, "01");
    assert_found("NVIDIA_VISIBLE_DEVICES", "3", 0, "3");
    assert_found("SLURM_STEP_GPUS", "0,2", 0, "02");
    assert_found("SLURM_JOB_GPUS", "0-3", 0, "0123");
    assert_found("CUDA_VISIBLE_DEVICES", "NoDevFiles", 0, "");
    assert_found("CUDA_VISIBLE_DEVICES", "", 3, "012");
    assert_found("CUDA_VISIBLE_DEVICES", "99999999999999999999", 0, "");
    assert_found("NO_SUCH_VARIABLE", "", 9, "0123");
}

/* A control group shows two of eight, of /dev/nvidia4 and 5: the machine's
 * numbers and CUDA's mean the same two. */
static void test_stub_relative_numbers(void **state)
{
    (void)state;
    setenv("STUB_NVML_GPUS", "2", 1);
    setenv("STUB_NVML_MINOR", "4", 1);
    setenv("SLURM_JOB_GPUS", "4,5", 1);
    setenv("CUDA_VISIBLE_DEVICES", "1", 1);
    assert_int_equal(nvml_source.gpus(2, found, 8, &why), 2);
    assert_string_equal(found[0].uuid, UUID(1));
    assert_string_equal(found[1].uuid, UUID(0));
    assert_string_equal(found[0].product, "Stub GPU");
    assert_int_equal(found[0].capacity, 80000000000);
    assert_int_equal(nvml_source.gpus(2, found, 1, &why), 1);
}

static void test_stub_none_named_is_there(void **state)
{
    (void)state;
    setenv("SLURM_JOB_GPUS", "6", 1);
    assert_int_equal(nvml_source.gpus(1, found, 8, &why), 0);
    assert_int_equal(why.cause, METRIC_NO_DEVICE);
    setenv("STUB_NVML", "nodriver", 1);
    nvml_source.close();
    assert_int_equal(nvml_source.gpus(1, found, 8, &why), 0);
    assert_int_equal(why.cause, METRIC_NO_DEVICE);
    assert_non_null(strstr(why.reason, "driver is not loaded"));
}

/* ---- what they give ---- */

struct gpu {
    void *state;
    int64_t values[METRIC_COUNT];
    struct metric_status status[METRIC_COUNT];
};

static void begin_gpu(struct gpu *gpu, const char *scenario,
                      const char *names)
{
    memset(gpu, 0, sizeof(*gpu));
    setenv("STUB_NVML", scenario, 1);
    setenv("CUDA_VISIBLE_DEVICES", names, 1);
    assert_int_equal(nvml_source.gpus(1, found, 8, &why), 1);
    gpu->state = nvml_source.begin(&found[0], gpu->status);
    assert_non_null(gpu->state);
}

static void read_gpu(struct gpu *gpu)
{
    for (int m = 0; m < METRIC_COUNT; m++)
        gpu->values[m] = METRIC_MISSING;
    nvml_source.read(gpu->state, gpu->values, gpu->status);
    for (int m = METRIC_GPU_USE; m <= METRIC_GPU_DRAM_ACTIVE; m++) {
        assert_string_not_equal(gpu->status[m].source, "");
        if (gpu->status[m].state == METRIC_OK)
            assert_int_not_equal(gpu->values[m], METRIC_MISSING);
        else
            assert_string_not_equal(gpu->status[m].reason, "");
        if (gpu->status[m].state == METRIC_UNAVAILABLE)
            assert_int_equal(gpu->values[m], METRIC_MISSING);
    }
}

static void test_stub_fine(void **state)
{
    struct gpu gpu;

    (void)state;
    begin_gpu(&gpu, "fine", "0");
    for (int i = 0; i < 3; i++)
        read_gpu(&gpu);
    for (int m = METRIC_GPU_USE; m <= METRIC_GPU_DRAM_ACTIVE; m++)
        assert_int_equal(gpu.status[m].state, METRIC_OK);
    assert_int_equal(gpu.values[METRIC_GPU_USE], 60);
    assert_int_equal(gpu.values[METRIC_GPU_MEMORY], 20000000000);
    assert_int_equal(gpu.values[METRIC_GPU_POWER], 300000);
    assert_int_equal(gpu.values[METRIC_GPU_ENERGY], 900000);
    assert_int_equal(gpu.values[METRIC_GPU_CLOCK], 1980);
    assert_int_equal(gpu.values[METRIC_GPU_THROTTLE], 4);
    assert_int_equal(gpu.values[METRIC_GPU_ECC], 0);
    assert_int_equal(gpu.values[METRIC_GPU_PROCESSES], 1);
    assert_int_equal(gpu.values[METRIC_GPU_SM_ACTIVE], 101);
    assert_int_equal(gpu.values[METRIC_GPU_SM_OCCUPANCY], 151);
    assert_int_equal(gpu.values[METRIC_GPU_TENSOR_ACTIVE], 251);
    assert_int_equal(gpu.values[METRIC_GPU_DRAM_ACTIVE], 501);
    nvml_source.end(gpu.state);
}

/* Here 0 is a measurement. */
static void test_stub_idle(void **state)
{
    struct gpu gpu;

    (void)state;
    begin_gpu(&gpu, "idle", "0");
    read_gpu(&gpu);
    assert_int_equal(gpu.values[METRIC_GPU_USE], 0);
    assert_int_equal(gpu.values[METRIC_GPU_MEMORY], 0);
    assert_int_equal(gpu.values[METRIC_GPU_PROCESSES], 0);
    assert_int_equal(gpu.values[METRIC_GPU_SM_ACTIVE], 0);
    assert_int_equal(gpu.status[METRIC_GPU_USE].state, METRIC_OK);
    nvml_source.end(gpu.state);
}

static void test_stub_unsupported(void **state)
{
    struct gpu gpu;

    (void)state;
    begin_gpu(&gpu, "unsupported", "0");
    read_gpu(&gpu);
    assert_int_equal(gpu.status[METRIC_GPU_USE].state, METRIC_UNAVAILABLE);
    assert_int_equal(gpu.status[METRIC_GPU_USE].cause, METRIC_UNSUPPORTED);
    assert_non_null(strstr(gpu.status[METRIC_GPU_SM_ACTIVE].reason,
                           "GPM"));
    assert_int_equal(gpu.values[METRIC_GPU_MEMORY], 20000000000);
    assert_int_equal(gpu.values[METRIC_GPU_CLOCK], 1980);
    nvml_source.end(gpu.state);
}

/* Sentinels and NaN are no values. */
static void test_stub_no_values(void **state)
{
    struct gpu gpu;

    (void)state;
    begin_gpu(&gpu, "absent", "0");
    read_gpu(&gpu);
    for (int m = METRIC_GPU_USE; m <= METRIC_GPU_DRAM_ACTIVE; m++)
        if (m != METRIC_GPU_PROCESSES)
            assert_int_equal(gpu.status[m].state, METRIC_UNAVAILABLE);
    nvml_source.end(gpu.state);
}

/* What was measured before stays said to be measured. */
static void test_stub_lost_half_way(void **state)
{
    struct gpu gpu;

    (void)state;
    begin_gpu(&gpu, "fine", "0");
    for (int i = 0; i < 3; i++)
        read_gpu(&gpu);
    setenv("STUB_NVML", "lost", 1);
    for (int i = 0; i < 4; i++)
        read_gpu(&gpu);
    for (int m = METRIC_GPU_USE; m <= METRIC_GPU_DRAM_ACTIVE; m++) {
        assert_int_equal(gpu.values[m], METRIC_MISSING);
        assert_int_equal(gpu.status[m].state, METRIC_PARTIAL);
        assert_int_equal(gpu.status[m].cause, METRIC_LOST);
        /* GPM begins one read later: it is about the time between. */
        assert_int_equal(gpu.status[m].coverage,
                         m < METRIC_GPU_SM_ACTIVE ? 50 : 42);
        assert_non_null(strstr(gpu.status[m].reason, "off the bus"));
    }
    setenv("STUB_NVML", "fine", 1);
    read_gpu(&gpu);
    assert_int_equal(gpu.values[METRIC_GPU_USE], 60);
    assert_int_equal(gpu.status[METRIC_GPU_USE].state, METRIC_PARTIAL);
    nvml_source.end(gpu.state);
}

static void test_stub_lost_at_once(void **state)
{
    struct gpu gpu;

    (void)state;
    begin_gpu(&gpu, "lost", "0");
    read_gpu(&gpu);
    assert_int_equal(gpu.status[METRIC_GPU_USE].state, METRIC_UNAVAILABLE);
    assert_int_equal(gpu.status[METRIC_GPU_USE].cause, METRIC_LOST);
    nvml_source.end(gpu.state);
}

static void test_stub_forbidden(void **state)
{
    struct gpu gpu;

    (void)state;
    begin_gpu(&gpu, "forbidden", "0");
    read_gpu(&gpu);
    for (int m = METRIC_GPU_USE; m <= METRIC_GPU_DRAM_ACTIVE; m++) {
        assert_int_equal(gpu.status[m].state, METRIC_UNAVAILABLE);
        assert_int_equal(gpu.status[m].cause, METRIC_FORBIDDEN);
    }
    nvml_source.end(gpu.state);
}

/* The stub says 0 of a divided GPU's use. */
static void test_stub_mig(void **state)
{
    struct gpu gpu;

    (void)state;
    setenv("SLURM_JOB_GPUS", "0", 1);
    begin_gpu(&gpu, "mig", "MIG-" UUID(0));
    assert_string_equal(found[0].uuid, "MIG-" UUID(0));
    read_gpu(&gpu);
    assert_int_equal(gpu.status[METRIC_GPU_USE].state, METRIC_UNAVAILABLE);
    assert_non_null(strstr(gpu.status[METRIC_GPU_USE].reason, "MIG"));
    assert_int_equal(gpu.values[METRIC_GPU_MEMORY], 20000000000);
    assert_int_equal(gpu.values[METRIC_GPU_SM_ACTIVE], 101);
    nvml_source.end(gpu.state);
}

static void test_stub_divided(void **state)
{
    struct gpu gpu;

    (void)state;
    begin_gpu(&gpu, "mig", "0");
    read_gpu(&gpu);
    assert_int_equal(gpu.status[METRIC_GPU_USE].state, METRIC_UNAVAILABLE);
    assert_int_equal(gpu.values[METRIC_GPU_USE], METRIC_MISSING);
    assert_int_equal(gpu.values[METRIC_GPU_POWER], 300000);
    nvml_source.end(gpu.state);
}

static void test_stub_probe(void **state)
{
    struct mlb_text text = MLB_TEXT_INIT;

    (void)state;
    setenv("STUB_NVML_GPUS", "4", 1);
    nvml_source.probe(&text);
    assert_string_equal(text.data, "ok: 4 GPUs");
    text_clear(&text);
    setenv("STUB_NVML_GPUS", "0", 1);
    nvml_source.probe(&text);
    assert_int_equal(strncmp(text.data, "unavailable: ", 13), 0);
    text_clear(&text);
}

/* Through a sampler: what a job asked for and nobody touched. */
static void test_stub_sampler(void **state)
{
    struct counters_entity *gpus[8];
    struct counters_options options = { .gpus = true };
    struct counters *counters = counters_create(&options);
    int64_t values[METRIC_COUNT];

    (void)state;
    setenv("STUB_NVML", "idle", 1);
    setenv("STUB_NVML_GPUS", "4", 1);
    assert_int_equal(counters_add_gpus(counters, 4, gpus, 8), 4);
    for (int i = 0; i < 4; i++) {
        counters_read(counters, gpus[i], false, values);
        assert_int_equal(values[METRIC_GPU_USE], 0);
        assert_int_equal(counters_status(gpus[i], METRIC_GPU_USE)->state,
                         METRIC_OK);
        counters_remove(counters, gpus[i]);
    }
    counters_destroy(counters);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, clean, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stub_names),
        TEST(test_stub_relative_numbers),
        TEST(test_stub_none_named_is_there),
        TEST(test_stub_fine),
        TEST(test_stub_idle),
        TEST(test_stub_unsupported),
        TEST(test_stub_no_values),
        TEST(test_stub_lost_half_way),
        TEST(test_stub_lost_at_once),
        TEST(test_stub_forbidden),
        TEST(test_stub_mig),
        TEST(test_stub_divided),
        TEST(test_stub_probe),
        TEST(test_stub_sampler),
    };

    if (!getenv("STUB_NVML_LOADED")) {
        setenv("STUB_NVML_LOADED", "1", 1);
        setenv("LD_LIBRARY_PATH", BUILDDIR "/tests/unit/stub-nvml", 1);
        execl("/proc/self/exe", "test_nvml", (char *)NULL);
        perror("exec");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
