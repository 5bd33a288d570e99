/* SPDX-License-Identifier: BSD-3-Clause */
/* One command of PBS, and what its failure means. */
#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"
#include "scheduler/environment.h"
#include "scheduler/pbs_parts.h"

#define SECONDS 60
#define OUTPUT_LIMIT ((size_t)512 << 20)

/* Exit codes are PBS's error numbers modulo 256. */
#define CODE_UNKNOWN_JOB 153
#define CODE_WRONG_STATE 168
#define CODE_FINISHED 35

/* What qsub copies into the job as PBS_O_*: a quote or a comma in one of them
 * breaks the whole list, and what is in there everybody can read. */
static const char *const copied[] = {
    "HOME", "LANG", "LOGNAME", "MAIL", "PATH", "SHELL", "TZ", "USER",
};

/* Words of clients that spoke with no server, or lost it. */
static const char *const silent[] = {
    "cannot connect to server", "couldn't connect to cluster",
    "connection refused", "connection reset", "connection timed out",
    "no route to host", "unknown host", "communication failure",
    "end of file", "premature end of message", "protocol (asn.1) error",
    "server shutting down", "batch protocol error", "pbs_iff",
};

void pbs_answer_clear(struct pbs_answer *answer)
{
    text_clear(&answer->out);
    text_clear(&answer->errors);
}

static bool is_plain(const char *s)
{
    for (; *s; s++)
        if (!isgraph((unsigned char)*s) || strchr("\"'\\,", *s))
            return false;
    return true;
}

/* In English, and with nothing in it that a client could trip over. */
static void make_environment(struct mlb_strings *out)
{
    for (char *const *pair = environ; *pair; pair++) {
        bool keep = true;
        for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++) {
            size_t n = strlen(copied[i]);
            if (strncmp(*pair, copied[i], n) == 0 && (*pair)[n] == '=' &&
                !is_plain(*pair + n + 1))
                keep = false;
        }
        if (keep)
            strings_push(out, *pair);
    }
    environment_set(out, "LC_ALL", "C");
}

/* A client that nobody told where its server is. */
static bool is_not_set_up(const struct pbs_answer *answer)
{
    return answer->code != 0 &&
           strstr(answer->errors.data, "pbs conf variables not found");
}

/* Did it speak with no server? */
static bool is_silent(const struct pbs_answer *answer)
{
    if (answer->code == 0)
        return false;
    for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++)
        if (strcasestr(answer->errors.data, silent[i]))
            return true;
    return false;
}

/* The line of what it said that tells most: of two the last, for PBS says
 * "Connection refused" before who could not connect. */
static char *last_line(const struct mlb_text *errors)
{
    const char *best = "", *line = errors->data;
    size_t length = 0;

    while (*line) {
        size_t n = strcspn(line, "\n");
        /* The lines below "usage:" explain options, not this failure. */
        if (strncmp(line, "usage:", 6) == 0 && length > 0)
            break;
        if (n > strspn(line, " \t")) {
            best = line;
            length = n;
        }
        line += n + (line[n] == '\n');
    }
    char *raw = xstrndup(best, length);
    while (length > 0 && isspace((unsigned char)raw[length - 1]))
        raw[--length] = '\0';
    char *shown = text_printable(raw);
    free(raw);
    return shown;
}

static int no_answer(const struct pbs_answer *answer, const char *program,
                     struct mlb_error *err)
{
    char *said = last_line(&answer->errors);

    if (*said)
        mlb_error_set(err, MLB_ERR_UNREACHABLE, "PBS did not answer: %s",
                      said);
    else
        mlb_error_set(err, MLB_ERR_UNREACHABLE, "PBS did not answer: %s "
                      "ended with %d and said nothing", program,
                      answer->code);
    free(said);
    return -1;
}

int pbs_run(char *const *argv, const struct mlb_text *input,
            struct pbs_answer *answer, struct mlb_error *err)
{
    struct mlb_strings environment = MLB_STRINGS_INIT;
    struct mlb_error why = { 0 };
    /* The directory goes into the job as PBS_O_WORKDIR, and its name may
     * hold anything; the script goes where the job belongs itself. */
    const struct process_call call = {
        .argv = argv, .directory = "/", .environment = &environment,
        .input = input, .out = &answer->out, .errors = &answer->errors,
        .limit = OUTPUT_LIMIT, .whole = true, .seconds = SECONDS,
    };
    int status = 0;

    make_environment(&environment);
    int rc = process_run(&call, &status, &why);
    strings_clear(&environment);
    if (rc < 0)
        return mlb_error_set(err, why.code == MLB_ERR_NOT_FOUND
                                      ? MLB_ERR_UNSUPPORTED
                                      : MLB_ERR_UNREACHABLE, "%s", why.text);
    answer->code = process_exit_code(status);
    if (is_not_set_up(answer))
        return mlb_error_set(err, MLB_ERR_UNSUPPORTED, "PBS is not set up "
                             "here (no PBS_HOME and PBS_EXEC in pbs.conf)");
    if (is_silent(answer) || answer->code >= 255 ||
        (answer->code != 0 && answer->errors.length == 0) ||
        answer->code == 128 + 9 || answer->code == 128 + 15)
        return no_answer(answer, argv[0], err);
    return 0;
}

int pbs_refused(const struct pbs_answer *answer, const char *what,
                struct mlb_error *err)
{
    bool gone = answer->code == CODE_UNKNOWN_JOB ||
                answer->code == CODE_FINISHED ||
                answer->code == CODE_WRONG_STATE;
    char *said = last_line(&answer->errors);

    mlb_error_set(err, gone ? MLB_ERR_NOT_FOUND : MLB_ERR_REFUSED,
                  "%s: %s", what, said);
    free(said);
    return -1;
}
