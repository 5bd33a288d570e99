/* SPDX-License-Identifier: BSD-3-Clause */
/* Fill, extend and cut the one error struct. */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mlbatch/error.h"

/* vsnprintf cuts bytes; half a character at the end would make the whole
 * line invalid for JSON and for terminals, so step back over it. */
static void fill(char *text, size_t size, const char *format, va_list args)
{
    int n = vsnprintf(text, size, format, args);

    if (n < 0)
        text[0] = '\0';
    else if ((size_t)n >= size) {
        size_t end = size - 1;
        while (end > 0 && ((unsigned char)text[end - 1] & 0xc0) == 0x80)
            end--;
        if (end > 0 && ((unsigned char)text[end - 1] & 0x80))
            end--;
        text[end] = '\0';
    }
}

int mlb_error_set(struct mlb_error *err, enum mlb_errcode code,
                  const char *format, ...)
{
    int saved = errno;

    if (err) {
        va_list args;
        va_start(args, format);
        err->code = code;
        fill(err->text, sizeof(err->text), format, args);
        va_end(args);
    }
    errno = saved;
    return -1;
}

int mlb_error_errno(struct mlb_error *err, enum mlb_errcode code,
                    const char *format, ...)
{
    int saved = errno;

    if (err) {
        char text[sizeof(err->text)];
        va_list args;
        va_start(args, format);
        fill(text, sizeof(text), format, args);
        va_end(args);
        mlb_error_set(err, code, "%s: %s", text, strerror(saved));
    }
    errno = saved;
    return -1;
}

int mlb_error_prefix(struct mlb_error *err, const char *format, ...)
{
    int saved = errno;

    if (err) {
        char inner[sizeof(err->text)], outer[sizeof(err->text)];
        va_list args;
        va_start(args, format);
        fill(outer, sizeof(outer), format, args);
        va_end(args);
        memcpy(inner, err->text, sizeof(inner));
        mlb_error_set(err, err->code, "%s: %s", outer, inner);
    }
    errno = saved;
    return -1;
}
