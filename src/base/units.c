/* SPDX-License-Identifier: BSD-3-Clause */
/* Sizes and durations as people and schedulers write them. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/units.h"

/* A year of seconds a hundred times over: more is a slip of the pen. */
#define DURATION_MAX 3153600000L

static int bad(struct mlb_error *err, const char *text, const char *expected)
{
    char *shown = text_printable(text);

    mlb_error_set(err, MLB_ERR_BAD_INPUT, "\"%s\" is not %s", shown,
                  expected);
    free(shown);
    return -1;
}

/* A plain decimal number at *p, with an optional fraction; *p moves past
 * it. strtod alone would take "inf", "0x1" and a sign. */
static bool number(const char **p, double *value)
{
    size_t n = strspn(*p, "0123456789");
    size_t whole = n;

    if ((*p)[n] == '.')
        n += 1 + strspn(*p + n + 1, "0123456789");
    if (whole == 0 || n > 40)
        return false;
    *value = strtod(*p, NULL);
    *p += n;
    return true;
}

int units_parse_size(const char *text, long long default_unit,
                     long long *bytes, struct mlb_error *err)
{
    static const char units[] = "KMGTP", expected[] = "a size (like 16G)";
    const char *p = text;
    double value, unit = (double)default_unit;

    if (!number(&p, &value))
        return bad(err, text, expected);
    const char *u = *p ? strchr(units, *p & ~0x20) : NULL;
    if (u && *p) {
        unit = ldexp(1.0, 10 * (int)(u - units + 1));
        p++;
    } else if (*p == 'B' || *p == 'b') {
        unit = 1;
    }
    if (strcasecmp(p, "") != 0 && strcasecmp(p, "b") != 0 &&
        !(u && strcasecmp(p, "ib") == 0))
        return bad(err, text, expected);
    if (value * unit > ldexp(1.0, 62))
        return bad(err, text, "a size up to 4096P");
    *bytes = (long long)(value * unit);
    return 0;
}

/* "[D-]H:M:S"; which is what clocks have in common. */
static bool clock_parts(const char *text, long part[4], int *count,
                        bool *days)
{
    const char *p = text;

    *count = 0;
    *days = false;
    for (;;) {
        size_t n = strspn(p, "0123456789");
        if (n == 0 || n > 9 || *count == 4)
            return false;
        part[(*count)++] = strtol(p, NULL, 10);
        p += n;
        if (*p == '\0')
            return true;
        if (*p == '-' && *count == 1)
            *days = true;
        else if (*p != ':')
            return false;
        p++;
    }
}

static long clock_seconds(long d, long h, long m, long s)
{
    return ((d * 24 + h) * 60 + m) * 60 + s;
}

int units_parse_duration(const char *text, long *seconds,
                         struct mlb_error *err)
{
    static const char expected[] =
        "a duration (like 90s, 10m, 1.5h, 2d, 01:30:00 or 1-00:00:00)";
    static const struct { char unit; double seconds; } units[] = {
        { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 },
    };
    long part[4];
    int count;
    bool days;
    double total = 0, value;

    if (clock_parts(text, part, &count, &days) && count >= 3) {
        bool long_form = count == 4;
        if (long_form != days)
            return bad(err, text, expected);
        const long *p = part + (long_form ? 1 : 0);
        if (p[1] > 59 || p[2] > 59)
            return bad(err, text, expected);
        total = (double)clock_seconds(days ? part[0] : 0, p[0], p[1], p[2]);
    } else {
        const char *p = text;
        do {
            if (!number(&p, &value))
                return bad(err, text, expected);
            size_t i = 0;
            while (*p && i < 4 && units[i].unit != *p)
                i++;
            if (i == 4 || (!*p && p != text + strspn(text, "0123456789.")))
                return bad(err, text, expected);
            total += value * units[*p ? i : 0].seconds;
            p += *p != '\0';
        } while (*p);
    }
    if (total > DURATION_MAX)
        return bad(err, text, "a duration of less than 100 years");
    *seconds = (long)ceil(total);
    return 0;
}

/* sbatch(1), --time: "minutes", "minutes:seconds", "hours:minutes:seconds",
 * "days-hours", "days-hours:minutes" and "days-hours:minutes:seconds". */
int units_parse_signal(const char *text, int *signum, struct mlb_error *err)
{
    const char *name = strncmp(text, "SIG", 3) == 0 ? text + 3 : text;

    for (int i = 1; i < SIGRTMIN; i++) {
        const char *known = sigabbrev_np(i);
        if (!known || strcmp(name, known) != 0)
            continue;
        if (i == SIGKILL || i == SIGSTOP)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s cannot be "
                                 "caught by a program", known);
        *signum = i;
        return 0;
    }
    return mlb_error_set(err, MLB_ERR_BAD_INPUT, "\"%s\" is no signal: "
                         "\"USR1\", \"USR2\", \"TERM\", ...", text);
}

int units_parse_sbatch_time(const char *text, long *seconds,
                            struct mlb_error *err)
{
    long p[4] = { 0 };
    int count;
    bool days;

    if (!clock_parts(text, p, &count, &days) || (count == 4 && !days))
        return bad(err, text,
                   "a time as sbatch reads it (M, M:S, H:M:S, D-H, D-H:M "
                   "or D-H:M:S)");
    if (days)
        *seconds = clock_seconds(p[0], p[1], count > 2 ? p[2] : 0,
                                 count > 3 ? p[3] : 0);
    else if (count == 3)
        *seconds = clock_seconds(0, p[0], p[1], p[2]);
    else
        *seconds = clock_seconds(0, 0, p[0], count > 1 ? p[1] : 0);
    if (*seconds > DURATION_MAX)
        return bad(err, text, "a time of less than 100 years");
    return 0;
}

int units_parse_long(const char *text, long min, long max, long *value,
                     struct mlb_error *err)
{
    char *end;

    errno = 0;
    long v = strtol(text, &end, 10);
    if (*text == '\0' || *end || errno || strspn(text, "+- \t\n") > 1 ||
        *text == ' ' || v < min || v > max) {
        char *shown = text_printable(text);
        mlb_error_set(err, MLB_ERR_BAD_INPUT,
                      max == LONG_MAX ? "\"%s\" is not a whole number of %ld "
                                        "or more"
                                      : "\"%s\" is not a whole number from "
                                        "%ld to %ld",
                      shown, min, max);
        free(shown);
        return -1;
    }
    *value = v;
    return 0;
}

void units_add_size(struct mlb_text *out, long long bytes)
{
    static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB",
                                         "PiB" };
    double value = (double)bytes;
    size_t i = 0;

    while (value >= 1024 && i < 5) {
        value /= 1024;
        i++;
    }
    text_addf(out, i ? "%.1f %s" : "%.0f %s", value, names[i]);
}

void units_add_clock(struct mlb_text *out, long seconds)
{
    if (seconds >= 86400)
        text_addf(out, "%ld-", seconds / 86400);
    text_addf(out, "%02ld:%02ld:%02ld", seconds % 86400 / 3600,
              seconds % 3600 / 60, seconds % 60);
}

void units_add_duration(struct mlb_text *out, double seconds)
{
    long s = lround(seconds);

    if (seconds < 0.9995)
        text_addf(out, "%.0f ms", seconds * 1000);
    else if (seconds < 59.95)
        text_addf(out, "%.1f s", seconds);
    else if (s < 3600)
        text_addf(out, "%ld min %ld s", s / 60, s % 60);
    else if (s < 86400)
        text_addf(out, "%ld h %ld min", s / 3600, s % 3600 / 60);
    else
        text_addf(out, "%ld d %ld h", s / 86400, s % 86400 / 3600);
}
