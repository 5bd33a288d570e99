/* SPDX-License-Identifier: BSD-3-Clause */
/* See pbs_text.h. */
#include "config.h"

#include <limits.h>
#include <string.h>

#include "scheduler/pbs_text.h"

#define HEADER "Job Id: "
#define INDENT "    "

enum kind { SPAN, LETTER, NUMBER, STATUS, TIME, VARIABLES };

/* Torque writes some names its own way. Rows of one member are one
 * attribute. */
static const struct attribute {
    const char *name;
    enum kind kind;
    size_t member;
} attributes[] = {
    { "Exit_status", STATUS, offsetof(struct pbs_job, exit_status) },
    { "Job_Name", SPAN, offsetof(struct pbs_job, name) },
    { "Job_Owner", SPAN, offsetof(struct pbs_job, owner) },
    { "Resource_List.walltime", SPAN, offsetof(struct pbs_job, walltime) },
    { "Variable_List", VARIABLES, offsetof(struct pbs_job, token) },
    { "comment", SPAN, offsetof(struct pbs_job, comment) },
    { "comp_time", TIME, offsetof(struct pbs_job, ended) },
    { "ctime", TIME, offsetof(struct pbs_job, created) },
    { "depend", SPAN, offsetof(struct pbs_job, depend) },
    { "estimated.start_time", TIME, offsetof(struct pbs_job, expected) },
    { "exec_host", SPAN, offsetof(struct pbs_job, exec_host) },
    { "exec_vnode", SPAN, offsetof(struct pbs_job, exec_vnode) },
    { "exit_status", STATUS, offsetof(struct pbs_job, exit_status) },
    { "job_state", LETTER, offsetof(struct pbs_job, state) },
    { "mtime", TIME, offsetof(struct pbs_job, modified) },
    { "obittime", TIME, offsetof(struct pbs_job, ended) },
    { "queue", SPAN, offsetof(struct pbs_job, queue) },
    { "start_time", TIME, offsetof(struct pbs_job, started) },
    { "stime", TIME, offsetof(struct pbs_job, started) },
    { "substate", NUMBER, offsetof(struct pbs_job, substate) },
};
#define COUNT (sizeof(attributes) / sizeof(attributes[0]))

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool starts_with(struct pbs_span s, const char *prefix)
{
    size_t n = strlen(prefix);

    return s.length >= n && memcmp(s.text, prefix, n) == 0;
}

static void skip(struct pbs_span *s, size_t n)
{
    s->text += n;
    s->length -= n;
}

/* All of it, or it is no number. */
static bool read_number(struct pbs_span s, int *value)
{
    bool negative = s.length > 0 && s.text[0] == '-';
    long n = 0;

    if (negative)
        skip(&s, 1);
    if (s.length == 0)
        return false;
    for (size_t i = 0; i < s.length; i++) {
        if (!is_digit(s.text[i]))
            return false;
        n = 10 * n + (s.text[i] - '0');
        if (n > INT_MAX)
            return false;
    }
    *value = (int)(negative ? -n : n);
    return true;
}

static bool read_part(struct pbs_span s, size_t at, size_t n, int *value)
{
    struct pbs_span part = { s.text + at, n };

    /* ctime fills days below 10 with a blank. */
    if (part.text[0] == ' ')
        skip(&part, 1);
    return part.text[0] != '-' && read_number(part, value);
}

/* "Sun Nov 22 20:53:06 2026", in no matter what language we run. 0: not so. */
static time_t read_time(struct pbs_span s)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm = { .tm_isdst = -1, .tm_mon = 12 };

    if (s.length != 24 || s.text[13] != ':' || s.text[16] != ':')
        return 0;
    for (int i = 0; i < 12; i++)
        if (memcmp(s.text + 4, months + 3 * (size_t)i, 3) == 0)
            tm.tm_mon = i;
    if (tm.tm_mon == 12 || !read_part(s, 8, 2, &tm.tm_mday) ||
        !read_part(s, 11, 2, &tm.tm_hour) ||
        !read_part(s, 14, 2, &tm.tm_min) ||
        !read_part(s, 17, 2, &tm.tm_sec) ||
        !read_part(s, 20, 4, &tm.tm_year))
        return 0;
    if (tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 60 || tm.tm_year < 1971)
        return 0;
    tm.tm_year -= 1900;
    time_t t = mktime(&tm);
    return t > 0 ? t : 0;
}

/* The length of the variable that a list begins with. A comma in a value has
 * a backslash before it, a backslash another. */
static size_t variable_length(struct pbs_span list)
{
    size_t n = 0;

    while (n < list.length && list.text[n] != ',')
        n += list.text[n] == '\\' ? 2 : 1;
    return n < list.length ? n : list.length;
}

static struct pbs_span find_token(struct pbs_span list)
{
    static const char name[] = "MLB_TOKEN=";

    /* Most jobs are others', whose long lists need no more than a look. */
    if (list.length == 0 ||
        !memmem(list.text, list.length, name, sizeof(name) - 1))
        return (struct pbs_span){ NULL, 0 };
    while (list.length > 0) {
        struct pbs_span variable = { list.text, variable_length(list) };
        skip(&list, variable.length);
        if (list.length > 0)
            skip(&list, 1);
        if (starts_with(variable, name)) {
            skip(&variable, sizeof(name) - 1);
            return variable;
        }
    }
    return (struct pbs_span){ NULL, 0 };
}

static void set(struct pbs_job *job, const struct attribute *a,
                struct pbs_span value)
{
    void *member = (char *)job + a->member;

    switch (a->kind) {
    case SPAN:
        *(struct pbs_span *)member = value;
        break;
    case LETTER:
        if (value.length == 1)
            *(char *)member = value.text[0];
        break;
    case NUMBER:
        if (!read_number(value, member))
            *(int *)member = -1;
        break;
    case STATUS:
        job->exited = read_number(value, member);
        break;
    case TIME:
        *(time_t *)member = read_time(value);
        break;
    case VARIABLES:
        *(struct pbs_span *)member = find_token(value);
        break;
    }
}

/* Is the line an attribute? Exactly the four blanks, a name, " = ". */
static bool split(struct pbs_span line, struct pbs_span *name,
                  struct pbs_span *value)
{
    if (!starts_with(line, INDENT))
        return false;
    skip(&line, strlen(INDENT));
    const char *end = memchr(line.text, ' ', line.length);
    if (!end || end == line.text)
        return false;
    *name = (struct pbs_span){ line.text, (size_t)(end - line.text) };
    skip(&line, name->length);
    if (!starts_with(line, " = "))
        return false;
    skip(&line, 3);
    *value = line;
    return true;
}

/* The first of a name counts, be it good or not: what users write comes
 * later than what they could want to forge. */
static void take(struct pbs_job *job, struct pbs_span line, bool *seen)
{
    struct pbs_span name, value;

    if (!split(line, &name, &value))
        return;
    for (size_t i = 0; i < COUNT; i++) {
        const struct attribute *a = &attributes[i];
        if (a->name[0] != name.text[0] || strlen(a->name) != name.length ||
            memcmp(a->name, name.text, name.length) != 0)
            continue;
        if (!seen[a->member])
            set(job, a, value);
        seen[a->member] = true;
        return;
    }
}

bool pbs_text_is_id(struct pbs_span s)
{
    size_t i = 0;

    while (i < s.length && is_digit(s.text[i]))
        i++;
    if (i == 0)
        return false;
    if (i < s.length && s.text[i] == '[') {
        for (i++; i < s.length && is_digit(s.text[i]);)
            i++;
        if (i == s.length || s.text[i++] != ']')
            return false;
    }
    if (i + 1 >= s.length || s.text[i] != '.')
        return false;
    for (; i < s.length; i++)
        if (s.text[i] <= ' ' || s.text[i] > '~' || s.text[i] == ',')
            return false;
    return true;
}

static bool is_header(struct pbs_span line, struct pbs_span *id)
{
    if (!starts_with(line, HEADER))
        return false;
    skip(&line, strlen(HEADER));
    *id = line;
    return pbs_text_is_id(line);
}

/* The line at the reader's place, which stays: false at the end. */
static bool peek(const struct pbs_text *reader, struct pbs_span *line)
{
    if (reader->at >= reader->length)
        return false;
    const char *start = reader->data + reader->at;
    const char *end = memchr(start, '\n', reader->length - reader->at);
    if (!end)
        return false;
    *line = (struct pbs_span){ start, (size_t)(end - start) };
    return true;
}

int pbs_text_next(struct pbs_text *reader, struct pbs_job *job)
{
    bool seen[sizeof(struct pbs_job)] = { false }, found = false;
    struct pbs_span line, id;

    *job = (struct pbs_job){ .substate = -1 };
    for (; peek(reader, &line); reader->at += line.length + 1) {
        if (is_header(line, &id)) {
            if (found)
                return 1;
            job->id = id;
            found = true;
        } else if (found) {
            take(job, line, seen);
        }
    }
    reader->at = reader->length;
    return found;
}
