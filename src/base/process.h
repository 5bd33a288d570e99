/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting other programs: argv in, never a shell; output and status out. */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/text.h"
#include "mlbatch/error.h"

/* What each program does first: a closed 0, 1 or 2 is opened on /dev/null,
 * and SIGCHLD has its default, in case whoever started us ignored it. */
void process_begin(void);

/* Run argv (found on PATH), standard input from input (NULL: /dev/null),
 * standard output collected into out (NULL: discarded) up to limit bytes,
 * standard error into errors (NULL: left as it is). Waits. *status is as
 * from waitpid. -1 if it cannot be started (MLB_ERR_NOT_FOUND: there is no
 * such program), took over seconds and was killed (MLB_ERR_UNREACHABLE), or
 * said more than limit where the whole is wanted (MLB_ERR_FAILED). */
struct process_call {
    char *const *argv;
    const struct mlb_strings *environment;   /* NULL: this process's own */
    const char *directory;        /* run there; NULL: here */
    const struct mlb_text *input;
    struct mlb_text *out, *errors;
    size_t limit;                 /* 0: 64 MiB; what is over it is lost */
    bool whole;                   /* a part of standard output is no answer */
    int seconds;                  /* 0: as long as it takes */
};
int process_run(const struct process_call *call, int *status,
                struct mlb_error *err);

/* When pid started, in clock ticks since boot (field 22 of /proc/PID/stat);
 * 0 if there is no such process. With the boot id it names a process for
 * good: pids are used again, this pair is not. */
unsigned long long process_start_time(pid_t pid);

/* Is the process that started then still at work? One that was killed and not
 * yet waited for (a zombie) keeps its number and start, and is not. A start
 * of 0, which could not be told, is taken for that of a living one as long as
 * none of that number can be seen. */
bool process_is_alive(pid_t pid, unsigned long long start);

/* The name space that this process's pids are of ("pid:[4026531836]"), "" if
 * unknown: those of another one mean nothing here. */
void process_space(char *out, size_t size);

/* This boot's id (/proc/sys/kernel/random/boot_id), "" if unknown. */
const char *process_boot_id(void);

/* Is argv[0] a program that can be run? Looks on PATH unless it has a '/'. */
bool process_exists(const char *program);

/* "exited with 3", "killed by signal 9 (Killed)", added to out. */
void process_add_status(struct mlb_text *out, int status);

/* A wait status as one exit code: the code, or 128 + signal. */
int process_exit_code(int status);

/* The short host name of this machine. */
const char *process_host(void);

#endif
