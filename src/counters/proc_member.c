/* SPDX-License-Identifier: BSD-3-Clause */
/* One process of a task: its files in /proc, kept open. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/text.h"

#include "counters/proc_parts.h"

static long kept;                /* files open in all members */

/* Half of what this process may open: the rest is others'. */
static bool may_keep(void)
{
    static long most;
    struct rlimit limit;

    if (!most) {
        most = 512;
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
            limit.rlim_cur / 2 < 65536)
            most = (long)limit.rlim_cur / 2;
    }
    return kept < most;
}

static void let_go(int *fd)
{
    if (*fd < 0)
        return;
    close(*fd);
    *fd = -1;
    kept--;
}

static ssize_t get(int *fd, const char *path, char text[FILES_TEXT])
{
    if (*fd >= 0)
        return counters_file_again(*fd, text);
    if (!may_keep())
        return counters_file(path, text);
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    text[0] = '\0';
    if (*fd < 0)
        return -1;
    kept++;
    return counters_file_again(*fd, text);
}

static ssize_t get_of(const struct proc_member *member, int *fd,
                      const char *name, char text[FILES_TEXT])
{
    char path[64] = "";

    if (*fd < 0)
        snprintf(path, sizeof(path), "/proc/%d/%s", (int)member->pid, name);
    return get(fd, path, text);
}

void proc_member_open(struct proc_member *member, pid_t pid, pid_t parent)
{
    *member = (struct proc_member){
        .pid = pid,
        .parent = parent,
        .stat = -1,
        .io = -1,
        .statm = -1,
    };
}

void proc_member_close(struct proc_member *member)
{
    let_go(&member->stat);
    let_go(&member->io);
    let_go(&member->statm);
    for (size_t i = 0; i < member->thread_count; i++)
        let_go(&member->threads[i].fd);
    free(member->threads);
    member->threads = NULL;
    member->thread_count = member->thread_size = 0;
}

/* ---- threads ---- */

static struct proc_thread *find_thread(struct proc_member *member, pid_t tid)
{
    for (size_t i = 0; i < member->thread_count; i++)
        if (member->threads[i].tid == tid)
            return &member->threads[i];
    if (member->thread_count == member->thread_size) {
        member->thread_size = member->thread_size ? 2 * member->thread_size
                                                  : 1;
        member->threads = xrealloc(member->threads, member->thread_size *
                                   sizeof(*member->threads));
    }
    struct proc_thread *thread = &member->threads[member->thread_count++];
    *thread = (struct proc_thread){ .tid = tid, .fd = -1 };
    return thread;
}

static void retire_thread(const struct proc_thread *thread,
                          struct proc_task *task)
{
    for (int i = 0; i < THREAD_SUMS; i++)
        task->thread_sums[i] += thread->sums[i];
}

static void read_thread(struct proc_member *member, pid_t tid,
                        struct proc_task *task)
{
    struct proc_thread *thread = find_thread(member, tid);
    char path[96] = "", text[FILES_TEXT];
    int64_t sums[THREAD_SUMS];

    if (thread->fd < 0)
        snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat",
                 (int)member->pid, (int)tid);
    if (get(&thread->fd, path, text) <= 0 ||
        counters_parse_schedstat(text, sums) < 0)
        return;
    thread->seen = true;
    /* Less than before: another thread has the number now. */
    if (sums[THREAD_RUN] < thread->sums[THREAD_RUN])
        retire_thread(thread, task);
    memcpy(thread->sums, sums, sizeof(sums));
}

static void read_threads(struct proc_member *member, long count,
                         struct proc_task *task)
{
    char path[64];

    for (size_t i = 0; i < member->thread_count; i++)
        member->threads[i].seen = false;
    if (count <= 1) {
        read_thread(member, member->pid, task);
    } else {
        snprintf(path, sizeof(path), "/proc/%d/task", (int)member->pid);
        DIR *dir = opendir(path);
        for (struct dirent *e; dir && (e = readdir(dir));)
            if (e->d_name[0] != '.')
                read_thread(member, (pid_t)atol(e->d_name), task);
        if (dir)
            closedir(dir);
    }
    size_t left = 0;
    for (size_t i = 0; i < member->thread_count; i++) {
        struct proc_thread *thread = &member->threads[i];
        if (thread->seen) {
            member->threads[left++] = *thread;
            continue;
        }
        retire_thread(thread, task);
        let_go(&thread->fd);
    }
    member->thread_count = left;
}

/* ---- the process ---- */

void proc_member_read_resident(struct proc_member *member)
{
    char text[FILES_TEXT];

    member->resident = get_of(member, &member->statm, "statm", text) > 0
                           ? counters_parse_statm(text) : 0;
}

static void read_io(struct proc_member *member)
{
    char text[FILES_TEXT];
    int64_t io[FILES_IO];

    errno = 0;
    if (get_of(member, &member->io, "io", text) <= 0 ||
        counters_parse_io(text, io) < 0) {
        member->io_error = errno ? errno : EINVAL;
        return;
    }
    member->io_error = 0;
    memcpy(&member->sums[SUM_IO], io, sizeof(io));
}

int proc_member_read(struct proc_member *member, struct proc_task *task)
{
    struct counters_stat stat;
    char text[FILES_TEXT];

    if (get_of(member, &member->stat, "stat", text) <= 0 ||
        counters_parse_stat(text, &stat) < 0 ||
        (member->start && member->start != stat.start) ||
        (!member->start && member->parent && member->parent != stat.parent))
        return -1;
    member->start = stat.start;
    member->sums[SUM_CPU] = stat.cpu + stat.child_cpu;
    member->sums[SUM_MINOR] = stat.minor + stat.child_minor;
    member->sums[SUM_MAJOR] = stat.major + stat.child_major;
    member->child_minor = stat.child_minor;
    read_io(member);
    read_threads(member, stat.threads, task);
    proc_member_read_resident(member);
    return 0;
}
