/* SPDX-License-Identifier: BSD-3-Clause */
/* Jobs from the text of `qstat -x -f -w` (OpenPBS, PBS Pro) and of
 * `qstat -f -1` (Torque): the one form of output in which no value of a user
 * can pass for an attribute. */
#ifndef SCHEDULER_PBS_TEXT_H
#define SCHEDULER_PBS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* A part of the reader's text; not terminated. NULL, 0: not given. */
struct pbs_span {
    const char *text;
    size_t length;
};

struct pbs_job {
    struct pbs_span id;          /* "15.pbs1", "15[].pbs1", "15[2].pbs1" */
    struct pbs_span name, owner, queue, comment, exec_host, exec_vnode;
    struct pbs_span depend;      /* "afterany:7.pbs1@pbs1" */
    struct pbs_span walltime;    /* Resource_List.walltime, "HH:MM:SS" */
    struct pbs_span token;       /* MLB_TOKEN of Variable_List */
    char state;                  /* a letter; 0: not given */
    int substate;                /* -1: not given, as by Torque */
    bool exited;                 /* there is an Exit_status */
    int exit_status;
    /* In this machine's zone, for the text names none; 0: not given. */
    time_t created, started, ended, modified;
    time_t expected;             /* start, as its scheduler estimates it */
};

struct pbs_text {
    const char *data;
    size_t length;
    size_t at;                   /* 0 at first */
};

/* Is it an id: NUMBER, perhaps [INDEX], a dot and the server's name? */
bool pbs_text_is_id(struct pbs_span s);

/* The next job: 1, or 0 if there is none. Takes nothing from memory; the
 * spans are good as long as the text. A line without its end, which may have
 * been cut, does not count. */
int pbs_text_next(struct pbs_text *reader, struct pbs_job *job);

#endif
