/* SPDX-License-Identifier: BSD-3-Clause */
/* One process at a time: a lock file in a run's directory. */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fields.h"
#include "base/files.h"
#include "base/process.h"
#include "run/lock.h"

#define OLD_SECONDS 600
#define PAUSE_NS 20000000
#define PAUSES_A_SECOND (1000000000 / PAUSE_NS)

static char *lock_path(const char *run_dir, const char *name)
{
    return xasprintf("%s/%s", run_dir, name);
}

static void describe(struct mlb_fields *self)
{
    char space[64];

    process_space(space, sizeof(space));
    fields_add(self, "host", process_host());
    fields_add(self, "boot", process_boot_id());
    fields_add(self, "space", space);
    fields_addf(self, "pid", "%ld", (long)getpid());
    fields_addf(self, "start", "%llu", process_start_time(getpid()));
}

static bool is_same(const struct mlb_fields *a, const struct mlb_fields *b,
                    const char *name)
{
    const char *x = fields_get(a, name), *y = fields_get(b, name);

    return x && y && strcmp(x, y) == 0;
}

static bool is_whole(const struct mlb_fields *a, const struct mlb_fields *b)
{
    static const char *const names[] = { "host", "boot", "space", "pid",
                                         "start" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!is_same(a, b, names[i]))
            return false;
    return true;
}

/* Is the owner known to be no more? */
static bool is_gone(const struct mlb_fields *owner,
                    const struct mlb_fields *self)
{
    const char *start = fields_get(owner, "start");
    long pid = fields_get_long(owner, "pid", 0);

    if (!is_same(owner, self, "host"))
        return false;
    if (!is_same(owner, self, "boot"))
        return true;
    return start && pid > 0 && is_same(owner, self, "space") &&
           !process_is_alive((pid_t)pid, strtoull(start, NULL, 10));
}

/* Older than what it is held for lasts, by the file server's clock: that of a
 * file made now. Its name is of this host and process: others look, too. */
static bool is_old(const char *path)
{
    char *now = xasprintf("%s.%s.%ld", path, process_host(),
                          (long)getpid());
    struct stat lock, fresh;
    bool old = files_publish(now, "", 0, 0600, NULL) == 0 &&
               lstat(now, &fresh) == 0 && lstat(path, &lock) == 0 &&
               fresh.st_mtime - lock.st_mtime > OLD_SECONDS;

    unlink(now);
    free(now);
    return old;
}

/* Move the lock of judged out of the way; if another process has replaced it
 * meanwhile, put that one's back. */
static void take_away(const char *path, const struct mlb_fields *judged)
{
    char *aside = xasprintf("%s.%s.%ld", path, process_host(),
                            (long)getpid());
    struct mlb_fields moved = MLB_FIELDS_INIT;

    if (rename(path, aside) == 0 && fields_read(&moved, aside, NULL) == 0 &&
        judged->pairs.count > 0 && !is_whole(&moved, judged) &&
        link(aside, path) < 0 && errno != EEXIST)
        fprintf(stderr, "mlbatch: cannot restore %s: %s\n", path,
                strerror(errno));
    unlink(aside);
    free(aside);
    fields_clear(&moved);
}

/* One try: 1 taken, 0 somebody has it (who is in owner), -1 with err. Its
 * age, which takes a file to tell, is looked at if aged. */
static int try_lock(const char *path, const struct mlb_fields *self,
                    bool aged, struct mlb_fields *owner,
                    struct mlb_error *err)
{
    struct mlb_text t = MLB_TEXT_INIT;

    fields_format(self, &t);
    int rc = files_publish_new(path, t.data, t.length, 0600, err);
    int why = errno;
    text_clear(&t);
    if (rc == 0)
        return 1;
    if (why != EEXIST)
        return -1;
    fields_clear(owner);
    *owner = (struct mlb_fields)MLB_FIELDS_INIT;
    /* It may go while it is looked at; one that cannot be read is judged by
     * its age. */
    bool read = fields_read(owner, path, NULL) == 0;
    if ((read && is_gone(owner, self)) || (aged && is_old(path)))
        take_away(path, owner);
    return 0;
}

int lock_take(const char *run_dir, const char *name, int patience,
              struct mlb_error *err)
{
    struct mlb_fields self = MLB_FIELDS_INIT, owner = MLB_FIELDS_INIT;
    char *path = lock_path(run_dir, name);
    int rc = 0;

    describe(&self);
    for (int left = patience * PAUSES_A_SECOND; rc == 0; left--) {
        rc = try_lock(path, &self, left % PAUSES_A_SECOND == 0, &owner, err);
        if (rc == 0 && left <= 0) {
            const char *host = fields_get(&owner, "host");
            rc = mlb_error_set(err, MLB_ERR_FAILED, "process %ld on %s is at "
                               "it; if it is no more, remove %s",
                               fields_get_long(&owner, "pid", 0),
                               host ? host : "another machine", path);
        }
        if (rc == 0)
            nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
    }
    fields_clear(&self);
    fields_clear(&owner);
    free(path);
    return rc < 0 ? -1 : 0;
}

int lock_check(const char *run_dir, const char *name, struct mlb_error *err)
{
    struct mlb_fields self = MLB_FIELDS_INIT, owner = MLB_FIELDS_INIT;
    char *path = lock_path(run_dir, name);
    int rc = fields_read(&owner, path, err);

    describe(&self);
    if (rc == 0 && !is_whole(&owner, &self))
        rc = mlb_error_set(err, MLB_ERR_FAILED, "%s: another process has it "
                           "now", path);
    fields_clear(&self);
    fields_clear(&owner);
    free(path);
    return rc;
}

void lock_release(const char *run_dir, const char *name)
{
    char *path = lock_path(run_dir, name);

    if (lock_check(run_dir, name, NULL) == 0)
        unlink(path);
    free(path);
}
