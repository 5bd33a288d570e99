/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a job of this machine waits: for whom. */
#include "config.h"

#include <stdio.h>

#include "scheduler/local_parts.h"

#define OTHERS_MOST 5            /* who are named */

static void add_cores(const struct ticket *t, struct mlb_text *out)
{
    text_addf(out, " (%ld core%s", t->cores, t->cores == 1 ? "" : "s");
    if (t->gpus > 0)
        text_addf(out, ", %ld GPU%s", t->gpus, t->gpus == 1 ? "" : "s");
    text_add(out, ")");
}

/* Those that run, or that wait and come first, with what they take. */
static void add_others(const struct queue *queue, const struct ticket *t,
                       bool running, struct mlb_text *out)
{
    size_t count = 0;

    for (size_t i = 0; i < queue->count; i++) {
        const struct ticket *o = &queue->tickets[i];
        if (o->running != running ||
            (!running &&
             (o->number >= t->number || queue_lets_pass(queue, o))))
            continue;
        if (++count > OTHERS_MOST)
            continue;
        text_addf(out, "%s%s", count > 1 ? ", "
                               : running ? "; in use by "
                                         : "; first in line: ", o->run);
        add_cores(o, out);
    }
    if (count > OTHERS_MOST)
        text_addf(out, " and %zu more", count - OTHERS_MOST);
}

static void add_parents(const struct queue *queue, const struct ticket *t,
                        struct mlb_text *out)
{
    size_t count = 0;

    text_add(out, "it waits for the end of ");
    for (size_t i = 0; i < t->after.count; i++) {
        const struct ticket *parent = queue_parent(queue, t, i);
        if (parent && ++count <= OTHERS_MOST)
            text_addf(out, "%s%s", count > 1 ? ", " : "", parent->run);
    }
    if (count > OTHERS_MOST)
        text_addf(out, " and %zu more", count - OTHERS_MOST);
}

/* Returns the reason in a word. */
static const char *describe(const struct mlb_site *site,
                            const struct queue *queue,
                            const struct ticket *t, struct mlb_text *out)
{
    if (t->held) {
        text_add(out, "its user holds it: mlbatch release lets it start");
        return "held";
    }
    if (t->indices && *t->indices && !queue_is_blocked(queue, t)) {
        text_add(out, "other points of its sweep come first");
        return "other points";
    }
    if (queue_lets_pass(queue, t)) {
        add_parents(queue, t, out);
        return "after others";
    }
    text_addf(out, "it waits for %ld of the %ld cores here", t->cores,
              local_cores(site));
    if (t->gpus > 0)
        text_addf(out, " and %ld of the %zu GPUs", t->gpus,
                  site->local.gpus.count);
    add_others(queue, t, true, out);
    add_others(queue, t, false, out);
    return "in use";
}

int local_explain(const struct mlb_site *site, const char *id,
                  struct mlb_waiting *waiting, struct mlb_error *err)
{
    struct mlb_text text = MLB_TEXT_INIT;
    struct queue queue;
    long number;

    *waiting = (struct mlb_waiting){ .start = 0 };
    if (local_read_id(id, &number) != 0)
        return mlb_error_set(err, MLB_ERR_NOT_FOUND,
                             "job %s is not of this machine", id);
    if (queue_look(&queue, site->store, err) < 0)
        return -1;
    long index = local_read_index(id);
    const struct ticket *t = index >= 0 ? queue_point(&queue, number, index)
                                        : NULL;
    if (!t)
        t = queue_find(&queue, number);
    if (t && !t->running)
        snprintf(waiting->reason, sizeof(waiting->reason), "%s",
                 describe(site, &queue, t, &text));
    snprintf(waiting->text, sizeof(waiting->text), "%s", text.data);
    text_clear(&text);
    queue_close(&queue);
    return 0;
}
