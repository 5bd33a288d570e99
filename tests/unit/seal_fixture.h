/* SPDX-License-Identifier: BSD-3-Clause */
/* A run's directory of its own, and its record sealed and opened. */
#ifndef SEAL_FIXTURE_H
#define SEAL_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/files.h"
#include "base/text.h"
#include "run/events.h"
#include "run/journal.h"
#include "run/record.h"
#include "run/record_read.h"
#include "store/sealed.h"

#define UNTOLD INT64_MIN

static int setup(void **state)
{
    *state = strdup("/tmp/mlb-record-XXXXXX");
    if (!*state || !mkdtemp(*state))
        return -1;
    char *path = xasprintf("%s/events", (char *)*state);
    int rc = files_mkdirs(path, NULL);
    free(path);
    return rc;
}

static int teardown(void **state)
{
    int rc = files_remove_tree(*state, NULL);

    free(*state);
    return rc;
}

static void write_file(const char *dir, const char *part, const char *text)
{
    char *path = xasprintf("%s/%s", dir, part);

    assert_int_equal(files_append(path, text, strlen(text), NULL), 0);
    free(path);
}

static struct sealed *seal(const char *dir)
{
    struct mlb_error err = { 0 };
    char *path = xasprintf("%s/record.h5", dir);

    if (record_seal(dir, &err) < 0)
        fail_msg("%s", err.text);
    struct sealed *c = sealed_open(path, &err);
    if (!c)
        fail_msg("%s", err.text);
    free(path);
    return c;
}

#endif
