/* SPDX-License-Identifier: BSD-3-Clause */
/* Copying files and directories as they are, links as links. */
#ifndef RUN_COPY_H
#define RUN_COPY_H

#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"
#include "mlbatch/error.h"

/* What holds for one copy, over any number of calls. */
struct copy_rules {
    dev_t skip_device;           /* a directory that is never gone into: */
    ino_t skip_inode;            /* the copy may lie below what is copied */
    uint64_t left;               /* bytes that may still be copied */
    struct mlb_text *notes;      /* a line is added for what was left out */
};

/* Copy the file, link or directory (whole, but for ".git" and what is not a
 * file) at directory/path to the same path below the directory into. path
 * is relative and holds no "."  and ".." parts; "" is directory itself. What
 * is in the copy already is left as it is; no link is followed in it. */
int copy_path(const char *directory, const char *path, const char *into,
              struct copy_rules *rules, struct mlb_error *err);

#endif
