/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of all findings is the cause: facts, then logs, then exit codes. */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "mlbatch/error.h"
#include "run/diagnose_parts.h"

#define NEAR_MEMORY 0.9

/* Bytes of a log as one printable line. */
static void put_text(char out[256], const char *head, const char *bytes,
                     size_t length)
{
    char *copy = xstrndup(bytes, length < 1000 ? length : 1000);
    char *shown = text_printable(copy);
    struct mlb_error line;

    mlb_error_set(&line, MLB_OK, "%s%s", head, shown);
    snprintf(out, 256, "%s", line.text);
    free(shown);
    free(copy);
}

static void add_evidence(struct diagnosis *out, size_t log, size_t line,
                         long rank, const char *bytes, size_t length)
{
    size_t n = out->evidence_count;

    if (n == DIAGNOSIS_EVIDENCE)
        return;
    out->evidence[n].log = log;
    out->evidence[n].line = line;
    out->evidence[n].rank = rank;
    put_text(out->evidence[n].text, "", bytes, length);
    out->evidence_count++;
}

/* What the state alone says. */
static enum mlb_cause cause_of_state(enum mlb_state state)
{
    static const enum mlb_cause causes[] = {
        [MLB_STATE_OUT_OF_MEMORY] = MLB_CAUSE_OUT_OF_MEMORY,
        [MLB_STATE_TIMEOUT] = MLB_CAUSE_TIMEOUT,
        [MLB_STATE_PREEMPTED] = MLB_CAUSE_PREEMPTED,
        [MLB_STATE_NODE_FAILURE] = MLB_CAUSE_NODE_FAILURE,
        [MLB_STATE_CANCELLED] = MLB_CAUSE_CANCELLED,
        [MLB_STATE_STALLED] = MLB_CAUSE_STALLED,
    };

    return (size_t)state < sizeof(causes) / sizeof(causes[0])
               ? causes[state] : MLB_CAUSE_UNKNOWN;
}

/* Did a rank fail long before the job's end, which only waited for it? */
static bool failed_before(const struct diagnose_facts *facts)
{
    return facts->first.rank >= 0 && facts->first.before &&
           (facts->state == MLB_STATE_TIMEOUT ||
            facts->state == MLB_STATE_STALLED);
}

static int code_of(const struct diagnose_facts *facts)
{
    return facts->first.rank >= 0 ? facts->first.exit : facts->exit_code;
}

/* A shell's code for a program that was killed counts as well; 255 is no
 * signal, but what ssh and others end with. */
static int signal_of(const struct diagnose_facts *facts)
{
    int code = code_of(facts);

    if (facts->first.rank >= 0 && facts->first.signal > 0)
        return facts->first.signal;
    return code > 128 && code <= 128 + SIGSYS ? code - 128 : 0;
}

/* What the exit code of the first rank says, with how much it used. */
static enum mlb_cause cause_of_code(const struct diagnose_facts *facts)
{
    int signum = signal_of(facts), code = code_of(facts);
    double limit = facts->memory_limit;

    if (signum == SIGKILL && limit > 0 && facts->first.rank >= 0 &&
        facts->first.max_rss >= NEAR_MEMORY * limit)
        return MLB_CAUSE_OUT_OF_MEMORY;
    if (signum == SIGSEGV || signum == SIGBUS || signum == SIGILL ||
        signum == SIGFPE || signum == SIGABRT)
        return MLB_CAUSE_CRASH;
    if (code == 127 || code == 126)
        return MLB_CAUSE_COMMAND;
    return signum > 0 ? MLB_CAUSE_KILLED : MLB_CAUSE_UNKNOWN;
}

/* Codes with which shells and Python end where a command is missing. */
static bool may_lack_command(const struct diagnose_facts *facts)
{
    int code = code_of(facts);

    return code == 127 || code == 126 || code == 2 || code < 0;
}

/* Can this finding be why a program ended so? Who was killed did not end by
 * an exception, and others' exceptions came of it. Whoever failed before the
 * end of the job did not fail of that end. */
static bool fits(const struct diagnose_facts *facts, const struct finding *f)
{
    bool killed = signal_of(facts) == SIGKILL && facts->first.rank >= 0;

    if (f->cause == MLB_CAUSE_UNKNOWN || f->cause == MLB_CAUSE_ECHO)
        return false;
    if (killed && cause_depth(f->cause) < 3 && f->cause != MLB_CAUSE_CRASH)
        return false;
    return !failed_before(facts) || !f->sure ||
           f->cause != cause_of_state(facts->state);
}

/* The deepest; of equals the one that is more to be trusted. Only of the
 * cause wanted unless that is UNKNOWN. */
static size_t choose(const struct diagnose_facts *facts,
                     const struct diagnose_log *logs, size_t count,
                     enum mlb_cause wanted, struct finding *best)
{
    size_t which = 0;

    *best = (struct finding){ .rank = -1 };
    for (size_t i = 0; i < count; i++) {
        struct finding f;
        diagnose_scan(&logs[i], may_lack_command(facts), &f);
        if (!fits(facts, &f) ||
            (wanted != MLB_CAUSE_UNKNOWN && f.cause != wanted) ||
            (best->cause != MLB_CAUSE_UNKNOWN &&
             cause_depth(f.cause) <= cause_depth(best->cause)))
            continue;
        *best = f;
        which = i;
    }
    return which;
}

static void tell_finding(const struct finding *f, size_t log,
                         struct diagnosis *out)
{
    char head[64];

    snprintf(head, sizeof(head), "%s: ", cause_name(f->cause));
    out->cause = f->cause;
    put_text(out->text, head, f->text, f->length);
    add_evidence(out, log, f->line, f->rank, f->text, f->length);
    if (f->file) {
        char *frame = xasprintf("in %.*s, line %ld", (int)f->file_length,
                                f->file, f->file_line);
        add_evidence(out, log, f->frame_line, f->rank, frame, strlen(frame));
        free(frame);
    }
}

static void tell_facts(const struct diagnose_facts *facts,
                       enum mlb_cause cause, struct diagnosis *out)
{
    struct mlb_text line = MLB_TEXT_INIT;
    const char *state = facts->text ? facts->text : "";
    const char *said = facts->first.rank >= 0 && facts->first.text
                           ? facts->first.text : state;
    const char *name = cause_name(cause);

    out->cause = cause;
    if (cause == MLB_CAUSE_CANCELLED && strncmp(said, name, strlen(name)) == 0)
        text_add(&line, said);
    else
        text_addf(&line, "%s%s%s", name, *said ? ": " : "", said);
    if (cause == MLB_CAUSE_OUT_OF_MEMORY &&
        facts->first.max_rss >= NEAR_MEMORY * facts->memory_limit &&
        facts->memory_limit > 0) {
        text_add(&line, ", using ");
        units_add_size(&line, (long long)facts->first.max_rss);
        text_add(&line, " of ");
        units_add_size(&line, (long long)facts->memory_limit);
    }
    put_text(out->text, "", line.data, line.length);
    text_clear(&line);
}

/* Our agent's own words are in the state's text already. */
static bool is_agents(const char *line, size_t length)
{
    static const char agent[] = "mlbatch-agent: ";

    return length >= strlen(agent) && memcmp(line, agent, strlen(agent)) == 0;
}

/* The last lines of the most trusted log that has any. */
static void tell_last_lines(const struct diagnose_log *logs, size_t count,
                            struct diagnosis *out)
{
    const char *starts[DIAGNOSIS_EVIDENCE] = { NULL };
    size_t line = 0, log = 0;

    while (log < count && logs[log].length == 0)
        log++;
    if (log == count)
        return;
    const char *p = logs[log].bytes, *end = p + logs[log].length;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        starts[line++ % DIAGNOSIS_EVIDENCE] = p;
        p = newline ? newline + 1 : end;
    }
    size_t from = line > DIAGNOSIS_EVIDENCE ? line - DIAGNOSIS_EVIDENCE : 0;
    for (size_t i = from; i < line; i++) {
        const char *s = starts[i % DIAGNOSIS_EVIDENCE];
        const char *newline = memchr(s, '\n', (size_t)(end - s));
        size_t length = (size_t)((newline ? newline : end) - s);
        if (!is_agents(s, length))
            add_evidence(out, log, i + 1, logs[log].rank, s, length);
    }
}

void diagnose(const struct diagnose_facts *facts,
              const struct diagnose_log *logs, size_t count,
              struct diagnosis *out)
{
    enum mlb_cause state = cause_of_state(facts->state);
    enum mlb_cause code = cause_of_code(facts);
    struct finding best;
    enum mlb_cause wanted = failed_before(facts) ? MLB_CAUSE_UNKNOWN : state;
    size_t log = choose(facts, logs, count, wanted, &best);

    *out = (struct diagnosis){ .cause = MLB_CAUSE_UNKNOWN };
    if (wanted != MLB_CAUSE_UNKNOWN) {
        tell_facts(facts, state, out);
        if (best.cause == state)
            add_evidence(out, log, best.line, best.rank, best.text,
                         best.length);
        return;
    }
    /* Who aborts has mostly said why. */
    bool told = signal_of(facts) == SIGABRT && best.cause != MLB_CAUSE_UNKNOWN;
    if (!told && cause_depth(code) > cause_depth(best.cause)) {
        tell_facts(facts, code, out);
        tell_last_lines(logs, count, out);
        return;
    }
    if (best.cause != MLB_CAUSE_UNKNOWN) {
        tell_finding(&best, log, out);
        return;
    }
    tell_facts(facts, MLB_CAUSE_UNKNOWN, out);
    tell_last_lines(logs, count, out);
}
