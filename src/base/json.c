/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON for bytes that may not be UTF-8. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/json.h"

json_t *json_text(const char *s)
{
    if (!s)
        return json_null();
    json_t *value = json_string(s);
    if (value)
        return value;
    /* Not UTF-8. Find the longest valid pieces: jansson itself decides. */
    struct mlb_text t = MLB_TEXT_INIT;
    while (*s) {
        size_t n = 0;
        for (size_t i = 1; i <= 4 && s[i - 1]; i++) {
            json_t *one = json_stringn(s, i);
            if (one) {
                n = i;
                json_decref(one);
                break;
            }
        }
        if (n)
            text_addn(&t, s, n);
        else
            text_add(&t, "\xef\xbf\xbd");
        s += n ? n : 1;
    }
    value = json_string(t.data);
    text_clear(&t);
    return value;
}

void json_print(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
}
