/* SPDX-License-Identifier: BSD-3-Clause */
/* One callback table a scheduler. To add one: write NAME.c with a table at
 * its bottom, declare it here, and put it into the list in scheduler.c. */
#ifndef SCHEDULER_SCHEDULER_H
#define SCHEDULER_SCHEDULER_H

#include <stdbool.h>
#include <time.h>

#include "base/state.h"
#include "job/site.h"
#include "plan/plan.h"

#define SCHEDULER_ID_SIZE 128

/* What a scheduler says of one of its jobs. The caller sets id and token: a
 * job of that id without that token is another's, for ids are used again. */
struct mlb_job_status {
    const char *id;
    const char *token;
    time_t submitted;        /* by the run's log, 0: not known; for a history
                              * that keeps no tokens */
    bool known;              /* the scheduler has such a job */
    bool may_return;         /* ended, and yet the scheduler may start it again
                              * by itself (its node failed a moment ago) */
    enum mlb_state state;    /* UNKNOWN unless known */
    enum mlb_state ending;   /* what it is about to be; UNKNOWN: no end yet */
    char reason[128];        /* why pending or ended, in its words; or "" */
    int exit_code;           /* -1: not known; 128 + signal if killed */
    char nodes[256];         /* host list, or "" */
    time_t start, end;       /* 0: not known; end: expected while running */
};

/* Why a job waits, as far as the scheduler says. */
struct mlb_waiting {
    char reason[128];        /* its own word: "Resources", "Dependency" */
    char text[512];          /* in words for a person, one line; or "" */
    time_t start;            /* when it expects to start it; 0: unknown */
    bool by_size;            /* a smaller request may start sooner */
};

/* What probe found, for `mlbatch doctor`. */
struct mlb_probe {
    char version[64];        /* "slurm 22.05.8" */
    char text[256];          /* one line: what is here, what is missing */
};

/* Each call returns 0, or -1 with err: MLB_ERR_UNREACHABLE when there was no
 * answer (worth another try), MLB_ERR_REFUSED when the answer was no. */
struct mlb_scheduler {
    const char *name;
    bool at_hand;            /* query reads files here: ask as often as you
                              * like; else it is somebody's server */

    /* Is it here and does it answer? Quick: no retries.
     * MLB_ERR_UNSUPPORTED: it is not here. */
    int (*probe)(const struct mlb_site *site, struct mlb_probe *probe,
                 struct mlb_error *err);

    /* Make its library ready and see that it answers, so that submit is
     * quick after other work. A failure shows in submit. NULL: no need. */
    void (*wake)(void);

    /* What it can give. NULL: it has no limits but those of the plan. */
    int (*limits)(const struct mlb_site *site, struct mlb_limits *limits,
                  struct mlb_error *err);

    /* Hand over the job and write its id (SCHEDULER_ID_SIZE bytes). One
     * try. After MLB_ERR_UNREACHABLE the job may or may not be there: the
     * caller asks find before it tries again. */
    int (*submit)(const struct mlb_plan *plan, const struct mlb_site *site,
                  char *id, struct mlb_error *err);

    /* Whether plans may be arrays, and the index of one is to be had in the
     * job: else there are no sweeps here. */
    bool arrays;

    /* Look for a job with this plan's comment: 1 and its id, 0 if the
     * scheduler answered and has none, -1 if it did not answer. */
    int (*find)(const struct mlb_plan *plan, const struct mlb_site *site,
                char *id, struct mlb_error *err);

    /* Fill count statuses in one call to the scheduler. */
    int (*query)(const struct mlb_site *site, struct mlb_job_status *jobs,
                 size_t count, struct mlb_error *err);

    /* The same from accounting or history, of jobs that query no longer
     * knows. NULL, and MLB_ERR_UNSUPPORTED: there is none. known stays false
     * where it has no word, which is not to say that there was no such
     * job. */
    int (*history)(const struct mlb_site *site, struct mlb_job_status *jobs,
                   size_t count, struct mlb_error *err);

    /* End a job. MLB_ERR_NOT_FOUND if it has ended already. */
    int (*cancel)(const struct mlb_site *site, const char *id,
                  struct mlb_error *err);

    /* Keep a waiting job from starting; let it start. NULL: it cannot. */
    int (*hold)(const struct mlb_site *site, const char *id,
                struct mlb_error *err);
    int (*release)(const struct mlb_site *site, const char *id,
                   struct mlb_error *err);

    /* Why does a waiting job wait? NULL: it cannot tell. */
    int (*explain)(const struct mlb_site *site, const char *id,
                   struct mlb_waiting *waiting, struct mlb_error *err);

    /* When would this plan start if it were submitted now? Submits nothing.
     * 0 in *start: it does not say. NULL: it cannot tell. */
    int (*test)(const struct mlb_plan *plan, const struct mlb_site *site,
                time_t *start, struct mlb_error *err);
};

extern const struct mlb_scheduler scheduler_slurm;
extern const struct mlb_scheduler scheduler_pbs;
extern const struct mlb_scheduler scheduler_local;

/* The cores of this machine that local jobs may take: the site's word, else
 * those that this process may use. */
long local_cores(const struct mlb_site *site);

/* By name. "auto" is the first whose probe works: slurm, pbs, local; but
 * one that is set up here and does not answer ends the search with
 * MLB_ERR_UNREACHABLE, for a job must not run on the login node because the
 * controller is being restarted. NULL with MLB_ERR_USAGE for an unknown name
 * ("did you mean"), MLB_ERR_UNSUPPORTED for one that this build lacks. */
const struct mlb_scheduler *scheduler_find(const char *name,
                                           const struct mlb_site *site,
                                           struct mlb_error *err);

/* All of this build, ends with NULL. For doctor. */
extern const struct mlb_scheduler *const schedulers[];

/* Are these options (of sbatch, as "--qos=high" or "--qos", "high") ones that
 * the scheduler slurm passes on? Asks nobody. MLB_ERR_BAD_INPUT if not. Only
 * with HAVE_SLURM. */
int slurm_options_check(const struct mlb_strings *options,
                        struct mlb_error *err);

/* Which PBS is here, by what its commands say of themselves: 1 for Torque, 0
 * for OpenPBS and PBS Pro, -1 with MLB_ERR_UNSUPPORTED if there is none. */
int pbs_is_torque(struct mlb_error *err);

/* Did a job of this plan's token start already? Its claim of the run says so:
 * 1 and the id of that job, 0 if there is no claim. For find, of jobs that
 * were quick and that their scheduler has forgotten. */
int scheduler_find_claim(const struct mlb_plan *plan, char *id);

/* submit made safe to repeat, the way every command calls it: on no answer
 * wait (1, 2, 4, ... s, up to patience seconds in all), ask find, and only
 * if the job is certainly not there submit again. say (may be NULL) is told
 * in one line before each wait. */
struct scheduler_retry {
    long patience;           /* seconds */
    void (*say)(const char *line, void *data);
    void *data;
};
int scheduler_submit(const struct mlb_scheduler *scheduler,
                     const struct mlb_plan *plan,
                     const struct mlb_site *site,
                     const struct scheduler_retry *retry, char *id,
                     struct mlb_error *err);

#endif
