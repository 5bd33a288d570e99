/* SPDX-License-Identifier: BSD-3-Clause */
/* From a run's events and journals to its record.h5. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/files.h"
#include "run/journal.h"
#include "run/lock.h"
#include "run/record.h"
#include "run/record_parts.h"
#include "store/sealed.h"

#define FILE_LIMIT (64u << 20)
#define STALE_SECONDS 3600
#define PATIENCE 60              /* seconds that another seal may take */

/* One attempt's series: made of journals, or those of the old record. */
struct part {
    long attempt;
    struct mlb_strings journals;     /* names of those that are there */
    bool ended, keep;                /* keep: the old record's */
    struct series *series;
};

struct sealing {
    const char *run_dir;
    bool locked;                     /* into the run, with its lock */
    struct record *r, *old;          /* old: NULL if there is none */
    struct mlb_text old_sources, sources;
    struct mlb_events events;
    struct part *parts;              /* ascending */
    size_t count;
};

/* ---- what a record was made of: lines "SIZE PATH" ---- */

static bool list_sources(const char *run_dir, const char *part,
                         struct mlb_text *to)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    char *dir = xasprintf("%s/%s", run_dir, part);
    int rc = files_list(dir, &names, NULL);

    for (size_t i = 0; rc == 0 && i < names.count; i++) {
        char *path = xasprintf("%s/%s", dir, names.items[i]);
        struct stat st;
        if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
            text_addf(to, "%lld %s/%s\n", (long long)st.st_size, part,
                      names.items[i]);
        free(path);
    }
    strings_clear(&names);
    free(dir);
    return rc == 0;
}

/* The size that a file had, -1 if it was not there. */
static long long source_size(const struct mlb_text *sources, const char *path)
{
    size_t length = strlen(path);

    for (const char *p = sources->data; *p;) {
        size_t n = strcspn(p, "\n");
        const char *blank = memchr(p, ' ', n);
        if (blank && (size_t)(p + n - blank) == length + 1 &&
            memcmp(blank + 1, path, length) == 0)
            return strtoll(p, NULL, 10);
        p += n + (p[n] == '\n');
    }
    return -1;
}

/* Only "sealed" events, which tell of the record itself, are news that it
 * does not need. */
static bool is_news(const char *path, long long from)
{
    struct mlb_text t = MLB_TEXT_INIT;
    bool news = files_read(path, FILE_LIMIT, &t, NULL) < 0 || from < 0 ||
                (long long)t.length < from;

    for (const char *p = t.data + (news ? 0 : from); !news && *p;) {
        size_t n = strcspn(p, "\n");
        json_t *event = json_loadb(p, n, 0, NULL);
        const char *name =
            json_string_value(json_object_get(event, "event"));
        news = !name || strcmp(name, "sealed") != 0;
        json_decref(event);
        p += n + (p[n] == '\n');
    }
    text_clear(&t);
    return news;
}

bool record_is_stale(const char *run_dir, const struct mlb_text *sources)
{
    struct mlb_text now = MLB_TEXT_INIT;
    bool stale = !list_sources(run_dir, "events", &now) ||
                 !list_sources(run_dir, "journal", &now);

    for (char *p = now.data; !stale && *p;) {
        size_t n = strcspn(p, "\n");
        p[n] = '\0';
        const char *name = strchr(p, ' ') + 1;
        long long size = strtoll(p, NULL, 10);
        long long before = source_size(sources, name);
        if (size != before) {
            char *path = xasprintf("%s/%s", run_dir, name);
            stale = strncmp(name, "events/", 7) != 0 || is_news(path, before);
            free(path);
        }
        p += n + 1;
    }
    text_clear(&now);
    return stale;
}

/* ---- attempts ---- */

static struct part *get_part(struct sealing *s, long attempt)
{
    size_t at = 0;

    while (at < s->count && s->parts[at].attempt < attempt)
        at++;
    if (at < s->count && s->parts[at].attempt == attempt)
        return &s->parts[at];
    s->parts = xrealloc(s->parts, (s->count + 1) * sizeof(*s->parts));
    memmove(s->parts + at + 1, s->parts + at,
            (s->count - at) * sizeof(*s->parts));
    s->count++;
    s->parts[at] = (struct part){ .attempt = attempt,
                                  .journals = MLB_STRINGS_INIT };
    return &s->parts[at];
}

static void find_journals(struct sealing *s)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    char *dir = xasprintf("%s/journal", s->run_dir), *end;
    struct mlb_error err;

    if (files_list(dir, &names, &err) < 0)
        strings_push(&s->r->damage, err.text);
    for (size_t i = 0; i < names.count; i++) {
        const char *name = names.items[i];
        size_t n = strlen(name);
        long attempt = strtol(name, &end, 10);
        if (end > name && *end == '-' && attempt >= 0 && n > 4 &&
            strcmp(name + n - 4, ".mbj") == 0)
            strings_push(&get_part(s, attempt)->journals, name);
    }
    strings_clear(&names);
    free(dir);
}

static bool old_has_series(const struct sealing *s, long attempt)
{
    char *name = xasprintf("/series/%ld/time", attempt);
    struct sealed_array a;
    bool has = s->old && sealed_find(s->old->file->sealed, name, &a);

    free(name);
    return has;
}

/* Whatever journals are still there, is all of them in the old record? Then
 * it is the better source: it may have more of which only it is left. */
static bool old_has_all(struct sealing *s, const struct part *p)
{
    bool all = old_has_series(s, p->attempt);

    for (size_t i = 0; all && i < p->journals.count; i++) {
        char *name = xasprintf("journal/%s", p->journals.items[i]);
        char *path = xasprintf("%s/%s", s->run_dir, name);
        struct stat st;
        all = lstat(path, &st) == 0 &&
              source_size(&s->old_sources, name) == (long long)st.st_size;
        free(path);
        free(name);
    }
    return all;
}

/* Is a journal gone that the old record was made of? */
static bool lacks_journals(const struct sealing *s, const struct part *p)
{
    char *prefix = xasprintf("journal/%ld-", p->attempt);
    bool lacks = false;

    for (const char *q = s->old_sources.data; *q && !lacks;) {
        size_t n = strcspn(q, "\n");
        const char *blank = memchr(q, ' ', n);
        if (blank && strncmp(blank + 1, prefix, strlen(prefix)) == 0) {
            char *name = xstrndup(blank + 9, (size_t)(q + n - blank - 9));
            lacks = !strings_have(&p->journals, name);
            free(name);
        }
        q += n + (q[n] == '\n');
    }
    free(prefix);
    return lacks;
}

/* What the old record knows of an attempt's entities. */
static void copy_rows(struct record *r, const struct record *old,
                      long attempt)
{
    for (size_t i = 0; i < old->node_count; i++)
        if (old->nodes[i].attempt == attempt) {
            size_t to = record_node_index(r, attempt, old->nodes[i].name);
            r->nodes[to] = old->nodes[i];
        }
    for (size_t i = 0; i < old->gpu_count; i++)
        if (old->gpus[i].attempt == attempt) {
            const struct record_gpu *g = &old->gpus[i];
            size_t node = record_node_index(r, attempt,
                                            old->nodes[g->node].name);
            size_t to = record_gpu_index(r, attempt, node, g->uuid);
            r->gpus[to] = *g;
            r->gpus[to].node = (long)node;
        }
    for (size_t i = 0; i < old->task_count; i++) {
        const struct record_task *from = &old->tasks[i];
        if (from->attempt != attempt)
            continue;
        size_t to = record_task_index(r, attempt, from->rank);
        struct record_task *t = &r->tasks[to];
        t->peak_rss = from->peak_rss;
        if (t->node < 0 && from->node >= 0)
            t->node = (long)record_node_index(r, attempt,
                                              old->nodes[from->node].name);
        for (int m = 0; m < METRIC_COUNT; m++)
            if (t->state[m] == METRIC_UNAVAILABLE) {
                t->total[m] = from->total[m];
                t->state[m] = from->state[m];
            }
    }
    for (int m = 0; m < METRIC_COUNT; m++)
        record_worsen(r, m, &old->status[m]);
}

static void copy_damage(struct sealing *s, long attempt)
{
    char *journal = xasprintf("journal %ld-", attempt);
    char *words = xasprintf("attempt %ld:", attempt);

    for (size_t i = 0; i < s->old->damage.count; i++) {
        const char *line = s->old->damage.items[i];
        if (strncmp(line, journal, strlen(journal)) == 0 ||
            strncmp(line, words, strlen(words)) == 0)
            strings_push(&s->r->damage, line);
    }
    free(words);
    free(journal);
}

static void plan_part(struct sealing *s, struct part *p)
{
    for (size_t i = 0; i < s->r->attempt_count; i++)
        if (s->r->attempts[i].number == p->attempt)
            p->ended = s->r->attempts[i].state[0] != '\0';
    p->keep = old_has_all(s, p);
    if (!p->keep && old_has_series(s, p->attempt) && lacks_journals(s, p)) {
        /* Which only happens if a writer outlived its attempt's end. */
        p->keep = true;
        p->ended = false;
        strings_pushf(&s->r->damage, "attempt %ld: journals that came after "
                      "its record are not in it", p->attempt);
    }
    if (p->keep) {
        copy_rows(s->r, s->old, p->attempt);
        copy_damage(s, p->attempt);
    } else if (p->journals.count > 0) {
        p->series = series_scan(s->r, p->attempt, &p->journals);
    }
}

/* ---- the file ---- */

static void read_inputs(struct sealing *s)
{
    const char *const names[] = { "job.conf", "plan" };
    struct mlb_text *to[] = { &s->r->job, &s->r->plan };

    for (int i = 0; i < 2; i++) {
        struct mlb_error err = { 0 };
        char *path = xasprintf("%s/%s", s->run_dir, names[i]);
        if (files_read(path, FILE_LIMIT, to[i], &err) < 0 &&
            err.code != MLB_ERR_NOT_FOUND)
            strings_push(&s->r->damage, err.text);
        free(path);
    }
}

/* A record that cannot be read is no reason not to make a new one. */
static void open_old(struct sealing *s)
{
    struct mlb_error err = { 0 };
    char *path = xasprintf("%s/record.h5", s->run_dir);

    s->old = record_load(s->run_dir, path, &err);
    if (s->old && record_read_bytes(s->old->file->sealed, RECORD_SOURCES,
                                    &s->old_sources, &err) < 0) {
        record_close(s->old);
        s->old = NULL;
    }
    if (!s->old && err.code != MLB_ERR_NOT_FOUND)
        strings_pushf(&s->r->damage, "the record of before: %s", err.text);
    free(path);
}

static int write_events(struct sealing *s, struct sealed_writer *w,
                        struct mlb_error *err)
{
    struct mlb_text t = MLB_TEXT_INIT;

    for (size_t i = 0; i < s->events.count; i++) {
        char *line = json_dumps(s->events.items[i].fields, JSON_COMPACT);
        if (line)
            text_addf(&t, "%s\n", line);
        free(line);
    }
    int rc = record_write_bytes(w, "/events", &t, err);
    text_clear(&t);
    return rc;
}

/* Lines of journals that are gone, but are in what is kept. */
static void keep_sources(struct sealing *s)
{
    for (const char *p = s->old_sources.data; *p;) {
        size_t n = strcspn(p, "\n");
        const char *blank = memchr(p, ' ', n);
        char *name = blank ? xstrndup(blank + 1, (size_t)(p + n - blank - 1))
                           : xstrdup("");
        if (strncmp(name, "journal/", 8) == 0 &&
            source_size(&s->sources, name) < 0)
            text_addf(&s->sources, "%.*s\n", (int)n, p);
        free(name);
        p += n + (p[n] == '\n');
    }
}

static int write_all(struct sealing *s, struct sealed_writer *w,
                     struct mlb_error *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < s->count; i++) {
        struct part *p = &s->parts[i];
        char *group = xasprintf("/series/%ld", p->attempt);
        if (p->keep)
            rc = sealed_copy(w, s->old->file->sealed, group, err);
        else if (p->series)
            rc = series_write(p->series, s->r, w, err);
        free(group);
    }
    record_count(s->r);
    if (rc == 0)
        rc = record_write_tables(w, s->r, err);
    if (rc == 0)
        rc = write_events(s, w, err);
    keep_sources(s);
    if (rc == 0)
        rc = record_write_bytes(w, RECORD_SOURCES, &s->sources, err);
    return rc;
}

/* What a seal that was killed left, long ago. */
static void remove_leftovers(const char *run_dir)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    static const char prefix[] = "record.h5.tmp-";

    files_list(run_dir, &names, NULL);
    for (size_t i = 0; i < names.count; i++) {
        char *path = xasprintf("%s/%s", run_dir, names.items[i]);
        struct stat st;
        if (strncmp(names.items[i], prefix, strlen(prefix)) == 0 &&
            lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
            time(NULL) - st.st_mtime > STALE_SECONDS)
            unlink(path);
        free(path);
    }
    strings_clear(&names);
}

/* Only what is in a record that was read again, whole, may go; and only the
 * bytes that are in it. */
static void remove_journals(struct sealing *s)
{
    char *record = xasprintf("%s/record.h5", s->run_dir);
    struct record *made = record_load(s->run_dir, record, NULL);
    struct mlb_text sources = MLB_TEXT_INIT;
    bool sound = made && lock_check(s->run_dir, LOCK_RECORD, NULL) == 0 &&
                 record_read_bytes(made->file->sealed, RECORD_SOURCES,
                                   &sources, NULL) == 0;

    for (size_t i = 0; sound && i < s->count; i++) {
        const struct part *p = &s->parts[i];
        for (size_t k = 0; p->ended && k < p->journals.count; k++) {
            char *name = xasprintf("journal/%s", p->journals.items[k]);
            char *path = xasprintf("%s/%s", s->run_dir, name);
            struct journal_reader *reader = journal_open(path, NULL);
            struct stat st;
            /* Of one that cannot be opened, nothing is in the record. */
            if (reader && (p->keep || p->series) && lstat(path, &st) == 0 &&
                source_size(&sources, name) == (long long)st.st_size)
                unlink(path);
            journal_reader_close(reader);
            free(path);
            free(name);
        }
    }
    text_clear(&sources);
    record_close(made);
    free(record);
}

static void clear(struct sealing *s)
{
    for (size_t i = 0; i < s->count; i++) {
        series_destroy(s->parts[i].series);
        strings_clear(&s->parts[i].journals);
    }
    free(s->parts);
    text_clear(&s->old_sources);
    text_clear(&s->sources);
    events_clear(&s->events);
    record_close(s->old);
    record_close(s->r);
}

static int write_record(struct sealing *s, const char *path,
                        struct mlb_error *err)
{
    struct sealed_writer *w;

    /* Sizes first: what is written after that is news to this record. */
    list_sources(s->run_dir, "events", &s->sources);
    list_sources(s->run_dir, "journal", &s->sources);
    if (events_read(s->run_dir, &s->events, err) < 0)
        return -1;
    if (s->events.torn > 0)
        strings_pushf(&s->r->damage, "%zu lines of the event log are not "
                      "whole", s->events.torn);
    record_add_events(s->r, &s->events);
    open_old(s);
    read_inputs(s);
    for (size_t i = 0; i < s->r->attempt_count; i++)
        get_part(s, s->r->attempts[i].number);
    find_journals(s);
    for (size_t i = 0; i < s->count; i++)
        plan_part(s, &s->parts[i]);
    w = sealed_create(path, err);
    if (!w)
        return -1;
    if (write_all(s, w, err) < 0 ||
        (s->locked && lock_check(s->run_dir, LOCK_RECORD, err) < 0)) {
        sealed_abandon(w);
        return -1;
    }
    return sealed_publish(w, err);
}

/* All of it into the file path, from what is there now. locked: that is the
 * run's own, and what is in it now need not be kept beside. */
static int seal_once(const char *run_dir, const char *path, bool locked,
                     struct mlb_error *err)
{
    struct sealing s = {
        .run_dir = run_dir, .r = record_create(run_dir), .locked = locked,
        .old_sources = MLB_TEXT_INIT, .sources = MLB_TEXT_INIT,
        .events = MLB_EVENTS_INIT,
    };
    int rc = write_record(&s, path, err);

    if (rc == 0 && locked) {
        remove_leftovers(run_dir);
        remove_journals(&s);
    }
    clear(&s);
    return rc;
}

/* What tells one published record from the next. */
static struct timespec record_time(const char *own)
{
    struct stat st = { 0 };

    if (lstat(own, &st) < 0)
        return (struct timespec){ 0 };
    return st.st_mtim;
}

/* For a run that cannot be written, so nor locked: another seal meanwhile may
 * have moved what is in journals into its own record, and it is done again. */
static int seal_aside(const char *run_dir, const char *own, const char *path,
                      struct mlb_error *err)
{
    for (int tries = 0; tries < 5; tries++) {
        struct timespec before = record_time(own);
        int rc = seal_once(run_dir, path, false, err);
        struct timespec after = record_time(own);
        if (rc < 0 || (before.tv_sec == after.tv_sec &&
                       before.tv_nsec == after.tv_nsec))
            return rc;
    }
    return mlb_error_set(err, MLB_ERR_FAILED, "%s: its record changes again "
                         "and again; try later", run_dir);
}

int record_seal_to(const char *run_dir, const char *path,
                   struct mlb_error *err)
{
    char *own = xasprintf("%s/record.h5", run_dir);
    int rc;

    if (path) {
        rc = seal_aside(run_dir, own, path, err);
    } else {
        rc = lock_take(run_dir, LOCK_RECORD, PATIENCE, err);
        if (rc == 0) {
            rc = seal_once(run_dir, own, true, err);
            lock_release(run_dir, LOCK_RECORD);
        }
    }
    free(own);
    return rc;
}

int record_seal(const char *run_dir, struct mlb_error *err)
{
    return record_seal_to(run_dir, NULL, err);
}
