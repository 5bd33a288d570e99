/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for a program and for all that it leaves behind. */
#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "base/text.h"

#include "agent/reap.h"
#include "agent/spawn.h"

#define PATIENCE 2.0             /* seconds from SIGTERM to SIGKILL */
#define GIVE_UP 5.0
#define STAT_LIMIT 65536

struct process {
    pid_t pid, parent;
    bool mine;
};

struct processes {
    struct process *items;
    size_t count, size;
};

void reap_adopt(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

double reap_seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void add_usage(const struct rusage *r, struct rusage *sum)
{
    timeradd(&sum->ru_utime, &r->ru_utime, &sum->ru_utime);
    timeradd(&sum->ru_stime, &r->ru_stime, &sum->ru_stime);
    if (r->ru_maxrss > sum->ru_maxrss)
        sum->ru_maxrss = r->ru_maxrss;
    sum->ru_minflt += r->ru_minflt;
    sum->ru_majflt += r->ru_majflt;
    sum->ru_inblock += r->ru_inblock;
    sum->ru_oublock += r->ru_oublock;
    sum->ru_nvcsw += r->ru_nvcsw;
    sum->ru_nivcsw += r->ru_nivcsw;
}

bool reap_ended(pid_t pid, int *status, struct rusage *usage)
{
    struct rusage r;
    bool found = false;
    int one;
    pid_t who;

    while ((who = wait4(-1, &one, WNOHANG, &r)) > 0) {
        add_usage(&r, usage);
        if (who != pid)
            continue;
        *status = one;
        found = true;
    }
    return found;
}

/* Field 4 of its stat, counted from the last ')': the name before it may
 * hold anything. */
pid_t reap_parent(pid_t pid)
{
    struct mlb_text t = MLB_TEXT_INIT;
    char *path = xasprintf("/proc/%ld/stat", (long)pid);
    long parent = -1;

    if (files_read(path, STAT_LIMIT, &t, NULL) == 0) {
        const char *p = strrchr(t.data, ')');
        if (!p || sscanf(p + 1, " %*c %ld", &parent) != 1)
            parent = -1;
    }
    free(path);
    text_clear(&t);
    return (pid_t)parent;
}

static void list_processes(struct processes *all)
{
    DIR *dir = opendir("/proc");

    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        if (all->count == all->size) {
            all->size = all->size ? 2 * all->size : 256;
            all->items = xrealloc(all->items,
                                  all->size * sizeof(*all->items));
        }
        pid_t pid = (pid_t)atol(e->d_name);
        all->items[all->count++] = (struct process){
            .pid = pid,
            .parent = reap_parent(pid),
        };
    }
    if (dir)
        closedir(dir);
}

static bool is_mine(const struct processes *all, pid_t parent)
{
    if (parent == getpid())
        return true;
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].pid == parent)
            return all->items[i].mine;
    return false;
}

/* Signal everything below this process. Kernels may be built without
 * /proc/PID/task/TID/children: the parents of all processes tell as well. */
static void signal_descendants(int signum)
{
    struct processes all = { 0 };

    list_processes(&all);
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < all.count; i++) {
            struct process *p = &all.items[i];
            if (p->mine || !is_mine(&all, p->parent))
                continue;
            p->mine = more = true;
            kill(p->pid, signum);
        }
    }
    free(all.items);
}

static bool have_children(void)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void reap_rest(int signals, struct rusage *usage)
{
    double start = clock_now();
    int status;

    reap_ended(0, &status, usage);
    if (!have_children())
        return;
    signal_descendants(SIGTERM);
    while (have_children() && clock_now() < start + GIVE_UP) {
        if (clock_now() >= start + PATIENCE)
            signal_descendants(SIGKILL);
        signals_wait(signals, clock_now() + 0.05);
        reap_ended(0, &status, usage);
    }
}
