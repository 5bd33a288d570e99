/* SPDX-License-Identifier: BSD-3-Clause */
/* One writer at a time, and what it finds of the one before. */
#include "config.h"

#include "saver_fixture.h"

static void there_is_one_writer(void **state)
{
    struct job job = { .directory = *state };
    struct mlb_error err = { 0 };
    char pid[32];
    struct mlb_saver *s = open_it_as(NULL, &job, &err);

    assert_non_null(s);
    assert_null(open_it_as(NULL, &job, &err));
    snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_has(err.text, pid);
    assert_int_equal(err.code, MLB_ERR_FAILED);
    /* A child of the holder is not the holder. */
    pid_t child = fork();
    if (child == 0) {
        mlb_saver_close(s);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    assert_null(open_it_as(NULL, &job, &err));
    mlb_saver_close(s);
    s = open_it_as(NULL, &job, &err);
    assert_non_null(s);
    mlb_saver_close(s);
    /* A dead one, also one whose parent has not noticed, is none. */
    child = fork();
    if (child == 0) {
        s = open_it_as(NULL, &job, &err);
        raise(SIGKILL);
    }
    siginfo_t info;
    waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
    assert_true(files_is_file(in(state, ".mlb-lease")));
    s = open_it_as(NULL, &job, &err);
    assert_non_null(s);
    waitpid(child, NULL, 0);
    mlb_saver_close(s);
    assert_int_equal(count_files(*state), 0);
}

static void other_hosts_are_asked_for(void **state)
{
    struct lease_holder there = { "there", "digits.1", 1 };
    struct lease_holder here = { process_host(), "digits.1", 1 };
    struct mlb_error err = { 0 };
    struct lease *a = lease_take(*state, &there, &err), *b;

    assert_non_null(a);
    assert_null(lease_take(*state, &here, &err));
    assert_has(err.text, "on there of run digits.1");
    assert_has(err.text, ".mlb-lease");
    here.run = "other.1";
    here.attempt = 2;
    assert_null(lease_take(*state, &here, &err));
    /* The run was requeued: the attempt before is no more. */
    here.run = "digits.1";
    b = lease_take(*state, &here, &err);
    assert_non_null(b);
    assert_ok(lease_check(b, &err), err);
    assert_int_equal(lease_check(a, &err), -1);
    lease_release(a);
    assert_ok(lease_check(b, &err), err);
    lease_release(b);
    assert_int_equal(count_files(*state), 0);
    /* What a crash left, or anybody else. */
    write_file(in(state, ".mlb-lease"), "");
    a = lease_take(*state, &here, &err);
    assert_non_null(a);
    lease_release(a);
    write_file(in(state, ".mlb-lease"), "{\"pid\": \"x\"");
    a = lease_take(*state, &here, &err);
    assert_non_null(a);
    lease_release(a);
}

static ino_t inode_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_ino : 0;
}

static void retired_files_are_written_over(void **state)
{
    struct job job = { .directory = *state, .keep = 1, .slots = 1 };
    struct mlb_error err = { 0 };
    struct mlb_saver *s = open_it_as(NULL, &job, &err);

    assert_ok(save_all(s, NULL, 1, false, &err), err);
    ino_t first = inode_of(in(state, "step-000000000001.h5"));
    assert_ok(save_all(s, NULL, 2, false, &err), err);
    assert_true(inode_of(in(state, ".mlb-slot-0.h5")) == first);
    mlb_saver_close(s);
    struct mlb_checkpoint_reader *r = latest(*state, NULL);
    assert_saved(r, 2, 1);
    mlb_checkpoint_close(r);
    /* The next run of the directory does. */
    s = open_it_as(NULL, &job, &err);
    assert_ok(save_all(s, NULL, 3, false, &err), err);
    assert_true(inode_of(in(state, "step-000000000003.h5")) == first);
    mlb_saver_close(s);
    r = latest(*state, NULL);
    assert_saved(r, 3, 1);
    mlb_checkpoint_close(r);
    job.slots = 0;
    mlb_saver_close(open_it_as(NULL, &job, &err));
    assert_int_equal(count_files(*state), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(there_is_one_writer),
        IN_DIRECTORY(other_hosts_are_asked_for),
        IN_DIRECTORY(retired_files_are_written_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
