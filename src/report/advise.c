/* SPDX-License-Identifier: BSD-3-Clause */
/* Advice: 95th percentiles and margins, and what they never undercut. */
#include "config.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "report/advise.h"
#include "report/card_parts.h"

#define MANY 3               /* runs from which on margins are small */
#define MARGIN_MANY 1.2
#define MARGIN_FEW 1.5
#define GROWTH 1.5           /* of what ran out */
#define NEAR 0.9             /* a change that is worth a word; or full */
#define MiB 1048576.0

struct advise {
    const struct advise_facts *facts;
    size_t count, completed;
    struct advise_request request;
    double margin;
    double memory, seconds, cores, gpus;     /* NAN: as it was */
    char *memory_basis, *time_basis, *cpu_basis, *gpu_basis;
    struct mlb_text silent;      /* of what nothing is said, and why */
};

static void add_runs(struct mlb_text *out, size_t count)
{
    if (count == 1)
        text_add(out, "one run");
    else
        text_addf(out, "%zu runs", count);
}

/* "95th percentile of 3 runs 1.4 GiB, and 20 %" */
static char *basis_of(const struct advise *a, size_t runs, double used,
                      const char *unit)
{
    struct mlb_text t = MLB_TEXT_INIT;

    text_add(&t, runs == 1 ? "used by " : "95th percentile of ");
    add_runs(&t, runs);
    text_add(&t, ": ");
    card_format(used, unit, &t);
    if (strcmp(unit, "cores") != 0)
        text_addf(&t, ", and %.0f %%", (a->margin - 1) * 100);
    return text_detach(&t);
}

static void be_silent(struct advise *a, const char *what, const char *why)
{
    text_addf(&a->silent, "; nothing on %s: %s", what, why);
}

/* The values of completed runs, and the newest of them. */
struct sample {
    double p95, newest;
    const char *least;           /* one is but a lower bound: why */
    size_t count;
    const char *why;             /* there is none */
};

static struct sample collect(const struct advise *a, size_t offset)
{
    struct sample s = { .newest = NAN, .why = "no run has completed" };
    double *values = xcalloc(a->count, sizeof(*values));

    for (size_t i = 0; i < a->count; i++) {
        const struct card_value *v = (const struct card_value *)
            ((const char *)&a->facts[i] + offset);
        if (!a->facts[i].completed)
            continue;
        if (!card_has(v)) {
            s.why = v->reason;
            continue;
        }
        if (v->state == METRIC_PARTIAL ||
            (v->state == METRIC_ESTIMATED && v->cause == METRIC_NOT_ASKED))
            s.least = v->reason;
        if (s.count == 0)
            s.newest = v->number;
        values[s.count++] = v->number;
    }
    if (s.count > 0)
        s.p95 = advise_percentile(values, s.count);
    free(values);
    return s;
}

/* Memory in steps of an eighth, so that requests are round numbers. */
static double round_memory(double bytes)
{
    double step = fmax(exp2(floor(log2(fmax(bytes, 1))) - 3), 64 * MiB);

    return ceil(bytes / step) * step;
}

/* The least that what ran out of memory wants; 0: none did. */
static double memory_floor(const struct advise *a)
{
    double floor_bytes = 0;

    for (size_t i = 0; i < a->count; i++) {
        const struct advise_facts *f = &a->facts[i];
        if (!f->out_of_memory)
            continue;
        double asked = isnan(f->memory_asked) && card_has(&f->memory)
                           ? f->memory.number : f->memory_asked;
        if (asked * GROWTH > floor_bytes)
            floor_bytes = asked * GROWTH;
    }
    return floor_bytes;
}

static void advise_memory(struct advise *a)
{
    struct sample s = collect(a, offsetof(struct advise_facts, memory));
    double was = a->request.memory, least = memory_floor(a);
    double used = s.count ? fmax(s.p95, s.newest) : 0;
    double want = fmax(used * a->margin, least);

    if (s.count == 0 && least == 0) {
        be_silent(a, "memory", s.why);
        return;
    }
    want = round_memory(want);
    bool tight = least > was || used > NEAR * was;
    /* Runs that ran out say what is too little, not what is too much; nor
     * does what was seen of a part. */
    if (s.count == 0 && want <= was)
        return;
    if (s.least && !(want > was)) {
        be_silent(a, "memory", s.least);
        return;
    }
    if (!isnan(was) && !(tight && want > was) && !(want < NEAR * was))
        return;
    a->memory = want;
    if (least >= used * a->margin) {
        struct mlb_text t = MLB_TEXT_INIT;
        card_format(least / GROWTH, "bytes", &t);
        text_addf(&t, " ran out of memory: that and a half");
        a->memory_basis = text_detach(&t);
    } else {
        a->memory_basis = basis_of(a, s.count, used, "bytes");
    }
}

static double round_time(double seconds)
{
    double step = seconds > 6 * 3600 ? 900 : seconds > 3600 ? 300 : 60;

    return fmax(ceil(seconds / step) * step, 60);
}

/* What the runs that hit their limit want: more, but for those before a run
 * that did complete. limit: the one hit. */
static double time_floor(const struct advise *a, double *limit)
{
    double least = 0;
    bool completed = false;

    *limit = 0;
    for (size_t i = 0; i < a->count; i++) {
        const struct advise_facts *f = &a->facts[i];
        completed = completed || f->completed;
        if (!f->hit_limit || f->completed || isnan(f->time_asked))
            continue;
        *limit = fmax(*limit, f->time_asked);
        least = fmax(least, f->time_asked * (completed ? 1 : GROWTH));
    }
    return least;
}

static void advise_time(struct advise *a)
{
    struct sample s = collect(a, offsetof(struct advise_facts, seconds));
    double was = a->request.seconds, limit;
    double least = time_floor(a, &limit);
    double used = s.count ? s.p95 : 0;
    double want = fmax(used * a->margin, least);

    if (s.count == 0 && least == 0) {
        be_silent(a, "walltime", s.why);
        return;
    }
    want = round_time(want);
    bool tight = least > was || used > NEAR * was;
    if (!isnan(was) && !(tight && want > was) && !(want < NEAR * was))
        return;
    a->seconds = want;
    if (least >= used * a->margin) {
        struct mlb_text t = MLB_TEXT_INIT;
        text_add(&t, "longer: a limit of ");
        card_format(limit, "s", &t);
        text_add(&t, " was hit");
        a->time_basis = text_detach(&t);
    } else {
        a->time_basis = basis_of(a, s.count, used, "s");
    }
}

/* Rounding up is the margin; too few CPUs make slow, they do not kill. */
static void advise_cpus(struct advise *a)
{
    struct sample s = collect(a, offsetof(struct advise_facts, cores));
    double was = (double)a->request.cpus_per_task;

    if (s.count == 0) {
        be_silent(a, "CPUs", s.why);
        return;
    }
    double want = fmax(ceil(s.p95 - 0.1), 1);
    if (a->request.cpus_per_task < 1 || want == was)
        return;
    a->cores = want;
    a->cpu_basis = basis_of(a, s.count, s.p95, "cores");
}

static void advise_gpus(struct advise *a)
{
    double was = (double)a->request.gpus_per_task;
    double most = -1;
    size_t runs = 0;

    if (was < 1 || a->request.tasks < 1)
        return;
    for (size_t i = 0; i < a->count; i++) {
        const struct advise_facts *f = &a->facts[i];
        if (f->gpus_used < 0 || f->tasks < 1 || !f->completed)
            continue;
        most = fmax(most, ceil((double)f->gpus_used / (double)f->tasks));
        runs++;
    }
    if (runs == 0)
        be_silent(a, "GPUs", "no completed run measured all of them");
    if (runs == 0 || most >= was)
        return;
    struct mlb_text t = MLB_TEXT_INIT;
    text_addf(&t, "used by each rank, at most, in ");
    add_runs(&t, runs);
    a->gpu_basis = text_detach(&t);
    a->gpus = most;
}

static char *size_text(double bytes, const char *gib, const char *mib)
{
    if (isnan(bytes))
        return NULL;
    if (fmod(bytes, 1024 * MiB) == 0)
        return xasprintf("%.0f%s", bytes / (1024 * MiB), gib);
    if (fmod(bytes, MiB) == 0)
        return xasprintf("%.0f%s", bytes / MiB, mib);
    return xasprintf("%.0f", bytes);
}

static char *clock_text(double seconds)
{
    struct mlb_text t = MLB_TEXT_INIT;

    if (isnan(seconds))
        return NULL;
    units_add_clock(&t, (long)seconds);
    return text_detach(&t);
}

/* PBS asks by chunks: all of them change at once. */
static char *select_text(const struct advise *a)
{
    const struct advise_request *f = &a->request;
    struct mlb_text t = MLB_TEXT_INIT;
    long nodes = f->nodes > 0 ? f->nodes : 1;
    long ranks = f->tasks > 0 ? (f->tasks + nodes - 1) / nodes : 1;
    double cores = isnan(a->cores) ? (double)f->cpus_per_task : a->cores;
    double gpus = isnan(a->gpus) ? (double)f->gpus_per_task : a->gpus;
    char *memory = size_text(isnan(a->memory) ? f->memory : a->memory,
                             "gb", "mb");

    text_addf(&t, "-l select=%ld:ncpus=%.0f:mpiprocs=%ld", nodes,
              fmax(cores, 1) * (double)ranks, ranks);
    if (gpus > 0)
        text_addf(&t, ":ngpus=%.0f", gpus * (double)ranks);
    if (memory)
        text_addf(&t, ":mem=%s", memory);
    free(memory);
    return text_detach(&t);
}

static struct card_advice *add_item(struct advise_result *result,
                                    const char *key, char *basis)
{
    result->items = xrealloc(result->items, (result->count + 1) *
                                                sizeof(*result->items));
    struct card_advice *item = &result->items[result->count++];
    *item = (struct card_advice){ .key = key, .basis = basis };
    return item;
}

static void write_memory(struct advise *a, struct advise_result *result)
{
    if (isnan(a->memory))
        return;
    struct card_advice *item =
        add_item(result, "resources.memory_per_node", a->memory_basis);
    item->was = size_text(a->request.memory, "G", "M");
    item->value = size_text(a->memory, "G", "M");
    item->sbatch = xasprintf("--mem=%s", item->value);
    item->pbs = select_text(a);
}

static void write_time(struct advise *a, struct advise_result *result)
{
    if (isnan(a->seconds))
        return;
    struct card_advice *item =
        add_item(result, "resources.walltime", a->time_basis);
    item->was = clock_text(a->request.seconds);
    item->value = clock_text(a->seconds);
    /* sbatch takes whole minutes, and that is what times are rounded to. */
    item->sbatch = xasprintf("--time=%.0f", ceil(a->seconds / 60));
    /* PBS knows hours, and no days. */
    long s = (long)a->seconds;
    item->pbs = xasprintf("-l walltime=%02ld:%02ld:%02ld", s / 3600,
                          s % 3600 / 60, s % 60);
}

static void write_counts(struct advise *a, struct advise_result *result)
{
    struct card_advice *item;

    if (!isnan(a->cores)) {
        item = add_item(result, "resources.cpus_per_task", a->cpu_basis);
        item->was = xasprintf("%ld", a->request.cpus_per_task);
        item->value = xasprintf("%.0f", a->cores);
        item->sbatch = xasprintf("--cpus-per-task=%.0f", a->cores);
        item->pbs = select_text(a);
    }
    if (!isnan(a->gpus)) {
        item = add_item(result, "resources.gpus_per_task", a->gpu_basis);
        item->was = xasprintf("%ld", a->request.gpus_per_task);
        item->value = xasprintf("%.0f", a->gpus);
        item->sbatch = xasprintf("--gpus-per-task=%.0f", a->gpus);
        item->pbs = select_text(a);
    }
}

static char *result_basis(const struct advise *a, size_t items)
{
    struct mlb_text t = MLB_TEXT_INIT;

    text_add(&t, items ? "from " : "nothing to change, from ");
    add_runs(&t, a->count);
    if (a->completed < a->count)
        text_addf(&t, ", of which %zu completed", a->completed);
    if (items)
        text_addf(&t, ": 95th percentile of those that completed, margin "
                  "%.0f %% for memory and time", (a->margin - 1) * 100);
    if (items && a->completed < MANY)
        text_addf(&t, " (20 %% from %d runs on)", MANY);
    text_add(&t, a->silent.data);
    return text_detach(&t);
}

void advise_make(const struct advise_facts *facts, size_t count,
                 const struct advise_request *request,
                 struct advise_result *result)
{
    const struct advise_request newest = {
        .nodes = facts->nodes, .tasks = facts->tasks,
        .cpus_per_task = facts->cpus_per_task,
        .gpus_per_task = facts->gpus_per_task,
        .memory = facts->memory_asked, .seconds = facts->time_asked,
    };
    struct advise a = { .facts = facts, .count = count, .memory = NAN,
                        .seconds = NAN, .cores = NAN, .gpus = NAN,
                        .request = request ? *request : newest,
                        .silent = MLB_TEXT_INIT };

    *result = (struct advise_result){ 0 };
    for (size_t i = 0; i < count; i++)
        a.completed += facts[i].completed;
    a.margin = a.completed >= MANY ? MARGIN_MANY : MARGIN_FEW;
    advise_gpus(&a);
    advise_cpus(&a);
    advise_memory(&a);
    advise_time(&a);
    write_counts(&a, result);
    write_memory(&a, result);
    write_time(&a, result);
    result->basis = result_basis(&a, result->count);
    text_clear(&a.silent);
}

void advise_clear(struct advise_result *result)
{
    struct card card = { .advice = result->items,
                         .advice_count = result->count,
                         .advice_basis = result->basis,
                         .warnings = MLB_STRINGS_INIT,
                         .damage = MLB_STRINGS_INIT };

    card_clear(&card);
    *result = (struct advise_result){ 0 };
}
