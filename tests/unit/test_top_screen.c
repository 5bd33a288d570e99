/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch-top in a terminal: draws, takes keys, is resized, leaves by q. */
#include "config.h"

#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/files.h"
#include "run/events.h"

#define PROGRAM "./mlbatch-top"
#define PATIENCE_MS 20000

struct terminal {
    int fd;
    pid_t pid;
    struct mlb_text seen;
};

static void start(struct terminal *t, const char *store, const char *term)
{
    const struct winsize size = { .ws_row = 24, .ws_col = 100 };
    char *option = xasprintf("--store=%s", store);

    *t = (struct terminal){ .seen = MLB_TEXT_INIT };
    t->pid = forkpty(&t->fd, NULL, NULL, &size);
    assert_true(t->pid >= 0);
    if (t->pid == 0) {
        setenv("TERM", term, 1);
        execl(PROGRAM, PROGRAM, option, (char *)NULL);
        _exit(127);
    }
    free(option);
}

/* More of what it draws; false: it has ended, or nothing comes any more. */
static bool more(struct terminal *t)
{
    struct pollfd fd = { .fd = t->fd, .events = POLLIN };
    char part[4096];

    if (poll(&fd, 1, PATIENCE_MS) <= 0)
        return false;
    ssize_t n = read(t->fd, part, sizeof(part));
    if (n <= 0)
        return false;
    text_addn(&t->seen, part, (size_t)n);
    return true;
}

/* Until it has drawn word since the last call. */
static void wait_for(struct terminal *t, const char *word)
{
    while (!memmem(t->seen.data, t->seen.length, word, strlen(word)))
        if (!more(t))
            fail_msg("\"%s\" was not drawn", word);
    text_clear(&t->seen);
}

static void press(struct terminal *t, const char *keys)
{
    assert_int_equal(write(t->fd, keys, strlen(keys)), strlen(keys));
}

/* Its exit code. */
static int end(struct terminal *t)
{
    int status = -1;

    while (more(t))
        ;
    assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
    assert_true(WIFEXITED(status));
    close(t->fd);
    return WEXITSTATUS(status);
}

static void make_run(const char *store, const char *id)
{
    char *run = xasprintf("%s/runs/%s", store, id);
    char *events = xasprintf("%s/events", run);

    assert_int_equal(files_mkdirs(events, NULL), 0);
    assert_int_equal(events_append(run, "batch-n1", "attempt-start",
                                   json_pack("{s:i}", "attempt", 1), NULL),
                     0);
    for (int i = 0; i < 40; i++)
        assert_int_equal(events_append(
            run, "node-n1", "task-start",
            json_pack("{s:i, s:i, s:s}", "attempt", 1, "rank", i, "node",
                      "n1"), NULL), 0);
    free(events);
    free(run);
}

static void test_screen(void **state)
{
    const struct winsize small = { .ws_row = 6, .ws_col = 30 };
    char *store = *state;
    struct terminal t;

    start(&t, store, "xterm");
    wait_for(&t, "shown.1");
    press(&t, "h");
    wait_for(&t, "this help");
    press(&t, "x/absent\n");
    wait_for(&t, "nothing matches");
    press(&t, "/\033");
    wait_for(&t, "shown.1");
    assert_int_equal(ioctl(t.fd, TIOCSWINSZ, &small), 0);
    wait_for(&t, "RUN");
    press(&t, "\033[6~\033[F");
    wait_for(&t, "39");
    make_run(store, "later.1");
    press(&t, "/later\n");
    wait_for(&t, "later.1");
    press(&t, "q");
    assert_int_equal(end(&t), 0);
    text_clear(&t.seen);
}

static void test_unknown_terminal(void **state)
{
    struct terminal t;

    start(&t, *state, "no-such-terminal");
    assert_int_equal(end(&t), 8);
    assert_non_null(strstr(t.seen.data, "--once"));
    text_clear(&t.seen);
}

static int set_up(void **state)
{
    char directory[] = "/tmp/mlb-screen-XXXXXX";

    assert_non_null(mkdtemp(directory));
    *state = xstrdup(directory);
    make_run(*state, "shown.1");
    return 0;
}

static int tear_down(void **state)
{
    assert_int_equal(files_remove_tree(*state, NULL), 0);
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_screen),
        cmocka_unit_test(test_unknown_terminal),
    };
    if (access(PROGRAM, X_OK) != 0) {
        puts("skipped: built without ncurses");
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
