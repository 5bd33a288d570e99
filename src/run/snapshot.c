/* SPDX-License-Identifier: BSD-3-Clause */
/* The code as it was when a run was submitted.
 *
 * Two git processes, as each costs 2 to 3 ms of every submission: `archive`,
 * whose tar names the commit in its header, and `diff` against that commit.
 * Nothing is synced here: what matters is written after us, and is. */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/process.h"
#include "run/copy.h"
#include "run/earlier.h"
#include "run/run.h"
#include "run/tracked.h"

#define GIT_LIMIT (64u << 20)            /* bytes of the tar, of the diff */
#define FILES_LIMIT (UINT64_C(1) << 30)
#define SLACK (1u << 20)
#define TREE "files tracked at HEAD"
#define CHANGES "uncommitted changes"

struct snapshot {
    const struct mlb_run *run;
    char *directory;             /* of the job, links resolved */
    char *top;                   /* of its git work tree, or NULL */
    char *commit;                /* NULL: not known */
    struct mlb_text notes;       /* what code/README will say */
};

/* The user's settings must neither start programs (hooks, pagers, monitors,
 * external diffs), nor reach for the network, nor change the output. */
static const char *const settings[] = {
    "--no-optional-locks",
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.pager=cat",
    "-c", "core.fsmonitor=",
    "-c", "protocol.allow=never",
    NULL,
};

/* Files under LFS are stored as the pointers that git tracks. */
static const char *const archive[] = {
    "-c", "filter.lfs.smudge=", "-c", "filter.lfs.process=",
    "-c", "filter.lfs.required=false",
    "archive", "--format=tar",
    NULL,
};

/* Changes in a submodule's files are its own; going into each costs. */
static const char *const diff[] = {
    "diff", "--binary", "--no-color", "--no-ext-diff", "--no-textconv",
    "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short",
    "--ignore-submodules=dirty",
    NULL,
};

/* Variables that would lead git away from the work tree found. */
static const char *const misleading[] = {
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX",
};

static void push_all(struct mlb_strings *argv, const char *const *words)
{
    for (; *words; words++)
        strings_push(argv, *words);
}

/* Start an argv with git and its settings; by way of env(1), which is one
 * more program to load, only if there is something to take away. */
static void begin(struct mlb_strings *argv)
{
    for (size_t i = 0; i < sizeof(misleading) / sizeof(misleading[0]); i++) {
        if (!getenv(misleading[i]))
            continue;
        if (argv->count == 0)
            strings_push(argv, "env");
        strings_push(argv, "-u");
        strings_push(argv, misleading[i]);
    }
    strings_push(argv, "git");
    push_all(argv, settings);
}

/* Run git in the work tree. False if it failed, and errors then says why. */
static bool git(const struct snapshot *s, struct process_call *call,
                struct mlb_text *errors)
{
    struct mlb_error why = { 0 };
    int status = -1;

    call->directory = s->top;
    call->errors = errors;
    int rc = process_run(call, &status, &why);
    if (rc < 0)
        text_addf(errors, "%s\n", why.text);
    return rc == 0 && status == 0;
}

/* The same, but no file that git writes gets over GIT_LIMIT: a history with
 * data in it must not be copied for each run. The limit is inherited from
 * us; SIGXFSZ, which would leave a core file, is ignored. */
static bool git_limited(const struct snapshot *s, struct process_call *call,
                        struct mlb_text *errors)
{
    struct rlimit old, limited;
    struct sigaction before, ignore = { .sa_handler = SIG_IGN };
    bool set = getrlimit(RLIMIT_FSIZE, &old) == 0;

    sigemptyset(&ignore.sa_mask);
    limited = old;
    if (set && (old.rlim_cur == RLIM_INFINITY || old.rlim_cur > GIT_LIMIT))
        limited.rlim_cur = GIT_LIMIT;
    sigaction(SIGXFSZ, &ignore, &before);
    set = set && setrlimit(RLIMIT_FSIZE, &limited) == 0;
    bool done = git(s, call, errors);
    if (set)
        setrlimit(RLIMIT_FSIZE, &old);
    sigaction(SIGXFSZ, &before, NULL);
    return done;
}

static void note_failure(struct snapshot *s, const char *what,
                         const struct mlb_text *errors)
{
    text_addf(&s->notes, "The %s could not be stored:\n%s\n", what,
              errors->data);
}

static void note_over(struct snapshot *s, const char *what)
{
    text_addf(&s->notes, "The %s: over %u MiB, not stored.\n", what,
              GIT_LIMIT >> 20);
}

/* The commit from the first record of a tar that git made of one: a global
 * header of which one line is "52 comment=HEX". NULL if it is not there. */
static char *read_commit(const char *path)
{
    char head[1025] = "";
    char *commit = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head) - 1);

    if (n == (ssize_t)sizeof(head) - 1 && head[156] == 'g') {
        const char *hex = strstr(head + 512, " comment=");
        hex = hex ? hex + strlen(" comment=") : "";
        size_t length = strspn(hex, "0123456789abcdef");
        if (length >= 40)
            commit = xstrndup(hex, length);
    }
    if (fd >= 0)
        close(fd);
    return commit;
}

static int write_part(const struct mlb_run *run, const char *part,
                      const struct mlb_text *t, struct mlb_error *err)
{
    char *path = run_path(run, part);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                  0600);
    int rc = fd < 0 ? -1 : files_write_all(fd, t->data, t->length);

    if (rc < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot write %s", path);
    if (fd >= 0)
        close(fd);
    free(path);
    return rc;
}

/* The nearest directory upwards with a .git (a file in linked work trees and
 * submodules). Like git it stops where another file system begins: asking
 * for /home/.git would wake an automounter. */
static char *find_top(const char *directory)
{
    char *path = xstrdup(directory);
    struct stat st, first;

    if (stat(path, &first) < 0)
        first.st_dev = 0;
    for (;;) {
        char *git_dir = xasprintf("%s/.git", path);
        bool found = stat(path, &st) == 0 && st.st_dev == first.st_dev &&
                     lstat(git_dir, &st) == 0;
        free(git_dir);
        if (found)
            return path;
        char *slash = strrchr(path, '/');
        if (!slash || slash == path)
            break;
        *slash = '\0';
    }
    free(path);
    return NULL;
}

/* The commit alone, where there is to be no tar that tells it. */
static void find_commit(struct snapshot *s)
{
    struct mlb_strings argv = MLB_STRINGS_INIT;
    struct mlb_text out = MLB_TEXT_INIT;

    begin(&argv);
    strings_push(&argv, "rev-parse");
    strings_push(&argv, "--verify");
    strings_push(&argv, "HEAD");
    struct process_call call = { .argv = argv.items, .out = &out };
    if (git(s, &call, &s->notes))
        s->commit = xstrndup(out.data, strcspn(out.data, "\n"));
    strings_clear(&argv);
    text_clear(&out);
}

static void store_tree(struct snapshot *s)
{
    s->commit = earlier_head(s->top);
    if (s->commit && earlier_tar(s->run, s->commit))
        return;
    free(s->commit);
    s->commit = NULL;

    struct mlb_strings argv = MLB_STRINGS_INIT;
    struct mlb_text errors = MLB_TEXT_INIT;
    struct stat st;
    char *path = run_path(s->run, "code/code.tar");

    begin(&argv);
    push_all(&argv, archive);
    strings_pushf(&argv, "--output=%s", path);
    strings_push(&argv, "HEAD");
    struct process_call call = { .argv = argv.items };
    bool done = git_limited(s, &call, &errors);
    s->commit = read_commit(path);
    if (!done && stat(path, &st) == 0 && st.st_size >= GIT_LIMIT)
        note_over(s, TREE);
    else if (!done)
        note_failure(s, TREE, &errors);
    if (!done)
        unlink(path);
    text_clear(&errors);
    strings_clear(&argv);
    free(path);
}

/* Against the commit in hand, not HEAD: it may have moved in between. The
 * diff comes through us, as git does not notice that its --output failed. */
static int store_diff(struct snapshot *s, struct mlb_error *err)
{
    struct mlb_strings argv = MLB_STRINGS_INIT;
    struct mlb_text out = MLB_TEXT_INIT, errors = MLB_TEXT_INIT;
    int rc = 0;

    begin(&argv);
    push_all(&argv, diff);
    strings_push(&argv, s->commit);
    strings_push(&argv, "--");
    /* Pieces over the limit are lost, later ones may still fit: whatever is
     * near it may have holes. */
    struct process_call call = { .argv = argv.items, .out = &out,
                                 .limit = GIT_LIMIT + SLACK };
    if (!git(s, &call, &errors))
        note_failure(s, CHANGES, &errors);
    else if (out.length > GIT_LIMIT)
        note_over(s, CHANGES);
    else if (out.length > 0)
        rc = write_part(s->run, "code/diff.patch", &out, err);
    strings_clear(&argv);
    text_clear(&errors);
    text_clear(&out);
    return rc;
}

static int store_git(struct snapshot *s, struct mlb_error *err)
{
    struct mlb_text line = MLB_TEXT_INIT;

    if (tracked_bytes(s->top) > GIT_LIMIT) {
        note_over(s, TREE);
        find_commit(s);
    } else {
        store_tree(s);
    }
    if (!s->commit)
        return 0;
    text_addf(&line, "%s\n", s->commit);
    int rc = write_part(s->run, "code/commit", &line, err);
    text_clear(&line);
    return rc < 0 ? -1 : store_diff(s, err);
}

/* One listed file: below the directory to code/tree, what is elsewhere to
 * code/outside with its whole path. */
static int store_file(struct snapshot *s, const char *file,
                      struct copy_rules *rules, struct mlb_error *err)
{
    char *named = *file == '/' ? xstrdup(file)
                               : xasprintf("%s/%s", s->directory, file);
    char *path = files_absolute(named);
    size_t n = strlen(s->directory);
    bool below = strncmp(path, s->directory, n) == 0 &&
                 (path[n] == '/' || path[n] == '\0');
    char *into = run_path(s->run, below ? "code/tree" : "code/outside");
    const char *part = below ? path + n + (path[n] == '/') : path + 1;
    int rc = copy_path(below ? s->directory : "/", part, into, rules, err);

    free(into);
    free(path);
    free(named);
    return rc;
}

static int store_files(struct snapshot *s, const struct mlb_strings *files,
                       struct mlb_error *err)
{
    struct stat st = { 0 };
    char *runs = run_path(s->run, "..");
    int rc = 0;

    if (stat(runs, &st) < 0)
        rc = mlb_error_errno(err, MLB_ERR_IO, "cannot read %s", runs);
    struct copy_rules rules = { .skip_device = st.st_dev,
                                .skip_inode = st.st_ino,
                                .left = FILES_LIMIT, .notes = &s->notes };
    for (size_t i = 0; rc == 0 && i < files->count; i++)
        rc = store_file(s, files->items[i], &rules, err);
    free(runs);
    return rc;
}

int run_snapshot(const struct mlb_run *run, const char *directory,
                 const struct mlb_strings *files, struct mlb_error *err)
{
    struct snapshot s = { .run = run, .notes = MLB_TEXT_INIT };
    bool listed = files && files->count > 0;
    int rc = 0;

    s.directory = realpath(directory, NULL);
    if (!s.directory)
        return mlb_error_errno(err, MLB_ERR_NOT_FOUND,
                               "cannot go to directory %s", directory);
    s.top = find_top(s.directory);
    if (s.top)
        rc = store_git(&s, err);
    else if (!listed)
        text_add(&s.notes, "Not in a git work tree, and the job lists no "
                           "files: no code was stored.\n");
    if (rc == 0 && listed)
        rc = store_files(&s, files, err);
    if (rc == 0 && s.notes.length > 0)
        rc = write_part(run, "code/README", &s.notes, err);
    text_clear(&s.notes);
    free(s.commit);
    free(s.top);
    free(s.directory);
    return rc;
}
