/* SPDX-License-Identifier: BSD-3-Clause */
/* All that is wrong with a user's file, collected and printed at once. */
#include "config.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/problems.h"

void problems_add(struct mlb_problems *p, const char *where,
                  const char *format, ...)
{
    char *what = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&what, format, args) < 0)
        what = NULL;
    va_end(args);
    char *text = xasprintf("%s%s%s", where ? where : "", where ? ": " : "",
                           what ? what : format);
    char *line = text_printable(text);
    strings_push(&p->lines, line);
    free(line);
    free(text);
    free(what);
}

void problems_print(const struct mlb_problems *p, FILE *to)
{
    for (size_t i = 0; i < p->lines.count; i++)
        fprintf(to, "%s\n", p->lines.items[i]);
}

void problems_clear(struct mlb_problems *p)
{
    strings_clear(&p->lines);
}

int problems_to_error(const struct mlb_problems *p, struct mlb_error *err)
{
    if (p->lines.count == 0)
        return 0;
    return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%zu problem%s",
                         p->lines.count, p->lines.count == 1 ? "" : "s");
}
