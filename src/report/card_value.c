/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers with their state, and how states go from inputs to results. */
#include "config.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/card_parts.h"

double card_scale(enum metric_id metric)
{
    static const struct {
        const char *unit;
        double scale;
    } units[] = { { "ns", 1e-9 }, { "mW", 1e-3 }, { "mJ", 1e-3 },
                  { "percent", 1e-2 }, { "permille", 1e-3 },
                  { "MHz", 1e6 } };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(metrics[metric].unit, units[i].unit) == 0)
            return units[i].scale;
    return 1;
}

struct card_value card_known(double number, const char *source)
{
    return (struct card_value){ .number = number, .state = METRIC_OK,
                                .cause = METRIC_FINE, .reason = xstrdup(""),
                                .source = xstrdup(source) };
}

static char *format_text(const char *format, va_list args)
{
    char text[512];

    vsnprintf(text, sizeof(text), format, args);
    return xstrdup(text);
}

struct card_value card_missing(enum metric_cause cause, const char *format,
                               ...)
{
    struct card_value value = { .number = NAN, .state = METRIC_UNAVAILABLE,
                                .cause = cause, .source = xstrdup("") };
    va_list args;

    va_start(args, format);
    value.reason = format_text(format, args);
    va_end(args);
    return value;
}

void card_value_clear(struct card_value *value)
{
    free(value->reason);
    free(value->source);
    *value = (struct card_value){ 0 };
}

struct card_value card_value_copy(const struct card_value *value)
{
    struct card_value copy = *value;

    copy.reason = xstrdup(value->reason);
    copy.source = xstrdup(value->source);
    return copy;
}

void card_worsen(struct card_value *value, enum metric_state state,
                 enum metric_cause cause, const char *format, ...)
{
    va_list args;

    if (state <= value->state)
        return;
    value->state = state;
    value->cause = cause;
    free(value->reason);
    va_start(args, format);
    value->reason = format_text(format, args);
    va_end(args);
    if (state == METRIC_UNAVAILABLE)
        value->number = NAN;
}

bool card_has(const struct card_value *value)
{
    return value->state != METRIC_UNAVAILABLE;
}

struct card_value card_derive(double number,
                              const struct card_value *const *inputs,
                              size_t count)
{
    struct card_value value = card_known(number, "derived");

    for (size_t i = 0; i < count; i++) {
        card_worsen(&value, inputs[i]->state, inputs[i]->cause, "%s",
                    inputs[i]->reason);
        if (inputs[i]->of > 0 && (value.of == 0 || inputs[i]->have *
                                  value.of < value.have * inputs[i]->of)) {
            value.have = inputs[i]->have;
            value.of = inputs[i]->of;
        }
    }
    if (card_has(&value) && !isfinite(number))
        card_worsen(&value, METRIC_UNAVAILABLE, METRIC_ALWAYS_ZERO,
                    "there is nothing to divide by");
    return value;
}

struct card_value card_quotient(const struct card_value *above,
                                const struct card_value *below)
{
    const struct card_value *const inputs[] = { above, below };

    return card_derive(above->number / below->number, inputs, 2);
}

void card_tally_begin(struct card_tally *tally)
{
    *tally = (struct card_tally){ .highest = -INFINITY, .lowest = INFINITY };
}

void card_tally_add(struct card_tally *tally, size_t at, double number,
                    enum metric_state state)
{
    tally->of++;
    if (state == METRIC_UNAVAILABLE || isnan(number))
        return;
    tally->have++;
    tally->sum += number;
    if (state > tally->state)
        tally->state = state;
    if (number > tally->highest) {
        tally->highest = number;
        tally->highest_at = at;
    }
    if (number < tally->lowest) {
        tally->lowest = number;
        tally->lowest_at = at;
    }
}

/* Why not all of them have it, or not wholly. */
static const char *why(const struct metric_status *status)
{
    return status && status->reason[0] ? status->reason
                                       : "the rest was not recorded";
}

struct card_value card_tally_value(const struct card_tally *tally,
                                   double number, const char *what,
                                   const struct metric_status *status)
{
    enum metric_cause cause = status && status->state != METRIC_OK
                                  ? status->cause : METRIC_LOST;
    struct card_value value;

    if (tally->have == 0)
        value = card_missing(cause, "%s", status && status->reason[0]
                                              ? status->reason
                                              : "it was not recorded");
    else if ((double)tally->have < CARD_COVERAGE * (double)tally->of)
        value = card_missing(cause, "measured for only %ld of %ld %s: %s",
                             tally->have, tally->of, what, why(status));
    else
        value = card_known(number, status ? status->source : "record");
    if (card_has(&value) && tally->have < tally->of)
        card_worsen(&value, METRIC_PARTIAL, cause, "of %ld of %ld %s: %s",
                    tally->have, tally->of, what, why(status));
    if (card_has(&value) && tally->state != METRIC_OK)
        card_worsen(&value, tally->state, cause, "%s",
                    status && status->reason[0]
                        ? status->reason : "a part was not counted");
    value.have = tally->have;
    value.of = tally->of;
    return value;
}
