/* SPDX-License-Identifier: BSD-3-Clause */
/* What a rank finds in its environment. */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "run/events.h"

#include "agent/agent.h"
#include "agent/surroundings.h"

#define DEFAULT_PORT 29500           /* torch's, for a task run by hand */

static long number(const char *name, long fallback)
{
    const char *text = getenv(name);
    long value;

    if (!text || units_parse_long(text, 1, INT_MAX, &value, NULL) < 0)
        return fallback;
    return value;
}

/* mpirun over ssh carries no variables: read what the attempt wrote. */
static void find_in_events(struct surroundings *s)
{
    struct mlb_events events = MLB_EVENTS_INIT;
    const struct mlb_event *start = NULL;

    if (events_read(s->run_dir, &events, NULL) == 0)
        start = events_last(&events, "attempt-start");
    if (start) {
        const char *address = json_string_value(
            json_object_get(start->fields, "address"));
        if (address)
            snprintf(s->address, sizeof(s->address), "%s", address);
        s->port = (long)json_integer_value(
            json_object_get(start->fields, "port"));
        s->attempt = start->attempt;
    }
    events_clear(&events);
}

void surroundings_find(struct surroundings *s)
{
    const char *address = getenv("MLB_HEAD_ADDR");

    s->attempt = number("MLB_ATTEMPT", 0);
    s->port = number("MLB_HEAD_PORT", 0);
    snprintf(s->address, sizeof(s->address), "%s", address ? address : "");
    if (s->attempt == 0 || s->port == 0 || !*s->address)
        find_in_events(s);
    if (s->attempt <= 0)
        s->attempt = 1;
    if (s->port <= 0)
        s->port = DEFAULT_PORT;
    if (!*s->address)
        strcpy(s->address, "127.0.0.1");
}

/* This rank's share of the comma-separated GPUs that the local scheduler
 * lent to the job; all ranks are on this machine. */
static int add_gpus(const struct surroundings *s, struct mlb_strings *out,
                    struct mlb_error *err)
{
    const char *p = getenv("MLB_LOCAL_GPUS");
    long each = s->settings->gpus_per_task;
    long first = s->rank->rank * each, have = 0;
    struct mlb_text list = MLB_TEXT_INIT;

    if (each <= 0 || strcmp(s->settings->scheduler, "local") != 0)
        return 0;
    for (; p && *p; have++) {
        size_t n = strcspn(p, ",");
        if (have >= first && have < first + each) {
            text_add(&list, have > first ? "," : "");
            text_addn(&list, p, n);
        }
        p += n + (p[n] == ',');
    }
    strings_pushf(out, "CUDA_VISIBLE_DEVICES=%s", list.data);
    text_clear(&list);
    if (have < first + each)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "rank %ld needs GPUs %ld to %ld of "
                             "MLB_LOCAL_GPUS, which has %ld",
                             s->rank->rank, first, first + each - 1, have);
    return 0;
}

char *surroundings_mpi_library(void)
{
    char *path = agent_sibling("libmlbatch-mpistats.so");

    if (!strpbrk(path, ": ") && access(path, R_OK) == 0)
        return path;
    free(path);
    return NULL;
}

/* Behind what the job or the user has loaded already, which may count on
 * being first. */
static void add_preload(const struct surroundings *s, struct mlb_strings *out)
{
    const char *others = getenv("LD_PRELOAD");

    for (size_t i = 0; i < out->count; i++)
        if (strncmp(out->items[i], "LD_PRELOAD=", 11) == 0)
            others = out->items[i] + 11;
    strings_pushf(out, "LD_PRELOAD=%s%s%s", others ? others : "",
                  others && *others ? ":" : "", s->mpi_library);
}

int surroundings_environment(const struct surroundings *s,
                             struct mlb_strings *out, struct mlb_error *err)
{
    const struct rank *r = s->rank;
    const struct settings *settings = s->settings;

    strings_pushf(out, "RANK=%ld", r->rank);
    strings_pushf(out, "WORLD_SIZE=%ld", r->size);
    strings_pushf(out, "LOCAL_RANK=%ld", r->local);
    strings_pushf(out, "LOCAL_WORLD_SIZE=%ld", r->local_size);
    strings_pushf(out, "NODE_RANK=%ld", r->node);
    strings_pushf(out, "MASTER_ADDR=%s", s->address);
    strings_pushf(out, "MASTER_PORT=%ld", s->port);
    strings_pushf(out, "MLB_ATTEMPT=%ld", s->attempt);
    strings_pushf(out, "MLB_RUN=%s", settings->run);
    strings_pushf(out, "MLB_RUN_DIR=%s", s->run_dir);
    strings_pushf(out, "MLB_CHECKPOINT_DIR=%s/checkpoints", s->run_dir);
    if (add_gpus(s, out, err) < 0)
        return -1;
    for (size_t i = 0; i < settings->environment.count; i++)
        strings_push(out, settings->environment.items[i]);
    if (s->channel >= 0 && s->mpi_library)
        add_preload(s, out);
    if (s->channel >= 0)
        strings_pushf(out, "MLB_CHANNEL=/proc/%ld/fd/%d", (long)getpid(),
                      s->channel);
    return 0;
}
