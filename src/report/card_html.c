/* SPDX-License-Identifier: BSD-3-Clause */
/* The card as one page of HTML that needs nothing beside itself. */
#include "config.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/state.h"
#include "report/html.h"

/* The page may neither load nor run anything, whatever got into it. */
#define POLICY "default-src 'none'; style-src 'unsafe-inline'; " \
               "base-uri 'none'; form-action 'none'"

static void add_fact(struct mlb_text *out, const char *name,
                     const char *value)
{
    if (!*value)
        return;
    text_addf(out, "<div><dt>%s</dt>", name);
    html_element(out, "dd", value, "dd");
    text_add(out, "</div>\n");
}

static const char *mood(const char *state)
{
    switch (state_find(state)) {
    case MLB_STATE_COMPLETED:
        return " good";
    case MLB_STATE_FAILED:
    case MLB_STATE_TIMEOUT:
    case MLB_STATE_OUT_OF_MEMORY:
    case MLB_STATE_NODE_FAILURE:
        return " bad";
    default:
        return "";
    }
}

static void add_facts(struct mlb_text *out, const struct card *card)
{
    struct mlb_text word = MLB_TEXT_INIT;
    time_t start = isfinite(card->start) ? (time_t)card->start : 0;
    char when[64] = "";
    struct tm tm;

    if (isfinite(card->start) && gmtime_r(&start, &tm))
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
    if (isfinite(card->seconds))
        card_format(card->seconds, "s", &word);
    text_add(out, "<dl>\n");
    add_fact(out, "Started", *when ? when : "not known");
    add_fact(out, "Took", word.length ? word.data : "not known");
    text_clear(&word);
    text_addf(&word, "%ld", card->attempts);
    add_fact(out, "Attempts", word.data);
    text_clear(&word);
    add_fact(out, "Scheduler", card->scheduler);
    add_fact(out, "Job", card->job);
    text_add(out, "</dl>\n");
}

static void add_head(struct mlb_text *out, const struct card *card)
{
    text_add(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
             "<meta charset=\"utf-8\"/>\n"
             "<meta http-equiv=\"Content-Security-Policy\" content=\"");
    html_add(out, POLICY);
    text_add(out, "\"/>\n<meta name=\"viewport\" "
             "content=\"width=device-width, initial-scale=1\"/>\n"
             "<meta name=\"generator\" content=\"mlbatch " PACKAGE_VERSION
             "\"/>\n<title>");
    html_add(out, card->run);
    text_add(out, ": ");
    html_add(out, card->state);
    text_addf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n"
              "<header>\n<h1>", html_style);
    html_add(out, card->run);
    text_addf(out, " <span class=\"badge%s\">", mood(card->state));
    html_add(out, card->state);
    text_add(out, "</span></h1>\n");
    if (*card->cause)
        html_element(out, "p", card->cause, "p");
    add_facts(out, card);
    if (*card->command) {
        text_add(out, "<pre tabindex=\"0\" aria-label=\"Command\">");
        html_add_lines(out, card->command);
        text_add(out, "</pre>\n");
    }
    text_add(out, "</header>\n<main>\n");
}

static void add_warnings(struct mlb_text *out, const struct card *card)
{
    if (card->warnings.count == 0)
        return;
    text_add(out, "<div class=\"warn\">\n<h2>Look at this first</h2>\n"
             "<ul>\n");
    for (size_t i = 0; i < card->warnings.count; i++) {
        html_element(out, "li", card->warnings.items[i], "li");
        text_add(out, "\n");
    }
    text_add(out, "</ul>\n</div>\n");
}

static void add_asked(struct mlb_text *out, const struct card_row *row)
{
    struct mlb_text asked = MLB_TEXT_INIT, words = MLB_TEXT_INIT;
    double share = row->value.number / row->asked;

    card_format(row->asked, row->unit, &asked);
    text_add(out, " <span class=\"of\">of ");
    html_add(out, asked.data);
    if (strcmp(row->unit, "1") != 0)
        text_addf(out, ", %.0f %%", share * 100);
    text_add(out, "</span>");
    text_addf(&words, "%s: %.0f %% of what was asked", row->label,
              share * 100);
    html_bar(out, share, words.data);
    text_clear(&words);
    text_clear(&asked);
}

static void add_row(struct mlb_text *out, const struct card_row *row)
{
    bool known = row->value.state != METRIC_UNAVAILABLE;

    text_add(out, "<tr>");
    html_element(out, "th scope=\"row\"", row->label, "th");
    text_add(out, known ? "<td><span class=\"num\">" : "<td>");
    html_value(out, &row->value, row->unit);
    if (known)
        text_add(out, "</span>");
    if (known && isfinite(row->asked) && row->asked > 0)
        add_asked(out, row);
    if (row->text && *row->text)
        html_element(out, "small", row->text, "small");
    html_remark(out, &row->value);
    text_add(out, "</td></tr>\n");
}

static void add_section(struct mlb_text *out,
                        const struct card_section *section, size_t which)
{
    if (section->count == 0)
        return;
    text_addf(out, "<section aria-labelledby=\"s%zu\">\n<h2 id=\"s%zu\">",
              which, which);
    html_add(out, section->title);
    text_add(out, "</h2>\n<table class=\"rows\">\n");
    html_element(out, "caption class=\"vh\"", section->title, "caption");
    text_add(out, "\n<thead class=\"vh\"><tr><th scope=\"col\">What</th>"
             "<th scope=\"col\">Value</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < section->count; i++)
        add_row(out, &section->rows[i]);
    text_add(out, "</tbody>\n</table>\n</section>\n");
}

static void add_sections(struct mlb_text *out, const struct card *card)
{
    if (card->section_count == 0)
        return;
    text_add(out, "<div class=\"grid\">\n");
    for (size_t i = 0; i < card->section_count; i++)
        add_section(out, &card->sections[i], i);
    text_add(out, "</div>\n");
}

static void add_advice_rows(struct mlb_text *out, const struct card *card)
{
    text_add(out, "<table class=\"list stack\">\n<caption class=\"vh\">Next "
             "request</caption>\n<thead><tr><th scope=\"col\">Job file</th>"
             "<th scope=\"col\">sbatch</th><th scope=\"col\">PBS</th>"
             "<th scope=\"col\">Because</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < card->advice_count; i++) {
        const struct card_advice *a = &card->advice[i];
        text_add(out, "<tr><th scope=\"row\"><code>");
        html_add(out, a->key);
        text_add(out, " = ");
        html_add(out, a->value);
        text_add(out, "</code>");
        if (a->was && *a->was) {
            text_add(out, "<small>was ");
            html_add(out, a->was);
            text_add(out, "</small>");
        }
        text_add(out, "</th><td>");
        html_element(out, "code", a->sbatch, "code");
        text_add(out, "</td><td>");
        html_element(out, "code", a->pbs, "code");
        text_add(out, "</td>");
        html_element(out, "td", a->basis, "td");
        text_add(out, "</tr>\n");
    }
    text_add(out, "</tbody>\n</table>\n");
}

static void add_advice(struct mlb_text *out, const struct card *card)
{
    if (card->advice_count == 0 && !card->advice_basis)
        return;
    text_add(out, "<section aria-labelledby=\"next\">\n"
             "<h2 id=\"next\">Next request</h2>\n");
    if (card->advice_count > 0)
        add_advice_rows(out, card);
    if (card->advice_basis)
        html_element(out, "p class=\"note\"", card->advice_basis, "p");
    text_add(out, "</section>\n");
}

static void add_missing(struct mlb_text *out, const struct card *card)
{
    if (card->missing_count == 0)
        return;
    text_add(out, "<section aria-labelledby=\"missing\">\n"
             "<h2 id=\"missing\">Not, or not wholly, measured</h2>\n"
             "<table class=\"list pair stack\">\n<caption class=\"vh\">Not, or "
             "not wholly, measured</caption>\n<thead><tr>"
             "<th scope=\"col\">What</th><th scope=\"col\">Why</th></tr>"
             "</thead>\n<tbody>\n");
    for (size_t i = 0; i < card->missing_count; i++) {
        text_add(out, "<tr>");
        html_element(out, "th scope=\"row\"", card->missing[i].what, "th");
        html_element(out, "td", card->missing[i].reason, "td");
        text_add(out, "</tr>\n");
    }
    text_add(out, "</tbody>\n</table>\n</section>\n");
}

static void add_damage(struct mlb_text *out, const struct card *card)
{
    if (card->damage.count == 0)
        return;
    text_add(out, "<section aria-labelledby=\"damage\">\n"
             "<h2 id=\"damage\">Damaged</h2>\n<ul>\n");
    for (size_t i = 0; i < card->damage.count; i++) {
        html_element(out, "li", card->damage.items[i], "li");
        text_add(out, "\n");
    }
    text_add(out, "</ul>\n</section>\n");
}

int card_html(const struct card *card, struct mlb_text *out,
              struct mlb_error *err)
{
    (void)err;
    add_head(out, card);
    add_warnings(out, card);
    add_sections(out, card);
    for (size_t i = 0; i < card->table_count; i++)
        html_table(out, &card->tables[i], i);
    html_plots(out, card);
    add_advice(out, card);
    add_missing(out, card);
    add_damage(out, card);
    text_add(out, "</main>\n<footer>\n<p>Made by mlbatch " PACKAGE_VERSION
             ". A value marked ~ is an estimate; n/a was not measured, which "
             "is not the same as 0.</p>\n</footer>\n</body>\n</html>\n");
    return 0;
}
