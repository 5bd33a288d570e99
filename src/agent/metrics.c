/* SPDX-License-Identifier: BSD-3-Clause */
/* From a task's channel to the event log. */
#include "config.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "base/files.h"
#include "base/json.h"
#include "base/text.h"

#include "agent/metrics.h"
#include "agent/surroundings.h"

/* At most this many in one write: a program that never stops putting must
 * not keep the agent here for ever. The rest comes with the next drain. */
#define BATCH 8192

/* JSON has no such numbers: words then. */
static json_t *number(double value)
{
    if (isnan(value))
        return json_string("nan");
    if (isinf(value))
        return json_string(value > 0 ? "inf" : "-inf");
    return json_real(value);
}

static void add_line(const struct channel_metric *metric,
                     const struct metrics_log *log, struct mlb_text *out)
{
    /* What the program wrote may be anything; JSON ends at 2^63. */
    json_int_t step = metric->step > INT64_MAX ? INT64_MAX
                                               : (json_int_t)metric->step;
    double time = isfinite(metric->time) ? metric->time : 0;
    json_t *event = json_pack("{s:f, s:s, s:I, s:I, s:o, s:I, s:o}", "time",
                              time, "event", "metric", "attempt",
                              (json_int_t)log->attempt, "rank",
                              (json_int_t)log->rank, "name",
                              json_text(metric->name), "step", step, "value",
                              number(metric->value));
    char *line = json_dumps(event, JSON_COMPACT);

    if (line)
        text_addf(out, "%s\n", line);
    free(line);
    json_decref(event);
}

int metrics_drain(struct mlb_channel *channel, const struct metrics_log *log,
                  struct mlb_error *err)
{
    struct mlb_text lines = MLB_TEXT_INIT;
    struct channel_metric metric;
    int rc = 0;

    for (int i = 0; i < BATCH && channel_take(channel, &metric); i++)
        add_line(&metric, log, &lines);
    if (lines.length > 0) {
        char *path = xasprintf("%s/events/%s.jsonl", log->run_dir,
                               log->writer);
        rc = files_append(path, lines.data, lines.length, err);
        free(path);
    }
    text_clear(&lines);
    return rc;
}

static void set(int64_t *values, struct metric_status *status,
                enum metric_id metric, uint64_t value)
{
    /* What the program wrote may be anything. */
    if (value > INT64_MAX) {
        metric_status_set(&status[metric], METRIC_UNAVAILABLE,
                          METRIC_DAMAGED, "channel",
                          "what the program told makes no sense");
        return;
    }
    values[metric] = (int64_t)value;
    metric_status_set(&status[metric], METRIC_OK, METRIC_FINE, "channel",
                      NULL);
}

/* Asked for, but not there: because of us, or of the program? */
static void set_mpi_missing(struct metric_status *status)
{
    static int there = -1;

    if (there < 0) {
        char *library = surroundings_mpi_library();
        there = library != NULL;
        free(library);
    }
    metric_status_set(status, METRIC_UNAVAILABLE,
                      there ? METRIC_NOT_TOLD : METRIC_NO_LIBRARY, "channel",
                      there ? "no MPI_Init of Open MPI was seen"
                            : SURROUNDINGS_NO_MPI_LIBRARY);
}

void metrics_told(const struct mlb_channel *channel, bool mpi_asked,
                  int64_t values[METRIC_COUNT],
                  struct metric_status status[METRIC_COUNT])
{
    struct channel_pace pace;
    struct channel_mpi mpi;

    for (int i = METRIC_STEP; i <= METRIC_STEP_TIME; i++)
        metric_status_set(&status[i], METRIC_UNAVAILABLE, METRIC_NOT_TOLD,
                          "channel", "the program told no steps");
    for (int i = METRIC_MPI_TIME; i <= METRIC_MPI_CALLS; i++)
        if (mpi_asked)
            set_mpi_missing(&status[i]);
        else
            metric_status_set(&status[i], METRIC_UNAVAILABLE,
                              METRIC_NOT_ASKED, "channel",
                              "not asked for (counters.mpi)");
    for (int i = METRIC_STEP; i <= METRIC_MPI_CALLS; i++)
        values[i] = METRIC_MISSING;
    if (channel && channel_pace(channel, &pace)) {
        set(values, status, METRIC_STEP, pace.step);
        set(values, status, METRIC_SAMPLES, pace.samples);
        set(values, status, METRIC_STEP_TIME,
            (uint64_t)(pace.last - pace.first));
    }
    if (channel && channel_mpi(channel, &mpi)) {
        set(values, status, METRIC_MPI_TIME, mpi.time);
        set(values, status, METRIC_MPI_BYTES, mpi.bytes);
        set(values, status, METRIC_MPI_CALLS, mpi.calls);
    }
}
