/* SPDX-License-Identifier: BSD-3-Clause */
/* From a journal's blocks to items. Checksums have been compared, but who
 * means harm makes them fit: nothing is believed. */
#include "config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "run/journal_format.h"
#include "run/journal_parse.h"

#define STATUSES_MOST UINT16_MAX

struct cursor {
    const unsigned char *at, *end;
    bool bad;
};

struct known {
    struct journal_entity about;
    bool repeated;                       /* by this key */
    bool sampled;                        /* in this tick */
    uint64_t mask;
    struct journal_trend trends[JOURNAL_METRICS];
    uint64_t told;                       /* metrics with a status */
    struct metric_status *said;          /* [METRIC_COUNT], or NULL */
};

struct journal_parser {
    long attempt;
    char *node, *boot;
    int metric_count;
    struct {
        int id;                          /* enum metric_id; -1: not ours */
        bool counter;
    } metrics[JOURNAL_METRICS];
    struct known **entities;
    int entity_count;
    struct metric_status *statuses;      /* since the last key */
    size_t status_count;
    struct journal_trend clock, offset;
    uint64_t next_tick;
    bool lost;
    bool key;                            /* the block is one */
    int ending;                          /* entities that it may end */
    unsigned char *block;
    size_t block_size, left;
    struct cursor cursor;
    /* Of ALIKE: statuses to be told, from..to. */
    int alike, alike_to, alike_metric;
};

/* ---- numbers and strings ---- */

static uint64_t get_number(struct cursor *c)
{
    uint64_t n = 0;

    for (int shift = 0; shift < 64; shift += 7) {
        if (c->at == c->end)
            break;
        unsigned char byte = *c->at++;
        n |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return n;
    }
    c->bad = true;
    return 0;
}

static int64_t get_signed(struct cursor *c)
{
    uint64_t n = get_number(c);

    return (int64_t)((n >> 1) ^ (0 - (n & 1)));
}

/* A number below limit. */
static int get_index(struct cursor *c, int limit)
{
    uint64_t n = get_number(c);

    if (n < (uint64_t)limit)
        return (int)n;
    c->bad = true;
    return 0;
}

/* What does not fit is cut. */
static void get_string(struct cursor *c, char *to, size_t room)
{
    uint64_t length = get_number(c);

    if (length > (uint64_t)(c->end - c->at)) {
        c->bad = true;
        length = 0;
    }
    size_t kept = length < room ? length : room - 1;
    memcpy(to, c->at, kept);
    to[kept] = '\0';
    c->at += length;
}

/* ---- the header ---- */

struct journal_parser *journal_parser_create(void)
{
    struct journal_parser *p = xcalloc(1, sizeof(*p));

    p->lost = true;
    p->alike = -1;
    return p;
}

static void forget_entity(struct journal_parser *p, int i)
{
    if (p->entities[i])
        free(p->entities[i]->said);
    free(p->entities[i]);
    p->entities[i] = NULL;
}

void journal_parser_destroy(struct journal_parser *parser)
{
    if (!parser)
        return;
    for (int i = 0; i < parser->entity_count; i++)
        forget_entity(parser, i);
    free(parser->entities);
    free(parser->statuses);
    free(parser->block);
    free(parser->node);
    free(parser->boot);
    free(parser);
}

/* A metric whose unit is not what we mean by its name is not ours. */
static void read_metric(struct journal_parser *p, struct cursor *c, int n)
{
    char name[256], unit[256];

    get_string(c, name, sizeof(name));
    get_string(c, unit, sizeof(unit));
    int kind = get_index(c, METRIC_GAUGE + 1);
    int id = metric_find(name);
    if (id >= 0 && (strcmp(metrics[id].unit, unit) != 0 ||
                    (int)metrics[id].kind != kind))
        id = -1;
    p->metrics[n].id = id;
    p->metrics[n].counter = kind == METRIC_COUNTER;
}

int journal_parser_header(struct journal_parser *parser,
                          const unsigned char *bytes, size_t length,
                          struct mlb_error *err)
{
    struct cursor c = { bytes, bytes + length, false };
    uint64_t version = get_number(&c);
    char node[256], boot[256];

    if (!c.bad && version > JOURNAL_VERSION)
        return mlb_error_set(err, MLB_ERR_UNSUPPORTED, "a journal of version "
                             "%llu, newer than this program",
                             (unsigned long long)version);
    int64_t attempt = get_signed(&c);
    get_string(&c, node, sizeof(node));
    get_string(&c, boot, sizeof(boot));
    int count = get_index(&c, JOURNAL_METRICS + 1);
    for (int i = 0; i < count && !c.bad; i++)
        read_metric(parser, &c, i);
    if (c.bad || attempt < 0 || attempt > INT_MAX)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "its head makes no "
                             "sense");
    parser->metric_count = count;
    parser->attempt = (long)attempt;
    parser->node = xstrdup(node);
    parser->boot = xstrdup(boot);
    return 0;
}

long journal_parser_attempt(const struct journal_parser *parser)
{
    return parser->attempt;
}

const char *journal_parser_node(const struct journal_parser *parser)
{
    return parser->node;
}

const char *journal_parser_boot(const struct journal_parser *parser)
{
    return parser->boot;
}

/* ---- blocks ---- */

static void begin_key(struct journal_parser *p)
{
    for (int i = 0; i < p->entity_count; i++)
        if (p->entities[i])
            p->entities[i]->repeated = false;
    p->status_count = 0;
    p->clock = p->offset = (struct journal_trend){ 0 };
}

bool journal_parser_block(struct journal_parser *parser,
                          const unsigned char *bytes, size_t length)
{
    struct journal_parser *p = parser;

    if (bytes[0] == JOURNAL_HEADER)
        return true;             /* one more, for who lost the first */
    if (length > p->block_size) {
        p->block_size = length;
        p->block = xrealloc(p->block, length);
    }
    memcpy(p->block, bytes, length);
    p->cursor = (struct cursor){ p->block + 1, p->block + length, false };
    uint64_t tick = get_number(&p->cursor);
    p->key = bytes[0] == JOURNAL_KEY;
    if (p->cursor.bad || (!p->key && (bytes[0] != JOURNAL_DELTA ||
                                      p->lost || tick != p->next_tick))) {
        p->cursor.at = p->cursor.end;
        p->lost = true;
        return false;
    }
    p->next_tick = tick + 1;
    p->lost = false;
    p->ending = p->key ? p->entity_count : 0;
    if (p->key)
        begin_key(p);
    for (int i = 0; i < p->entity_count; i++)
        if (p->entities[i])
            p->entities[i]->sampled = false;
    return true;
}

size_t journal_parser_left(struct journal_parser *parser)
{
    size_t left = parser->left;

    parser->left = 0;
    return left;
}

void journal_parser_lose(struct journal_parser *parser)
{
    parser->lost = true;
}

bool journal_parser_lost(const struct journal_parser *parser)
{
    return parser->lost;
}

/* ---- items: each false if it has nothing to tell ---- */

static struct known *get_known(struct journal_parser *p, int *entity)
{
    *entity = get_index(&p->cursor, p->entity_count);
    struct known *k = p->cursor.bad ? NULL : p->entities[*entity];

    if (!k)
        p->cursor.bad = true;
    return k;
}

static void make_room(struct journal_parser *p, int entity)
{
    if (entity < p->entity_count)
        return;
    p->entities = xrealloc(p->entities, ((size_t)entity + 1) *
                                            sizeof(*p->entities));
    while (p->entity_count <= entity)
        p->entities[p->entity_count++] = NULL;
}

static bool same_entity(const struct journal_entity *a,
                        const struct journal_entity *b)
{
    return a->scope == b->scope && a->rank == b->rank && a->pid == b->pid &&
           a->capacity == b->capacity && strcmp(a->name, b->name) == 0 &&
           strcmp(a->product, b->product) == 0;
}

static bool read_entity(struct journal_parser *p, struct journal_item *item)
{
    struct cursor *c = &p->cursor;
    struct journal_entity about = { 0 };

    int i = get_index(c, JOURNAL_ENTITIES);
    about.scope = (enum metric_scope)get_index(c, METRIC_GPU + 1);
    about.rank = (long)get_signed(c);
    about.pid = (long)get_signed(c);
    get_string(c, about.name, sizeof(about.name));
    get_string(c, about.product, sizeof(about.product));
    about.capacity = get_signed(c);
    /* One more than there were, or one of a tick that was lost. */
    if (c->bad || (!p->key && i != p->entity_count)) {
        c->bad = true;
        return false;
    }
    make_room(p, i);
    struct known *k = p->entities[i];
    bool is_new = !k || !same_entity(&k->about, &about);
    if (is_new) {
        forget_entity(p, i);
        k = p->entities[i] = xcalloc(1, sizeof(*k));
    }
    k->about = about;
    k->repeated = true;
    k->mask = 0;
    memset(k->trends, 0, sizeof(k->trends));
    item->what = JOURNAL_ENTITY;
    item->entity = i;
    item->about = about;
    return is_new;
}

/* Words of a newer program are the worst that is known. */
static bool read_define(struct journal_parser *p)
{
    struct metric_status s = { 0 };
    char state[64], cause[64];
    size_t n = p->status_count;

    get_string(&p->cursor, state, sizeof(state));
    get_string(&p->cursor, cause, sizeof(cause));
    get_string(&p->cursor, s.source, sizeof(s.source));
    get_string(&p->cursor, s.reason, sizeof(s.reason));
    int found = metric_state_find(state);
    s.state = found < 0 ? METRIC_UNAVAILABLE : (enum metric_state)found;
    found = metric_cause_find(cause);
    s.cause = found < 0 ? METRIC_ERROR : (enum metric_cause)found;
    if (n == STATUSES_MOST)
        p->cursor.bad = true;
    if (p->cursor.bad)
        return false;
    if (n == 0 || (n >= 16 && (n & (n - 1)) == 0))
        p->statuses = xrealloc(p->statuses,
                               (n < 16 ? 16 : 2 * n) * sizeof(s));
    p->statuses[p->status_count++] = s;
    return false;
}

static bool is_said(const struct metric_status *a,
                    const struct metric_status *b)
{
    return a->state == b->state && a->cause == b->cause &&
           a->coverage == b->coverage && strcmp(a->source, b->source) == 0 &&
           strcmp(a->reason, b->reason) == 0;
}

static bool tell_status(struct known *k, int metric,
                        const struct metric_status *status,
                        struct journal_item *item)
{
    if (!k->said)
        k->said = xcalloc(METRIC_COUNT, sizeof(*k->said));
    uint64_t bit = UINT64_C(1) << metric;
    if ((k->told & bit) && is_said(&k->said[metric], status))
        return false;
    k->told |= bit;
    k->said[metric] = *status;
    item->what = JOURNAL_STATUS;
    item->metric = (enum metric_id)metric;
    item->status = *status;
    return true;
}

static bool read_status(struct journal_parser *p, struct journal_item *item)
{
    struct known *k = get_known(p, &item->entity);
    int metric = get_index(&p->cursor, p->metric_count);
    int status = get_index(&p->cursor, (int)p->status_count);
    int coverage = get_index(&p->cursor, 101);

    if (p->cursor.bad || p->metrics[metric].id < 0)
        return false;
    struct metric_status s = p->statuses[status];
    s.coverage = coverage;
    return tell_status(k, p->metrics[metric].id, &s, item);
}

static bool read_alike(struct journal_parser *p)
{
    int to, from;

    get_known(p, &to);
    const struct known *k = p->cursor.bad ? NULL : get_known(p, &from);
    if (!k || !k->said)
        return false;
    p->alike = from;
    p->alike_to = to;
    p->alike_metric = 0;
    return false;
}

/* The next status that one entity has from another. */
static bool next_alike(struct journal_parser *p, struct journal_item *item)
{
    const struct known *from = p->entities[p->alike];

    while (p->alike_metric < METRIC_COUNT) {
        int m = p->alike_metric++;
        item->entity = p->alike_to;
        if ((from->told >> m & 1) &&
            tell_status(p->entities[p->alike_to], m, &from->said[m], item))
            return true;
    }
    p->alike = -1;
    return false;
}

static bool read_end(struct journal_parser *p, struct journal_item *item)
{
    get_known(p, &item->entity);
    if (p->cursor.bad)
        return false;
    forget_entity(p, item->entity);
    item->what = JOURNAL_END;
    return true;
}

static bool read_note(struct journal_parser *p, struct journal_item *item)
{
    item->what = JOURNAL_NOTE;
    get_string(&p->cursor, item->name, sizeof(item->name));
    get_string(&p->cursor, item->text, sizeof(item->text));
    return true;
}

static bool read_sample(struct journal_parser *p, uint64_t op,
                        struct journal_item *item)
{
    uint64_t i = (op - JOURNAL_OP_SAMPLE) / 2;
    struct known *k = i < (uint64_t)p->entity_count ? p->entities[i] : NULL;

    if (!k || k->sampled) {
        p->cursor.bad = true;
        return false;
    }
    k->sampled = true;
    if (op & 1)
        k->mask = get_number(&p->cursor);
    for (int m = 0; m < METRIC_COUNT; m++)
        item->values[m] = METRIC_MISSING;
    for (int n = 0; n < p->metric_count; n++) {
        if (!(k->mask >> n & 1))
            continue;
        int64_t value = journal_value(&k->trends[n], get_number(&p->cursor),
                                      p->metrics[n].counter);
        if (p->metrics[n].id >= 0)
            item->values[p->metrics[n].id] = value;
    }
    if (p->metric_count < JOURNAL_METRICS && k->mask >> p->metric_count)
        p->cursor.bad = true;
    item->what = JOURNAL_SAMPLE;
    item->entity = (int)i;
    return true;
}

static bool read_tick(struct journal_parser *p, struct journal_item *item)
{
    item->what = JOURNAL_TICK;
    item->monotonic = journal_value(&p->clock, get_number(&p->cursor), true);
    int64_t offset = journal_value(&p->offset, get_number(&p->cursor),
                                   false);
    item->real = (int64_t)((uint64_t)item->monotonic + (uint64_t)offset);
    if (p->cursor.at != p->cursor.end)
        p->cursor.bad = true;    /* it is the last of its block */
    return true;
}

static bool read_item(struct journal_parser *p, struct journal_item *item)
{
    uint64_t op = get_number(&p->cursor);

    if (op >= JOURNAL_OP_SAMPLE)
        return read_sample(p, op, item);
    switch (op) {
    case JOURNAL_OP_TICK:
        return read_tick(p, item);
    case JOURNAL_OP_ENTITY:
        return read_entity(p, item);
    case JOURNAL_OP_DEFINE:
        return read_define(p);
    case JOURNAL_OP_STATUS:
        return read_status(p, item);
    case JOURNAL_OP_ALIKE:
        return read_alike(p);
    case JOURNAL_OP_END:
        return read_end(p, item);
    case JOURNAL_OP_NOTE:
        return read_note(p, item);
    }
    p->cursor.bad = true;
    return false;
}

/* At the end of a key: one that it did not name ended in what was lost. */
static bool end_missing(struct journal_parser *p, struct journal_item *item)
{
    while (p->ending > 0) {
        int i = --p->ending;
        if (!p->entities[i] || p->entities[i]->repeated)
            continue;
        forget_entity(p, i);
        item->what = JOURNAL_END;
        item->entity = i;
        return true;
    }
    return false;
}

enum journal_what journal_parser_next(struct journal_parser *parser,
                                      struct journal_item *item)
{
    struct journal_parser *p = parser;
    struct cursor *c = &p->cursor;

    for (;;) {
        if (p->alike >= 0) {
            if (next_alike(p, item))
                return item->what;
            continue;
        }
        if (c->at == c->end)
            break;
        bool tells = read_item(p, item);
        if (c->bad) {
            p->left = (size_t)(c->end - p->block);
            p->lost = true;
            *c = (struct cursor){ 0 };
            p->alike = -1;
        } else if (tells) {
            return item->what;
        }
    }
    return end_missing(p, item) ? item->what : JOURNAL_NONE;
}
