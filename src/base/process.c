/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting other programs and naming processes for good. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/files.h"
#include "base/process.h"

#define OUTPUT_LIMIT (64u << 20)

void process_begin(void)
{
    int fd;

    /* The next file that is opened would take the place of a closed one,
     * and get what is meant for standard output or error. */
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= 2);
    if (fd > 2)
        close(fd);
    /* Children of a process that ignores it leave nothing to wait for. */
    signal(SIGCHLD, SIG_DFL);
}

/* The pipes' ends and files of a call; -1: none. */
struct ends {
    int in, out[2], errors[2];
};

/* posix_spawn, not fork: the parent may be large, and what it returns is why
 * exec failed. */
static int spawn(const struct process_call *call, const struct ends *ends,
                 pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;

    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    if (ends->in >= 0)
        posix_spawn_file_actions_adddup2(&actions, ends->in, 0);
    else
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY,
                                         0);
    if (ends->out[1] >= 0)
        posix_spawn_file_actions_adddup2(&actions, ends->out[1], 1);
    else
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY,
                                         0);
    if (ends->errors[1] >= 0)
        posix_spawn_file_actions_adddup2(&actions, ends->errors[1], 2);
    if (call->directory)
        posix_spawn_file_actions_addchdir_np(&actions, call->directory);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int failed = posix_spawnp(pid, call->argv[0], &actions, &attributes,
                              call->argv,
                              call->environment ? call->environment->items
                                                : environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return failed;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Milliseconds until then, for poll; until 0: never. */
static int left(double until)
{
    double ms = (until - now()) * 1000;

    return until == 0 ? -1 : ms < 0 ? 0 : (int)ms + 1;
}

static size_t limit_of(const struct process_call *call)
{
    return call->limit ? call->limit : OUTPUT_LIMIT;
}

/* Read both pipes to their ends, or until then. What is over the limit is
 * read and lost, so that the program does not block on a full pipe. Was
 * anything lost of standard output? */
static bool drain(const struct process_call *call, const struct ends *ends,
                  double until)
{
    struct pollfd fds[2] = { { .fd = ends->out[0], .events = POLLIN },
                             { .fd = ends->errors[0], .events = POLLIN } };
    struct mlb_text *to[2] = { call->out, call->errors };
    size_t limit = limit_of(call);
    bool lost = false;

    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        int ready = poll(fds, 2, left(until));
        if (ready == 0 || (ready < 0 && errno != EINTR) || left(until) == 0)
            break;
        for (int i = 0; ready > 0 && i < 2; i++) {
            char part[16384];
            if (fds[i].fd < 0 || !fds[i].revents)
                continue;
            ssize_t n = read(fds[i].fd, part, sizeof(part));
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                fds[i].fd = -1;
            else if (to[i]->length + (size_t)n <= limit)
                text_addn(to[i], part, (size_t)n);
            else
                lost |= i == 0;
        }
    }
    return lost;
}

/* Until it has ended, or then, when it is killed: 1. */
static int wait_for(pid_t pid, int *status, double until)
{
    bool killed = false;

    for (;;) {
        bool patient = until == 0 || killed;
        pid_t ended = waitpid(pid, status, patient ? 0 : WNOHANG);
        if (ended == pid)
            return killed;
        if (ended < 0 && errno != EINTR)
            return -1;
        if (patient)
            continue;
        killed = left(until) == 0;
        if (killed)
            kill(pid, SIGKILL);
        else
            poll(NULL, 0, 5);
    }
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* A file in memory rather than a pipe: nobody has to write while the
 * program reads, and it may end without having read. */
static int open_input(const struct mlb_text *input)
{
    int fd = memfd_create("mlbatch-input", MFD_CLOEXEC);

    if (fd >= 0 && (files_write_all(fd, input->data, input->length) < 0 ||
                    lseek(fd, 0, SEEK_SET) < 0))
        close_one(&fd);
    return fd;
}

int process_run(const struct process_call *call, int *status,
                struct mlb_error *err)
{
    struct ends ends = { -1, { -1, -1 }, { -1, -1 } };
    double until = call->seconds ? now() + call->seconds : 0;
    int rc = -1;
    pid_t pid;

    if ((call->input && (ends.in = open_input(call->input)) < 0) ||
        (call->out && pipe2(ends.out, O_CLOEXEC) < 0) ||
        (call->errors && pipe2(ends.errors, O_CLOEXEC) < 0)) {
        mlb_error_errno(err, MLB_ERR_IO, "cannot start %s", call->argv[0]);
        goto out;
    }
    int failed = spawn(call, &ends, &pid);
    if (failed) {
        errno = failed;
        mlb_error_errno(err, failed == ENOENT ? MLB_ERR_NOT_FOUND
                                              : MLB_ERR_IO,
                        "cannot run %s", call->argv[0]);
        goto out;
    }
    close_one(&ends.out[1]);
    close_one(&ends.errors[1]);
    bool lost = drain(call, &ends, until);
    rc = wait_for(pid, status, until);
    if (rc > 0)
        rc = mlb_error_set(err, MLB_ERR_UNREACHABLE, "%s took over %d s and "
                           "was ended", call->argv[0], call->seconds);
    else if (rc == 0 && lost && call->whole)
        rc = mlb_error_set(err, MLB_ERR_FAILED, "%s said more than %zu bytes",
                           call->argv[0], limit_of(call));
out:
    close_one(&ends.in);
    for (int i = 0; i < 2; i++) {
        close_one(&ends.out[i]);
        close_one(&ends.errors[i]);
    }
    return rc;
}

/* State and start of a process, 0 each if there is none. */
static void read_stat(pid_t pid, char *state, unsigned long long *start)
{
    char path[64];
    struct mlb_text t = MLB_TEXT_INIT;

    *state = '\0';
    *start = 0;
    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    if (files_read(path, 65536, &t, NULL) == 0) {
        /* The command, field 2, may hold blanks and ')': go from the last
         * ')', which ends it. What follows it is field 3. */
        const char *p = strrchr(t.data, ')');
        if (!p || sscanf(p + 1,
                         " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                         "%*s %*s %*s %*s %*s %*s %*s %llu", state,
                         start) != 2)
            *start = 0;
    }
    text_clear(&t);
}

unsigned long long process_start_time(pid_t pid)
{
    unsigned long long start;
    char state;

    read_stat(pid, &state, &start);
    return start;
}

bool process_is_alive(pid_t pid, unsigned long long start)
{
    unsigned long long now;
    char state;

    read_stat(pid, &state, &now);
    return now == start && state != 'Z' && state != 'X';
}

void process_space(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/ns/pid", out, size - 1);

    out[n > 0 ? n : 0] = '\0';
}

const char *process_boot_id(void)
{
    static char id[64];
    struct mlb_text t = MLB_TEXT_INIT;

    if (!id[0] && files_read("/proc/sys/kernel/random/boot_id", 4096, &t,
                             NULL) == 0)
        snprintf(id, sizeof(id), "%.*s", (int)strcspn(t.data, "\n"), t.data);
    text_clear(&t);
    return id;
}

bool process_exists(const char *program)
{
    if (strchr(program, '/'))
        return access(program, X_OK) == 0 && !files_is_dir(program);
    const char *path = getenv("PATH");
    for (const char *p = path ? path : "/usr/bin:/bin"; *p;) {
        size_t n = strcspn(p, ":");
        char *file = xasprintf("%.*s/%s", (int)(n ? n : 1), n ? p : ".",
                               program);
        bool found = access(file, X_OK) == 0 && !files_is_dir(file);
        free(file);
        if (found)
            return true;
        p += n + (p[n] == ':');
    }
    return false;
}

void process_add_status(struct mlb_text *out, int status)
{
    if (WIFSIGNALED(status))
        text_addf(out, "killed by signal %d (%s)", WTERMSIG(status),
                  strsignal(WTERMSIG(status)));
    else
        text_addf(out, "exited with %d", WEXITSTATUS(status));
}

int process_exit_code(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
                               : WEXITSTATUS(status);
}

const char *process_host(void)
{
    static char host[256];

    if (!host[0]) {
        if (gethostname(host, sizeof(host) - 1) < 0 || !host[0])
            strcpy(host, "localhost");
        host[strcspn(host, ".")] = '\0';
    }
    return host;
}
