/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch explain, of what has ended: the cause and its evidence. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cmd/explain.h"
#include "run/evidence.h"

static json_t *number(long long value, bool known)
{
    return known ? json_integer((json_int_t)value) : json_null();
}

static const char *node_of(const struct evidence *v, long rank)
{
    const struct evidence_rank *r = rank >= 0 ? evidence_rank(v, rank) : NULL;

    return r ? r->node : NULL;
}

static json_t *evidence_json(const struct evidence *v,
                             const struct diagnosis *d)
{
    json_t *list = json_array();

    for (size_t i = 0; i < d->evidence_count; i++) {
        size_t log = d->evidence[i].log;
        long rank = d->evidence[i].rank;
        long line = evidence_line(v, log, d->evidence[i].line);
        json_array_append_new(list,
            json_pack("{s:o, s:o, s:o, s:o, s:o}", "file",
                      json_text(v->logs[log].name), "line",
                      number(line, line > 0), "rank",
                      number(rank, rank >= 0), "node",
                      json_text(node_of(v, rank)), "text",
                      json_text(d->evidence[i].text)));
    }
    return list;
}

/* "RUN" and "--rank=N" in an advice are this run and that rank: the line can
 * be pasted. */
static json_t *advice_json(const struct cmd_run *run, enum mlb_cause cause,
                           long rank)
{
    const char *const *advice = cause_advice(cause);
    json_t *list = json_array();

    for (; *advice; advice++) {
        struct mlb_text line = MLB_TEXT_INIT;
        for (const char *p = *advice; *p; p++) {
            if (strncmp(p, "RUN", 3) == 0) {
                text_add(&line, run->run.id);
                p += 2;
            } else if (strncmp(p, "rank=N", 6) == 0 && rank >= 0) {
                text_addf(&line, "rank=%ld", rank);
                p += 5;
            } else {
                text_addn(&line, p, 1);
            }
        }
        json_array_append_new(list, json_text(line.data));
        text_clear(&line);
    }
    return list;
}

static json_t *looked_json(const struct evidence *v)
{
    json_t *list = json_array();

    for (size_t i = 0; i < v->log_count; i++)
        json_array_append_new(list,
            json_pack("{s:o, s:I, s:I}", "file", json_text(v->logs[i].name),
                      "from", (json_int_t)v->starts[i], "bytes",
                      (json_int_t)v->logs[i].length));
    return list;
}

void explain_end(const struct cmd_run *run, long attempt,
                 const struct mlb_run_state *state, json_t *out)
{
    struct evidence v;
    struct diagnosis d;

    evidence_gather(&run->run, &run->events, attempt, state, &v);
    json_object_set_new(out, "state", json_string(state_name(v.facts.state)));
    if (v.facts.state == MLB_STATE_COMPLETED) {
        json_object_set_new(out, "text", json_text(v.facts.text));
        evidence_clear(&v);
        return;
    }
    diagnose(&v.facts, v.logs, v.log_count, &d);
    /* Whose line it is, else who failed first. */
    long rank = d.evidence_count > 0 && d.evidence[0].rank >= 0
                    ? d.evidence[0].rank : v.facts.first.rank;
    const struct evidence_rank *r = evidence_rank(&v, rank);
    json_object_set_new(out, "exit_code",
                        number(v.facts.exit_code, v.facts.exit_code >= 0));
    json_object_set_new(out, "cause", json_string(cause_name(d.cause)));
    json_object_set_new(out, "text", json_text(d.text));
    json_object_set_new(out, "rank", number(rank, rank >= 0));
    json_object_set_new(out, "node", json_text(r ? r->node : NULL));
    json_object_set_new(out, "exit", number(r ? r->exit : 0, r && r->ended));
    json_object_set_new(out, "signal",
                        number(r ? r->signal : 0, r && r->ended));
    json_object_set_new(out, "evidence", evidence_json(&v, &d));
    json_object_set_new(out, "advice", advice_json(run, d.cause, rank));
    json_object_set_new(out, "looked_at", looked_json(&v));
    evidence_clear(&v);
}
