/* SPDX-License-Identifier: BSD-3-Clause */
/* Following the journals of a run while they grow. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/files.h"
#include "cmd/top.h"

#define SUFFIX ".mbj"
#define ITEMS 100000         /* of one journal in one poll */
#define ENTITIES 65536
#define ENDED (-2L)          /* entities that are neither */
#define OTHER (-1L)

/* A journal, and what its entities are. */
struct top_journal {
    char *name;
    struct journal_reader *reader;       /* NULL: it cannot be read yet */
    struct mlb_error problem;
    struct entity {
        enum metric_scope scope;
        long at;                         /* rank, or the GPU's index */
        bool fresh;                      /* has values of this tick */
        int64_t values[METRIC_COUNT];
    } *entities;
    size_t entity_count;
    int64_t tick;                        /* monotonic ns; 0: none yet */
    bool caught_up;                      /* was read to its end once */
};

double top_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool top_run_is_open(const struct top_run *run)
{
    return run->attempt > run->ended;
}

struct top_task *top_run_task(struct top_run *run, long rank)
{
    if (rank < 0 || rank >= TOP_RANKS)
        return NULL;
    size_t at = (size_t)rank;
    if (at >= run->task_room) {
        size_t room = run->task_room ? run->task_room : 16;
        while (room <= at)
            room *= 2;
        run->tasks = xrealloc(run->tasks, room * sizeof(struct top_task *));
        memset(run->tasks + run->task_room, 0,
               (room - run->task_room) * sizeof(struct top_task *));
        run->task_room = room;
    }
    if (!run->tasks[at]) {
        run->tasks[at] = xcalloc(1, sizeof(struct top_task));
        run->tasks[at]->rank = rank;
        run->tasks[at]->rss = run->tasks[at]->step = METRIC_MISSING;
    }
    return run->tasks[at];
}

struct top_node *top_run_node(struct top_run *run, const char *name)
{
    for (size_t i = 0; i < run->node_count; i++)
        if (strcmp(run->nodes[i].name, name) == 0)
            return &run->nodes[i];
    run->nodes = xrealloc(run->nodes,
                          (run->node_count + 1) * sizeof(*run->nodes));
    struct top_node *node = &run->nodes[run->node_count++];
    *node = (struct top_node){ .seen = -1 };
    snprintf(node->name, sizeof(node->name), "%s", name);
    return node;
}

static void forget(struct top_run *run)
{
    for (size_t i = 0; i < run->task_room; i++)
        free(run->tasks[i]);
    for (size_t i = 0; i < run->node_count; i++)
        free(run->nodes[i].gpus);
    free(run->tasks);
    free(run->nodes);
    run->tasks = NULL;
    run->nodes = NULL;
    run->task_room = run->node_count = 0;
}

void top_run_begin(struct top_run *run, long attempt)
{
    if (attempt <= run->attempt)
        return;
    forget(run);
    run->attempt = attempt;
}

void top_run_clear(struct top_run *run)
{
    forget(run);
    for (size_t i = 0; i < run->journal_count; i++) {
        journal_reader_close(run->journals[i].reader);
        free(run->journals[i].entities);
        free(run->journals[i].name);
    }
    free(run->journals);
    top_logs_clear(run);
    run_clear(&run->run);
}

static void add_entity(struct top_run *run, struct top_journal *journal,
                       const struct journal_item *item)
{
    if (item->entity < 0 || item->entity >= ENTITIES)
        return;
    size_t at = (size_t)item->entity;
    if (at >= journal->entity_count) {
        size_t room = at + at / 2 + 8;
        journal->entities = xrealloc(journal->entities,
                                     room * sizeof(struct entity));
        for (size_t i = journal->entity_count; i < room; i++)
            journal->entities[i] = (struct entity){ .at = OTHER };
        journal->entity_count = room;
    }
    struct entity *e = &journal->entities[at];
    *e = (struct entity){ .scope = item->about.scope, .at = OTHER };
    if (e->scope == METRIC_TASK)
        e->at = item->about.rank;
    if (e->scope == METRIC_TASK && top_run_task(run, e->at))
        snprintf(top_run_task(run, e->at)->node,
                 sizeof(((struct top_task *)NULL)->node), "%s",
                 journal_node(journal->reader));
    if (e->scope != METRIC_GPU)
        return;
    struct top_node *node = top_run_node(run, journal_node(journal->reader));
    for (size_t i = 0; i < node->gpu_count; i++)
        if (strcmp(node->gpus[i].name, item->about.name) == 0)
            e->at = (long)i;
    if (e->at >= 0)
        return;
    e->at = (long)node->gpu_count;
    node->gpus = xrealloc(node->gpus,
                          (node->gpu_count + 1) * sizeof(*node->gpus));
    struct top_gpu *gpu = &node->gpus[node->gpu_count++];
    *gpu = (struct top_gpu){ .use = METRIC_MISSING };
    snprintf(gpu->name, sizeof(gpu->name), "%s", item->about.name);
}

static struct entity *entity_of(struct top_journal *journal, int number)
{
    return number >= 0 && (size_t)number < journal->entity_count
               ? &journal->entities[number] : NULL;
}

/* A tick gives the samples before it their time. Journals of another leader
 * may hold older ticks: the clock is the node's, so the later one counts. */
static void end_tick(struct top_run *run, struct top_journal *journal,
                     const struct journal_item *item)
{
    struct top_node *node = top_run_node(run, journal_node(journal->reader));

    for (size_t i = 0; i < journal->entity_count; i++) {
        struct entity *e = &journal->entities[i];
        if (e->scope == METRIC_GPU && e->at >= 0 &&
            (size_t)e->at < node->gpu_count)
            node->gpus[e->at].use = e->fresh ? e->values[METRIC_GPU_USE]
                                             : METRIC_MISSING;
        if (e->fresh && e->scope == METRIC_TASK) {
            struct top_task *task = top_run_task(run, e->at);
            if (task)
                top_sample(task, journal->reader, item->monotonic,
                           e->values);
        }
        e->fresh = false;
    }
    if (journal->tick > 0 && item->monotonic > journal->tick)
        node->interval = 1e-9 * (double)(item->monotonic - journal->tick);
    journal->tick = item->monotonic;
}

static void take_item(struct top_run *run, struct top_journal *journal,
                      const struct journal_item *item)
{
    struct entity *e = entity_of(journal, item->entity);

    switch (item->what) {
    case JOURNAL_ENTITY:
        add_entity(run, journal, item);
        break;
    case JOURNAL_SAMPLE:
        if (e) {
            memcpy(e->values, item->values, sizeof(e->values));
            e->fresh = true;
        }
        break;
    case JOURNAL_END:
        if (e && e->scope == METRIC_TASK) {
            struct top_task *task = top_run_task(run, e->at);
            if (task && task->writer == journal->reader)
                task->ended = true;
        }
        if (e)
            e->at = ENDED;
        break;
    case JOURNAL_NOTE:
        /* What was read of this tick belongs to none. */
        for (size_t i = 0; strcmp(item->name, "damaged") == 0 &&
                           i < journal->entity_count; i++)
            journal->entities[i].fresh = false;
        break;
    case JOURNAL_TICK:
        end_tick(run, journal, item);
        break;
    default:
        break;
    }
}

/* How old a file is. 0 where its clock is ahead of ours. */
static double age_of(const struct top_run *run, const char *name)
{
    struct stat st;
    struct timespec now;
    char *path = xasprintf("%s/journal/%s", run->run.path, name);
    double age = 0;

    clock_gettime(CLOCK_REALTIME, &now);
    if (stat(path, &st) == 0)
        age = (double)(now.tv_sec - st.st_mtim.tv_sec) +
              1e-9 * (double)(now.tv_nsec - st.st_mtim.tv_nsec);
    free(path);
    return age > 0 ? age : 0;
}

/* True: there is more. */
static bool poll_journal(struct top_run *run, struct top_journal *journal)
{
    struct journal_item item;
    long items = 0;
    bool ticked = false;

    if (!journal->reader ||
        journal_attempt(journal->reader) < run->attempt)
        return false;
    top_run_begin(run, journal_attempt(journal->reader));
    while (items < ITEMS &&
           journal_next(journal->reader, &item) != JOURNAL_NONE) {
        take_item(run, journal, &item);
        ticked = ticked || item.what == JOURNAL_TICK;
        items++;
    }
    if (ticked) {
        struct top_node *node = top_run_node(run,
                                             journal_node(journal->reader));
        double seen = top_now();
        /* What was there before we looked is as old as its file. */
        if (!journal->caught_up)
            seen -= age_of(run, journal->name);
        if (seen > node->seen)
            node->seen = seen;
        if (seen > run->heard)
            run->heard = seen;
    }
    journal->caught_up = journal->caught_up || items < ITEMS;
    return items == ITEMS;
}

static struct top_journal *find_journal(struct top_run *run,
                                        const char *name)
{
    for (size_t i = 0; i < run->journal_count; i++)
        if (strcmp(run->journals[i].name, name) == 0)
            return &run->journals[i];
    return NULL;
}

/* One that has only begun may not have its head yet: it is tried again. */
static void add_journal(struct top_run *run, const char *dir,
                        const char *name)
{
    struct stat st;
    size_t n = strlen(name), m = strlen(SUFFIX);

    if (n <= m || strcmp(name + n - m, SUFFIX) != 0)
        return;
    struct top_journal *j = find_journal(run, name);
    if (j && j->reader)
        return;
    char *path = xasprintf("%s/%s", dir, name);
    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
        if (!j) {
            run->journals = xrealloc(run->journals,
                                     (run->journal_count + 1) *
                                         sizeof(*run->journals));
            j = &run->journals[run->journal_count++];
            *j = (struct top_journal){ .name = xstrdup(name) };
        }
        j->reader = journal_open(path, &j->problem);
    }
    free(path);
}

void top_run_problems(const struct top_run *run, struct mlb_strings *out)
{
    for (size_t i = 0; i < run->journal_count; i++) {
        const struct top_journal *j = &run->journals[i];
        uint64_t damaged = j->reader ? journal_damaged(j->reader) : 0;
        if (!j->reader)
            strings_push(out, j->problem.text);
        else if (damaged > 0)
            strings_pushf(out, "%s/journal/%s: %ju damaged bytes were "
                          "passed over", run->run.id, j->name,
                          (uintmax_t)damaged);
    }
}

bool top_run_poll(struct top_run *run)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    char *dir = xasprintf("%s/journal", run->run.path);
    bool more = top_logs_poll(run);

    if (top_run_is_open(run) && files_list(dir, &names, NULL) == 0) {
        for (size_t i = 0; i < names.count; i++)
            add_journal(run, dir, names.items[i]);
        for (size_t i = 0; i < run->journal_count; i++)
            if (poll_journal(run, &run->journals[i]))
                more = true;
    }
    strings_clear(&names);
    free(dir);
    return more;
}
