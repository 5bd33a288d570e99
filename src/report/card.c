/* SPDX-License-Identifier: BSD-3-Clause */
/* The report of one run, from its record. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/advise.h"
#include "report/card_parts.h"

static char *field(const struct mlb_fields *plan, const char *name)
{
    const char *value = fields_get(plan, name);

    return xstrdup(value ? value : "");
}

char *card_job_name(const struct mlb_fields *plan)
{
    static const char variable[] = "MLB_JOB_NAME=";
    struct mlb_strings env = MLB_STRINGS_INIT;
    char *name = NULL;

    fields_get_all(plan, "env", &env);
    for (size_t i = 0; !name && i < env.count; i++)
        if (strncmp(env.items[i], variable, strlen(variable)) == 0)
            name = xstrdup(env.items[i] + strlen(variable));
    strings_clear(&env);
    return name ? name : xstrdup("");
}

static char *command_line(const struct mlb_fields *plan)
{
    struct mlb_strings words = MLB_STRINGS_INIT;
    struct mlb_text line = MLB_TEXT_INIT;

    fields_get_all(plan, "command", &words);
    for (size_t i = 0; i < words.count; i++) {
        if (i > 0)
            text_add(&line, " ");
        text_add_shell(&line, words.items[i]);
    }
    strings_clear(&words);
    return text_detach(&line);
}

static void set_head(const struct card_input *in, struct card *card)
{
    const struct record *record = in->record;
    const char *slash = strrchr(record->run_dir, '/');

    card->run = field(&in->plan, "run");
    if (!*card->run) {
        free(card->run);
        card->run = xstrdup(slash && slash[1] ? slash + 1
                                              : record->run_dir);
    }
    card->name = card_job_name(&in->plan);
    card->command = command_line(&in->plan);
    card->scheduler = field(&in->plan, "scheduler");
    card->attempts = (long)in->attempt_count;
    card->start = card->seconds = NAN;
    const struct card_attempt *a =
        in->attempt_count ? &in->attempts[in->attempt_count - 1] : NULL;
    card->job = xstrdup(a ? a->attempt->job : "");
    card->cause = xstrdup(a ? a->attempt->text : "");
    card->state = xstrdup(!a ? "never begun"
                          : *a->attempt->state ? a->attempt->state
                                               : "no end told");
    if (a) {
        card->start = a->attempt->start;
        card->seconds = a->seconds.number;
    }
    strings_copy(&card->damage, &record->damage);
}

static void set_advice(const struct record *record, struct card *card,
                       struct mlb_error *err)
{
    struct advise_facts facts;
    struct advise_result result;

    if (advise_facts_read(&facts, record, err) < 0)
        return;
    advise_make(&facts, 1, NULL, &result);
    card->advice = result.items;
    card->advice_count = result.count;
    card->advice_basis = result.basis;
    advise_facts_clear(&facts);
}

int card_compute(const struct record *record, struct card *card,
                 struct mlb_error *err)
{
    struct card_input in;

    *card = (struct card){ .warnings = MLB_STRINGS_INIT,
                           .damage = MLB_STRINGS_INIT };
    int rc = card_input_read(&in, record, err);
    if (rc == 0) {
        set_head(&in, card);
        card_usage(&in, card);
        card_idle(&in, card);
        card_training(&in, card);
        card_ranks(&in, card);
        card_mpi(&in, card);
        card_hardware(&in, card);
        card_io(&in, card);
        card_nodes(&in, card);
        card_gpu(&in, card);
        card_cost(&in, card);
        card_plots(&in, card);
        card_lacks(&in, card);
        card_warnings(&in, card);
        set_advice(record, card, err);
    }
    card_input_clear(&in);
    return rc;
}
