/* SPDX-License-Identifier: BSD-3-Clause */
/* The code snapshot in a process of its own, beside other work. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/run.h"

int run_snapshot_begin(const struct mlb_run *run, const char *directory,
                       const struct mlb_strings *files,
                       struct run_snapshot_work *work, struct mlb_error *err)
{
    int fd[2];

    if (pipe2(fd, O_CLOEXEC) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot make a pipe");
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct mlb_error why = { 0 };
        int rc = run_snapshot(run, directory, files, &why);
        /* Smaller than PIPE_BUF: whole, or the parent sees it short. */
        if (rc < 0 && write(fd[1], &why, sizeof(why)) < 0)
            _exit(2);
        _exit(rc < 0);
    }
    close(fd[1]);
    if (pid < 0) {
        close(fd[0]);
        return mlb_error_errno(err, MLB_ERR_IO, "cannot start a process");
    }
    *work = (struct run_snapshot_work){ .pid = pid, .report = fd[0] };
    return 0;
}

int run_snapshot_end(struct run_snapshot_work *work, struct mlb_error *err)
{
    struct mlb_error why = { 0 };
    int status = 0;
    ssize_t n = read(work->report, &why, sizeof(why));

    while (waitpid(work->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    close(work->report);
    if (status == 0)
        return 0;
    if (n == (ssize_t)sizeof(why))
        return mlb_error_set(err, why.code, "%s", why.text);
    return mlb_error_set(err, MLB_ERR_IO, "the code snapshot was not made");
}
