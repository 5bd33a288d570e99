/* SPDX-License-Identifier: BSD-3-Clause */
/* agent/leader, sampler and member: who samples, and who does when that one
 * ends, hangs or is a stranger. What is counted is made up here. */
#include "config.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/member.h"
#include "agent/spawn.h"
#include "base/files.h"
#include "counters/counters.h"

/* ---- counters that know what they should count ---- */

struct counters { int unused; };
struct counters_entity {
    struct metric_status status[METRIC_COUNT];
    bool task;
};

static atomic_bool hang, hanging;
static atomic_int tasks, late_tasks;

struct counters *counters_create(const struct counters_options *options)
{
    (void)options;
    return calloc(1, sizeof(struct counters));
}

void counters_destroy(struct counters *counters)
{
    free(counters);
}

static struct counters_entity *add(bool task)
{
    struct counters_entity *entity = calloc(1, sizeof(*entity));

    entity->task = task;
    for (int i = 0; i < METRIC_COUNT; i++)
        metric_status_set(&entity->status[i], METRIC_UNAVAILABLE,
                          METRIC_NO_PMU, "test", "not here");
    if (task) {
        metric_status_set(&entity->status[METRIC_CYCLES], METRIC_OK,
                          METRIC_FINE, "test", NULL);
        metric_status_set(&entity->status[METRIC_RUN_DELAY], METRIC_OK,
                          METRIC_FINE, "test", NULL);
    }
    return entity;
}

struct counters_entity *counters_add_task(struct counters *counters,
                                          pid_t pid, int group_fd,
                                          bool late)
{
    (void)counters, (void)pid, (void)group_fd;
    tasks++;
    late_tasks += late;
    return add(true);
}

struct counters_entity *counters_add_node(struct counters *counters)
{
    (void)counters;
    return add(false);
}

size_t counters_add_gpus(struct counters *counters, long expected,
                         struct counters_entity **entities, size_t room)
{
    (void)counters, (void)expected, (void)entities, (void)room;
    return 0;
}

void counters_remove(struct counters *counters,
                     struct counters_entity *entity)
{
    (void)counters;
    free(entity);
}

const char *counters_uuid(const struct counters_entity *entity)
{
    (void)entity;
    return "";
}

const char *counters_product(const struct counters_entity *entity)
{
    (void)entity;
    return "";
}

int64_t counters_capacity(const struct counters_entity *entity)
{
    (void)entity;
    return METRIC_MISSING;
}

void counters_read(struct counters *counters, struct counters_entity *entity,
                   bool hardware, int64_t values[METRIC_COUNT])
{
    (void)counters, (void)hardware;
    if (!entity->task)
        return;
    while (hang) {
        hanging = true;
        poll(NULL, 0, 1);
    }
    values[METRIC_CYCLES] = 1000;
    values[METRIC_RUN_DELAY] = 7;
}

const struct metric_status *counters_status(
    const struct counters_entity *entity, enum metric_id metric)
{
    return &entity->status[metric];
}

void counters_io_disown(void)
{
}

/* ---- a run directory, and programs that wait to be killed ---- */

struct place {
    char dir[64];
    char token[32];
    struct settings settings;
};

static void begin(struct place *place)
{
    static int number;

    *place = (struct place){ .settings = SETTINGS_INIT };
    strcpy(place->dir, "/tmp/leader.XXXXXX");
    assert_non_null(mkdtemp(place->dir));
    snprintf(place->token, sizeof(place->token), "test-%d-%d", getpid(),
             number++);
    place->settings.sample_every = 1;
    place->settings.hardware_every = 10;
    place->settings.nodes = 1;
    place->settings.kill_wait = 30;
    tasks = late_tasks = 0;
    hang = hanging = false;
}

static size_t count_journals(const struct place *place)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    char *path = xasprintf("%s/journal", place->dir);

    files_list(path, &names, NULL);
    size_t count = names.count;
    strings_clear(&names);
    free(path);
    return count;
}

static void finish(struct place *place)
{
    files_remove_tree(place->dir, NULL);
}

static struct leader_place name_of(const struct place *place)
{
    return (struct leader_place){ .token = place->token, .node = "node",
                                  .attempt = 1 };
}

static pid_t start_program(void)
{
    pid_t pid = fork();

    if (pid == 0)
        for (;;)
            pause();
    assert_true(pid > 0);
    return pid;
}

static void end_program(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static struct member join_as(const struct place *place, long rank)
{
    struct member m = MEMBER_INIT;

    m.options = (struct sampler_options){
        .run_dir = place->dir,
        .writer = "node-test",
        .settings = &place->settings,
        .attempt = 1,
        .rank = rank,
        .tasks = 2,
    };
    m.place = name_of(place);
    m.pid = start_program();
    member_begin(&m);
    return m;
}

/* Serve it until somebody does so (again), up to 20 s. */
static void serve_until_served(struct member *m, int leaders)
{
    double until = clock_now() + 20;

    do {
        struct pollfd p = { .fd = member_fd(m), .events = POLLIN };
        poll(&p, 1, 10);
        member_serve(m);
        assert_true(clock_now() < until);
    } while (!member_is_served(m) || tasks < leaders);
}

/* ---- tests ---- */

static void test_election(void **state)
{
    struct place place;
    int first, second, other;

    (void)state;
    begin(&place);
    struct leader_place name = name_of(&place);
    double until = clock_now() + 10;
    assert_int_equal(leader_find(&name, until, &first), LEADER_SELF);
    assert_int_equal(leader_find(&name, until, &second), LEADER_MEMBER);
    name.attempt = 2;
    assert_int_equal(leader_find(&name, until, &other), LEADER_SELF);
    name.attempt = 1;
    close(first);
    close(second);
    assert_int_equal(leader_find(&name, until, &first), LEADER_SELF);
    close(first);
    close(other);
    finish(&place);
}

/* Who listens under our name is another user; it could answer anything. */
static void test_stranger(void **state)
{
    struct place place;
    int stranger, own, member;

    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: only root can be two users\n");
        skip();
    }
    begin(&place);
    struct leader_place name = name_of(&place);
    double until = clock_now() + 10;
    assert_int_equal(leader_find(&name, until, &stranger), LEADER_SELF);
    assert_int_equal(seteuid(65534), 0);
    assert_int_equal(listen(stranger, 8), 0);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(leader_find(&name, until, &own), LEADER_SELF);
    assert_int_equal(leader_find(&name, until, &member), LEADER_MEMBER);
    close(member);
    close(own);
    close(stranger);
    finish(&place);
}

/* One name refuses all: it is bound, but nobody listens any more. */
static void test_deaf(void **state)
{
    struct place place;
    int deaf, own;

    (void)state;
    begin(&place);
    struct leader_place name = name_of(&place);
    double until = clock_now() + 10;
    assert_int_equal(leader_find(&name, until, &deaf), LEADER_SELF);
    shutdown(deaf, SHUT_RDWR);
    assert_int_equal(leader_find(&name, until, &own), LEADER_SELF);
    close(own);
    close(deaf);
    finish(&place);
}

static void test_messages(void **state)
{
    struct message *m = calloc(1, sizeof(*m));
    int pair[2], pipes[2];

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(message_take(pair[1], m), 0);
    *m = (struct message){ .kind = MESSAGE_HELLO, .rank = 5, .pid = 77,
                           .group = -1, .channel = pipes[1] };
    assert_int_equal(message_send(pair[0], m), 0);
    memset(m, 0, sizeof(*m));
    assert_int_equal(message_take(pair[1], m), 1);
    assert_true(m->rank == 5 && m->pid == 77 && m->group == -1);
    assert_int_equal(write(m->channel, "x", 1), 1);
    close(m->channel);
    *m = (struct message){ .kind = MESSAGE_TOTALS };
    totals_clear(&m->totals);
    m->totals.values[METRIC_CYCLES] = 3;
    assert_int_equal(message_send(pair[0], m), 0);
    assert_int_equal(message_take(pair[1], m), 1);
    assert_int_equal(m->totals.values[METRIC_CYCLES], 3);
    /* Nonsense: a state that is none, words without an end, too short. */
    m->totals.status[0].state = (enum metric_state)99;
    assert_int_equal(message_send(pair[0], m), 0);
    assert_int_equal(message_take(pair[1], m), -1);
    m->totals.status[0].state = METRIC_OK;
    memset(m->totals.status[3].reason, 'x',
           sizeof(m->totals.status[3].reason));
    assert_int_equal(message_send(pair[0], m), 0);
    assert_int_equal(message_take(pair[1], m), -1);
    assert_int_equal(send(pair[0], "hello", 5, 0), 5);
    assert_int_equal(message_take(pair[1], m), -1);
    close(pair[0]);
    assert_int_equal(message_take(pair[1], m), -1);
    close(pair[1]);
    close(pipes[0]);
    close(pipes[1]);
    free(m);
}

/* Two tasks: one leads, and when it ends the other does. What both leaders
 * counted of it adds up; what the kernel counts does not. */
static void test_hand_over(void **state)
{
    struct place place;
    struct totals *totals = calloc(1, sizeof(*totals));

    (void)state;
    begin(&place);
    struct member first = join_as(&place, 0), second = join_as(&place, 1);
    assert_non_null(first.sampler);
    assert_null(second.sampler);
    assert_true(member_is_served(&second));
    assert_int_equal(tasks, 2);
    assert_int_equal(late_tasks, 0);
    end_program(first.pid);
    assert_true(member_goodbye(&first, totals));
    assert_int_equal(totals->values[METRIC_CYCLES], 1000);
    assert_int_equal(totals->values[METRIC_LLC_MISSES], METRIC_MISSING);
    assert_string_equal(totals->status[METRIC_LLC_MISSES].reason,
                        "not here");
    assert_true(member_end(&first));
    serve_until_served(&second, 3);
    assert_non_null(second.sampler);
    assert_int_equal(late_tasks, 1);
    end_program(second.pid);
    assert_true(member_goodbye(&second, totals));
    assert_int_equal(totals->values[METRIC_CYCLES], 2000);
    assert_int_equal(totals->values[METRIC_RUN_DELAY], 7);
    assert_true(member_end(&second));
    assert_int_equal(count_journals(&place), 2);
    free(totals);
    finish(&place);
}

/* A leader that is killed leaves a closed socket and nothing else. */
static void test_killed(void **state)
{
    struct place place;
    struct totals *totals = calloc(1, sizeof(*totals));
    int ready[2];

    (void)state;
    begin(&place);
    assert_int_equal(pipe(ready), 0);
    pid_t leader = fork();
    if (leader == 0) {
        struct member m = join_as(&place, 0);
        if (!m.sampler || write(ready[1], &m.pid, sizeof(m.pid)) < 0)
            _exit(1);
        for (;;)
            pause();
    }
    pid_t program;
    assert_int_equal(read(ready[0], &program, sizeof(program)),
                     sizeof(program));
    struct member second = join_as(&place, 1);
    assert_null(second.sampler);
    assert_int_equal(tasks, 0);
    end_program(leader);
    kill(program, SIGKILL);
    serve_until_served(&second, 1);
    assert_non_null(second.sampler);
    end_program(second.pid);
    assert_true(member_goodbye(&second, totals));
    assert_int_equal(totals->values[METRIC_CYCLES], 1000);
    assert_true(member_end(&second));
    close(ready[0]);
    close(ready[1]);
    free(totals);
    finish(&place);
}

/* A read that never returns: its members are let go, one of them leads under
 * the next name, and nobody waits. */
static void test_hangs(void **state)
{
    struct place place;
    struct totals *totals = calloc(1, sizeof(*totals));
    double until = clock_now() + 20;

    (void)state;
    begin(&place);
    struct member first = join_as(&place, 0), second = join_as(&place, 1);
    hang = true;
    while (!hanging) {
        poll(NULL, 0, 10);
        assert_true(clock_now() < until);
    }
    sampler_hangs(first.sampler);
    sampler_hangs(first.sampler);
    assert_true(sampler_hangs(first.sampler));
    assert_false(member_end(&first));
    member_serve(&second);
    assert_false(member_is_served(&second));
    hang = false;
    serve_until_served(&second, 3);
    assert_non_null(second.sampler);
    end_program(first.pid);
    end_program(second.pid);
    assert_true(member_goodbye(&second, totals));
    assert_int_equal(totals->values[METRIC_CYCLES], 1000);
    assert_true(member_end(&second));
    free(totals);
    finish(&place);
}

/* Who says nothing, or speaks of a process that is not its own, is not
 * served; others are. */
static void test_odd_members(void **state)
{
    struct place place;
    int silent, liar;
    struct message *m = calloc(1, sizeof(*m));

    (void)state;
    begin(&place);
    struct member first = join_as(&place, 0);
    struct leader_place name = name_of(&place);
    double until = clock_now() + 10;
    assert_int_equal(leader_find(&name, until, &silent), LEADER_MEMBER);
    assert_int_equal(leader_find(&name, until, &liar), LEADER_MEMBER);
    *m = (struct message){ .kind = MESSAGE_HELLO, .pid = getppid(),
                           .group = -1, .channel = -1 };
    assert_int_equal(message_send(liar, m), 0);
    struct pollfd p = { .fd = liar, .events = POLLIN };
    assert_int_equal(poll(&p, 1, 10000), 1);
    assert_int_equal(message_take(liar, m), -1);
    struct member second = join_as(&place, 1);
    assert_null(second.sampler);
    assert_true(member_is_served(&second));
    assert_int_equal(tasks, 2);
    end_program(first.pid);
    end_program(second.pid);
    assert_true(member_end(&second));
    assert_true(member_end(&first));
    close(silent);
    close(liar);
    free(m);
    finish(&place);
}

/* What is asked reaches all members through the leader. */
static void test_ask(void **state)
{
    struct place place;
    double until = clock_now() + 20;

    (void)state;
    begin(&place);
    struct member first = join_as(&place, 0), second = join_as(&place, 1);
    assert_int_equal(second.ask, ASK_NOTHING);
    assert_int_equal(ask_publish(place.dir, 1, ASK_STOP, NULL), 0);
    while (first.ask != ASK_STOP || second.ask != ASK_STOP) {
        struct pollfd p[] = { { .fd = member_fd(&first), .events = POLLIN },
                              { .fd = member_fd(&second),
                                .events = POLLIN } };
        poll(p, 2, 100);
        member_serve(&first);
        member_serve(&second);
        assert_true(clock_now() < until);
    }
    struct member third = join_as(&place, 2);
    assert_int_equal(third.ask, ASK_STOP);
    end_program(first.pid);
    end_program(second.pid);
    end_program(third.pid);
    assert_true(member_end(&third));
    assert_true(member_end(&second));
    assert_true(member_end(&first));
    finish(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_election),
        cmocka_unit_test(test_stranger),
        cmocka_unit_test(test_deaf),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_hand_over),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_hangs),
        cmocka_unit_test(test_odd_members),
        cmocka_unit_test(test_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
