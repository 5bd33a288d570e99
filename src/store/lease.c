/* SPDX-License-Identifier: BSD-3-Clause */
/* Being the only writer of a directory of checkpoints. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/process.h"
#include "store/checkpoint.h"
#include "store/lease.h"
#include "store/place.h"

#define LEASE_NAME ".mlb-lease"
#define LEASE_BYTES 4096

struct lease {
    char path[PATH_MAX];
    char text[LEASE_BYTES];      /* of the file, which nobody else has */
    pid_t pid;
};

void lease_self(struct lease_holder *self)
{
    const char *run = getenv("MLB_RUN"), *attempt = getenv("MLB_ATTEMPT");

    *self = (struct lease_holder){
        .host = process_host(), .run = run ? run : "",
        .attempt = attempt ? atol(attempt) : 0,
    };
}

static int make_text(char *out, const struct lease_holder *self,
                     struct mlb_error *err)
{
    char space[64], when[32];
    time_t now = time(NULL);
    struct tm tm;
    pid_t pid = getpid();

    process_space(space, sizeof(space));
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
    json_t *top = json_pack(
        "{s:s, s:I, s:I, s:s, s:s, s:s, s:I, s:s}", "host", self->host,
        "pid", (json_int_t)pid, "start",
        (json_int_t)process_start_time(pid), "boot", process_boot_id(),
        "space", space, "run", self->run, "attempt",
        (json_int_t)self->attempt, "since", when);
    size_t n = top ? json_dumpb(top, out, LEASE_BYTES - 1,
                                JSON_COMPACT) : 0;
    json_decref(top);
    if (n == 0 || n >= LEASE_BYTES)
        return mlb_error_set(err, MLB_ERR_IO, "cannot describe this process");
    out[n] = '\0';
    return 0;
}

/* What is in the file, "" if there is none. */
static int read_text(const char *path, char *out, struct mlb_error *err)
{
    memset(out, 0, LEASE_BYTES);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return 0;
    int rc = fd < 0 || (place_pread(fd, out, LEASE_BYTES - 1, 0) < 0 &&
                        errno != ENODATA) ? -1 : 0;
    if (rc < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot read %s", path);
    if (fd >= 0)
        close(fd);
    return rc;
}

static const char *word(const json_t *top, const char *key)
{
    const char *text = json_string_value(json_object_get(top, key));

    return text ? text : "";
}

static json_int_t number(const json_t *top, const char *key)
{
    return json_integer_value(json_object_get(top, key));
}

/* Is the holder known to be no more? */
static bool is_over(const json_t *holder, const struct lease_holder *self)
{
    char space[64];
    pid_t pid = (pid_t)number(holder, "pid");

    process_space(space, sizeof(space));
    if (strcmp(word(holder, "host"), self->host) == 0) {
        if (strcmp(word(holder, "boot"), process_boot_id()) != 0)
            return true;
        if (strcmp(word(holder, "space"), space) == 0)
            return !process_is_alive(
                pid, (unsigned long long)number(holder, "start"));
    }
    /* Elsewhere: a run that was requeued ended where it was before. */
    return self->run[0] && strcmp(word(holder, "run"), self->run) == 0 &&
           number(holder, "attempt") < self->attempt;
}

static int refuse(const char *path, const json_t *holder,
                  const struct lease_holder *self, struct mlb_error *err)
{
    bool here = strcmp(word(holder, "host"), self->host) == 0;
    const char *run = word(holder, "run");

    return mlb_error_set(err, MLB_ERR_FAILED, "process %lld on %s%s%s writes "
                         "here since %s%s%s",
                         (long long)number(holder, "pid"),
                         word(holder, "host"), *run ? " of run " : "", run,
                         word(holder, "since"),
                         here ? "" : "; if it is no more, remove ",
                         here ? "" : path);
}

/* Move the lease of a dead holder out of the way: exactly what was judged,
 * which another process may have replaced meanwhile. */
static int take_away(const char *path, const char *directory,
                     const char *judged, struct mlb_error *err)
{
    char aside[PATH_MAX], text[LEASE_BYTES];

    if (place_temporary(directory, aside, sizeof(aside), err) < 0)
        return -1;
    if (rename(path, aside) < 0 && errno != ENOENT)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot replace %s", path);
    if (read_text(aside, text, err) < 0)
        return -1;
    if (text[0] && strcmp(text, judged) != 0 && link(aside, path) < 0 &&
        errno != EEXIST)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot restore %s", path);
    unlink(aside);
    return 0;
}

/* Remove what a holder that is no more was writing. Of one on another host
 * nobody would ever know again that it is no more. */
static void clean_after(const char *directory, const json_t *holder)
{
    const struct place_writer writer = {
        number(holder, "pid"), (unsigned long long)number(holder, "start"),
        word(holder, "boot"), word(holder, "host"),
    };
    char path[PATH_MAX];
    DIR *dir = opendir(directory);

    for (struct dirent *e; dir && (e = readdir(dir));)
        if (place_is_of(e->d_name, &writer) &&
            snprintf(path, sizeof(path), "%s/%s", directory, e->d_name) <
                (int)sizeof(path))
            checkpoint_remove(path, NULL);
    if (dir)
        closedir(dir);
}

/* Look at the lease that is there: 0 if it is out of the way now. */
static int judge(const struct lease *l, const char *directory,
                 const struct lease_holder *self, struct mlb_error *err)
{
    char text[LEASE_BYTES];

    if (read_text(l->path, text, err) < 0)
        return -1;
    json_t *holder = json_loads(text, 0, NULL);
    /* It is linked when it is written: a torn one is of a machine that
     * crashed. */
    bool over = !json_is_object(holder) || is_over(holder, self);
    if (over)
        clean_after(directory, holder);
    int rc = over ? take_away(l->path, directory, text, err)
                  : refuse(l->path, holder, self, err);
    json_decref(holder);
    return rc;
}

/* Make the file in one step. *taken: somebody else has. */
static int make(const struct lease *l, const char *directory, bool *taken,
                struct mlb_error *err)
{
    char temporary[PATH_MAX];
    struct stat st;

    if (place_temporary(directory, temporary, sizeof(temporary), err) < 0)
        return -1;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int rc = fd < 0 ? -1 : place_pwrite(fd, l->text, strlen(l->text), 0);
    /* On NFS another host could see it empty, and take it for torn. */
    if (rc == 0)
        rc = place_sync(fd, false);
    if (rc == 0 && link(temporary, l->path) < 0) {
        /* NFS may do it, lose the answer, and say on asking again that
         * somebody has: the file knows better. */
        int why = errno;
        bool ours = fstat(fd, &st) == 0 && st.st_nlink == 2;
        errno = why;
        *taken = why == EEXIST && !ours;
        rc = *taken || ours ? 0 : -1;
    }
    if (rc < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot make %s", l->path);
    if (fd >= 0) {
        close(fd);
        unlink(temporary);
    }
    return rc;
}

struct lease *lease_take(const char *directory,
                         const struct lease_holder *self,
                         struct mlb_error *err)
{
    struct lease *l = calloc(1, sizeof(*l));
    bool taken = true;
    int n = l ? snprintf(l->path, sizeof(l->path), "%s/" LEASE_NAME,
                         directory) : 0;
    int rc = 0;

    if (!l)
        mlb_error_set(err, MLB_ERR_IO, "out of memory");
    else if (n < 0 || (size_t)n >= sizeof(l->path))
        rc = mlb_error_set(err, MLB_ERR_USAGE, "path too long: %s",
                           directory);
    if (!l || rc < 0 || make_text(l->text, self, err) < 0)
        goto fail;
    l->pid = getpid();
    while (taken) {
        taken = false;
        if (make(l, directory, &taken, err) < 0 ||
            (taken && judge(l, directory, self, err) < 0))
            goto fail;
    }
    return l;
fail:
    free(l);
    return NULL;
}

int lease_check(const struct lease *lease, struct mlb_error *err)
{
    char text[LEASE_BYTES];

    if (read_text(lease->path, text, err) < 0)
        return -1;
    if (strcmp(text, lease->text) == 0)
        return 0;
    json_t *holder = json_loads(text, 0, NULL);
    mlb_error_set(err, MLB_ERR_FAILED, "another process writes here now: %s, "
                  "process %lld", *word(holder, "host") ? word(holder, "host")
                                                        : "unknown",
                  (long long)number(holder, "pid"));
    json_decref(holder);
    return -1;
}

void lease_release(struct lease *lease)
{
    if (lease && lease->pid == getpid() && lease_check(lease, NULL) == 0)
        unlink(lease->path);
    free(lease);
}
