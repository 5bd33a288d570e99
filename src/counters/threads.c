/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding the threads of a program and of what it has started. */
#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "counters/threads.h"

#define DEPTH 64

struct list {
    pid_t *tids;
    size_t count, room;
};

static void add_process(struct list *list, pid_t pid, int depth);

/* The processes that a thread has started. */
static void add_children(struct list *list, pid_t pid, pid_t tid, int depth)
{
    char path[64];
    int child;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid,
             (int)tid);
    FILE *f = fopen(path, "re");
    if (!f)
        return;
    while (fscanf(f, "%d", &child) == 1)
        add_process(list, child, depth + 1);
    fclose(f);
}

static void add_process(struct list *list, pid_t pid, int depth)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *dir = depth < DEPTH ? opendir(path) : NULL;
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (tid <= 0)
            continue;
        if (list->count < list->room)
            list->tids[list->count] = tid;
        list->count++;
        add_children(list, pid, tid, depth);
    }
    closedir(dir);
}

size_t threads_list(pid_t pid, pid_t *tids, size_t room)
{
    struct list list = { tids, 0, room };

    add_process(&list, pid, 0);
    return list.count;
}
