/* SPDX-License-Identifier: BSD-3-Clause */
/* One question to the scheduler for all commands of a user that wait. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fields.h"
#include "base/files.h"
#include "cmd/poll_cache.h"

#define FILE_LIMIT (16u << 20)

/* Who waits asks at least every three minutes: what was not asked for in so
 * long is waited for by nobody. */
#define KEPT_SECONDS 600

/* How long to wait for another who asks just now. */
#define LOCK_MS 3000
#define LOCK_STEP_MS 20

struct answer {
    char *id, *token;
    time_t asked, wanted;            /* wanted: by who waits for this job */
    struct mlb_job_status status;    /* its id and token are those above */
};

struct answers {
    struct answer *items;
    size_t count;
};

static void answers_clear(struct answers *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->items[i].id);
        free(all->items[i].token);
    }
    free(all->items);
    *all = (struct answers){ 0 };
}

static void push(struct answers *all, const struct mlb_job_status *status,
                 time_t asked, time_t wanted)
{
    struct answer a = { .id = xstrdup(status->id),
                        .token = xstrdup(status->token), .asked = asked,
                        .wanted = wanted, .status = *status };

    a.status.id = a.id;
    a.status.token = a.token;
    if ((all->count & (all->count - 1)) == 0)
        all->items = xrealloc(all->items, (all->count ? 2 * all->count : 1) *
                                              sizeof(*all->items));
    all->items[all->count++] = a;
}

static struct answer *find(const struct answers *all,
                           const struct mlb_job_status *job)
{
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->items[i].id, job->id) == 0 &&
            strcmp(all->items[i].token, job->token) == 0)
            return &all->items[i];
    return NULL;
}

/* ---- the file ---- */

static char *make_path(const struct poll_request *r, const char *suffix)
{
    return xasprintf("%s/.poll-%s-%ld%s", r->store, r->scheduler->name,
                     (long)geteuid(), suffix);
}

/* Another configuration is another cluster, another version may number
 * states otherwise. */
static char *make_key(void)
{
    const char *conf = getenv("SLURM_CONF"), *server = getenv("PBS_SERVER");

    return xasprintf("%s %s %s", PACKAGE_VERSION, conf ? conf : "",
                     server ? server : "");
}

/* A store may be shared: a link, or a file that others made or may write to,
 * was not put there by us. */
static int read_own(const char *path, struct mlb_text *t)
{
    struct stat st;
    char part[65536];
    ssize_t n = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        st.st_uid == geteuid() && (st.st_mode & 077) == 0 &&
        st.st_nlink == 1 && st.st_size <= FILE_LIMIT)
        while ((n = read(fd, part, sizeof(part))) > 0 &&
               t->length + (size_t)n <= FILE_LIMIT)
            text_addn(t, part, (size_t)n);
    close(fd);
    return n == 0 ? 0 : -1;
}

/* "NUMBERS<tab>ID<tab>TOKEN<tab>NODES<tab>REASON" */
static bool parse(char *line, struct answers *all)
{
    struct mlb_job_status s = { .exit_code = -1 };
    int known, may_return, state, ending, end = 0;
    long long asked, wanted, from, to;
    char *parts[4], *p;

    if (sscanf(line, "%lld %lld %d %d %d %d %d %lld %lld%n", &asked,
               &wanted, &known, &may_return, &state, &ending, &s.exit_code,
               &from, &to, &end) != 9 || line[end] != '\t')
        return false;
    p = line + end;
    for (size_t i = 0; i < 4; i++) {
        if (!p)
            return false;
        *p++ = '\0';
        parts[i] = p;
        p = strchr(p, '\t');
    }
    s.id = parts[0];
    s.token = parts[1];
    s.known = known != 0;
    s.may_return = may_return != 0;
    s.state = (enum mlb_state)state;
    s.ending = (enum mlb_state)ending;
    s.start = (time_t)from;
    s.end = (time_t)to;
    snprintf(s.nodes, sizeof(s.nodes), "%s", parts[2]);
    snprintf(s.reason, sizeof(s.reason), "%s", parts[3]);
    push(all, &s, (time_t)asked, (time_t)wanted);
    return true;
}

static void load(const struct poll_request *r, struct answers *all)
{
    struct mlb_fields f = MLB_FIELDS_INIT;
    struct mlb_strings lines = MLB_STRINGS_INIT;
    struct mlb_text t = MLB_TEXT_INIT;
    char *path = make_path(r, ""), *key = make_key();
    bool sound = read_own(path, &t) == 0 &&
                 fields_parse(&f, t.data, t.length, NULL) == 0;
    const char *kept = sound ? fields_get(&f, "for") : NULL;

    if (kept && strcmp(kept, key) == 0) {
        fields_get_all(&f, "answer", &lines);
        for (size_t i = 0; sound && i < lines.count; i++)
            sound = parse(lines.items[i], all);
        if (!sound)
            answers_clear(all);
    }
    strings_clear(&lines);
    fields_clear(&f);
    text_clear(&t);
    free(path);
    free(key);
}

/* A tab in one of these would be the end of it. */
static bool can_be_kept(const struct mlb_job_status *s)
{
    return !strchr(s->id, '\t') && !strchr(s->token, '\t') &&
           !strchr(s->nodes, '\t') && !strchr(s->reason, '\t');
}

static void save(const struct poll_request *r, const struct answers *all)
{
    struct mlb_fields f = MLB_FIELDS_INIT;
    char *path = make_path(r, ""), *key = make_key();

    fields_add(&f, "for", key);
    for (size_t i = 0; i < all->count; i++) {
        const struct answer *a = &all->items[i];
        const struct mlb_job_status *s = &a->status;
        if (can_be_kept(s))
            fields_addf(&f, "answer",
                        "%lld %lld %d %d %d %d %d %lld %lld\t%s\t%s\t%s\t%s",
                        (long long)a->asked, (long long)a->wanted, s->known,
                        s->may_return, s->state, s->ending, s->exit_code,
                        (long long)s->start, (long long)s->end, s->id,
                        s->token, s->nodes, s->reason);
    }
    fields_write(&f, path, NULL);
    fields_clear(&f);
    free(path);
    free(key);
}

/* Of two who find the answers old one asks, and the other then has them. Who
 * cannot have the lock asks as well. */
static int lock(const struct poll_request *r)
{
    char *path = make_path(r, ".lock");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    free(path);
    for (int waited = 0; fd >= 0 && waited < LOCK_MS;
         waited += LOCK_STEP_MS) {
        struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        if (fcntl(fd, F_OFD_SETLK, &all) == 0 ||
            (errno != EAGAIN && errno != EACCES))
            break;
        poll(NULL, 0, LOCK_STEP_MS);
    }
    return fd;
}

/* ---- the question ---- */

/* True if all are young enough. A clock that was set back makes none so. */
static bool take(const struct answers *all, long age,
                 struct mlb_job_status *jobs, size_t count)
{
    time_t now = time(NULL);

    for (size_t i = 0; i < count; i++) {
        const struct answer *a = find(all, &jobs[i]);
        if (!a || a->asked > now || now - a->asked > age)
            return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct mlb_job_status asked = jobs[i];
        jobs[i] = find(all, &asked)->status;
        jobs[i].id = asked.id;
        jobs[i].token = asked.token;
        jobs[i].submitted = asked.submitted;
    }
    return true;
}

/* Ask for these, and for what others wait for and has not ended. */
static int ask(const struct poll_request *r, const struct answers *old,
               struct mlb_job_status *jobs, size_t count,
               struct mlb_error *err)
{
    size_t room = count + old->count, n = count;
    struct mlb_job_status *wanted = xcalloc(room, sizeof(*wanted));
    time_t *since = xcalloc(room, sizeof(*since)), now = time(NULL);
    struct answers new = { 0 };

    memcpy(wanted, jobs, count * sizeof(*jobs));
    for (size_t i = 0; i < count; i++)
        since[i] = now;
    for (size_t i = 0; i < old->count; i++) {
        const struct answer *a = &old->items[i];
        bool mine = false;
        for (size_t k = 0; k < count && !mine; k++)
            mine = find(old, &jobs[k]) == a;
        if (mine || now - a->wanted >= KEPT_SECONDS || a->wanted > now ||
            state_is_final(a->status.state))
            continue;
        since[n] = a->wanted;
        wanted[n++] = (struct mlb_job_status){ .id = a->id, .token = a->token,
                                               .exit_code = -1 };
    }
    int rc = r->scheduler->query(r->site, wanted, n, err);
    memcpy(jobs, wanted, count * sizeof(*jobs));
    for (size_t i = 0; rc == 0 && i < n; i++)
        push(&new, &wanted[i], now, since[i]);
    if (rc == 0)
        save(r, &new);
    answers_clear(&new);
    free(wanted);
    free(since);
    return rc;
}

int poll_cache_query(const struct poll_request *r,
                     struct mlb_job_status *jobs, size_t count,
                     struct mlb_error *err)
{
    struct answers all = { 0 };
    int rc = 0;

    if (r->scheduler->at_hand || r->age == 0)
        return r->scheduler->query(r->site, jobs, count, err);
    load(r, &all);
    if (!take(&all, r->age, jobs, count)) {
        int fd = lock(r);
        answers_clear(&all);
        load(r, &all);
        if (!take(&all, r->age, jobs, count))
            rc = ask(r, &all, jobs, count, err);
        if (fd >= 0)
            close(fd);
    }
    answers_clear(&all);
    return rc;
}
