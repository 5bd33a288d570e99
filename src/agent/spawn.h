/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting a program that the agent watches over, and its signals. */
#ifndef AGENT_SPAWN_H
#define AGENT_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/text.h"
#include "mlbatch/error.h"

struct spawn_call {
    char *const *argv;
    /* "NAME=value" each, set in this order over the agent's environment
     * before argv[0] is looked for on PATH; NULL: nothing to set. */
    const struct mlb_strings *environment;
    int output;              /* fd for stdout and stderr; -1: the agent's */
    int death_signal;        /* what the program gets if the agent dies */
    /* The program is an agent as well: signals stay blocked, so that one
     * that comes before it listens is kept for it. */
    bool is_agent;
};

/* Start argv in a process group of its own, stdin from /dev/null, no signal
 * blocked unless is_agent. The pid, which is also the group; or -1 with err
 * ("cannot run ./x: No such file or directory") and errno if it could not be
 * started or its program not executed. */
pid_t spawn_start(const struct spawn_call *call, struct mlb_error *err);

/* The same in two steps: fork it, and let it go on. In between it is there,
 * in its group, but has not yet called exec. hold: 0, -1 with err; release:
 * as spawn_start, and forgets held. */
struct spawn_held {
    pid_t pid;
    int go, report;
};
int spawn_hold(const struct spawn_call *call, struct spawn_held *held,
               struct mlb_error *err);
pid_t spawn_release(const struct spawn_call *call, struct spawn_held *held,
                    struct mlb_error *err);

/* The exit code of a shell for a program that did not start: 127 if there
 * is no such program, else 126. */
int spawn_exit_code(int errnum);

/* Block the signals that the agent waits for and give an fd for
 * signals_wait. -1 with err. */
int signals_open(struct mlb_error *err);

/* Wait until a signal comes or the clock (clock_now) is at until; a huge
 * until waits for ever. The signal's number, 0 at the end of the wait. */
int signals_wait(int fd, double until);

/* The same, but 0 also when other has something to read. other -1: none. */
int signals_wait_or(int fd, int other, double until);

/* Seconds on a clock that nobody sets. */
double clock_now(void);
#define CLOCK_NEVER 1e300

#endif
