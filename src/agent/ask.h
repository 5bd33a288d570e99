/* SPDX-License-Identifier: BSD-3-Clause */
/* What an attempt asks of its tasks: file RUN_DIR/ask-ATTEMPT.
 *
 * A signal cannot carry it: a program that does not know it dies of it, and
 * mpirun and srun kill their ranks a second after a SIGTERM of their own. A
 * file is seen on every node of a shared file system, by tasks that look
 * once in a while. */
#ifndef AGENT_ASK_H
#define AGENT_ASK_H

#include "mlbatch/error.h"

enum ask {
    ASK_NOTHING = 0,
    ASK_SAVE,                /* save a checkpoint and go on */
    ASK_FINISH,              /* save and end; there is time to do so */
    ASK_STOP,                /* the same at once; never taken back */
};

int ask_publish(const char *run_dir, long attempt, enum ask ask,
                struct mlb_error *err);
enum ask ask_read(const char *run_dir, long attempt);
void ask_remove(const char *run_dir, long attempt);

/* Seconds between two looks of a task. All tasks of a job together ask the
 * file system some 500 times a second at most, yet each sees a "stop" in a
 * third of the time that it has to obey. */
double ask_period(long tasks, long kill_wait);

/* Seconds from a "stop" to the end of a task's patience with its program:
 * 5 before those of whoever asked, so that the end can still be noted. */
double ask_patience(long kill_wait);

#endif
