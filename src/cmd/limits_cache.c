/* SPDX-License-Identifier: BSD-3-Clause */
/* What a scheduler said of its limits, kept for a few minutes. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fields.h"
#include "base/files.h"
#include "cmd/limits_cache.h"

#define SECONDS_KEPT 600

/* Where: a file of this user's own, NULL if there is no place. */
static char *cache_path(const char *scheduler)
{
    char *name = xasprintf("limits-%s", scheduler);
    char *path = files_cache_path(name);

    free(name);
    return path;
}

/* Another configuration is another cluster. */
static char *cache_key(void)
{
    const char *conf = getenv("SLURM_CONF");

    return xasprintf("%ld %s", (long)getuid(), conf ? conf : "");
}

static bool is_young(const struct mlb_fields *f)
{
    char *key = cache_key();
    const char *kept = fields_get(f, "for");
    long age = (long)time(NULL) - fields_get_long(f, "time", 0);
    bool young = kept && strcmp(kept, key) == 0 && age >= 0 &&
                 age < SECONDS_KEPT;

    free(key);
    return young;
}

/* "NUMBERS NAME": the name is last, since it may hold anything. */
static bool parse_partition(const char *text, struct mlb_partition *p)
{
    int usable, is_default, end = 0;

    *p = (struct mlb_partition){ 0 };
    if (sscanf(text, "%d %d %ld %ld %ld %ld %ld %lld %n", &usable,
               &is_default, &p->nodes, &p->max_nodes, &p->max_walltime,
               &p->cpus_per_node, &p->gpus_per_node, &p->memory_per_node,
               &end) != 8 || end == 0)
        return false;
    p->usable = usable != 0;
    p->is_default = is_default != 0;
    p->name = xstrdup(text + end);
    return true;
}

static bool parse(const struct mlb_fields *f, struct mlb_limits *limits)
{
    struct mlb_strings rows = MLB_STRINGS_INIT;
    bool sound = true;

    *limits = (struct mlb_limits){ .accounts = MLB_STRINGS_INIT };
    fields_get_all(f, "account", &limits->accounts);
    limits->accounts_known = fields_get_long(f, "accounts_known", 0) != 0;
    limits->array_size = fields_get_long(f, "array_size", 0);
    fields_get_all(f, "partition", &rows);
    limits->partitions = xcalloc(rows.count, sizeof(*limits->partitions));
    for (size_t i = 0; sound && i < rows.count; i++) {
        sound = parse_partition(rows.items[i], &limits->partitions[i]);
        limits->partition_count += sound;
    }
    strings_clear(&rows);
    return sound && limits->partition_count > 0;
}

bool limits_cache_read(const char *scheduler, struct mlb_limits *limits)
{
    struct mlb_fields f = MLB_FIELDS_INIT;
    char *path = cache_path(scheduler);
    bool found = path && fields_read(&f, path, NULL) == 0 && is_young(&f);

    if (found && !parse(&f, limits)) {
        limits_clear(limits);
        found = false;
    }
    fields_clear(&f);
    free(path);
    return found;
}

void limits_cache_write(const char *scheduler,
                        const struct mlb_limits *limits)
{
    struct mlb_fields f = MLB_FIELDS_INIT;
    char *path = cache_path(scheduler), *key = cache_key();

    fields_add(&f, "for", key);
    fields_addf(&f, "time", "%ld", (long)time(NULL));
    fields_addf(&f, "array_size", "%ld", limits->array_size);
    fields_addf(&f, "accounts_known", "%d", limits->accounts_known);
    for (size_t i = 0; i < limits->accounts.count; i++)
        fields_add(&f, "account", limits->accounts.items[i]);
    for (size_t i = 0; i < limits->partition_count; i++) {
        const struct mlb_partition *p = &limits->partitions[i];
        fields_addf(&f, "partition", "%d %d %ld %ld %ld %ld %ld %lld %s",
                    p->usable, p->is_default, p->nodes, p->max_nodes,
                    p->max_walltime, p->cpus_per_node, p->gpus_per_node,
                    p->memory_per_node, p->name);
    }
    if (path)
        fields_write(&f, path, NULL);
    fields_clear(&f);
    free(path);
    free(key);
}
