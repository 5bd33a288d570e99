/* SPDX-License-Identifier: BSD-3-Clause */
/* A look at configuration text before libconfig parses it. It knows the
 * tokens of libconfig (names, numbers, strings, comments), not the grammar. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "job/scan.h"

#define DEPTH 32
#define SETTINGS 20000

#define DIGITS "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

struct scan {
    const char *p;               /* what comes next */
    const char *name;
    long line;
    size_t settings, depth;
    struct {
        char bracket;
        long line;
    } open[DEPTH];
    struct mlb_text *out;
    struct mlb_error *err;
};

static int refuse(struct scan *s, long line, const char *what)
{
    return mlb_error_set(s->err, MLB_ERR_BAD_INPUT, "%s:%ld: %s", s->name,
                         line, what);
}

/* Copy n bytes. */
static void take(struct scan *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        s->line += s->p[i] == '\n';
    text_addn(s->out, s->p, n);
    s->p += n;
}

static int take_string(struct scan *s)
{
    long start = s->line;

    take(s, 1);
    while (*s->p != '"') {
        if (*s->p == '\0')
            return refuse(s, start, "this string has no closing quote");
        if (*s->p != '\\') {
            take(s, strcspn(s->p, "\"\\"));
            continue;
        }
        if (tolower((unsigned char)s->p[1]) == 'x' && s->p[2] == '0' &&
            s->p[3] == '0')
            return refuse(s, s->line,
                          "\\x00 in a string: no argument, variable or "
                          "path can hold it");
        take(s, s->p[1] == '"' || s->p[1] == '\\' ? 2 : 1);
    }
    take(s, 1);
    return 0;
}

static int take_comment(struct scan *s)
{
    const char *end;

    if (s->p[0] == '#' || s->p[1] == '/') {
        take(s, strcspn(s->p, "\n"));
        return 0;
    }
    end = strstr(s->p + 2, "*/");
    if (!end)
        return refuse(s, s->line, "this comment has no closing */");
    take(s, (size_t)(end + 2 - s->p));
    return 0;
}

static int take_float(struct scan *s, size_t n)
{
    if (!isfinite(strtod(s->p, NULL)))
        return refuse(s, s->line, "this number is too large");
    take(s, n);
    return 0;
}

/* Length of the exponent at p, 0 if there is none. */
static size_t exponent(const char *p)
{
    if (*p != 'e' && *p != 'E')
        return 0;
    size_t n = 1 + (p[1] == '-' || p[1] == '+');
    size_t digits = strspn(p + n, DIGITS);
    return digits ? n + digits : 0;
}

static int take_number(struct scan *s)
{
    size_t sign = *s->p == '+' || *s->p == '-';
    const char *digits = s->p + sign;
    size_t whole = strspn(digits, DIGITS), n = whole;
    bool hex = sign == 0 && digits[0] == '0' &&
               (digits[1] == 'x' || digits[1] == 'X') &&
               isxdigit((unsigned char)digits[2]);

    if (digits[n] == '.')
        n += 1 + strspn(digits + n + 1, DIGITS);
    n += exponent(digits + n);
    if (n > whole)
        return take_float(s, sign + n);
    if (whole == 0) {
        take(s, 1);
        return 0;
    }
    if (hex)
        n = 2 + strspn(digits + 2, DIGITS "abcdefABCDEF");
    else if (digits[0] == '0' && whole > 1)
        return refuse(s, s->line,
                      "leading zeros: octal to some, decimal to others; "
                      "leave them out");
    errno = 0;
    long long value = strtoll(s->p, NULL, hex ? 16 : 10);
    if (errno == ERANGE)
        return refuse(s, s->line, "this number has more than 64 bits");
    take(s, sign + n);
    if ((value > INT_MAX || value < INT_MIN) && *s->p != 'L')
        text_add(s->out, "L");
    return 0;
}

static int take_bracket(struct scan *s)
{
    static const char opening[] = "{[(", closing[] = "}])";
    const char *closes = strchr(closing, *s->p);

    if (!closes) {
        if (s->depth == DEPTH)
            return refuse(s, s->line, "nested more than 32 deep");
        s->open[s->depth].bracket = *s->p;
        s->open[s->depth++].line = s->line;
    } else if (s->depth == 0) {
        return refuse(s, s->line, "a closing bracket without an opening one");
    } else if (s->open[--s->depth].bracket != opening[closes - closing]) {
        return mlb_error_set(s->err, MLB_ERR_BAD_INPUT,
                             "%s:%ld: '%c' cannot close the '%c' of line %ld",
                             s->name, s->line, *s->p,
                             s->open[s->depth].bracket,
                             s->open[s->depth].line);
    }
    take(s, 1);
    return 0;
}

static int take_token(struct scan *s)
{
    char c = *s->p;

    if (c == '"')
        return take_string(s);
    if (c == '#' || (c == '/' && (s->p[1] == '/' || s->p[1] == '*')))
        return take_comment(s);
    if (strchr("{[()]}", c))
        return take_bracket(s);
    if (strchr(DIGITS "+-.", c))
        return take_number(s);
    if (strchr(LETTERS "*", c)) {
        take(s, strspn(s->p, LETTERS DIGITS "*-_"));
        return 0;
    }
    if (c == '@')
        return refuse(s, s->line,
                      strncmp(s->p, "@include", 8) == 0
                          ? "@include is not supported: put the keys here"
                          : "a stray '@'");
    if ((c == '=' || c == ':') && ++s->settings > SETTINGS)
        return refuse(s, s->line, "more than 20000 settings");
    take(s, 1);
    return 0;
}

int scan_text(const char *text, const char *name, struct mlb_text *out,
              struct mlb_error *err)
{
    struct scan s = { .p = text, .name = name, .line = 1, .out = out,
                      .err = err };

    while (*s.p)
        if (take_token(&s) < 0)
            return -1;
    if (s.depth > 0)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "%s:%ld: this '%c' is never closed", name,
                             s.open[s.depth - 1].line,
                             s.open[s.depth - 1].bracket);
    text_add(out, "\n");
    return 0;
}
