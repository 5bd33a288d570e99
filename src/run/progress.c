/* SPDX-License-Identifier: BSD-3-Clause */
/* The public progress calls: the channel, opened at the first call, and
 * SIGTERM turned into a question that can be asked. */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "mlbatch/progress.h"
#include "run/channel.h"

static struct mlb_channel *channel;      /* NULL: no agent */
static bool opened, inherited;
static bool save_told;                   /* ... of the signal */
static volatile sig_atomic_t terminated;

static void on_terminate(int signal)
{
    (void)signal;
    terminated = 1;
}

/* A process that this one forks (a data loader's worker) is not the task:
 * its metrics would mix with ours, and whoever ends it with SIGTERM means
 * it to end. */
static void on_fork(void)
{
    struct sigaction now;

    inherited = true;
    if (sigaction(SIGTERM, NULL, &now) == 0 &&
        now.sa_handler == on_terminate)
        signal(SIGTERM, SIG_DFL);
}

/* Only where nobody else has a use for the signal. */
static void catch_terminate(void)
{
    struct sigaction now;
    struct sigaction catch = { .sa_handler = on_terminate,
                               .sa_flags = SA_RESTART };

    sigemptyset(&catch.sa_mask);
    if (sigaction(SIGTERM, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
        sigaction(SIGTERM, &catch, NULL);
}

/* The channel if there is an agent and this is its task, else NULL. */
static struct mlb_channel *get_channel(void)
{
    if (!opened) {
        opened = true;
        channel = channel_open(NULL);
        if (channel) {
            channel_listen(channel);
            pthread_atfork(NULL, NULL, on_fork);
            catch_terminate();
        }
    }
    return inherited ? NULL : channel;
}

void mlb_progress_step(uint64_t step, uint64_t samples)
{
    struct mlb_channel *to = get_channel();

    if (to)
        channel_step(to, step, samples);
}

void mlb_progress_metric(const char *name, uint64_t step, double value)
{
    struct mlb_channel *to = get_channel();

    if (to && name && *name)
        channel_put(to, name, step, value);
}

int mlb_progress_should_save(void)
{
    struct mlb_channel *from = get_channel();

    if (!from)
        return 0;
    /* The agent's request and the signal often come together: asked at
     * once, they are one. */
    bool save = channel_save_asked(from);
    if (terminated && !save_told) {
        save_told = true;
        save = true;
    }
    return save;
}

int mlb_progress_should_stop(void)
{
    struct mlb_channel *from = get_channel();

    return from && (terminated || channel_stop_asked(from));
}
