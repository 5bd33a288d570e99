/* SPDX-License-Identifier: BSD-3-Clause */
/* The values of native options, read as sbatch reads them. */
#include "config.h"

#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/units.h"
#include "scheduler/slurm_parts.h"

#define MIB 1048576LL
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

int slurm_bad_value(struct mlb_error *err, const char *value,
                    const char *wanted)
{
    char *shown = text_printable(value);

    mlb_error_set(err, MLB_ERR_BAD_INPUT, "\"%s\" is not %s", shown, wanted);
    free(shown);
    return -1;
}

int slurm_parse_mail(const char *value, uint16_t *mail,
                     struct mlb_error *err)
{
    static const struct {
        const char *name;
        unsigned bits;
    } types[] = {
        { "NONE", 0 },
        { "BEGIN", MAIL_JOB_BEGIN },
        { "END", MAIL_JOB_END },
        { "FAIL", MAIL_JOB_FAIL },
        { "REQUEUE", MAIL_JOB_REQUEUE },
        { "STAGE_OUT", MAIL_JOB_STAGE_OUT },
        { "INVALID_DEPEND", MAIL_INVALID_DEPEND },
        { "TIME_LIMIT", MAIL_JOB_TIME100 },
        { "TIME_LIMIT_90", MAIL_JOB_TIME90 },
        { "TIME_LIMIT_80", MAIL_JOB_TIME80 },
        { "TIME_LIMIT_50", MAIL_JOB_TIME50 },
        { "ARRAY_TASKS", MAIL_ARRAY_TASKS },
        { "ALL", MAIL_JOB_BEGIN | MAIL_JOB_END | MAIL_JOB_FAIL |
                     MAIL_JOB_REQUEUE | MAIL_JOB_STAGE_OUT |
                     MAIL_INVALID_DEPEND },
    };
    unsigned bits = 0;

    for (const char *p = value; *p;) {
        size_t n = strcspn(p, ","), i = 0;
        while (i < COUNT(types) && (strlen(types[i].name) != n ||
                                    strncasecmp(types[i].name, p, n) != 0))
            i++;
        if (i == COUNT(types))
            return slurm_bad_value(err, value,
                                   "a list of BEGIN, END, FAIL, REQUEUE, "
                                   "TIME_LIMIT, INVALID_DEPEND, ALL or NONE");
        bits |= types[i].bits;
        p += n + (p[n] == ',');
    }
    *mail = (uint16_t)bits;
    return 0;
}

/* "now", "now+90", "now+2hours": the seconds from now, or -1. */
static long parse_from_now(const char *value)
{
    static const struct {
        const char *name;
        long seconds;
    } units[] = {
        { "", 1 }, { "seconds", 1 }, { "minutes", 60 }, { "hours", 3600 },
        { "days", 86400 }, { "weeks", 604800 },
    };
    char *unit;

    if (!value[3])
        return 0;
    if (value[3] != '+' || !isdigit((unsigned char)value[4]))
        return -1;
    long n = strtol(value + 4, &unit, 10);
    size_t length = strlen(unit);
    for (size_t i = 0; i < COUNT(units); i++) {
        size_t whole = strlen(units[i].name);
        /* "minute" as well as "minutes", and "min" as sbatch has it. */
        bool match = length == whole || (length >= 3 && length < whole);
        if (match && strncasecmp(unit, units[i].name, length) == 0)
            return n > 36500L * 86400 / units[i].seconds
                       ? -1 : n * units[i].seconds;
    }
    return -1;
}

int slurm_parse_begin(const char *value, time_t *to, struct mlb_error *err)
{
    static const char *const forms[] = {
        "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d",
    };

    if (strncasecmp(value, "now", 3) == 0) {
        long seconds = parse_from_now(value);
        if (seconds < 0)
            return slurm_bad_value(err, value,
                                   "now+COUNT and seconds, minutes, "
                                   "hours, days or weeks");
        *to = time(NULL) + seconds;
        return 0;
    }
    for (size_t i = 0; i < COUNT(forms); i++) {
        struct tm tm = { .tm_isdst = -1 };
        const char *end = strptime(value, forms[i], &tm);
        if (end && !*end) {
            *to = mktime(&tm);
            return 0;
        }
    }
    return slurm_bad_value(err, value,
                           "a time as now+2hours or 2030-01-31T08:00:00");
}

/* Memory is in MB of 1024 * 1024, rounded up, as sbatch does. */
int slurm_parse_memory(const char *value, uint64_t *megabytes,
                       struct mlb_error *err)
{
    long long bytes;

    if (units_parse_size(value, MIB, &bytes, err) < 0)
        return -1;
    *megabytes = (uint64_t)((bytes + MIB - 1) / MIB);
    return 0;
}

int slurm_parse_minutes(const char *value, uint32_t *minutes,
                        struct mlb_error *err)
{
    long seconds = 0;
    bool infinite = strcasecmp(value, "infinite") == 0 ||
                    strcasecmp(value, "unlimited") == 0;

    if (!infinite && units_parse_sbatch_time(value, &seconds, err) < 0)
        return -1;
    *minutes = seconds ? (uint32_t)((seconds + 59) / 60) : INFINITE;
    return 0;
}

/* A signal by its number or its name, with or without SIG; 0 if none. */
static uint16_t find_signal(const char *name, size_t length)
{
    static const struct {
        const char *name;
        uint16_t number;
    } signals[] = {
        { "HUP", SIGHUP }, { "INT", SIGINT }, { "QUIT", SIGQUIT },
        { "ABRT", SIGABRT }, { "KILL", SIGKILL }, { "ALRM", SIGALRM },
        { "TERM", SIGTERM }, { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 },
        { "URG", SIGURG }, { "CONT", SIGCONT }, { "STOP", SIGSTOP },
        { "TSTP", SIGTSTP }, { "TTIN", SIGTTIN }, { "TTOU", SIGTTOU },
    };
    size_t digits = strspn(name, "0123456789");

    if (length > 0 && length <= 2 && digits >= length)
        return (uint16_t)atoi(name);
    if (length > 3 && strncasecmp(name, "SIG", 3) == 0) {
        name += 3;
        length -= 3;
    }
    for (size_t i = 0; i < COUNT(signals); i++)
        if (strlen(signals[i].name) == length &&
            strncasecmp(name, signals[i].name, length) == 0)
            return signals[i].number;
    return 0;
}

int slurm_parse_signal(const char *value, struct slurm_warning *warning,
                       struct mlb_error *err)
{
    const char *p = value, *colon = strchr(value, ':');
    struct slurm_warning w = { .time = 60 };
    long seconds = 60;

    for (; colon && p < colon; p++) {
        if (*p == 'B' || *p == 'b')
            w.flags |= KILL_JOB_BATCH;
        else if (*p == 'R' || *p == 'r')
            w.flags |= KILL_JOB_RESV;
        else
            return slurm_bad_value(err, value, "[{R|B}:]SIGNAL[@SECONDS]");
    }
    p += colon ? 1 : 0;
    const char *sign = strchr(p, '@');
    w.signal = find_signal(p, sign ? (size_t)(sign - p) : strlen(p));
    if (w.signal == 0)
        return slurm_bad_value(err, value,
                               "[{R|B}:]SIGNAL[@SECONDS] with a signal as "
                               "USR1 or 10");
    if (sign && units_parse_long(sign + 1, 0, 65535, &seconds, err) < 0)
        return -1;
    w.time = (uint16_t)seconds;
    *warning = w;
    return 0;
}
