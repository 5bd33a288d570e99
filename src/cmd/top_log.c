/* SPDX-License-Identifier: BSD-3-Clause */
/* Following the event log of a run: only what is new is read. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/files.h"
#include "cmd/top.h"

#define SUFFIX ".jsonl"
#define LINE_LIMIT (1u << 20)
#define PART (1u << 20)      /* read at once */
/* Of a log that is long already only its end is of use: what runs now has
 * told its last step there. */
#define TAIL (4u << 20)

struct top_log {
    char *name;
    off_t at;
    bool torn;               /* up to the next newline */
    struct mlb_text rest;    /* of a line that has not ended yet */
};

void top_logs_clear(struct top_run *run)
{
    for (size_t i = 0; i < run->log_count; i++) {
        free(run->logs[i].name);
        text_clear(&run->logs[i].rest);
    }
    free(run->logs);
    run->logs = NULL;
    run->log_count = 0;
}

static double number(const json_t *value)
{
    const char *word = json_string_value(value);

    if (word)
        return strcmp(word, "inf") == 0    ? INFINITY
               : strcmp(word, "-inf") == 0 ? -INFINITY
                                           : NAN;
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void take_metric(struct top_task *task, const json_t *event)
{
    const char *name = json_string_value(json_object_get(event, "name"));
    const json_t *step = json_object_get(event, "step");

    if (json_is_integer(step))
        task->step = json_integer_value(step);
    if (name)
        top_loss(task, name, number(json_object_get(event, "value")));
}

static void take_event(struct top_run *run, const json_t *event)
{
    const char *name = json_string_value(json_object_get(event, "event"));
    const json_t *attempt = json_object_get(event, "attempt");
    const json_t *rank = json_object_get(event, "rank");
    const char *node = json_string_value(json_object_get(event, "node"));

    if (!name || !json_is_integer(attempt))
        return;
    long count = (long)json_integer_value(attempt);
    if (strcmp(name, "attempt-start") == 0)
        top_run_begin(run, count);
    if (strcmp(name, "attempt-end") == 0 && count > run->ended)
        run->ended = count;
    if (!json_is_integer(rank) || count < run->attempt)
        return;
    top_run_begin(run, count);
    struct top_task *task = top_run_task(run,
                                         (long)json_integer_value(rank));
    if (!task)
        return;
    if (strcmp(name, "task-start") == 0 && node)
        snprintf(task->node, sizeof(task->node), "%s", node);
    if (strcmp(name, "task-end") == 0)
        task->ended = true;
    if (strcmp(name, "metric") == 0)
        take_metric(task, event);
}

static void take_lines(struct top_run *run, struct top_log *log)
{
    const char *p = log->rest.data, *newline;
    const char *end = p + log->rest.length;
    struct mlb_text rest = MLB_TEXT_INIT;

    for (; (newline = memchr(p, '\n', (size_t)(end - p))); p = newline + 1) {
        json_t *event = log->torn ? NULL
                                  : json_loadb(p, (size_t)(newline - p), 0,
                                               NULL);
        log->torn = false;
        take_event(run, event);
        json_decref(event);
    }
    if ((size_t)(end - p) > LINE_LIMIT)
        log->torn = true;
    else
        text_addn(&rest, p, (size_t)(end - p));
    text_clear(&log->rest);
    log->rest = rest;
}

/* What is new in a log; true: there is more. */
static bool poll_log(struct top_run *run, struct top_log *log,
                     const char *path)
{
    struct stat st;
    char *part = NULL;
    bool more = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
        st.st_size <= log->at)
        goto out;
    bool first = log->at == 0;
    if (first && st.st_size > (off_t)TAIL) {
        log->at = st.st_size - (off_t)TAIL;
        log->torn = true;
    }
    part = xmalloc(PART);
    ssize_t n = pread(fd, part, PART, log->at);
    if (n > 0) {
        double age = first ? difftime(time(NULL), st.st_mtime) : 0;
        double heard = top_now() - (age > 0 ? age : 0);
        text_addn(&log->rest, part, (size_t)n);
        log->at += n;
        take_lines(run, log);
        more = log->at < st.st_size;
        if (heard > run->heard)
            run->heard = heard;
    }
out:
    free(part);
    if (fd >= 0)
        close(fd);
    return more;
}

static struct top_log *find_log(struct top_run *run, const char *name)
{
    for (size_t i = 0; i < run->log_count; i++)
        if (strcmp(run->logs[i].name, name) == 0)
            return &run->logs[i];
    run->logs = xrealloc(run->logs,
                         (run->log_count + 1) * sizeof(*run->logs));
    struct top_log *log = &run->logs[run->log_count++];
    *log = (struct top_log){ .name = xstrdup(name),
                             .rest = MLB_TEXT_INIT };
    return log;
}

bool top_logs_poll(struct top_run *run)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    char *dir = xasprintf("%s/events", run->run.path);
    bool more = false;

    files_list(dir, &names, NULL);
    /* First the batch step's, which know whether anything runs: of runs that
     * have ended, all else stays unread. */
    for (int batch = 1; batch >= 0; batch--) {
        for (size_t i = 0; i < names.count; i++) {
            const char *name = names.items[i];
            size_t n = strlen(name), m = strlen(SUFFIX);
            if (n <= m || strcmp(name + n - m, SUFFIX) != 0 ||
                (strncmp(name, "batch-", 6) == 0) != batch ||
                (!batch && !top_run_is_open(run)))
                continue;
            char *path = xasprintf("%s/%s", dir, name);
            if (poll_log(run, find_log(run, name), path))
                more = true;
            free(path);
        }
    }
    strings_clear(&names);
    free(dir);
    return more;
}
