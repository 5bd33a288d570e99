/* SPDX-License-Identifier: BSD-3-Clause */
/* Several processes that save one file together, against a file for each. */
#include "config.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "raw.h"
#include "store.h"
#include "store/staging.h"

#define MOST_RANKS 4

enum order { RAW, SHARED, END };

/* In memory of all processes, which live as long as a training does, so
 * that buffers are warm. */
struct crew {
    sem_t go[MOST_RANKS], done;
    enum order order;
    unsigned ranks;
    char path[PATH_MAX];
    size_t count;                      /* of tensors */
    struct staging_part *parts;        /* ranks of each, in order */
    uint32_t *crcs;
    size_t *crc_at;                    /* of each part */
};

static void *share(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        raw_fail("memory");
    return p;
}

static void raw_name(const struct bench *b, unsigned rank, char *out)
{
    snprintf(out, PATH_MAX, "%.4000s.%u", b->raw, rank);
}

/* A contiguous share of all tensors, as ranks that split them would have;
 * rank r of tensor i is part i * ranks + r. */
static void write_share(const struct crew *c, unsigned rank)
{
    struct staging_part *mine = calloc(c->count, sizeof(*mine));
    uint32_t *crcs = calloc(c->count * 4, sizeof(*crcs)), *crc = crcs;
    struct mlb_error err = { 0 };

    for (size_t i = 0; i < c->count; i++)
        mine[i] = c->parts[i * c->ranks + rank];
    bench_check(staging_write(c->path, mine, c->count, crcs, &err), &err);
    for (size_t i = 0; i < c->count; i++) {
        size_t n = staging_sums(&mine[i]);
        memcpy(c->crcs + c->crc_at[i * c->ranks + rank], crc,
               n * sizeof(*crc));
        crc += n;
    }
    free(mine);
    free(crcs);
}

static void work(const struct bench *b, struct crew *c, unsigned rank)
{
    char name[PATH_MAX];

    raw_name(b, rank, name);
    for (;;) {
        while (sem_wait(&c->go[rank]) < 0)
            continue;
        if (c->order == END)
            _exit(0);
        if (c->order == RAW)
            raw_write_new(name, b->bytes / c->ranks);
        else
            write_share(c, rank);
        sem_post(&c->done);
    }
}

static void command(struct crew *c, enum order order)
{
    c->order = order;
    for (unsigned r = 0; r < c->ranks; r++)
        sem_post(&c->go[r]);
    if (order == END)
        return;
    for (unsigned r = 0; r < c->ranks; r++)
        while (sem_wait(&c->done) < 0)
            continue;
}

static void fill_parts(const struct bench *b, struct crew *c,
                       const struct staging *s)
{
    size_t each = b->tensor / c->ranks, sums = 0;

    for (size_t i = 0; i < c->count * c->ranks; i++) {
        size_t tensor = i / c->ranks, rank = i % c->ranks;
        c->parts[i] = (struct staging_part){
            .array = tensor, .offset = rank * each, .length = each,
            .file_offset = staging_offset(s, tensor) + rank * each,
            .data = b->data + b->lead + tensor * b->tensor + rank * each,
            .padding = rank == c->ranks - 1 ? staging_padding(s, tensor) : 0,
        };
        c->crc_at[i] = sums;
        sums += staging_sums(&c->parts[i]);
    }
}

static double save_shared(const struct bench *b, struct crew *c)
{
    struct mlb_error err = { 0 };
    double start = raw_now();
    struct staging *s = staging_create(bench_begin(b, b->path), NULL, &err);

    bench_check(s ? 0 : -1, &err);
    fill_parts(b, c, s);
    snprintf(c->path, sizeof(c->path), "%s", staging_path(s));
    command(c, SHARED);
    for (size_t i = 0; i < c->count * c->ranks; i++)
        bench_check(staging_sum(s, &c->parts[i], c->crcs + c->crc_at[i],
                                &err), &err);
    bench_check(staging_publish(s, false, &err), &err);
    double took = raw_now() - start;
    bench_remove(b->path);
    return took;
}

static double write_raw(const struct bench *b, struct crew *c)
{
    double start = raw_now();
    char name[PATH_MAX];

    command(c, RAW);
    double took = raw_now() - start;
    for (unsigned r = 0; r < c->ranks; r++) {
        raw_name(b, r, name);
        bench_remove(name);
    }
    return took;
}

static struct crew *make_crew(const struct bench *b, unsigned ranks)
{
    struct crew *c = share(sizeof(*c));
    size_t parts = bench_tensors(b) * ranks;

    c->ranks = ranks;
    c->count = bench_tensors(b);
    c->parts = share(parts * sizeof(*c->parts));
    c->crcs = share(parts * 4 * sizeof(*c->crcs));
    c->crc_at = share(parts * sizeof(*c->crc_at));
    sem_init(&c->done, 1, 0);
    fflush(stdout);
    for (unsigned r = 0; r < ranks; r++) {
        sem_init(&c->go[r], 1, 0);
        pid_t pid = fork();
        if (pid < 0)
            raw_fail("fork");
        if (pid == 0)
            work(b, c, r);
    }
    return c;
}

void bench_ranks(struct bench *b, unsigned ranks)
{
    double raw[RAW_MOST_ROUNDS], ours[RAW_MOST_ROUNDS],
        ratio[RAW_MOST_ROUNDS];
    struct crew *c = make_crew(b, ranks);
    char name[64];

    write_raw(b, c);
    save_shared(b, c);
    for (size_t r = 0; r < b->rounds; r++) {
        raw[r] = write_raw(b, c);
        ours[r] = save_shared(b, c);
        ratio[r] = raw[r] / ours[r];
    }
    command(c, END);
    while (wait(NULL) > 0)
        continue;
    snprintf(name, sizeof(name), "ranks%u_over_raw", ranks);
    raw_row(name, raw_median(ratio, b->rounds));
    snprintf(name, sizeof(name), "ranks%u_raw_s", ranks);
    raw_row(name, raw_median(raw, b->rounds));
    snprintf(name, sizeof(name), "ranks%u_s", ranks);
    raw_row(name, raw_median(ours, b->rounds));
}
