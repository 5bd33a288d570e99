/* SPDX-License-Identifier: BSD-3-Clause */
/* What the job's control groups tell of a node: all of its processes there,
 * whoever started them. */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

#include "counters/files.h"
#include "counters/group.h"
#include "counters/source.h"

#define KILLS_EVERY 5            /* seconds between walks in version 1 */
#define DEPTH 4                  /* job, step, task, and one more */

/* Where each metric is: the word before its number, or none. */
static const struct {
    enum metric_id metric;
    enum group_controller controller;
    struct { const char *file, *word; int64_t unit; } in[3];
} files[] = {
    { METRIC_GROUP_MEMORY, GROUP_MEMORY,
      { [1] = { "memory.usage_in_bytes", "", 1 },
        [2] = { "memory.current", "", 1 } } },
    { METRIC_GROUP_MEMORY_PEAK, GROUP_MEMORY,
      { [1] = { "memory.max_usage_in_bytes", "", 1 },
        [2] = { "memory.peak", "", 1 } } },
    { METRIC_GROUP_CPU_TIME, GROUP_CPU,
      { [1] = { "cpuacct.usage", "", 1 },
        [2] = { "cpu.stat", "usage_usec ", 1000 } } },
    { METRIC_OOM_KILLS, GROUP_MEMORY,
      { [1] = { "memory.oom_control", "oom_kill ", 1 },
        [2] = { "memory.events", "oom_kill ", 1 } } },
};
#define FILES (sizeof(files) / sizeof(files[0]))

struct cgroup {
    struct group_place places[GROUP_CONTROLLERS];
    int fds[FILES];              /* -1: not to be read */
    int64_t first[FILES];        /* what counters began with */
    int64_t kills;               /* version 1: as of the last walk */
    time_t walk_at;
};

static time_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static int64_t parse(const char *text, const char *word, int64_t unit)
{
    const char *p = text;
    char *end;

    /* At the start of a line: "oom_kill " is in "group_oom_kill ", too. */
    while (p && *word && strncmp(p, word, strlen(word)) != 0) {
        p = strchr(p, '\n');
        p += p ? 1 : 0;
    }
    if (!p)
        return METRIC_MISSING;
    p += strlen(word);
    int64_t value = strtoll(p, &end, 10);
    return end == p || value < 0 ? METRIC_MISSING : value * unit;
}

static int version_of(const struct cgroup *cgroup, size_t at)
{
    return cgroup->places[files[at].controller].version;
}

static int64_t read_file(const struct cgroup *cgroup, size_t at)
{
    int version = version_of(cgroup, at);
    char text[FILES_TEXT];

    if (cgroup->fds[at] < 0 ||
        counters_file_again(cgroup->fds[at], text) <= 0)
        return METRIC_MISSING;
    return parse(text, files[at].in[version].word,
                 files[at].in[version].unit);
}

/* Version 1 counts kills in each group alone: those of all below. */
static int64_t kills_below(const char *directory, int depth)
{
    char *file = xasprintf("%s/memory.oom_control", directory);
    char text[FILES_TEXT];
    int64_t sum = 0;

    if (counters_file(file, text) > 0) {
        int64_t one = parse(text, "oom_kill ", 1);
        sum = one == METRIC_MISSING ? 0 : one;
    }
    free(file);
    DIR *dir = depth > 0 ? opendir(directory) : NULL;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (e->d_type != DT_DIR || e->d_name[0] == '.')
            continue;
        char *below = xasprintf("%s/%s", directory, e->d_name);
        sum += kills_below(below, depth - 1);
        free(below);
    }
    if (dir)
        closedir(dir);
    return sum;
}

static int64_t value_of(struct cgroup *cgroup, size_t at)
{
    if (files[at].metric != METRIC_OOM_KILLS || cgroup->fds[at] < 0 ||
        version_of(cgroup, at) != 1)
        return read_file(cgroup, at);
    if (now() >= cgroup->walk_at) {
        cgroup->kills =
            kills_below(cgroup->places[GROUP_MEMORY].path, DEPTH);
        cgroup->walk_at = now() + KILLS_EVERY;
    }
    return cgroup->kills;
}

static void open_file(struct cgroup *cgroup, size_t at, const char *reason,
                      struct metric_status *status)
{
    const struct group_place *place = &cgroup->places[files[at].controller];
    struct metric_status *one = &status[files[at].metric];
    const char *source = place->version == 1 ? "cgroup1" : "cgroup2";

    cgroup->fds[at] = -1;
    if (!place->path) {
        metric_status_set(one, METRIC_UNAVAILABLE, METRIC_NO_GROUP, "cgroup",
                          reason);
        return;
    }
    char *path = xasprintf("%s/%s", place->path,
                           files[at].in[place->version].file);
    cgroup->fds[at] = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    if (read_file(cgroup, at) == METRIC_MISSING) {
        char words[160];
        snprintf(words, sizeof(words), "this kernel does not tell it (%s)",
                 files[at].in[place->version].file);
        metric_status_set(one, METRIC_UNAVAILABLE, METRIC_UNSUPPORTED,
                          source, words);
        if (cgroup->fds[at] >= 0)
            close(cgroup->fds[at]);
        cgroup->fds[at] = -1;
    } else if (files[at].metric == METRIC_OOM_KILLS && place->version == 1) {
        metric_status_set(one, METRIC_PARTIAL, METRIC_UNSUPPORTED, source,
                          "control groups of version 1 forget the kills in "
                          "a group that was removed");
    } else {
        metric_status_set(one, METRIC_OK, METRIC_FINE, source, NULL);
    }
    if (metrics[files[at].metric].kind == METRIC_COUNTER)
        cgroup->first[at] = value_of(cgroup, at);
}

static void *begin(const struct counters_entity *entity,
                   struct metric_status *status)
{
    char reason[160];

    if (entity->scope != METRIC_NODE)
        return NULL;
    struct cgroup *cgroup = xcalloc(1, sizeof(*cgroup));
    group_find(cgroup->places, reason, sizeof(reason));
    for (size_t i = 0; i < FILES; i++)
        open_file(cgroup, i, reason, status);
    return cgroup;
}

static void read_group(void *state, int64_t *values,
                       struct metric_status *status)
{
    struct cgroup *cgroup = state;

    (void)status;
    for (size_t i = 0; i < FILES; i++) {
        int64_t value = value_of(cgroup, i);
        if (value != METRIC_MISSING)
            values[files[i].metric] = value - cgroup->first[i];
    }
}

static void refresh(void *state)
{
    ((struct cgroup *)state)->walk_at = 0;
}

static void end(void *state)
{
    struct cgroup *cgroup = state;

    for (size_t i = 0; i < FILES; i++)
        if (cgroup->fds[i] >= 0)
            close(cgroup->fds[i]);
    group_clear(cgroup->places);
    free(cgroup);
}

static void probe(struct mlb_text *out)
{
    const struct counters_entity node = { .scope = METRIC_NODE };
    struct metric_status status[METRIC_COUNT];
    int64_t values[METRIC_COUNT] = { 0 };
    struct cgroup *cgroup = begin(&node, status);

    counters_burn(20);
    read_group(cgroup, values, status);
    bool memory = values[METRIC_GROUP_MEMORY] > 0;
    bool cpu = values[METRIC_GROUP_CPU_TIME] > 0;
    if (memory || cpu)
        text_addf(out, "ok: version %d with %s%s%s of this job",
                  cgroup->places[memory ? GROUP_MEMORY : GROUP_CPU].version,
                  memory ? "memory" : "", memory && cpu ? " and " : "",
                  cpu ? "CPU time" : "");
    else
        text_addf(out, "unavailable: %s (outside of a job that is normal)",
                  status[METRIC_GROUP_MEMORY].reason);
    end(cgroup);
}

const struct counters_source cgroup_source = {
    .name = "cgroup",
    .probe = probe,
    .begin = begin,
    .read = read_group,
    .refresh = refresh,
    .end = end,
};
