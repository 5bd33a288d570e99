/* SPDX-License-Identifier: BSD-3-Clause */
/* The fault table. Only in the library of the tests. */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/fault.h"

#ifdef MLB_FAULTS

#define MOST_FAULTS 16
#define BLOCK 4096          /* what direct I/O can be shortened to */

enum { EFFECT_SHORT = -1, EFFECT_KILL = -2 };       /* else an errno */

static const char *const op_names[] = {
    [FAULT_READ] = "read", [FAULT_WRITE] = "write", [FAULT_FSYNC] = "fsync",
    [FAULT_ALLOCATE] = "allocate", [FAULT_RENAME] = "rename",
    [FAULT_ANY] = "any",
};

static const struct {
    const char *name;
    int effect;
} effects[] = {
    { "EIO", EIO }, { "ENOSPC", ENOSPC }, { "EINTR", EINTR },
    { "short", EFFECT_SHORT }, { "kill", EFFECT_KILL },
};

static struct {
    pthread_mutex_t lock;
    bool read;
    size_t count;
    struct {
        enum fault_op op;
        unsigned long number;
        int effect;
    } faults[MOST_FAULTS];
    unsigned long done[FAULT_ANY + 1];
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* A table that says something else than meant would make a test pass that
 * tests nothing, so a wrong one ends the program. */
static void add_fault(const char *op, unsigned long number,
                      const char *effect)
{
    size_t o = 0, e = 0;

    while (o <= FAULT_ANY && strcmp(op_names[o], op) != 0)
        o++;
    while (e < sizeof(effects) / sizeof(effects[0]) &&
           strcmp(effects[e].name, effect) != 0)
        e++;
    if (o > FAULT_ANY || e == sizeof(effects) / sizeof(effects[0]) ||
        number == 0 || table.count == MOST_FAULTS)
        abort();
    table.faults[table.count].op = o;
    table.faults[table.count].number = number;
    table.faults[table.count++].effect = effects[e].effect;
}

static void read_table(void)
{
    const char *text = getenv("MLB_FAULTS");
    char op[16], effect[16];
    unsigned long number;

    table.read = true;
    table.count = 0;
    memset(table.done, 0, sizeof(table.done));
    while (text && *text) {
        if (sscanf(text, "%15[a-z]:%lu:%15[A-Za-z]", op, &number,
                   effect) != 3)
            abort();
        add_fault(op, number, effect);
        text += strcspn(text, ",");
        text += *text == ',';
    }
}

void fault_reset(void)
{
    pthread_mutex_lock(&table.lock);
    read_table();
    pthread_mutex_unlock(&table.lock);
    fault_log_reset();
}

static void shorten(size_t *length)
{
    if (*length > BLOCK)
        *length = *length / 2 / BLOCK * BLOCK + (*length < 2 * BLOCK) * BLOCK;
    else if (*length > 1)
        *length /= 2;
}

int fault_check(enum fault_op op, size_t *length)
{
    int found = 0;

    pthread_mutex_lock(&table.lock);
    if (!table.read)
        read_table();
    table.done[op]++;
    table.done[FAULT_ANY]++;
    for (size_t i = 0; i < table.count; i++) {
        enum fault_op which = table.faults[i].op;
        if ((which == op || which == FAULT_ANY) &&
            table.done[which] == table.faults[i].number)
            found = table.faults[i].effect;
    }
    pthread_mutex_unlock(&table.lock);
    if (found == EFFECT_KILL)
        raise(SIGKILL);
    if (found == EFFECT_SHORT && length)
        shorten(length);
    return found > 0 ? found : 0;
}

#endif
