/* SPDX-License-Identifier: BSD-3-Clause */
/* How much memory there is, from /proc and the control groups. */
#include "config.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/memory.h"

#define LINE 4096

/* Where the limits of one version of control groups are. */
struct group {
    const char *mount, *limit, *used;
};

static const struct group v1 = { "/sys/fs/cgroup/memory",
                                 "memory.limit_in_bytes",
                                 "memory.usage_in_bytes" };
static const struct group v2 = { "/sys/fs/cgroup", "memory.max",
                                 "memory.current" };

static FILE *open_part(const char *directory, const char *name)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s", directory, name);

    return n > 0 && (size_t)n < sizeof(path) ? fopen(path, "re") : NULL;
}

/* The number behind key in a file of "key value" lines; key "": the number
 * that the file begins with. -1: none, as in "max". */
static int get_number(const char *directory, const char *name,
                      const char *key, uint64_t *out)
{
    FILE *f = open_part(directory, name);
    char line[LINE];
    size_t length = strlen(key);
    int rc = -1;

    while (f && rc < 0 && fgets(line, sizeof(line), f))
        if (strncmp(line, key, length) == 0)
            rc = sscanf(line + length, "%" SCNu64, out) == 1 ? 0 : -1;
    if (f)
        fclose(f);
    return rc;
}

/* What a group's limit leaves: files in memory that nobody uses do not
 * count. */
static uint64_t left_in(const struct group *g, const char *directory)
{
    uint64_t limit = 0, used = 0, active = 0, inactive = 0;

    if (get_number(directory, g->limit, "", &limit) < 0 ||
        get_number(directory, g->used, "", &used) < 0)
        return UINT64_MAX;
    get_number(directory, "memory.stat", "active_file ", &active);
    get_number(directory, "memory.stat", "inactive_file ", &inactive);
    uint64_t files = active + inactive < used ? active + inactive : used;
    used -= files;
    return limit > used ? limit - used : 0;
}

/* The least that a group and those above it leave. In a container the path
 * may be one of outside; what is above all is there nevertheless. */
static uint64_t left_above(const char *root, const struct group *g,
                           const char *path)
{
    char directory[PATH_MAX];
    uint64_t least = UINT64_MAX;
    int n = snprintf(directory, sizeof(directory), "%s%s%s", root, g->mount,
                     path);
    size_t top = strlen(root) + strlen(g->mount);

    if (n < 0 || (size_t)n >= sizeof(directory))
        return least;
    while (strlen(directory) >= top) {
        uint64_t left = left_in(g, directory);
        least = left < least ? left : least;
        *strrchr(directory, '/') = '\0';
    }
    return least;
}

/* A line of /proc/self/cgroup: "0::/path", or "9:cpu,memory:/path". */
static uint64_t left_by(const char *root, char *line)
{
    char *names = strchr(line, ':');
    char *path = names ? strchr(names + 1, ':') : NULL;
    char *rest, *name;

    if (!path || path[1] != '/' || strstr(path, "/../"))
        return UINT64_MAX;
    *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    if (strcmp(names, ":") == 0)
        return left_above(root, &v2, path);
    for (name = strtok_r(names + 1, ",", &rest); name;
         name = strtok_r(NULL, ",", &rest))
        if (strcmp(name, "memory") == 0)
            return left_above(root, &v1, path);
    return UINT64_MAX;
}

uint64_t memory_available(const char *root)
{
    char directory[PATH_MAX], line[LINE];
    uint64_t least;
    int n = snprintf(directory, sizeof(directory), "%s/proc", root);

    if (n < 0 || (size_t)n >= sizeof(directory) ||
        get_number(directory, "meminfo", "MemAvailable:", &least) < 0)
        return 0;
    least = least > UINT64_MAX / 1024 ? UINT64_MAX : least * 1024;
    FILE *f = open_part(directory, "self/cgroup");
    while (f && fgets(line, sizeof(line), f)) {
        uint64_t left = left_by(root, line);
        least = left < least ? left : least;
    }
    if (f)
        fclose(f);
    return least;
}
