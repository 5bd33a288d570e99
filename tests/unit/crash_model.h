/* SPDX-License-Identifier: BSD-3-Clause */
/* What a machine that stops may leave of a directory, from a log of what was
 * done to it (src/store/fault.h). A write that no later sync of its file
 * covers is there, is not, or is there in part; a name that no later sync of
 * the directory covers is as before or as after. Subdirectories are left
 * out. */
#ifndef TESTS_CRASH_MODEL_H
#define TESTS_CRASH_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/fault.h"

#define MODEL_FILES 64
#define MODEL_EVENTS 4096
#define MODEL_NUMBER (((uint64_t)1 << 56) - 1)   /* of an inode */

struct model_event {
    struct fault_event e;
    const unsigned char *bytes;
    char *path, *other;                /* in the directory, without it */
    size_t covered;                    /* by the sync of that number */
};

struct model_file {
    uint64_t number;                   /* inode */
    unsigned char *before;             /* what it had; NULL: it is new */
    size_t length;
    char *name_before;
};

struct model {
    char *directory;
    unsigned char *log;
    struct model_event *events;
    size_t count;
    struct model_file files[MODEL_FILES];
    size_t file_count;
    uint64_t directory_number;
};

/* What becomes of an event that no sync covers. */
enum model_fate { MODEL_KEPT, MODEL_DROPPED, MODEL_TORN, MODEL_FATES };

struct model_choice {
    size_t end;                        /* the events before this one were */
    unsigned char fates[MODEL_EVENTS]; /* enum model_fate */
    uint64_t seed;                     /* for the torn ones */
    unsigned unit;                     /* torn at multiples of it */
};

/* What is in the directory now, before anything is done to it. */
void model_begin(struct model *m, const char *directory);

/* Read the log that was written meanwhile. */
void model_load(struct model *m, const char *log);

/* May event number i be lost if the machine stops before number end? */
bool model_is_open(const struct model *m, size_t i, size_t end);

/* Make in an empty directory what may be left. */
void model_make(const struct model *m, const struct model_choice *choice,
                const char *directory);

void model_end(struct model *m);

/* The next number of a row that depends on *x alone, which is not 0. */
uint64_t model_random(uint64_t *x);

#endif
