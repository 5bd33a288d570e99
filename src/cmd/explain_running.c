/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch explain, of what runs: how it gets on. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/files.h"
#include "base/json.h"
#include "base/units.h"
#include "cmd/explain.h"

#define LOGS_MOST 1000u      /* whose times are looked at */
#define QUIET 600.0          /* seconds without a word: worth a warning */
#define STEPS_MISSING 10     /* so many steps late, and LATE seconds: too */
#define LATE 60.0

struct pace {
    double first, last;      /* when steps were told; 0: none was */
    long long first_step, last_step;
};

/* Of the attempt that runs. */
static struct pace read_pace(const struct cmd_run *run)
{
    struct pace pace = { 0 };

    for (size_t i = 0; i < run->events.count; i++) {
        const struct mlb_event *e = &run->events.items[i];
        const json_t *step = json_object_get(e->fields, "step");
        if (strcmp(e->name, "metric") != 0 || !json_is_integer(step) ||
            e->time < run->state.started)
            continue;
        pace.last = e->time;
        pace.last_step = json_integer_value(step);
        if (pace.first > 0)
            continue;
        pace.first = pace.last;
        pace.first_step = pace.last_step;
    }
    return pace;
}

/* When any of its logs was written last; 0: none has a word. */
static double last_output(const struct cmd_run *run)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    char *directory = run_path(&run->run, "out");
    double last = 0;

    files_list(directory, &names, NULL);
    for (size_t i = 0; i < names.count && i < LOGS_MOST; i++) {
        char *path = xasprintf("%s/%s", directory, names.items[i]);
        struct stat st;
        if (stat(path, &st) == 0 && st.st_size > 0 &&
            (double)st.st_mtime > last)
            last = (double)st.st_mtime;
        free(path);
    }
    strings_clear(&names);
    free(directory);
    return last;
}

static void warn(json_t *warnings, const char *what, double seconds,
                 const char *then)
{
    struct mlb_text line = MLB_TEXT_INIT;

    text_addf(&line, "%s for ", what);
    units_add_duration(&line, seconds);
    text_add(&line, then);
    json_array_append_new(warnings, json_text(line.data));
    text_clear(&line);
}

static json_t *find_warnings(const struct cmd_run *run,
                             const struct pace *pace, double output)
{
    json_t *warnings = json_array();
    double now = (double)time(NULL), word = run->state.started;

    if (pace->last_step > pace->first_step) {
        double step = (pace->last - pace->first) /
                      (double)(pace->last_step - pace->first_step);
        if (now - pace->last > LATE &&
            now - pace->last > STEPS_MISSING * step)
            warn(warnings, "no step", now - pace->last,
                 ", of which there was one every so often before: does it "
                 "hang? mlbatch top shows what the ranks do");
        return warnings;
    }
    word = pace->last > word ? pace->last : word;
    word = output > word ? output : word;
    if (word > 0 && now - word > QUIET)
        warn(warnings, "no step and no output", now - word,
             ": mlbatch top shows what the ranks do");
    return warnings;
}

static json_t *time_json(double time)
{
    return time > 0 ? json_real(time) : json_null();
}

void explain_running(const struct cmd_run *run, json_t *out)
{
    struct pace pace = read_pace(run);
    double output = last_output(run);

    json_object_set_new(out, "running",
        json_pack("{s:o, s:o, s:o, s:o, s:o}", "since",
                  time_json(run->state.started), "step",
                  pace.last > 0 ? json_integer(pace.last_step) : json_null(),
                  "step_time", time_json(pace.last), "output_time",
                  time_json(output), "warnings",
                  find_warnings(run, &pace, output)));
}
