/* SPDX-License-Identifier: BSD-3-Clause */
/* The descendants of a process: by the kernel's lists of children, or, where
 * it has none, by one scan of all processes for all tasks. */
#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

#include "counters/files.h"
#include "counters/tree.h"

#define SCAN_EVERY 10            /* seconds */
#define CHILDREN_TEXT 65536

bool tree_no_children;

struct process {
    pid_t pid, parent;
};
static struct process *scanned;
static size_t scanned_count, scanned_size;
static time_t scanned_at;

void tree_clear(struct tree *tree)
{
    free(tree->items);
    *tree = (struct tree){ 0 };
}

void tree_forget(void)
{
    free(scanned);
    scanned = NULL;
    scanned_count = scanned_size = 0;
    scanned_at = 0;
}

static void push(struct tree *tree, pid_t pid, pid_t parent)
{
    for (size_t i = 0; i < tree->count; i++)
        if (tree->items[i].pid == pid)
            return;
    if (tree->count == tree->size) {
        tree->size = tree->size ? 2 * tree->size : 8;
        tree->items = xrealloc(tree->items,
                               tree->size * sizeof(*tree->items));
    }
    tree->items[tree->count++] = (struct tree_process){ pid, parent };
}

static int read_stat(pid_t pid, struct counters_stat *stat)
{
    char path[64], text[FILES_TEXT];

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    return counters_file(path, text) > 0 ? counters_parse_stat(text, stat)
                                         : -1;
}

/* ---- by the lists of children ---- */

static bool have_children(void)
{
    static int have = -1;

    if (have < 0) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/self/task/%d/children",
                 (int)getpid());
        have = access(path, R_OK) == 0;
    }
    return have && !tree_no_children;
}

/* Those whom one thread of a process has as children. */
static void push_children(struct tree *tree, pid_t pid, const char *tid)
{
    static char text[CHILDREN_TEXT];
    char path[96], *p = text, *end;

    snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", (int)pid,
             tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    size_t n = 0;
    for (ssize_t got; n < sizeof(text) - 1 &&
                      (got = read(fd, text + n, sizeof(text) - 1 - n)) > 0;)
        n += (size_t)got;
    close(fd);
    text[n] = '\0';
    for (;; p = end) {
        long child = strtol(p, &end, 10);
        if (end == p || !isspace((unsigned char)*end))
            return;
        push(tree, (pid_t)child, pid);
    }
}

static void push_all_children(struct tree *tree, pid_t pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (e->d_name[0] != '.')
            push_children(tree, pid, e->d_name);
    if (dir)
        closedir(dir);
}

/* ---- by a scan ---- */

static void scan(void)
{
    DIR *dir = opendir("/proc");
    struct counters_stat stat;

    scanned_count = 0;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        pid_t pid = (pid_t)atol(e->d_name);
        if (pid <= 0 || read_stat(pid, &stat) < 0)
            continue;
        if (scanned_count == scanned_size) {
            scanned_size = scanned_size ? 2 * scanned_size : 256;
            scanned = xrealloc(scanned, scanned_size * sizeof(*scanned));
        }
        scanned[scanned_count++] = (struct process){ pid, stat.parent };
    }
    if (dir)
        closedir(dir);
}

static void scan_if_old(bool fresh)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!fresh && scanned && now.tv_sec < scanned_at + SCAN_EVERY)
        return;
    scanned_at = now.tv_sec;
    scan();
}

/* ---- both ---- */

static void push_below(struct tree *tree, pid_t pid)
{
    if (have_children()) {
        push_all_children(tree, pid);
        return;
    }
    for (size_t i = 0; i < scanned_count; i++)
        if (scanned[i].parent == pid)
            push(tree, scanned[i].pid, pid);
}

/* Is that process one of mlbatch's, as this one? */
bool tree_is_ours(pid_t pid)
{
    char path[64], theirs[PATH_MAX], ours[PATH_MAX];

    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    ssize_t n = readlink(path, theirs, sizeof(theirs));
    ssize_t m = readlink("/proc/self/exe", ours, sizeof(ours));
    return n > 0 && n == m && memcmp(theirs, ours, (size_t)n) == 0;
}

/* What lost its parent, and was given to the agent instead. */
static void push_orphans(struct tree *tree, const struct tree_task *task)
{
    struct tree below = { 0 };

    push_below(&below, task->agent);
    for (size_t i = 0; i < below.count; i++)
        if (below.items[i].pid != task->pid || task->ended)
            push(tree, below.items[i].pid, task->agent);
    tree_clear(&below);
}

void tree_find(const struct tree_task *task, bool fresh, struct tree *tree)
{
    tree->count = 0;
    if (!have_children())
        scan_if_old(fresh);
    if (!task->ended)
        push(tree, task->pid, task->agent);
    if (task->alone)
        push_orphans(tree, task);
    /* It grows while it is walked. */
    for (size_t i = 0; i < tree->count; i++)
        push_below(tree, tree->items[i].pid);
}
