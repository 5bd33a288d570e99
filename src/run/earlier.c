/* SPDX-License-Identifier: BSD-3-Clause */
/* The code that an earlier run stored already.
 *
 * Submissions come in bursts, with the code as it was: `git archive` and a
 * copy of the whole tree for each would be most of their cost. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/units.h"
#include "run/earlier.h"

#define HEX "0123456789abcdef"
#define FILE_LIMIT (8u << 20)

/* The commit's name at the start of a line; NULL if there is none. */
static char *take_hex(const char *line)
{
    size_t n = strspn(line, HEX);

    if ((n == 40 || n == 64) &&
        (line[n] == '\n' || line[n] == ' ' || line[n] == '\0'))
        return xstrndup(line, n);
    return NULL;
}

/* packed-refs: "HEX NAME" a line. */
static char *find_packed(const char *git_dir, const char *ref)
{
    char *path = xasprintf("%s/packed-refs", git_dir), *commit = NULL;
    char *line_end = xasprintf(" %s\n", ref);
    struct mlb_text t = MLB_TEXT_INIT;

    if (files_read(path, FILE_LIMIT, &t, NULL) == 0) {
        const char *hit = strstr(t.data, line_end);
        while (hit && hit > t.data && hit[-1] != '\n')
            hit--;
        if (hit)
            commit = take_hex(hit);
    }
    text_clear(&t);
    free(line_end);
    free(path);
    return commit;
}

char *earlier_head(const char *top)
{
    char *git_dir = xasprintf("%s/.git", top), *commit = NULL;
    char *head_path = xasprintf("%s/HEAD", git_dir);
    struct mlb_text head = MLB_TEXT_INIT, ref = MLB_TEXT_INIT;
    static const char start[] = "ref: ";

    if (!files_is_dir(git_dir) ||
        files_read(head_path, 4096, &head, NULL) < 0)
        goto out;
    head.data[strcspn(head.data, "\n")] = '\0';
    if (strncmp(head.data, start, strlen(start)) != 0) {
        commit = take_hex(head.data);
        goto out;
    }
    const char *name = head.data + strlen(start);
    /* Only what is surely a ref; anything else is for git to judge. */
    if (strncmp(name, "refs/", 5) != 0 || strstr(name, ".."))
        goto out;
    char *path = xasprintf("%s/%s", git_dir, name);
    if (files_read(path, 4096, &ref, NULL) == 0)
        commit = take_hex(ref.data);
    else
        commit = find_packed(git_dir, name);
    free(path);
out:
    text_clear(&head);
    text_clear(&ref);
    free(head_path);
    free(git_dir);
    return commit;
}

/* The directory of the run before: NAME.(N-1). NULL if there is none. */
static char *before(const struct mlb_run *run)
{
    const char *dot = strrchr(run->path, '.');
    long number;

    if (!dot || units_parse_long(dot + 1, 2, 1L << 62, &number, NULL) < 0)
        return NULL;
    return xasprintf("%.*s.%ld", (int)(dot - run->path), run->path,
                     number - 1);
}

bool earlier_tar(const struct mlb_run *run, const char *commit)
{
    struct mlb_text stored = MLB_TEXT_INIT;
    struct stat st;
    char *directory = before(run);
    bool linked = false;

    if (!directory)
        return false;
    char *name = xasprintf("%s/code/commit", directory);
    char *from = xasprintf("%s/code/code.tar", directory);
    char *to = run_path(run, "code/code.tar");
    if (files_read(name, 4096, &stored, NULL) == 0) {
        stored.data[strcspn(stored.data, "\n")] = '\0';
        linked = strcmp(stored.data, commit) == 0 && lstat(from, &st) == 0 &&
                 S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
                 link(from, to) == 0;
    }
    text_clear(&stored);
    free(to);
    free(from);
    free(name);
    free(directory);
    return linked;
}
