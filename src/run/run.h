/* SPDX-License-Identifier: BSD-3-Clause */
/* A run's directory: STORE/runs/NAME.N, claimed by mkdir.
 *
 *   job.conf     the job as resolved (a job file; text)
 *   plan         what the agent needs (base/fields.h)
 *   script       what the scheduler starts
 *   submission   scheduler=, id=, token= of the last submission (fields)
 *   sweep, points/   if it is a sweep (run/points.h)
 *   claims/TOKEN who runs that submission: job=, host= (fields)
 *   code/        snapshot: code.tar, commit, diff.patch, tree/, README
 *   events/      one append-only file a writer (run/events.h)
 *   out/         batch.log, rank-00000.log ...
 *   checkpoints/ step-*.h5
 *   record.h5    sealed at the end of an attempt
 *   record.lock  who seals it now (run/lock.h)
 *   submit.lock  who submits it again now */
#ifndef RUN_RUN_H
#define RUN_RUN_H

#include <pthread.h>

#include "base/fields.h"
#include "base/text.h"
#include "mlbatch/error.h"

struct mlb_run {
    char *id;                /* "digits.3": name encoded, dot, number; of a
                                point of a sweep (run/points.h) "digits.3/4" */
    char *path;              /* absolute directory; a point's need not be
                                there yet */
    char *sweep;             /* of a point: the sweep's directory, else NULL */
    long point;
};
#define MLB_RUN_INIT { 0 }
void run_clear(struct mlb_run *run);

/* Claim the next free number for a job's name (as the user wrote it; it is
 * encoded here with text_encode_name) and make the directories above. Any
 * number of processes may do so at once: each gets a number of its own. */
int run_create(const char *store, const char *name, struct mlb_run *run,
               struct mlb_error *err);

/* Make a run's directory, unless it is there, and those in it. */
int run_make(const char *path, struct mlb_error *err);
/* A copy, for run_clear. */
void run_copy(const struct mlb_run *from, struct mlb_run *to);

/* Find a run by "digits.3", by "digits" (its latest), both also with the
 * name as it was before encoding, a point of either ("digits.3/4"), or any by
 * path of its directory.
 * MLB_ERR_NOT_FOUND with a "did you mean" if it can be had. */
int run_find(const char *store, const char *which, struct mlb_run *run,
             struct mlb_error *err);

/* The ids of all runs, lowest number first within a name, names sorted.
 * Entries that are not directories of such a name are passed over, links
 * too. */
int run_list(const char *store, struct mlb_strings *ids,
             struct mlb_error *err);

/* A path in the run: "out/batch.log". Caller frees. */
char *run_path(const struct mlb_run *run, const char *part);

/* Store the code as it is in RUN/code. In a git work tree: code.tar (the
 * files tracked at HEAD, of the whole tree, as `git archive` gives them:
 * what .gitattributes marks export-ignore is left out, files under LFS are
 * pointers, submodules are empty), commit, and diff.patch (uncommitted
 * changes to tracked files, for `git apply`; missing if there are none). The
 * files listed, in git or not: tree/ (relative to directory; a listed
 * directory is copied whole but for .git, links are kept as links, the
 * store's own runs are passed over), those outside of directory in
 * outside/ with their whole path.
 * What could not be stored is told in README, so is that there was nothing:
 * no git, git's own errors, tar or diff over 64 MiB. That is no failure; a
 * listed file that is missing is one (MLB_ERR_NOT_FOUND), as are listed
 * files over 1 GiB in all (MLB_ERR_USAGE). git is asked by argv, its hooks,
 * pagers, filters of LFS and the network off. Sets this process's limit of
 * file sizes for a moment: no other thread may be writing. */
int run_snapshot(const struct mlb_run *run, const char *directory,
                 const struct mlb_strings *files, struct mlb_error *err);

/* The same beside other work: begin starts a thread for it (-1: it could
 * not), end waits for that and tells how it went. What begin was given must
 * stay until end; meanwhile no file may grow over 64 MiB. */
struct run_snapshot_work {
    pthread_t thread;
    const struct mlb_run *run;
    const char *directory;
    const struct mlb_strings *files;
    int rc;
    struct mlb_error err;
};
int run_snapshot_begin(struct run_snapshot_work *work,
                       struct mlb_error *err);
int run_snapshot_end(struct run_snapshot_work *work, struct mlb_error *err);

/* The last submission. id is "" if the scheduler's answer is not known.
 * Job ids are used again (a controller that lost its state, a reinstalled
 * cluster), so the token is what makes sure that a job is this run's. */
struct mlb_submission {
    char *scheduler, *id, *token;      /* never NULL after run_submission */
};
void submission_forget(struct mlb_submission *submission);

/* Read it: from plan, which is written before the scheduler hears of a
 * submission, from submission, which is written after its answer, and if
 * the submitter died in between from the claim of the token. */
int run_submission(const struct mlb_run *run,
                   struct mlb_submission *submission,
                   struct mlb_error *err);

#endif
