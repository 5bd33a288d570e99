/* SPDX-License-Identifier: BSD-3-Clause */
/* The hosts of a job of PBS, by the file that PBS_NODEFILE names. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/files.h"

#include "agent/nodefile.h"

#define SIZE_LIMIT ((size_t)16 << 20)

/* All lines, and each host once in the order of its first line. */
static void read_lines(const char *text, struct mlb_strings *lines,
                       struct mlb_strings *once)
{
    while (*text) {
        size_t n = strcspn(text, "\r\n");
        char *host = xstrndup(text, n);
        if (n > 0) {
            /* Those of one host follow each other: this is quick. */
            if ((lines->count == 0 ||
                 strcmp(lines->items[lines->count - 1], host) != 0) &&
                !strings_have(once, host))
                strings_push(once, host);
            strings_push(lines, host);
        }
        free(host);
        text += n;
        text += strspn(text, "\r\n");
    }
}

int nodefile_read(long nodes, struct mlb_strings *hosts,
                  struct mlb_error *err)
{
    struct mlb_strings lines = MLB_STRINGS_INIT, once = MLB_STRINGS_INIT;
    struct mlb_text text = MLB_TEXT_INIT;
    const char *path = getenv("PBS_NODEFILE");
    size_t count = (size_t)nodes;
    int rc = 0;

    if (!path || !*path)
        rc = mlb_error_set(err, MLB_ERR_NOT_FOUND, "PBS_NODEFILE is not set");
    if (rc == 0)
        rc = files_read(path, SIZE_LIMIT, &text, err);
    if (rc == 0)
        read_lines(text.data, &lines, &once);
    if (rc == 0 && once.count == count)
        strings_copy(hosts, &once);
    else if (rc == 0 && lines.count >= count && lines.count % count == 0)
        for (size_t i = 0; i < count; i++)
            strings_push(hosts, lines.items[i * (lines.count / count)]);
    else if (rc == 0)
        rc = mlb_error_set(err, MLB_ERR_BAD_INPUT,
                           "%s has %zu lines of %zu hosts, which are not %ld "
                           "nodes", path, lines.count, once.count, nodes);
    text_clear(&text);
    strings_clear(&lines);
    strings_clear(&once);
    return rc;
}

bool nodefile_is_of_host(const char *pair)
{
    static const char *const names[] = {
        "PBS_", "TMPDIR=", "HOSTNAME=", "CUDA_VISIBLE_DEVICES=",
        "ROCR_VISIBLE_DEVICES=", "PWD=", "OLDPWD=", "_=",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(pair, names[i], strlen(names[i])) == 0)
            return true;
    return !strchr(pair, '=') || pair[0] == '=';
}
