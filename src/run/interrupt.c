/* SPDX-License-Identifier: BSD-3-Clause */
/* A person's wish that an attempt end as if something had happened. */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/text.h"

#include "run/interrupt.h"

#define WORD_LIMIT 64

static char *path_of(const char *run_dir, long attempt)
{
    return xasprintf("%s/interrupt-%ld", run_dir, attempt);
}

int interrupt_publish(const char *run_dir, long attempt, enum mlb_state as,
                      struct mlb_error *err)
{
    char *path = path_of(run_dir, attempt);
    const char *word = state_name(as);

    assert(as == MLB_STATE_TIMEOUT || as == MLB_STATE_PREEMPTED);
    int rc = files_publish(path, word, strlen(word), 0600, err);
    free(path);
    return rc;
}

enum mlb_state interrupt_read(const char *run_dir, long attempt)
{
    struct mlb_text t = MLB_TEXT_INIT;
    char *path = path_of(run_dir, attempt);
    enum mlb_state as = MLB_STATE_UNKNOWN;

    if (files_read(path, WORD_LIMIT, &t, NULL) == 0)
        as = state_find(t.data);
    if (as != MLB_STATE_TIMEOUT && as != MLB_STATE_PREEMPTED)
        as = MLB_STATE_UNKNOWN;
    text_clear(&t);
    free(path);
    return as;
}

void interrupt_remove(const char *run_dir, long attempt)
{
    char *path = path_of(run_dir, attempt);

    unlink(path);
    free(path);
}
