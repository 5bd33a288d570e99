/* SPDX-License-Identifier: BSD-3-Clause */
/* The job's control groups: version 1, 2, or both at once, wherever they are
 * mounted; by /proc/self/cgroup and /proc/self/mountinfo. */
#include "config.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/text.h"

#include "counters/files.h"
#include "counters/group.h"

#define LIMIT (1u << 20)
#define ANCESTORS 64

const char *group_root = "";

static const char *const version_1[GROUP_CONTROLLERS] = {
    [GROUP_MEMORY] = "memory",
    [GROUP_CPU] = "cpuacct",
};
/* A controller of version 2 is there if this file is. */
static const char *const version_2[GROUP_CONTROLLERS] = {
    [GROUP_MEMORY] = "memory.current",
    [GROUP_CPU] = "cpu.stat",
};

static char *read_proc(const char *name)
{
    struct mlb_text text = MLB_TEXT_INIT;
    char *path = xasprintf("%s/proc/%s", group_root, name);
    int rc = files_read(path, LIMIT, &text, NULL);

    free(path);
    if (rc == 0)
        return text_detach(&text);
    text_clear(&text);
    return NULL;
}

/* Is name one of the words, apart by commas, of which length bytes count? */
static bool lists(const char *words, size_t length, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = words, *end = words + length; p < end;) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        size_t word = (size_t)((comma ? comma : end) - p);
        if (word == n && memcmp(p, name, n) == 0)
            return true;
        p += word + 1;
    }
    return false;
}

/* This process's path in the hierarchy of a controller ("": version 2). */
static char *own_path(const char *cgroups, const char *controller)
{
    for (const char *line = cgroups; *line;) {
        size_t length = strcspn(line, "\n");
        const char *first = memchr(line, ':', length);
        const char *second =
            first ? memchr(first + 1, ':', length - (size_t)(first + 1 - line))
                  : NULL;
        if (second) {
            size_t n = (size_t)(second - first - 1);
            if (*controller ? lists(first + 1, n, controller) : n == 0)
                return xstrndup(second + 1,
                                length - (size_t)(second + 1 - line));
        }
        line += length + (line[length] == '\n');
    }
    return NULL;
}

/* mountinfo writes blanks as \040. */
static void unescape(char *s)
{
    char *to = s;

    for (; *s; s++) {
        if (s[0] == '\\' && isdigit((unsigned char)s[1]) &&
            isdigit((unsigned char)s[2]) && isdigit((unsigned char)s[3])) {
            *to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + s[3] - '0');
            s += 3;
        } else {
            *to++ = *s;
        }
    }
    *to = '\0';
}

struct mount {
    char root[PATH_MAX], point[PATH_MAX];
};

/* One line: "36 35 98:0 ROOT POINT options - type source options". */
static bool parse_mount(const char *line, const char *controller,
                        struct mount *mount)
{
    char type[32], options[256] = "";
    const char *rest = strstr(line, " - ");

    if (!rest ||
        sscanf(line, "%*s %*s %*s %4095s %4095s", mount->root,
               mount->point) != 2 ||
        sscanf(rest + 3, "%31s %*s %255s", type, options) < 1)
        return false;
    unescape(mount->root);
    unescape(mount->point);
    if (!*controller)
        return strcmp(type, "cgroup2") == 0;
    return strcmp(type, "cgroup") == 0 &&
           lists(options, strlen(options), controller);
}

static bool find_mount(const char *mounts, const char *controller,
                       struct mount *mount)
{
    bool found = false;

    for (const char *line = mounts; *line && !found;) {
        size_t length = strcspn(line, "\n");
        char *copy = xstrndup(line, length);
        found = parse_mount(copy, controller, mount);
        free(copy);
        line += length + (line[length] == '\n');
    }
    return found;
}

/* ---- which part of the path is the job's ---- */

/* Names of units write a dot or a dash as \x2e or \x2d. */
static void unescape_unit(const char *from, size_t length, char *to)
{
    for (size_t i = 0; i < length; i++) {
        unsigned int byte;
        if (i + 3 < length && from[i] == '\\' && from[i + 1] == 'x' &&
            sscanf(from + i + 2, "%2x", &byte) == 1 && byte) {
            *to++ = (char)byte;
            i += 3;
        } else {
            *to++ = from[i];
        }
    }
    *to = '\0';
}

/* Does the name hold id, not as a part of a longer number or word? */
static bool holds(const char *name, const char *id)
{
    for (const char *p = name; *id && (p = strstr(p, id)); p++) {
        unsigned char after = (unsigned char)p[strlen(id)];
        bool begins = p == name || !isalnum((unsigned char)p[-1]);
        if (begins && !isalnum(after))
            return true;
    }
    return false;
}

static bool names_job(const char *component, size_t length)
{
    const char *slurm = getenv("SLURM_JOB_ID"), *pbs = getenv("PBS_JOBID");
    char name[NAME_MAX + 1];

    if (length > NAME_MAX)
        return false;
    unescape_unit(component, length, name);
    if (slurm && strncmp(name, "job_", 4) == 0)
        return strcmp(name + 4, slurm) == 0;
    return pbs && holds(name, pbs);
}

/* The length of path up to the job's component; 0: there is none. */
static size_t job_length(const char *path)
{
    for (const char *p = path; *p;) {
        p += *p == '/';
        size_t length = strcspn(p, "/");
        if (length > 0 && names_job(p, length))
            return (size_t)(p - path) + length;
        p += length;
    }
    return 0;
}

/* ---- a scope that nobody shares ---- */

static pid_t parent_of(pid_t pid)
{
    struct counters_stat stat;
    char *path = xasprintf("%s/proc/%d/stat", group_root, (int)pid);
    char text[FILES_TEXT];
    ssize_t n = counters_file(path, text);

    free(path);
    return n > 0 && counters_parse_stat(text, &stat) == 0 ? stat.parent : 0;
}

static bool in_group(const char *pids, pid_t pid)
{
    char *end;

    for (const char *p = pids;; p = end) {
        long one = strtol(p, &end, 10);
        if (end == p)
            return false;
        if (one == pid)
            return true;
    }
}

static bool is_mlbatch(pid_t pid)
{
    char program[PATH_MAX];
    char *path = xasprintf("%s/proc/%d/exe", group_root, (int)pid);
    ssize_t n = readlink(path, program, sizeof(program) - 1);

    free(path);
    program[n > 0 ? n : 0] = '\0';
    const char *slash = strrchr(program, '/');
    return slash && strncmp(slash, "/mlbatch", 8) == 0;
}

static bool descends(pid_t pid, pid_t top)
{
    for (int i = 0; pid > 1 && i < ANCESTORS; i++, pid = parent_of(pid))
        if (pid == top)
            return true;
    return false;
}

/* All that is in the group descends from one process of mlbatch. */
static bool only_ours(const char *pids)
{
    pid_t top = getpid();
    char *end;

    for (int i = 0; i < ANCESTORS; i++) {
        pid_t parent = parent_of(top);
        if (parent <= 1 || !in_group(pids, parent))
            break;
        top = parent;
    }
    if (!is_mlbatch(top))
        return false;
    for (const char *p = pids;; p = end) {
        long one = strtol(p, &end, 10);
        if (end == p)
            return true;
        if (!descends((pid_t)one, top))
            return false;
    }
}

static bool is_own_scope(const char *directory, const char *path)
{
    struct mlb_text pids = MLB_TEXT_INIT;
    size_t length = strlen(path);
    bool own = false;

    if (length < 6 || strcmp(path + length - 6, ".scope") != 0)
        return false;
    char *file = xasprintf("%s/cgroup.procs", directory);
    if (files_read(file, LIMIT, &pids, NULL) == 0)
        own = only_ours(pids.data);
    free(file);
    text_clear(&pids);
    return own;
}

/* ---- all of it ---- */

/* A path in the hierarchy as a directory; NULL: it is not mounted here. */
static char *directory_of(const struct mount *mount, const char *path,
                          size_t length)
{
    size_t root = strcmp(mount->root, "/") == 0 ? 0 : strlen(mount->root);

    if (length < root || strncmp(path, mount->root, root) != 0 ||
        (path[root] != '/' && path[root] != '\0'))
        return NULL;
    return xasprintf("%s%s%.*s", group_root, mount->point,
                     (int)(length - root), path + root);
}

static char *job_directory(const struct mount *mount, const char *path)
{
    size_t length = job_length(path);

    if (length > 0)
        return directory_of(mount, path, length);
    char *directory = directory_of(mount, path, strlen(path));
    if (directory && !is_own_scope(directory, path)) {
        free(directory);
        directory = NULL;
    }
    return directory;
}

static void find_one(enum group_controller controller, const char *cgroups,
                     const char *mounts, struct group_place *place)
{
    for (int version = 1; version <= 2 && !place->path; version++) {
        const char *name = version == 1 ? version_1[controller] : "";
        struct mount mount;
        char *path = own_path(cgroups, name);
        if (path && find_mount(mounts, name, &mount))
            place->path = job_directory(&mount, path);
        place->version = version;
        free(path);
        if (version == 1 || !place->path)
            continue;
        char *file = xasprintf("%s/%s", place->path, version_2[controller]);
        if (access(file, R_OK) != 0) {
            free(place->path);
            place->path = NULL;
        }
        free(file);
    }
}

void group_find(struct group_place places[GROUP_CONTROLLERS], char *reason,
                size_t size)
{
    char *cgroups = read_proc("self/cgroup");
    char *mounts = read_proc("self/mountinfo");

    memset(places, 0, GROUP_CONTROLLERS * sizeof(*places));
    if (!cgroups || !mounts) {
        snprintf(reason, size, "there are no control groups here");
    } else {
        char *path = own_path(cgroups, "memory");
        if (!path || !find_mount(mounts, "memory", &(struct mount){ 0 })) {
            free(path);
            path = own_path(cgroups, "");
        }
        char *shown = text_printable(path ? path : "/");
        snprintf(reason, size, "this job has no control group of its own "
                 "here (this process is in %.60s)", shown);
        free(shown);
        free(path);
        for (int i = 0; i < GROUP_CONTROLLERS; i++)
            find_one((enum group_controller)i, cgroups, mounts, &places[i]);
    }
    free(cgroups);
    free(mounts);
}

void group_clear(struct group_place places[GROUP_CONTROLLERS])
{
    for (int i = 0; i < GROUP_CONTROLLERS; i++) {
        free(places[i].path);
        places[i].path = NULL;
    }
}
