/* SPDX-License-Identifier: BSD-3-Clause */
/* One log: the line in it that says best why its program ended. */
#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "run/diagnose_parts.h"

#define LOOK 4096u           /* bytes of a line that are looked at */
#define NEAR 50u             /* lines: one may have caused the other */
#define FAR 400u             /* lines: the program went on after it */

/* An exception's trace while it is being read. */
struct trace {
    bool open, chained;
    bool ignored;            /* Python says of it that it goes on */
    size_t start;            /* its line */
    long rank;
    const char *file;        /* innermost frame: the user's if there is one */
    size_t file_length, frame_line;
    long file_line;
    bool is_users;
};

struct scan {
    struct finding line, fatal;
    size_t fatal_start;
    size_t last_end;         /* line of the last trace's end, whose ever */
    struct trace trace;
    size_t lines;
    size_t ignored_at;       /* the line "Exception ignored in ..." */
    bool command;            /* may one not have been found? */
};

static bool has(const struct log_line *l, const char *part)
{
    return memmem(l->text, l->length, part, strlen(part)) != NULL;
}

static bool starts(const struct log_line *l, const char *part)
{
    size_t n = strlen(part);

    return l->length >= n && memcmp(l->text, part, n) == 0;
}

static void skip(struct log_line *l, size_t count)
{
    l->text += count;
    l->length -= count;
}

/* Digits at p, below end: their number, and how many bytes; 0 if none. */
static size_t read_rank(const char *p, const char *end, long *rank)
{
    size_t n = 0;
    long value = 0;

    for (; p + n < end && isdigit((unsigned char)p[n]) && n < 8; n++)
        value = 10 * value + (p[n] - '0');
    if (n > 0)
        *rank = value;
    return n;
}

/* "OPEN" digits "CLOSE" at the start is cut off. */
static bool cut(struct log_line *l, const char *open, const char *close)
{
    const char *end = l->text + l->length;
    size_t n = strlen(open), m = strlen(close);
    long rank;

    if (!starts(l, open))
        return false;
    size_t digits = read_rank(l->text + n, end, &rank);
    if (digits == 0 || l->length < n + digits + m ||
        memcmp(l->text + n + digits, close, m) != 0)
        return false;
    l->rank = rank;
    skip(l, n + digits + m);
    return true;
}

struct log_line log_line_strip(const char *text, size_t length)
{
    static const struct {
        const char *open, *close;
    } prefixes[] = {
        { "[rank", "]: " }, { "[rank", "]:" }, { "[Rank ", "] " },
        { "[1,", "]<stderr>: " }, { "[1,", "]<stderr>:" },
        { "[1,", "]<stdout>: " }, { "[1,", "]<stdout>:" },
        { "[default", "]:" }, { "[", "]: " }, { "[", "]:" }, { "", ": " },
    };
    struct log_line l = { text, length > LOOK ? LOOK : length, -1 };

    while (l.length > 0 && l.text[l.length - 1] == '\r')
        l.length--;
    /* Of what progress bars wrote over it, the last is what was seen. */
    const char *cr = memrchr(l.text, '\r', l.length);
    if (cr)
        skip(&l, (size_t)(cr + 1 - l.text));
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (cut(&l, prefixes[i].open, prefixes[i].close))
            break;
    return l;
}

/* Is it the last line of a trace: "package.SomeError: words"? */
static bool is_exception(const struct log_line *l)
{
    size_t n = 0, last = 0;

    while (n < l->length && (isalnum((unsigned char)l->text[n]) ||
                             l->text[n] == '_' || l->text[n] == '.')) {
        if (l->text[n] == '.')
            last = n + 1;
        n++;
    }
    if (n == 0 || n > 200 || (n < l->length && l->text[n] != ':'))
        return false;
    return last < n && (isupper((unsigned char)l->text[last]) ||
                        l->text[last] == '_');
}

static bool is_warning(const struct log_line *l)
{
    return has(l, "WARN") || has(l, "arning");
}

static const struct sign *find_sign(const struct log_line *l, bool fatal)
{
    for (const struct sign *s = diagnose_signs; s->has; s++) {
        if ((s->where == SIGN_FATAL) != fatal || !has(l, s->has) ||
            (s->also && !has(l, s->also)))
            continue;
        if (s->where != SIGN_LINE || !is_warning(l))
            return s;
    }
    return NULL;
}

/* "... on rank 3 ..." in the words of MPI; else what was before the line. */
static long rank_of(const struct log_line *l)
{
    static const char *const words[] = { "on rank ", "(rank ", "[Rank " };
    long rank = l->rank;

    for (size_t i = 0; rank < 0 && i < 3; i++) {
        const char *p = memmem(l->text, l->length, words[i],
                               strlen(words[i]));
        if (p)
            read_rank(p + strlen(words[i]), l->text + l->length, &rank);
    }
    return rank;
}

static struct finding found(const struct scan *s, const struct log_line *l,
                            enum mlb_cause cause)
{
    return (struct finding){ .cause = cause, .line = s->lines,
                             .text = l->text, .length = l->length,
                             .rank = rank_of(l) };
}

/* The better of two lines: who knows, then the deeper, then the first. */
static void take_line(struct scan *s, const struct finding *f)
{
    struct finding *best = &s->line;

    if (best->cause != MLB_CAUSE_UNKNOWN &&
        (best->sure > f->sure ||
         (best->sure == f->sure &&
          cause_depth(best->cause) >= cause_depth(f->cause) &&
          (best->sure || f->line - best->line < FAR))))
        return;
    *best = *f;
}

/* The better of two ends: the last, unless it tells of others only, or is
 * what came of the one before. */
static void take_fatal(struct scan *s, const struct finding *f, size_t start)
{
    const struct finding *best = &s->fatal;
    int before = cause_depth(best->cause), now = cause_depth(f->cause);
    bool other = f->rank >= 0 && best->rank >= 0 && f->rank != best->rank;
    bool keep = f->cause == MLB_CAUSE_ECHO ||
                (now < 2 && start - best->line < FAR) ||
                (other && now <= before) ||
                (s->trace.chained && now == 2 && before == 3);

    if (best->cause != MLB_CAUSE_UNKNOWN &&
        best->cause != MLB_CAUSE_ECHO && keep && before >= now)
        return;
    s->fatal = *f;
    s->fatal_start = start;
}

static void end_trace(struct scan *s, const struct log_line *l)
{
    const struct sign *sign = find_sign(l, true);
    struct finding f = found(s, l, sign ? sign->cause : MLB_CAUSE_PYTHON);
    struct trace *t = &s->trace;

    f.file = t->file;
    f.file_length = t->file_length;
    f.file_line = t->file_line;
    f.frame_line = t->frame_line;
    s->last_end = s->lines;
    if (!t->open || !t->ignored)
        take_fatal(s, &f, t->open ? t->start : s->lines);
    *t = (struct trace){ .open = false };
}

static bool is_of_users(const char *file, size_t length)
{
    static const char *const others[] = {
        "/site-packages/", "/dist-packages/", "/lib/python", "<frozen ",
    };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (memmem(file, length, others[i], strlen(others[i])))
            return false;
    return true;
}

/* `  File "train.py", line 37, in main`: the innermost is the last. */
static void read_frame(struct scan *s, const struct log_line *l)
{
    struct trace *t = &s->trace;
    static const char open[] = "File \"", after[] = "\", line ";
    const char *p = memmem(l->text, l->length, open, strlen(open));
    const char *end = l->text + l->length;

    if (!p)
        return;
    p += strlen(open);
    const char *q = memmem(p, (size_t)(end - p), after, strlen(after));
    if (!q)
        return;
    bool users = is_of_users(p, (size_t)(q - p));
    if (t->is_users && !users)
        return;
    t->is_users = users;
    t->file = p;
    t->file_length = (size_t)(q - p);
    t->frame_line = s->lines;
    t->file_line = 0;
    read_rank(q + strlen(after), end, &t->file_line);
}

/* True if the line belongs to a trace. */
static bool read_trace(struct scan *s, const struct log_line *l)
{
    struct trace *t = &s->trace;

    if (has(l, "Traceback (most recent call last)")) {
        bool chained = t->chained;
        *t = (struct trace){ .open = true, .chained = chained,
                             .ignored = s->ignored_at > 0 &&
                                        s->ignored_at + 1 == s->lines,
                             .start = s->lines, .rank = l->rank };
        return true;
    }
    if (starts(l, "Exception ignored in")) {
        s->ignored_at = s->lines;
        return true;
    }
    if (starts(l, "During handling of the above exception") ||
        starts(l, "The above exception was the direct cause")) {
        t->chained = true;
        return true;
    }
    /* The one kind of which no Traceback comes before. */
    if (!t->open && (starts(l, "SyntaxError: ") ||
                     starts(l, "IndentationError: "))) {
        end_trace(s, l);
        return true;
    }
    if (!t->open || l->rank != t->rank || l->length == 0)
        return false;
    if (*l->text == ' ') {
        read_frame(s, l);
        return true;
    }
    if (!is_exception(l))
        return false;
    end_trace(s, l);
    return true;
}

static void read_line(struct scan *s, const char *text, size_t length)
{
    struct log_line l = log_line_strip(text, length);

    s->lines++;
    if (l.length == 0 || read_trace(s, &l))
        return;
    /* How C++ ends on an exception; Python's are read above. */
    bool ends = starts(&l, "  what():") || starts(&l, "terminate called ");
    const struct sign *sign = find_sign(&l, ends);
    if (!sign || (!ends && sign->cause == MLB_CAUSE_ECHO) ||
        (sign->cause == MLB_CAUSE_COMMAND && !s->command))
        return;
    struct finding f = found(s, &l, sign->cause);
    if (ends) {
        s->last_end = s->lines;
        take_fatal(s, &f, s->lines);
        return;
    }
    f.sure = sign->where == SIGN_SURE;
    take_line(s, &f);
}

/* A line may have caused the end that followed; one long before has not. Nor
 * has an exception after which all went on. */
static void choose(const struct scan *s, struct finding *out)
{
    const struct finding *line = &s->line;
    const struct finding none = { .rank = -1 };
    const struct finding *fatal = s->lines - s->last_end < FAR ? &s->fatal
                                                               : &none;
    bool late = line->sure || s->lines - line->line < FAR;

    *out = *fatal;
    if (line->cause == MLB_CAUSE_UNKNOWN || !late)
        return;
    if (cause_depth(fatal->cause) == 0) {
        *out = *line;
        return;
    }
    bool close = line->line + NEAR >= s->fatal_start;
    if (line->sure ? cause_depth(line->cause) >= cause_depth(fatal->cause)
                   : close && cause_depth(line->cause) == 3 &&
                         cause_depth(fatal->cause) < 3)
        *out = *line;
}

void diagnose_scan(const struct diagnose_log *log, bool command,
                   struct finding *out)
{
    struct scan s = { .line.rank = -1, .fatal.rank = -1,
                      .command = command };
    const char *p = log->bytes, *end = p + log->length;

    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t length = (size_t)((newline ? newline : end) - p);
        read_line(&s, p, length);
        p += length + 1;
    }
    choose(&s, out);
    if (out->rank < 0)
        out->rank = log->rank;
}
