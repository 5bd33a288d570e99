/* SPDX-License-Identifier: BSD-3-Clause */
/* Data sets that fit into memory: the shards mapped, their bytes brought in
 * once. The pages are the page cache's, so the ranks on a node share them. */
#include "config.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/loader.h"
#include "store/place.h"
#include "store/reader.h"

#define PART ((uint64_t)1 << 20)        /* read at once */
#define PAGE 4096

struct mapping {
    unsigned char *start;
    size_t length;
};

struct loader_map {
    size_t count;
    struct mapping *shards;
};

/* Read a range of a file, so that failures of the disk are seen here and
 * not as signals later, and have the mapping take the pages. */
static int bring_in(const struct container *file, unsigned char *start,
                    const struct container_info *array, unsigned char *part)
{
    uint64_t end = array->offset + array->bytes;
    volatile unsigned char sum = 0;

    for (uint64_t at = array->offset; at < end;) {
        uint64_t n = end - at < PART ? end - at : PART;
        if (place_pread(file->fd, part, n, at) < 0)
            return -1;
        for (uint64_t i = 0; i < n; i += PAGE)
            sum ^= start[at + i];
        at += n;
    }
    return 0;
}

static int map_shard(const struct mlb_dataset *d, size_t i,
                     struct mapping *map, struct mlb_error *err)
{
    const struct container *file = d->shards[i].file;
    uint64_t size = container_file_size(file);

    if (size > SIZE_MAX)
        return mlb_error_set(err, MLB_ERR_UNSUPPORTED,
                             "%s: too large to be mapped", file->path);
    void *start = mmap(NULL, size, PROT_READ, MAP_SHARED, file->fd, 0);
    if (start == MAP_FAILED)
        return mlb_error_errno(err, MLB_ERR_IO, "%s: cannot map",
                               file->path);
    madvise(start, size, MADV_HUGEPAGE);
    *map = (struct mapping){ start, size };
    return 0;
}

static int fill_shard(const struct mlb_dataset *d, size_t i,
                      const struct mapping *map,
                      const struct loader_field *fields,
                      struct mlb_error *err)
{
    const struct dataset_shard *s = &d->shards[i];
    unsigned char *part = malloc(PART);
    int rc = part ? 0 : mlb_error_set(err, MLB_ERR_IO, "out of memory");

    for (size_t f = 0; f < d->m.field_count && rc == 0; f++)
        if (fields[f].mapped &&
            bring_in(s->file, map->start, s->columns[f].data, part) < 0)
            rc = mlb_error_errno(err, MLB_ERR_IO, "%s: cannot read %s",
                                 s->file->path, s->columns[f].data->name);
    free(part);
    return rc;
}

struct loader_map *loader_map_open(const struct mlb_dataset *dataset,
                                   const struct loader_field *fields,
                                   struct mlb_error *err)
{
    struct loader_map *map = calloc(1, sizeof(*map));

    if (map)
        map->shards = calloc(dataset->m.shard_count, sizeof(*map->shards));
    if (!map || !map->shards) {
        free(map);
        mlb_error_set(err, MLB_ERR_IO, "out of memory");
        return NULL;
    }
    map->count = dataset->m.shard_count;
    for (size_t i = 0; i < map->count; i++)
        if (map_shard(dataset, i, &map->shards[i], err) < 0 ||
            fill_shard(dataset, i, &map->shards[i], fields, err) < 0) {
            loader_map_close(map);
            return NULL;
        }
    return map;
}

void loader_map_close(struct loader_map *map)
{
    if (!map)
        return;
    for (size_t i = 0; i < map->count; i++)
        if (map->shards[i].start)
            munmap(map->shards[i].start, map->shards[i].length);
    free(map->shards);
    free(map);
}

const unsigned char *loader_map_at(const struct loader_map *map,
                                   const struct dataset_place *place)
{
    return map->shards[place->shard].start + place->offset;
}
