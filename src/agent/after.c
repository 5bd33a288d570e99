/* SPDX-License-Identifier: BSD-3-Clause */
/* A run that comes after others: may it start, now that their jobs ended? */
#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "run/after.h"

#include "agent/after.h"
#include "agent/agent.h"
#include "agent/resubmit.h"

enum verdict { START, NEVER, LATER };

/* One condition, "ok digits.3 RUN_DIR", by that run's log. *why is for the
 * user; caller frees. */
static enum verdict look(const char *condition, char **why)
{
    size_t word = strcspn(condition, " ");
    const char *name = condition + word + (condition[word] != '\0');
    size_t length = strcspn(name, " ");
    const char *path = name + length + (name[length] != '\0');
    char *kind = xstrndup(condition, word);
    enum mlb_state end = after_end_of(path);
    bool known = end != MLB_STATE_UNKNOWN;
    enum verdict verdict = !known                   ? LATER
                           : after_is_met(kind, end) ? START
                                                     : NEVER;

    *why = known ? xasprintf("%.*s ended %s", (int)length, name,
                             state_name(end))
                 : xasprintf("%.*s has not ended", (int)length, name);
    free(kind);
    return verdict;
}

/* All of them: one that can never be met outweighs one that may be. */
static enum verdict look_all(const struct mlb_strings *conditions, char **why)
{
    enum verdict verdict = START;

    for (size_t i = 0; i < conditions->count; i++) {
        char *text = NULL;
        enum verdict one = look(conditions->items[i], &text);
        if (verdict == START || (verdict == LATER && one == NEVER)) {
            free(*why);
            *why = text;
            verdict = one;
        } else {
            free(text);
        }
    }
    return verdict;
}

/* Has this very job started the run before (a requeue)? */
static bool has_started(const struct attempt *a)
{
    struct mlb_events events = MLB_EVENTS_INIT;
    bool found = false;

    if (events_read(a->run_dir, &events, NULL) < 0)
        return false;
    for (size_t i = 0; i < events.count && !found; i++) {
        const struct mlb_event *e = &events.items[i];
        const char *job =
            json_string_value(json_object_get(e->fields, "job"));
        found = strcmp(e->name, "attempt-start") == 0 && job &&
                strcmp(job, a->job) == 0;
    }
    events_clear(&events);
    return found;
}

static int end(struct attempt *a, enum mlb_state state, const char *text)
{
    fprintf(stderr, "mlbatch-agent: %s: %s\n", state_name(state), text);
    attempt_note(a, "attempt-end",
                 json_pack("{s:s, s:s, s:o}", "job", a->job, "state",
                           state_name(state), "text", json_text(text)));
    return MLB_ERR_FAILED;
}

/* The last line of what a program said. */
static const char *last_line(struct mlb_text *words)
{
    while (words->length > 0 && words->data[words->length - 1] == '\n')
        words->data[--words->length] = '\0';
    const char *newline = strrchr(words->data, '\n');

    return newline ? newline + 1 : words->data;
}

static int later(struct attempt *a, const char *why)
{
    struct mlb_text words = MLB_TEXT_INIT;
    struct mlb_error err = { .text = "" };
    int code = resubmit(a->run_dir, &a->settings, a->job, "", &words, &err);

    if (code == 0) {
        fprintf(stderr, "mlbatch-agent: %s: the run waits again, as another "
                "job\n", why);
    } else if (code == MLB_ERR_BAD_INPUT) {
        /* The scheduler knew: it will never be. */
        code = end(a, MLB_STATE_CANCELLED, last_line(&words));
    } else {
        char *text = xasprintf("%s, and this run could not be submitted "
                               "again: %s", why,
                               code < 0 ? err.text : last_line(&words));
        code = end(a, MLB_STATE_FAILED, text);
        free(text);
    }
    text_clear(&words);
    return code;
}

int after_check(struct attempt *a, int *code)
{
    struct mlb_strings conditions = MLB_STRINGS_INIT;
    char *why = NULL;
    enum verdict verdict = START;

    fields_get_all(&a->settings.fields, "after", &conditions);
    if (conditions.count > 0 && !has_started(a))
        verdict = look_all(&conditions, &why);
    if (verdict == NEVER)
        *code = end(a, MLB_STATE_CANCELLED, why);
    else if (verdict == LATER)
        *code = later(a, why);
    strings_clear(&conditions);
    free(why);
    return verdict != START;
}
