/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing a journal: a tick is collected in memory and goes out in one
 * write. */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/files.h"
#include "base/text.h"
#include "run/journal.h"
#include "run/journal_format.h"

#define SYNC_EVERY INT64_C(30000000000)      /* ns */
#define WRITERS_MOST 100000
#define UNSAID UINT16_MAX

_Static_assert(METRIC_COUNT <= JOURNAL_METRICS, "masks have 64 bits");

struct entity {
    struct journal_entity about;
    uint64_t mask;                       /* metrics of its last sample */
    struct journal_trend trends[METRIC_COUNT];
    uint16_t status[METRIC_COUNT];       /* of the journal's, or UNSAID */
    uint8_t coverage[METRIC_COUNT];
};

struct journal {
    int fd;
    char *path, *node;
    long attempt;
    off_t size;                          /* of what is whole */
    struct mlb_text block;               /* frame and payload so far */
    struct entity **entities;            /* NULL: ended */
    int count;
    struct metric_status *statuses;      /* said since the last key */
    size_t status_count, status_room, status_used;
    struct journal_trend clock, offset;
    uint64_t ticks;                      /* the number of the next */
    uint64_t key_at;                     /* that of the last key */
    uint64_t keys;
    uint64_t failed;                     /* ticks not written in a row */
    int why;                             /* errno of the first of them */
    int64_t synced;                      /* monotonic */
};

/* ---- putting numbers and strings ---- */

static void put_number(struct mlb_text *t, uint64_t n)
{
    unsigned char bytes[10];
    size_t length = 0;

    for (; n >= 128; n >>= 7)
        bytes[length++] = (unsigned char)(n | 128);
    bytes[length++] = (unsigned char)n;
    text_addn(t, bytes, length);
}

static void put_signed(struct mlb_text *t, int64_t n)
{
    put_number(t, ((uint64_t)n << 1) ^ (uint64_t)(n >> 63));
}

static void put_string(struct mlb_text *t, const char *s, size_t room)
{
    size_t length = strnlen(s, room - 1);

    put_number(t, length);
    text_addn(t, s, length);
}

static void put_word(char *to, uint32_t word)
{
    for (int i = 0; i < 4; i++)
        to[i] = (char)(word >> (8 * i));
}

/* Leave room for the frame. */
static void begin_block(struct mlb_text *t, char kind)
{
    static const char frame[JOURNAL_FRAME];

    text_addn(t, frame, sizeof(frame));
    text_addn(t, &kind, 1);
}

static void end_block(struct mlb_text *t, size_t at)
{
    size_t length = t->length - at - JOURNAL_FRAME;
    char *frame = t->data + at;

    put_word(frame, JOURNAL_TAG << 24 | (uint32_t)length);
    uint32_t crc = checksum_update(0, frame, 4);
    put_word(frame + 4, checksum_update(crc, frame + JOURNAL_FRAME, length));
}

static void put_header(struct journal *j)
{
    size_t at = j->block.length;
    struct mlb_text boot = MLB_TEXT_INIT;

    /* Where it cannot be read, there is one boot, as far as is known. */
    if (files_read("/proc/sys/kernel/random/boot_id", 256, &boot, NULL) < 0)
        text_clear(&boot);
    begin_block(&j->block, JOURNAL_HEADER);
    put_number(&j->block, JOURNAL_VERSION);
    put_signed(&j->block, j->attempt);
    put_string(&j->block, j->node, 256);
    put_string(&j->block, boot.data, strcspn(boot.data, "\n") + 1);
    put_number(&j->block, METRIC_COUNT);
    for (int m = 0; m < METRIC_COUNT; m++) {
        put_string(&j->block, metrics[m].name, 256);
        put_string(&j->block, metrics[m].unit, 256);
        put_number(&j->block, metrics[m].kind);
    }
    end_block(&j->block, at);
    text_clear(&boot);
}

/* ---- statuses: each text once between two keys ---- */

static bool is_alike(const struct metric_status *a,
                     const struct metric_status *b)
{
    return a->state == b->state && a->cause == b->cause &&
           strcmp(a->source, b->source) == 0 &&
           strcmp(a->reason, b->reason) == 0;
}

/* The number of a status, said now if it is new. */
static uint16_t find_status(struct journal *j,
                            const struct metric_status *status)
{
    size_t n = 0;

    while (n < j->status_count && !is_alike(&j->statuses[n], status))
        n++;
    if (n == UNSAID)
        return (uint16_t)(n - 1);        /* none has so many */
    if (n < j->status_count)
        return (uint16_t)n;
    if (n == j->status_room) {
        j->status_room = n ? 2 * n : 8;
        j->statuses = xrealloc(j->statuses,
                               j->status_room * sizeof(*j->statuses));
    }
    j->statuses[j->status_count++] = *status;
    put_number(&j->block, JOURNAL_OP_DEFINE);
    put_string(&j->block, metric_state_name(status->state), 64);
    put_string(&j->block, metric_cause_name(status->cause), 64);
    put_string(&j->block, status->source, sizeof(status->source));
    put_string(&j->block, status->reason, sizeof(status->reason));
    return (uint16_t)n;
}

static void put_status(struct journal *j, int entity, int metric)
{
    const struct entity *e = j->entities[entity];

    put_number(&j->block, JOURNAL_OP_STATUS);
    put_number(&j->block, (uint64_t)entity);
    put_number(&j->block, (uint64_t)metric);
    put_number(&j->block, e->status[metric]);
    put_number(&j->block, e->coverage[metric]);
}

/* ---- a tick's block ---- */

static void put_entity(struct journal *j, int entity)
{
    const struct journal_entity *about = &j->entities[entity]->about;

    put_number(&j->block, JOURNAL_OP_ENTITY);
    put_number(&j->block, (uint64_t)entity);
    put_number(&j->block, about->scope);
    put_signed(&j->block, about->rank);
    put_signed(&j->block, about->pid);
    put_string(&j->block, about->name, sizeof(about->name));
    put_string(&j->block, about->product, sizeof(about->product));
    put_signed(&j->block, about->capacity);
}

/* Say an entity's statuses anew; old are those by their numbers of before. */
static void repeat_statuses(struct journal *j, int entity,
                            const struct metric_status *old)
{
    struct entity *e = j->entities[entity];

    for (int m = 0; m < METRIC_COUNT; m++)
        if (e->status[m] != UNSAID) {
            e->status[m] = find_status(j, &old[e->status[m]]);
            put_status(j, entity, m);
        }
}

static bool same_statuses(const struct entity *e, const uint16_t *status,
                          const struct entity *other)
{
    return memcmp(e->status, status, sizeof(e->status)) == 0 &&
           memcmp(e->coverage, other->coverage, sizeof(e->coverage)) == 0;
}

/* All that a reader has to know who has read nothing before. */
static void put_known(struct journal *j)
{
    struct metric_status *old = j->statuses;
    uint16_t before[METRIC_COUNT];
    int last = -1;

    j->statuses = NULL;
    j->status_count = j->status_room = 0;
    for (int i = 0; i < j->count; i++) {
        struct entity *e = j->entities[i];
        if (!e)
            continue;
        e->mask = 0;
        memset(e->trends, 0, sizeof(e->trends));
        put_entity(j, i);
        if (last >= 0 && same_statuses(e, before, j->entities[last])) {
            put_number(&j->block, JOURNAL_OP_ALIKE);
            put_number(&j->block, (uint64_t)i);
            put_number(&j->block, (uint64_t)last);
            memcpy(e->status, j->entities[last]->status, sizeof(e->status));
        } else {
            memcpy(before, e->status, sizeof(before));
            repeat_statuses(j, i, old);
            last = i;
        }
    }
    j->status_used = j->status_count;
    free(old);
}

/* Start the block of the next tick: a key where one is due. */
static void begin_tick(struct journal *j, bool key)
{
    if (j->status_count > 2 * j->status_used + 64)
        key = true;                      /* forget those not in use */
    key = key || j->ticks - j->key_at >= JOURNAL_KEY_TICKS;
    begin_block(&j->block, key ? JOURNAL_KEY : JOURNAL_DELTA);
    put_number(&j->block, j->ticks);
    if (!key)
        return;
    j->key_at = j->ticks;
    j->keys++;
    j->clock = j->offset = (struct journal_trend){ 0 };
    put_known(j);
}

/* ---- the file ---- */

/* Only this user may look at what a run's samples tell. */
static int open_directory(const char *path, struct mlb_error *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot make %s", path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot open %s", path);
    return fd;
}

static char *make_name(const struct journal *j, const char *node, int k)
{
    return xasprintf("%ld-%s-%d.mbj", j->attempt, node, k);
}

static bool is_taken(const struct journal *j, int directory, const char *node,
                     int k)
{
    char *name = make_name(j, node, k);
    struct stat st;
    bool taken = fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0;

    free(name);
    return taken;
}

/* A number that is likely to be free: they are given in order, so the first
 * free one is found in a few steps however many there are. */
static int guess_number(const struct journal *j, int directory,
                        const char *node)
{
    int taken = -1, open = 0;

    while (open < WRITERS_MOST && is_taken(j, directory, node, open)) {
        taken = open;
        open = 2 * open + 1;
    }
    while (open - taken > 1) {
        int middle = taken + (open - taken) / 2;
        if (is_taken(j, directory, node, middle))
            taken = middle;
        else
            open = middle;
    }
    return open;
}

static int create_file(struct journal *j, const char *run_dir,
                       struct mlb_error *err)
{
    char *dir = xasprintf("%s/journal", run_dir);
    char *node = text_encode_name(j->node);
    int directory = open_directory(dir, err);
    int k = directory < 0 ? 0 : guess_number(j, directory, node);

    for (; directory >= 0 && j->fd < 0; k++) {
        char *name = make_name(j, node, k);
        free(j->path);
        j->path = xasprintf("%s/%s", dir, name);
        j->fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL |
                                        O_NOFOLLOW | O_CLOEXEC, 0600);
        free(name);
        if (j->fd < 0 && (errno != EEXIST || k >= WRITERS_MOST)) {
            mlb_error_errno(err, MLB_ERR_IO, "cannot create %s", j->path);
            break;
        }
    }
    if (directory >= 0)
        close(directory);
    free(node);
    free(dir);
    return j->fd < 0 ? -1 : 0;
}

/* Write what is collected behind what is whole. What a failure left of it
 * is cut off again, so that it does no harm even to who cannot resume. */
static int flush(struct journal *j)
{
    const struct mlb_text *b = &j->block;
    size_t done = 0;

    while (done < b->length) {
        ssize_t n = pwrite(j->fd, b->data + done, b->length - done,
                           j->size + (off_t)done);
        if (n > 0) {
            done += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            int why = n == 0 ? ENOSPC : errno;
            if (done > 0 && ftruncate(j->fd, j->size) < 0)
                j->size += (off_t)done;  /* torn; readers pass over it */
            errno = why;
            return -1;
        }
    }
    j->size += (off_t)done;
    return 0;
}

struct journal *journal_create(const char *run_dir, long attempt,
                               const char *node, struct mlb_error *err)
{
    struct journal *j = xmalloc(sizeof(*j));

    *j = (struct journal){
        .fd = -1, .attempt = attempt, .node = xstrdup(node),
        .block = MLB_TEXT_INIT, .synced = INT64_MIN,
    };
    if (create_file(j, run_dir, err) < 0) {
        journal_close(j);
        return NULL;
    }
    text_addn(&j->block, JOURNAL_MAGIC, JOURNAL_MAGIC_BYTES);
    put_header(j);
    if (flush(j) < 0) {
        mlb_error_errno(err, MLB_ERR_IO, "cannot write %s", j->path);
        unlink(j->path);
        journal_close(j);
        return NULL;
    }
    j->block.length = 0;
    begin_tick(j, true);
    return j;
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    if (journal->fd >= 0)
        close(journal->fd);
    for (int i = 0; i < journal->count; i++)
        free(journal->entities[i]);
    free(journal->entities);
    free(journal->statuses);
    text_clear(&journal->block);
    free(journal->node);
    free(journal->path);
    free(journal);
}

/* ---- what a tick has ---- */

int journal_add(struct journal *journal, const struct journal_entity *entity)
{
    struct journal *j = journal;
    int n = j->count;

    if ((n & (n - 1)) == 0)
        j->entities = xrealloc(j->entities, (size_t)(n ? 2 * n : 1) *
                                                sizeof(*j->entities));
    struct entity *e = xcalloc(1, sizeof(*e));
    e->about = *entity;
    memset(e->status, 0xff, sizeof(e->status));
    j->entities[j->count++] = e;
    put_entity(j, n);
    return n;
}

static struct entity *get_entity(struct journal *j, int entity)
{
    assert(entity >= 0 && entity < j->count);
    return j->entities[entity];
}

void journal_set_status(struct journal *journal, int entity,
                        enum metric_id metric,
                        const struct metric_status *status)
{
    struct journal *j = journal;
    struct entity *e = get_entity(j, entity);

    assert(e);
    uint16_t known = e->status[metric];
    if (known != UNSAID && e->coverage[metric] == status->coverage &&
        is_alike(&j->statuses[known], status))
        return;
    e->status[metric] = find_status(j, status);
    e->coverage[metric] = (uint8_t)status->coverage;
    put_status(j, entity, (int)metric);
}

void journal_put(struct journal *journal, int entity,
                 const int64_t values[METRIC_COUNT])
{
    struct mlb_text *b = &journal->block;
    struct entity *e = get_entity(journal, entity);
    uint64_t mask = 0;

    assert(e);
    for (int m = 0; m < METRIC_COUNT; m++)
        if (values[m] != METRIC_MISSING)
            mask |= UINT64_C(1) << m;
    put_number(b, JOURNAL_OP_SAMPLE + 2 * (uint64_t)entity +
                      (mask != e->mask));
    if (mask != e->mask)
        put_number(b, mask);
    e->mask = mask;
    for (int m = 0; m < METRIC_COUNT; m++)
        if (mask >> m & 1)
            put_number(b, journal_residue(&e->trends[m], values[m],
                                          metrics[m].kind ==
                                              METRIC_COUNTER));
}

void journal_end(struct journal *journal, int entity)
{
    assert(get_entity(journal, entity));
    put_number(&journal->block, JOURNAL_OP_END);
    put_number(&journal->block, (uint64_t)entity);
    free(journal->entities[entity]);
    journal->entities[entity] = NULL;
}

void journal_note(struct journal *journal, const char *name, const char *text)
{
    put_number(&journal->block, JOURNAL_OP_NOTE);
    put_string(&journal->block, name, sizeof((struct journal_item){0}.name));
    put_string(&journal->block, text, sizeof((struct journal_item){0}.text));
}

/* What could not be written is lost. The next tick stands by itself. */
static int fail_tick(struct journal *j, struct mlb_error *err)
{
    bool first = j->failed++ == 0;

    if (first) {
        j->why = errno;
        mlb_error_errno(err, MLB_ERR_IO, "cannot write %s", j->path);
    }
    j->ticks++;
    j->block.length = 0;
    begin_tick(j, true);
    return first ? -1 : 0;
}

int journal_tick(struct journal *journal, int64_t monotonic, int64_t real,
                 struct mlb_error *err)
{
    struct journal *j = journal;
    char gap[128];

    if (j->failed > 0) {
        snprintf(gap, sizeof(gap), "%llu ticks could not be written: %s",
                 (unsigned long long)j->failed, strerror(j->why));
        journal_note(j, "gap", gap);
    }
    put_number(&j->block, JOURNAL_OP_TICK);
    put_number(&j->block, journal_residue(&j->clock, monotonic, true));
    int64_t offset = (int64_t)((uint64_t)real - (uint64_t)monotonic);
    put_number(&j->block, journal_residue(&j->offset, offset, false));
    end_block(&j->block, 0);
    if (j->keys % JOURNAL_HEADER_KEYS == 1 && j->key_at == j->ticks)
        put_header(j);
    if (j->block.length > JOURNAL_BLOCK_LIMIT)
        errno = EFBIG;
    if (j->block.length > JOURNAL_BLOCK_LIMIT || flush(j) < 0)
        return fail_tick(j, err);
    j->failed = 0;
    j->ticks++;
    j->block.length = 0;
    begin_tick(j, false);
    if (j->synced == INT64_MIN)
        j->synced = monotonic;
    if (monotonic - j->synced < SYNC_EVERY)
        return 0;
    j->synced = monotonic;
    return fdatasync(j->fd) == 0
               ? 0
               : mlb_error_errno(err, MLB_ERR_IO, "cannot sync %s", j->path);
}
