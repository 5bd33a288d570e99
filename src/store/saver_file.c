/* SPDX-License-Identifier: BSD-3-Clause */
/* The files of a save: making them, and what each rank writes where. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/process.h"
#include "store/place.h"
#include "store/restore.h"
#include "store/retention.h"
#include "store/saver.h"

/* JSON is padded with blanks to a multiple of this: files of one run then
 * have the same structure, and a retired one can be written over. */
#define TEXT_UNIT 1024

static int out_of_memory(struct mlb_error *err)
{
    return mlb_error_set(err, MLB_ERR_IO, "out of memory");
}

/* A rank's offset and padding of each array of its file, and its name. */
struct made {
    char file[PATH_MAX];
    uint64_t numbers[];
};

static char *padded(json_t *top, size_t *length)
{
    size_t needed = top ? json_dumpb(top, NULL, 0, JSON_COMPACT) : 0;
    char *text;

    *length = (needed / TEXT_UNIT + 1) * TEXT_UNIT;
    text = needed ? malloc(*length + 1) : NULL;
    if (text) {
        memset(text, ' ', *length);
        json_dumpb(top, text, *length, JSON_COMPACT);
        text[*length] = '\0';
    }
    return text;
}

static void add_text(struct save *save, const char *name, const char *text,
                     size_t length)
{
    save->meta[save->meta_count++] = (struct container_array){
        .name = name, .dtype = MLB_U8, .rank = 1, .shape = { length },
        .data = text,
    };
}

static json_t *make_info(const struct save *save)
{
    const char *run = getenv("MLB_RUN"), *attempt = getenv("MLB_ATTEMPT");
    char when[64];
    time_t now = time(NULL);
    struct tm tm;

    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    return json_pack("{s:s, s:I, s:i, s:i, s:s, s:s, s:s}", "run",
                     run ? run : "", "attempt",
                     (json_int_t)(attempt ? atol(attempt) : 0), "ranks",
                     exchange_size(&save->saver->x), "nodes",
                     (int)save->saver->files, "host", process_host(), "time",
                     when, "program", PACKAGE_NAME " " PACKAGE_VERSION);
}

/* Rank 0: what is known of the save as a whole. */
static int make_meta(struct save *save, const struct mlb_checkpoint *c,
                     struct mlb_error *err)
{
    const struct mlb_saver *s = save->saver;
    json_t *info = make_info(save);
    size_t lengths[2];

    save->texts[0] = padded(info, &lengths[0]);
    save->texts[1] = padded(c->metrics, &lengths[1]);
    json_decref(info);
    if (!save->texts[0] || !save->texts[1])
        return out_of_memory(err);
    /* No reader would open it. */
    if (lengths[1] > CHECKPOINT_MAX_METRICS)
        return mlb_error_set(err, MLB_ERR_USAGE, "the metrics take %zu "
                             "bytes, of %" PRIu64 " at most", lengths[1],
                             CHECKPOINT_MAX_METRICS);
    save->meta[save->meta_count++] = (struct container_array){
        .name = CHECKPOINT_STEP, .dtype = MLB_U64, .data = &save->step,
    };
    add_text(save, CHECKPOINT_INFO, save->texts[0], lengths[0]);
    add_text(save, CHECKPOINT_METRICS, save->texts[1], lengths[1]);
    /* The plan stays as it is until the next save begins. */
    if (s->plan.shards)
        add_text(save, CHECKPOINT_SHARD_TABLE, s->plan.shards,
                 strlen(s->plan.shards));
    return 0;
}

int saver_manifest(struct save *save, const struct exchange_lists *files,
                   struct mlb_error *err)
{
    const struct mlb_saver *s = save->saver;
    char path[PATH_MAX];
    json_t *names = json_array();
    int n = snprintf(path, sizeof(path), "%s/" CHECKPOINT_MANIFEST,
                     save->directory);

    /* Of each rank that leads a file, in the order of the files. */
    for (int i = 0; i < exchange_size(&s->x); i++)
        if (files->starts[i + 1] > files->starts[i])
            json_array_append_new(names, json_string(files->bytes +
                                                     files->starts[i]));
    if (json_array_size(names) == s->files)
        save->texts[2] = json_dumps(names, JSON_COMPACT);
    json_decref(names);
    if (!save->texts[2] || n < 0 || (size_t)n >= sizeof(path))
        return out_of_memory(err);
    add_text(save, CHECKPOINT_FILES, save->texts[2],
             strlen(save->texts[2]));
    struct container_writer *w = container_create(path, CONTAINER_CHECKPOINT,
                                                  err);
    for (size_t i = 0; w && i < save->meta_count; i++)
        if (container_add(w, &save->meta[i], err) < 0) {
            container_abandon(w);
            w = NULL;
        }
    return w ? container_publish(w, false, err) : -1;
}

/* Damaged as far as a reader is concerned, who then falls back? */
static bool is_damaged(const char *path, uint64_t step)
{
    struct mlb_error why = { MLB_OK, "" };
    struct mlb_checkpoint_reader *r = mlb_checkpoint_open(path, &why);
    bool damaged = !r || restore_check(r, &why) < 0;

    if (r && r->step != step) {
        damaged = true;
        why.code = MLB_ERR_BAD_INPUT;
    }
    mlb_checkpoint_close(r);
    /* What fails for want of memory or of a permission may be sound. */
    return damaged && (why.code == MLB_ERR_BAD_INPUT ||
                       (why.code == MLB_ERR_IO && checkpoint_is_bad(path)));
}

/* A damaged checkpoint of the step that is about to be saved again (its
 * reader fell back to an earlier one) would stop the run for ever: give it
 * another name, where it can still be looked at. A sound one stays. */
static int make_way(const struct mlb_saver *s, uint64_t step,
                    struct mlb_error *err)
{
    char path[PATH_MAX], aside[PATH_MAX + 32];

    for (int nodes = 0; nodes < 2; nodes++) {
        if (checkpoint_new_path(s->directory, step, nodes, path,
                                sizeof(path), err) < 0)
            return -1;
        if (access(path, F_OK) < 0)
            continue;
        snprintf(aside, sizeof(aside), "%s.damaged", path);
        if (is_damaged(path, step) && checkpoint_remove(aside, err) == 0)
            rename(path, aside);
        if (access(path, F_OK) == 0)
            return mlb_error_set(err, MLB_ERR_FAILED, "step %" PRIu64 " is "
                                 "published already: %s", step, path);
    }
    return 0;
}

/* Rank 0, before files are made: have a place for them. */
static int prepare(struct save *save, const struct mlb_checkpoint *c,
                   struct mlb_error *err)
{
    const struct mlb_saver *s = save->saver;

    if (make_way(s, save->step, err) < 0 || make_meta(save, c, err) < 0)
        return -1;
    if (!s->in_nodes)
        return 0;
    if (place_temporary(s->directory, save->directory,
                        sizeof(save->directory), err) < 0)
        return -1;
    if (mkdir(save->directory, 0700) < 0) {
        mlb_error_errno(err, MLB_ERR_IO, "cannot make %s", save->directory);
        save->directory[0] = '\0';
        return -1;
    }
    return 0;
}

static int add_arrays(struct container_writer *w, struct save *save,
                      struct mlb_error *err)
{
    const struct shards_plan *plan = &save->saver->plan.plan;
    unsigned file = saver_file(save->saver);

    for (size_t i = 0; i < plan->count; i++) {
        const struct shards_array *a = &plan->arrays[i];
        struct container_array array = {
            .name = a->name, .dtype = a->item->dtype, .rank = a->item->rank,
        };
        memcpy(array.shape, a->shape, sizeof(array.shape));
        if (a->file != file)
            continue;
        if (container_add(w, &array, err) < 0)
            return -1;
        save->array_count++;
    }
    for (size_t i = 0; i < save->extra_count; i++)
        if (container_add(w, &save->extra[i], err) < 0)
            return -1;
    return 0;
}

/* The leader of a file: make it. */
static int make_file(struct save *save, struct mlb_error *err)
{
    const struct mlb_saver *s = save->saver;
    char path[PATH_MAX], slot[PATH_MAX];
    int n = s->in_nodes ? snprintf(path, sizeof(path), "%s/"
                                   CHECKPOINT_NODE_FILE, save->directory,
                                   saver_file(s))
                        : snprintf(path, sizeof(path), "%s", save->path);
    bool has_slot = !s->in_nodes &&
                    retention_slot(s->directory, slot, sizeof(slot)) == 0;

    save->node = saver_file(s);
    save->node_array = (struct container_array){
        .name = CHECKPOINT_NODE, .dtype = MLB_U64, .data = &save->node,
    };
    save->extra = s->in_nodes ? &save->node_array : save->meta;
    save->extra_count = s->in_nodes ? 1 : save->meta_count;
    if (n < 0 || (size_t)n >= sizeof(path))
        return mlb_error_set(err, MLB_ERR_USAGE, "path too long: %s", path);
    struct container_writer *w = container_create(path, CONTAINER_CHECKPOINT,
                                                  err);
    if (!w)
        return -1;
    if (add_arrays(w, save, err) < 0) {
        container_abandon(w);
        return -1;
    }
    save->staging = staging_create(w, has_slot ? slot : NULL, err);
    return save->staging ? 0 : -1;
}

/* What the leader tells the others. *bytes 0 on the others. */
static struct made *describe(const struct save *save, uint64_t *bytes)
{
    size_t count = save->array_count + save->extra_count;
    struct made *m;

    *bytes = sizeof(*m) + 2 * count * sizeof(m->numbers[0]);
    m = calloc(1, *bytes);
    if (!m)
        return NULL;
    snprintf(m->file, sizeof(m->file), "%s", staging_path(save->staging));
    for (size_t i = 0; i < count; i++) {
        m->numbers[2 * i] = staging_offset(save->staging, i);
        m->numbers[2 * i + 1] = staging_padding(save->staging, i);
    }
    return m;
}

static int by_place(const void *a, const void *b)
{
    const struct save_part *x = a, *y = b;

    return (x->part.file_offset > y->part.file_offset) -
           (x->part.file_offset < y->part.file_offset);
}

static void add_part(struct save *save, const struct made *m,
                     struct staging_part part, uint64_t array_bytes)
{
    part.file_offset = m->numbers[2 * part.array] + part.offset;
    if (part.offset + part.length == array_bytes)
        part.padding = m->numbers[2 * part.array + 1];
    save->parts[save->count] = (struct save_part){ part, save->count, 0 };
    save->count++;
}

/* What this rank writes, by its place in the file: its own pieces, and the
 * extra arrays if it leads. */
static int find_parts(struct save *save, const struct mlb_checkpoint *c,
                      const struct made *m, struct mlb_error *err)
{
    const struct shards_plan *plan = &save->saver->plan.plan;
    unsigned me = (unsigned)exchange_rank(&save->saver->x);
    size_t array = 0, in_file = 0;

    save->parts = calloc(plan->piece_count + save->extra_count + 1,
                         sizeof(*save->parts));
    if (!save->parts)
        return out_of_memory(err);
    for (size_t i = 0; i < plan->piece_count; i++) {
        const struct shards_piece *p = &plan->pieces[i];
        for (; array < p->array; array++)
            in_file += plan->arrays[array].file == saver_file(save->saver);
        if (p->rank == me)
            add_part(save, m, (struct staging_part){
                .array = in_file, .offset = p->offset, .length = p->length,
                .data = c->data[p->item],
            }, plan->arrays[array].bytes);
    }
    save->piece_count = save->count;
    for (size_t i = 0; i < save->extra_count; i++) {
        const struct container_array *a = &save->extra[i];
        uint64_t bytes = a->rank ? a->shape[0] : sizeof(uint64_t);
        add_part(save, m, (struct staging_part){
            .array = save->array_count + i, .data = a->data, .length = bytes,
        }, bytes);
    }
    qsort(save->parts, save->count, sizeof(*save->parts), by_place);
    return 0;
}

/* Learn from the leaders. */
static int learn(struct save *save, const struct mlb_checkpoint *c,
                 const struct exchange_lists *all, struct mlb_error *err)
{
    const struct mlb_saver *s = save->saver;
    int leader = 0;

    while (s->in_nodes && s->nodes[leader] != saver_file(s))
        leader++;
    const void *bytes = all->bytes + all->starts[leader];
    size_t length = all->starts[leader + 1] - all->starts[leader];
    /* Copied for its alignment. */
    struct made *m = malloc(length + 1);
    if (!m)
        return out_of_memory(err);
    memcpy(m, bytes, length);
    snprintf(save->file, sizeof(save->file), "%s", m->file);
    int rc = find_parts(save, c, m, err);
    free(m);
    return rc;
}

int saver_files(struct save *save, const struct mlb_checkpoint *c,
                struct mlb_error *err)
{
    struct mlb_saver *s = save->saver;
    struct exchange_lists all = { NULL, NULL };
    struct made *mine = NULL;
    uint64_t bytes = 0;
    int rc = checkpoint_new_path(s->directory, save->step, s->in_nodes,
                                 save->path, sizeof(save->path), err);

    if (rc == 0 && exchange_rank(&s->x) == 0)
        rc = prepare(save, c, err);
    if (s->in_nodes) {
        rc = exchange_agree(&s->x, rc, err);
        if (rc == 0)
            rc = exchange_broadcast(&s->x, save->directory,
                                    sizeof(save->directory), err);
    }
    if (rc == 0 && saver_leads(s)) {
        rc = make_file(save, err);
        if (rc == 0 && !(mine = describe(save, &bytes)))
            rc = out_of_memory(err);
    }
    rc = exchange_agree(&s->x, rc, err);
    if (rc == 0)
        rc = exchange_gather(&s->x, mine, bytes, &all, err);
    if (rc == 0)
        rc = exchange_agree(&s->x, learn(save, c, &all, err), err);
    exchange_lists_clear(&all);
    free(mine);
    return rc;
}
