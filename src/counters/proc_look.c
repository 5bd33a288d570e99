/* SPDX-License-Identifier: BSD-3-Clause */
/* A task's processes over time: nothing counted twice, nothing lost.
 *
 * When a process is waited for, the kernel adds its sums to its parent's;
 * when nobody waits, they vanish. Which of the two happened is told by the
 * parent's count of its children's minor faults, an exact number that every
 * process adds to: if it has grown by what the one that went had, it was
 * waited for. A process that went is judged one look later, when its parent
 * was read after it had gone for sure. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#include "counters/proc_parts.h"

static struct proc_member *find(const struct proc_list *list, pid_t pid)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].pid == pid)
            return &list->items[i];
    return NULL;
}

static struct proc_member *push(struct proc_list *list)
{
    if (list->count == list->size) {
        list->size = list->size ? 2 * list->size : 1;
        list->items = xrealloc(list->items,
                               list->size * sizeof(*list->items));
    }
    return &list->items[list->count++];
}

static void drop(struct proc_list *list, size_t at)
{
    list->count--;
    memmove(&list->items[at], &list->items[at + 1],
            (list->count - at) * sizeof(*list->items));
}

static void find_new(struct proc_task *task, bool fresh)
{
    struct tree tree = { 0 };

    tree_find(&task->tree, fresh, &tree);
    for (size_t i = 0; i < tree.count; i++)
        if (!find(&task->alive, tree.items[i].pid))
            proc_member_open(push(&task->alive), tree.items[i].pid,
                             tree.items[i].parent);
    tree_clear(&tree);
}

/* It has gone: what its threads did is kept, its sums wait for judgement. */
static void bury(struct proc_task *task, size_t at)
{
    struct proc_member *member = &task->alive.items[at];

    for (size_t i = 0; i < member->thread_count; i++)
        for (int k = 0; k < THREAD_SUMS; k++)
            task->thread_sums[k] += member->threads[i].sums[k];
    proc_member_close(member);
    task->tree.ended |= member->pid == task->tree.pid;
    if (member->start) {
        struct proc_member *grave = push(&task->gone);
        *grave = *member;
        grave->heir = member->parent;
        grave->gone = task->look;
    }
    drop(&task->alive, at);
}

static void keep_sums(struct proc_task *task,
                      const struct proc_member *member)
{
    for (int i = 0; i < SUM_COUNT; i++)
        task->sums[i] += member->sums[i];
    /* At the end of the program itself all is known that can be. */
    task->lost |= member->pid != task->tree.pid;
}

/* Are the sums of the one that went in those of its heir? */
static bool inherited(struct proc_member *heir,
                      const struct proc_member *member)
{
    if (heir->child_minor - heir->explained < member->sums[SUM_MINOR])
        return false;
    heir->explained += member->sums[SUM_MINOR];
    return true;
}

/* true: it needs to be thought of no more. */
static bool judge(struct proc_task *task, struct proc_member *member)
{
    /* Numbers are used again: a circle of heirs cannot be excluded. */
    for (size_t i = 0; i <= task->gone.count; i++) {
        struct proc_member *heir = find(&task->alive, member->heir);
        if (heir && member->gone == task->look)
            return false;
        bool dead = !heir;
        if (dead)
            heir = find(&task->gone, member->heir);
        if (!heir)
            break;
        if (inherited(heir, member))
            return true;
        if (!dead)
            break;
        /* Then the heir's heir has both, or none has it. */
        member->heir = heir->heir;
        member->gone = task->look;
    }
    keep_sums(task, member);
    return true;
}

static void explain_rest(struct proc_task *task)
{
    for (size_t i = 0; i < task->alive.count; i++) {
        struct proc_member *member = &task->alive.items[i];
        bool awaited = false;
        for (size_t k = 0; k < task->gone.count; k++)
            awaited |= task->gone.items[k].heir == member->pid;
        if (!awaited)
            member->explained = member->child_minor;
    }
}

void proc_look(struct proc_task *task, bool fresh)
{
    task->look++;
    find_new(task, fresh);
    /* Parents are read before their children: one that goes in between is
     * missing for a moment, rather than counted twice. */
    for (size_t i = 0; i < task->alive.count;) {
        if (proc_member_read(&task->alive.items[i], task) < 0)
            bury(task, i);
        else
            i++;
    }
    for (size_t i = 0; i < task->gone.count;) {
        if (judge(task, &task->gone.items[i]))
            drop(&task->gone, i);
        else
            i++;
    }
    explain_rest(task);
}

void proc_sum_up(const struct proc_task *task, int64_t sums[SUM_COUNT],
                 int64_t thread_sums[THREAD_SUMS])
{
    memcpy(sums, task->sums, sizeof(task->sums));
    memcpy(thread_sums, task->thread_sums, sizeof(task->thread_sums));
    for (size_t i = 0; i < task->alive.count; i++) {
        const struct proc_member *member = &task->alive.items[i];
        for (int k = 0; k < SUM_COUNT; k++)
            sums[k] += member->sums[k];
        for (size_t t = 0; t < member->thread_count; t++)
            for (int k = 0; k < THREAD_SUMS; k++)
                thread_sums[k] += member->threads[t].sums[k];
    }
}
