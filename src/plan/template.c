/* SPDX-License-Identifier: BSD-3-Clause */
/* ${name} in launchers and commands: named fields, never the shell. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"

/* The value of the field that text ("${name}...") names, or NULL; *length is
 * that of the whole "${name}". */
static const char *named(const char *text, const struct mlb_fields *fields,
                         size_t *length)
{
    const char *value = NULL;

    if (text[0] != '$' || text[1] != '{')
        return NULL;
    size_t n = strcspn(text + 2, "}");
    if (text[2 + n] == '}' && n > 0) {
        char *name = xstrndup(text + 2, n);
        value = fields_get(fields, name);
        free(name);
    }
    *length = n + 3;
    return value;
}

void template_expand(const char *text, const struct mlb_fields *fields,
                     struct mlb_text *out)
{
    while (*text) {
        size_t n = strcspn(text, "$"), length;
        text_addn(out, text, n);
        text += n;
        if (!*text)
            break;
        const char *value = named(text, fields, &length);
        if (value) {
            text_add(out, value);
            text += length;
        } else if (text[1] == '$' && named(text + 1, fields, &length)) {
            text_addn(out, text + 1, length);
            text += 1 + length;
        } else {
            text_addn(out, text++, 1);
        }
    }
}
