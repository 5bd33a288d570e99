/* SPDX-License-Identifier: BSD-3-Clause */
/* Work that is done with a table of faults. */
#ifndef TESTS_FAULT_FIXTURE_H
#define TESTS_FAULT_FIXTURE_H

#include "store_fixture.h"

#include <sys/wait.h>
#include <unistd.h>

#include "store/fault.h"

/* In a child, with a table of faults: what work returns, or 1000 and the
 * signal that ended it. */
static UNUSED int in_child(const char *faults, int (*work)(void **),
                           void **state)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        setenv("MLB_FAULTS", faults, 1);
        fault_reset();
        _exit(work(state));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status)
                               : WEXITSTATUS(status);
}

#endif
