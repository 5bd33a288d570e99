/* SPDX-License-Identifier: BSD-3-Clause */
/* What an attempt asks of its tasks, told by a small file. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/text.h"

#include "agent/ask.h"

#define WORD_LIMIT 64
#define LOOKS_PER_SECOND 500

static const char *const words[] = { "", "save", "finish", "stop" };

static char *path_of(const char *run_dir, long attempt)
{
    return xasprintf("%s/ask-%ld", run_dir, attempt);
}

int ask_publish(const char *run_dir, long attempt, enum ask ask,
                struct mlb_error *err)
{
    char *path = path_of(run_dir, attempt);
    int rc = files_publish(path, words[ask], strlen(words[ask]), 0600, err);

    free(path);
    return rc;
}

enum ask ask_read(const char *run_dir, long attempt)
{
    struct mlb_text t = MLB_TEXT_INIT;
    char *path = path_of(run_dir, attempt);
    enum ask ask = ASK_NOTHING;

    if (files_read(path, WORD_LIMIT, &t, NULL) == 0)
        for (int i = ASK_SAVE; i <= ASK_STOP; i++)
            if (strcmp(t.data, words[i]) == 0)
                ask = (enum ask)i;
    text_clear(&t);
    free(path);
    return ask;
}

void ask_remove(const char *run_dir, long attempt)
{
    char *path = path_of(run_dir, attempt);

    unlink(path);
    free(path);
}

double ask_period(long tasks, long kill_wait)
{
    double period = 1.0 + (double)tasks / LOOKS_PER_SECOND;
    double most = (double)kill_wait / 3;

    if (period > most)
        period = most;
    return period < 1 ? 1 : period;
}

double ask_patience(long kill_wait)
{
    return kill_wait > 6 ? (double)(kill_wait - 5) : 1;
}
