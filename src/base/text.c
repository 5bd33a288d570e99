/* SPDX-License-Identifier: BSD-3-Clause */
/* Byte buffers, string lists, names made safe for paths and shells. */
#include "config.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define NAME_MAX_BYTES 120

char text_empty[1];
char *strings_none[1];

static void *check(void *p)
{
    if (!p) {
        fputs("mlbatch: out of memory\n", stderr);
        _Exit(7);
    }
    return p;
}

void *xmalloc(size_t size)
{
    return check(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
    return check(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *old, size_t size)
{
    return check(realloc(old, size ? size : 1));
}

char *xstrdup(const char *s)
{
    return s ? check(strdup(s)) : NULL;
}

char *xstrndup(const char *s, size_t length)
{
    return check(strndup(s, length));
}

char *xasprintf(const char *format, ...)
{
    char *s = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&s, format, args) < 0)
        s = NULL;
    va_end(args);
    return check(s);
}

void text_clear(struct mlb_text *t)
{
    if (t->size)
        free(t->data);
    *t = (struct mlb_text)MLB_TEXT_INIT;
}

/* Room for extra more bytes and the NUL. */
static void grow(struct mlb_text *t, size_t extra)
{
    size_t need = t->length + extra + 1;

    if (need <= t->size)
        return;
    size_t size = t->size ? t->size * 2 : 64;
    if (size < need)
        size = need;
    t->data = xrealloc(t->size ? t->data : NULL, size);
    t->size = size;
}

void text_addn(struct mlb_text *t, const void *bytes, size_t length)
{
    grow(t, length);
    if (length)
        memcpy(t->data + t->length, bytes, length);
    t->length += length;
    t->data[t->length] = '\0';
}

void text_add(struct mlb_text *t, const char *s)
{
    text_addn(t, s, strlen(s));
}

void text_addf(struct mlb_text *t, const char *format, ...)
{
    char *s = NULL;
    va_list args;

    va_start(args, format);
    int n = vasprintf(&s, format, args);
    va_end(args);
    check(n < 0 ? NULL : s);
    text_addn(t, s, (size_t)n);
    free(s);
}

char *text_detach(struct mlb_text *t)
{
    char *s = t->size ? t->data : xstrdup("");

    *t = (struct mlb_text)MLB_TEXT_INIT;
    return s;
}

void text_add_shell(struct mlb_text *t, const char *s)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz"
                                "0123456789_-+./:,@%=";

    if (*s && *s != '=' && s[strspn(s, plain)] == '\0') {
        text_add(t, s);
        return;
    }
    text_add(t, "'");
    for (; *s; s++) {
        if (*s == '\'')
            text_add(t, "'\\''");
        else
            text_addn(t, s, 1);
    }
    text_add(t, "'");
}

void strings_set(struct mlb_strings *l, size_t at, const char *s)
{
    char *copy = xstrdup(s);

    if (at < l->count) {
        free(l->items[at]);
        l->items[at] = copy;
        return;
    }
    /* The size is the count rounded up to a power of two, so it need not be
     * stored: grow when count + 1 (for NULL) reaches one. */
    size_t used = l->count + 1;
    if (l->count == 0)
        l->items = xmalloc(2 * sizeof(char *));
    else if ((used & (used - 1)) == 0)
        l->items = xrealloc(l->items, 2 * used * sizeof(char *));
    l->items[l->count++] = copy;
    l->items[l->count] = NULL;
}

void strings_push(struct mlb_strings *l, const char *s)
{
    strings_set(l, l->count, s);
}

void strings_pushf(struct mlb_strings *l, const char *format, ...)
{
    char *s = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&s, format, args) < 0)
        s = NULL;
    va_end(args);
    strings_push(l, check(s));
    free(s);
}

void strings_copy(struct mlb_strings *to, const struct mlb_strings *from)
{
    for (size_t i = 0; i < from->count; i++)
        strings_push(to, from->items[i]);
}

bool strings_have(const struct mlb_strings *l, const char *s)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->items[i], s) == 0)
            return true;
    return false;
}

void strings_clear(struct mlb_strings *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->items[i]);
    if (l->count)
        free(l->items);
    *l = (struct mlb_strings)MLB_STRINGS_INIT;
}

/* Edit distance (Levenshtein 1966) of two words of up to 63 bytes. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64], n = strlen(a), m = strlen(b);

    if (n > 63 || m > 63)
        return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t up = row[j];
            size_t best = corner + (a[i - 1] != b[j - 1]);
            if (up + 1 < best)
                best = up + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
            corner = up;
        }
    }
    return row[m];
}

const char *text_suggest(const char *word, const char *const *names,
                         size_t count)
{
    const char *best = NULL;
    size_t limit = strlen(word) / 3 + 1, least = limit + 1;

    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, names[i]);
        if (d < least) {
            least = d;
            best = names[i];
        }
    }
    return best;
}

/* Length of the valid UTF-8 sequence at s (1 to 4), 0 if there is none.
 * After RFC 3629: no overlong forms, no surrogates, up to U+10FFFF. */
static int utf8_length(const unsigned char *s)
{
    if (s[0] < 0x80)
        return s[0] ? 1 : 0;
    int n = s[0] >= 0xc2 && s[0] <= 0xdf   ? 2
            : (s[0] & 0xf0) == 0xe0        ? 3
            : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                           : 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

/* Bytes of the printable character at s, 0 if it is not one. C1 controls
 * (U+0080 to U+009F) move the cursor on some terminals. */
static int printable_length(const unsigned char *s)
{
    int n = utf8_length(s);

    if (n == 1)
        return s[0] >= 0x20 && s[0] != 0x7f;
    if (n == 2 && s[0] == 0xc2 && s[1] < 0xa0)
        return 0;
    return n;
}

bool text_is_printable(const char *s)
{
    for (int n; *s; s += n) {
        n = printable_length((const unsigned char *)s);
        if (!n)
            return false;
    }
    return true;
}

char *text_printable(const char *s)
{
    struct mlb_text t = MLB_TEXT_INIT;

    while (*s) {
        int n = printable_length((const unsigned char *)s);
        if (n)
            text_addn(&t, s, (size_t)n);
        else
            text_addf(&t, "\\x%02x", (unsigned char)*s);
        s += n ? n : 1;
    }
    return text_detach(&t);
}

static bool is_name_byte(unsigned char c, bool first)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
        (c >= '0' && c <= '9') || c == '_')
        return true;
    return !first && strchr("-.+,@", c) != NULL;
}

/* FNV-1a, 64 bits (Fowler, Noll, Vo): tells cut names apart. */
static uint64_t hash_name(const char *s)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    return h;
}

char *text_encode_name(const char *name)
{
    struct mlb_text t = MLB_TEXT_INIT;

    for (const char *s = name; *s;) {
        int n = printable_length((const unsigned char *)s);
        if (n > 1 || (n == 1 && is_name_byte((unsigned char)*s, s == name))) {
            text_addn(&t, s, (size_t)n);
        } else {
            text_addf(&t, "=%02X", (unsigned char)*s);
            n = 1;
        }
        s += n;
        if (t.length > NAME_MAX_BYTES) {
            text_addf(&t, "=%016llX", (unsigned long long)hash_name(name));
            break;
        }
    }
    if (t.length == 0)
        text_add(&t, "=");
    return text_detach(&t);
}
