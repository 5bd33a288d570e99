/* SPDX-License-Identifier: BSD-3-Clause */
/* Cards written out by hand: a full one, and one of a hostile user. */
#ifndef CARD_FIXTURE_H
#define CARD_FIXTURE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/card.h"

#define HOSTILE "<script>alert('\"&`id`')</script>\n\xff$(x)"
#define POINTS 512

static struct card_value known(double number)
{
    return (struct card_value){ .number = number, .reason = (char *)"",
                                .source = (char *)"proc" };
}

static struct card_value weak(double number, enum metric_state state,
                              const char *reason)
{
    return (struct card_value){
        .number = state == METRIC_UNAVAILABLE ? NAN : number,
        .state = state, .cause = METRIC_NO_PMU, .reason = (char *)reason,
        .source = (char *)"papi", .have = 3, .of = 4,
    };
}

#define ROW(KEY, LABEL, UNIT, VALUE, ASKED, TEXT) \
    { KEY, LABEL, UNIT, VALUE, ASKED, (char *)(TEXT) }
#define NO_PMU "this machine shows no counters (a virtual machine)"

/* Lines of the plots: a rise, a wave, and a loss that ends badly. */
struct card_fixture {
    struct card_row usage[5], training[3];
    struct card_section sections[2];
    struct card_column columns[3];
    struct card_value cells[6];
    char *names[2];
    struct card_table table;
    double x[POINTS], wave[POINTS], rise[POINTS], loss[POINTS];
    struct card_line lines[5];
    struct card_plot plots[4];
    struct card_advice advice;
    struct card_missing missing;
    struct card card;
};

static void fill_lines(struct card_fixture *f)
{
    for (int i = 0; i < POINTS; i++) {
        f->x[i] = 1.5 * i;
        f->wave[i] = 3 + sin(i / 20.0);
        f->rise[i] = 1e9 * (1 + i / 100.0);
        f->loss[i] = 2.3 * exp(-i / 120.0);
    }
    f->loss[400] = NAN;
    f->loss[401] = INFINITY;
    f->lines[0] = (struct card_line){ (char *)"rank 0", POINTS, f->x,
                                      f->wave };
    f->lines[1] = (struct card_line){ (char *)HOSTILE, POINTS, f->x,
                                      f->wave + 1 };
    f->lines[1].count = POINTS - 1;
    f->lines[2] = (struct card_line){ (char *)"all", POINTS, f->x, f->rise };
    f->lines[3] = (struct card_line){ (char *)"loss", POINTS, f->x,
                                      f->loss };
    f->plots[0] = (struct card_plot){ "cpu", "CPUs busy", "cores", "time",
                                      false, &f->lines[0], 2 };
    f->plots[1] = (struct card_plot){ "memory", "Memory", "bytes", "time",
                                      false, &f->lines[2], 1 };
    f->plots[2] = (struct card_plot){ "loss", "Training", "", "step", true,
                                      &f->lines[3], 1 };
    f->plots[3] = f->plots[2];           /* keys may come twice */
}

static void fill_table(struct card_fixture *f)
{
    const struct card_column columns[3] = { { "cpu", "CPU", "1" },
                                            { "memory", "Memory", "bytes" },
                                            { "ipc", "IPC", "" } };
    const struct card_value cells[6] = {
        known(0.5), known(1e9), weak(0, METRIC_UNAVAILABLE, NO_PMU),
        known(0), weak(2e9, METRIC_PARTIAL, "lost 3 s"), known(1.25),
    };

    memcpy(f->columns, columns, sizeof(columns));
    memcpy(f->cells, cells, sizeof(cells));
    f->names[0] = (char *)"rank 0 on n1";
    f->names[1] = (char *)HOSTILE;
    f->table = (struct card_table){ "ranks", "Ranks", f->columns, 3,
                                    f->names, 2, f->cells, 62, NULL };
}

static struct card_fixture *fixture_create(void)
{
    struct card_fixture *f = calloc(1, sizeof(*f));
    const struct card_row usage[5] = {
        ROW("wall_time", "Time", "s", known(768), 3600, NULL),
        ROW("cpu_efficiency", "CPU", "1", known(1.25), 1, "oversubscribed"),
        ROW("memory", "Memory of a node", "bytes",
            weak(3e9, METRIC_PARTIAL, "sampled, peaks between are not seen"),
            17179869184.0, NULL),
        ROW("ipc", "Instructions a cycle", "",
            weak(0, METRIC_UNAVAILABLE, NO_PMU), NAN, NULL),
        ROW("gpus_used", "GPUs used", "count", known(0), 4, NULL),
    };
    const struct card_row training[3] = {
        ROW("throughput", "Throughput", "samples/s", known(1234.5), NAN,
            NULL),
        ROW("loss", HOSTILE, "", known(INFINITY), NAN, HOSTILE),
        ROW("bandwidth", "Memory traffic", "bytes/s",
            weak(1e10, METRIC_ESTIMATED, "from cache misses"), NAN, NULL),
    };

    memcpy(f->usage, usage, sizeof(usage));
    memcpy(f->training, training, sizeof(training));
    f->sections[0] = (struct card_section){ "usage", "Asked and used",
                                            f->usage, 5 };
    f->sections[1] = (struct card_section){ "training", "Training",
                                            f->training, 3 };
    fill_lines(f);
    fill_table(f);
    f->advice = (struct card_advice){
        "resources.walltime", (char *)"01:00:00", (char *)"00:16:00",
        (char *)"--time=16", (char *)"-l walltime=00:16:00",
        (char *)"the highest of 3 runs, 12 min 48 s, and 20 %",
    };
    f->missing = (struct card_missing){ (char *)"cycles, fp_ops",
                                        (char *)NO_PMU, "no-pmu" };
    f->card = (struct card){
        .run = (char *)"digits.3", .name = (char *)"digits",
        .state = (char *)"completed", .cause = (char *)"",
        .command = (char *)"./train --epochs 5\necho '<done>'",
        .scheduler = (char *)"slurm", .job = (char *)"4711",
        .start = 1795000000, .seconds = 768, .attempts = 2,
        .sections = f->sections, .section_count = 2,
        .tables = &f->table, .table_count = 1,
        .plots = f->plots, .plot_count = 4,
        .advice = &f->advice, .advice_count = 1,
        .advice_basis = (char *)"3 runs of this job, the highest and 20 %",
        .missing = &f->missing, .missing_count = 1,
        .warnings = MLB_STRINGS_INIT, .damage = MLB_STRINGS_INIT,
    };
    strings_push(&f->card.warnings, "4 GPUs were asked for and never used");
    strings_push(&f->card.warnings, HOSTILE);
    strings_push(&f->card.damage, "record.h5: " HOSTILE);
    return f;
}

static void fixture_destroy(struct card_fixture *f)
{
    strings_clear(&f->card.warnings);
    strings_clear(&f->card.damage);
    free(f);
}

#endif
