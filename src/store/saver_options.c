/* SPDX-License-Identifier: BSD-3-Clause */
/* How a saver is to work, as the job file says it. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "store/saver.h"

/* A number from the environment: 0 if it is not set, -1 if it is none. */
static long long number(const char *name, long long most)
{
    const char *text = getenv(name);
    char *end;

    if (!text || !*text)
        return 0;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    return errno || *end || value < 0 || value > most ? -1 : value;
}

static const char *word(const char *name, const char *otherwise)
{
    const char *text = getenv(name);

    return text && *text ? text : otherwise;
}

/* "min loss", "max test/accuracy". What it cannot be read as is for
 * mlb_saver_open to refuse: here is no way to say so. */
static void read_best(struct mlb_retention *r)
{
    const char *text = word("MLB_CHECKPOINT_BEST", NULL);

    if (!text)
        return;
    r->best = (int)number("MLB_CHECKPOINT_KEEP_BEST", 1000000);
    if (r->best == 0)
        r->best = 1;
    r->higher_is_better = strncmp(text, "max ", 4) == 0;
    if (r->higher_is_better || strncmp(text, "min ", 4) == 0)
        r->metric = text + 4;
    else
        r->best = -1;
}

void mlb_saver_options_init(struct mlb_saver_options *options)
{
    static const char *const layouts[] = {
        [MLB_LAYOUT_AUTO] = "auto", [MLB_LAYOUT_SHARED] = "shared",
        [MLB_LAYOUT_NODES] = "nodes",
    };
    const char *layout = word("MLB_CHECKPOINT_LAYOUT", "auto");
    long long every = number("MLB_CHECKPOINT_KEEP_EVERY", LLONG_MAX);
    int i = 0;

    while (i <= MLB_LAYOUT_NODES && strcmp(layouts[i], layout) != 0)
        i++;
    *options = (struct mlb_saver_options){
        .directory = word("MLB_CHECKPOINT_DIR", "checkpoints"),
        .layout = i, .slots = 1,
        .retention = { .last = (int)number("MLB_CHECKPOINT_KEEP", 1000000) },
    };
    if (every < 0)
        options->retention.last = -1;
    else
        options->retention.every = (uint64_t)every;
    read_best(&options->retention);
}

bool saver_is_coherent(const char *directory)
{
    /* Network file systems whose clients cache pages on their own: what two
     * hosts write into one page is lost for one of them. FUSE may be any. */
    static const uint32_t others[] = {
        0x6969 /* NFS */, 0x517b /* SMB */, 0xff534d42 /* CIFS */,
        0xfe534d42 /* SMB 2 */, 0x5346414f /* AFS */, 0x73757245 /* Coda */,
        0x01021997 /* 9P */, 0x65735546 /* FUSE */,
    };
    struct statfs fs;

    if (statfs(directory, &fs) < 0)
        return false;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if ((uint32_t)fs.f_type == others[i])
            return false;
    return true;
}
