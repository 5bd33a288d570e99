/* SPDX-License-Identifier: BSD-3-Clause */
/* A run's event log: appending a line, reading and merging all of them. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/files.h"
#include "base/text.h"
#include "run/events.h"

#define SUFFIX ".jsonl"
#define LINE_LIMIT (1u << 20)
#define FILE_LIMIT (1u << 30)

void events_clear(struct mlb_events *events)
{
    for (size_t i = 0; i < events->count; i++)
        json_decref(events->items[i].fields);
    free(events->items);
    *events = (struct mlb_events)MLB_EVENTS_INIT;
}

/* Microseconds are what the clock is good for; more digits only cost. */
static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)(t.tv_nsec / 1000) / 1e6;
}

/* Does the file end in the middle of a line (its writer's machine died)? */
static bool is_torn(int fd)
{
    struct stat st;
    char last = '\n';

    if (fstat(fd, &st) < 0 || st.st_size == 0)
        return false;
    return pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n';
}

/* One write, so that lines of several processes do not mix. A torn line is
 * ended first: else it would take this one with it. */
static int append_line(const char *path, const struct mlb_text *line,
                       struct mlb_error *err)
{
    int fd = open(path,
                  O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                  0600);
    int rc = -1;

    if (fd >= 0) {
        /* The line comes with a newline in front, for this case. */
        size_t skip = is_torn(fd) ? 0 : 1;
        rc = files_write_all(fd, line->data + skip, line->length - skip);
    }
    if (rc < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot append to %s", path);
    if (fd >= 0)
        close(fd);
    return rc;
}

int events_append(const char *run_dir, const char *writer, const char *name,
                  json_t *fields, struct mlb_error *err)
{
    json_t *event = json_object();
    char *path = xasprintf("%s/events/%s" SUFFIX, run_dir, writer);
    struct mlb_text line = MLB_TEXT_INIT;
    char *dump = NULL;
    int rc = -1;

    /* Time and event come first on the line, for people who read it. */
    const json_t *time = json_object_get(fields, "time");
    json_object_set_new(event, "time",
                        json_real(json_is_number(time)
                                      ? json_number_value(time)
                                      : now()));
    json_object_set_new(event, "event", json_string(name));
    if (fields && json_object_update_missing(event, fields) < 0) {
        mlb_error_set(err, MLB_ERR_USAGE, "event %s: not an object", name);
        goto out;
    }
    dump = json_dumps(event, JSON_COMPACT);
    if (!dump || strlen(dump) + 1 > LINE_LIMIT) {
        mlb_error_set(err, MLB_ERR_USAGE, "event %s: cannot be written",
                      name);
        goto out;
    }
    text_addf(&line, "\n%s\n", dump);
    rc = append_line(path, &line, err);
out:
    free(dump);
    text_clear(&line);
    free(path);
    json_decref(event);
    json_decref(fields);
    return rc;
}

/* A whole number in a field, -1 if there is none that makes sense. */
static long get_long(const json_t *fields, const char *name)
{
    const json_t *value = json_object_get(fields, name);

    return json_is_integer(value) && json_integer_value(value) >= 0
               ? (long)json_integer_value(value)
               : -1;
}

/* Parse one line into event. False if it is not an event. */
static bool parse(const char *line, size_t length, struct mlb_event *event)
{
    json_t *fields = length > LINE_LIMIT ? NULL
                                         : json_loadb(line, length, 0, NULL);
    const json_t *time = json_object_get(fields, "time");
    const char *name = json_string_value(json_object_get(fields, "event"));

    if (!name || !json_is_number(time)) {
        json_decref(fields);
        return false;
    }
    *event = (struct mlb_event){
        .time = json_number_value(time),
        .name = name,
        .attempt = get_long(fields, "attempt"),
        .rank = get_long(fields, "rank"),
        .fields = fields,
    };
    return true;
}

static void push(struct mlb_events *events, const struct mlb_event *event)
{
    size_t n = events->count;

    if ((n & (n - 1)) == 0)
        events->items = xrealloc(events->items, (n ? 2 * n : 1) *
                                                    sizeof(*events->items));
    events->items[events->count++] = *event;
}

/* Lines without their newline at the end were cut off, even if they parse
 * by chance: "exit":12 may have been 127. */
static void parse_lines(const struct mlb_text *t, struct mlb_events *events)
{
    const char *p = t->data, *end = t->data + t->length;

    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t length = (size_t)((newline ? newline : end) - p);
        struct mlb_event event;
        if (newline && length > 0 && parse(p, length, &event))
            push(events, &event);
        else if (length > 0)
            events->torn++;
        p += length + 1;
    }
}

static bool is_log(const char *name)
{
    size_t n = strlen(name), m = strlen(SUFFIX);

    return n > m && strcmp(name + n - m, SUFFIX) == 0;
}

/* All of a log. Links and the like are passed over: nobody but a run's own
 * writers may speak for it. */
static int read_log(int at, const char *name, struct mlb_text *t)
{
    char part[65536];
    struct stat st;
    ssize_t n = 0;
    int fd = openat(at, name,
                    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return errno == ELOOP || errno == ENOENT || errno == ENXIO ? 0 : -1;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return 0;
    }
    while ((n = read(fd, part, sizeof(part))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n > 0 && t->length + (size_t)n > FILE_LIMIT)
            errno = EFBIG;
        else if (n > 0) {
            text_addn(t, part, (size_t)n);
            continue;
        }
        n = -1;
        break;
    }
    int number = errno;
    close(fd);
    errno = number;
    return n < 0 ? -1 : 0;
}

struct placed {
    struct mlb_event event;
    size_t place;
};

static int compare(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;

    if (x->event.time != y->event.time)
        return x->event.time < y->event.time ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* By time; what has the same time stays in the order it was read in, which
 * qsort does not promise. */
static void sort(struct mlb_events *events)
{
    struct placed *all = xcalloc(events->count, sizeof(*all));

    for (size_t i = 0; i < events->count; i++)
        all[i] = (struct placed){ events->items[i], i };
    qsort(all, events->count, sizeof(*all), compare);
    for (size_t i = 0; i < events->count; i++)
        events->items[i] = all[i].event;
    free(all);
}

int events_read(const char *run_dir, struct mlb_events *events,
                struct mlb_error *err)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    struct mlb_events all = MLB_EVENTS_INIT;
    char *dir = xasprintf("%s/events", run_dir);
    int rc = files_list(dir, &names, err);
    /* A store may have ten thousand runs of three logs each: paths cost. */
    int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

    for (size_t i = 0; rc == 0 && i < names.count; i++) {
        struct mlb_text t = MLB_TEXT_INIT;
        if (!is_log(names.items[i]))
            continue;
        rc = read_log(at, names.items[i], &t);
        if (rc == 0)
            parse_lines(&t, &all);
        else
            mlb_error_errno(err, MLB_ERR_IO, "cannot read %s/%s", dir,
                            names.items[i]);
        text_clear(&t);
    }
    if (rc == 0 && all.count > 0)
        sort(&all);
    if (rc < 0)
        events_clear(&all);
    else
        *events = all;
    if (at >= 0)
        close(at);
    strings_clear(&names);
    free(dir);
    return rc;
}

const struct mlb_event *events_last(const struct mlb_events *events,
                                    const char *name)
{
    for (size_t i = events->count; i > 0; i--)
        if (strcmp(events->items[i - 1].name, name) == 0)
            return &events->items[i - 1];
    return NULL;
}
