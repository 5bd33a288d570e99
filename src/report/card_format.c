/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers as people read them. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "base/units.h"
#include "report/card.h"

#define SIZE_LIMIT 4e18
#define DURATION_LIMIT 3e11

static void add_si(struct mlb_text *out, double number, const char *unit)
{
    static const char *const prefixes[] = { "", "k", "M", "G", "T", "P" };
    size_t i = 0;

    while (fabs(number) >= 999.95 && i < 5) {
        number /= 1000;
        i++;
    }
    text_addf(out, fabs(number) < 10 ? "%.2f %s%s" : "%.1f %s%s", number,
              prefixes[i], unit);
}

static void add_size(struct mlb_text *out, double number, const char *after)
{
    if (number < 0 || number > SIZE_LIMIT) {
        text_addf(out, "%.4g B%s", number, after);
        return;
    }
    units_add_size(out, (long long)number);
    text_add(out, after);
}

static void add_seconds(struct mlb_text *out, double number)
{
    if (number == 0)
        text_add(out, "0 s");
    else if (fabs(number) < 0.0095)
        text_addf(out, "%.2f ms", number * 1e3);
    else if (number < 0 || number > DURATION_LIMIT)
        text_addf(out, "%.4g s", number);
    else
        units_add_duration(out, number);
}

void card_format(double number, const char *unit, struct mlb_text *out)
{
    static const struct {
        const char *unit, *shown;
    } si[] = { { "ops/s", "FLOP/s" }, { "J", "J" }, { "W", "W" },
               { "Hz", "Hz" } };

    if (isnan(number)) {
        text_add(out, "NaN");
        return;
    }
    if (isinf(number)) {
        text_add(out, number > 0 ? "inf" : "-inf");
        return;
    }
    for (size_t i = 0; i < sizeof(si) / sizeof(si[0]); i++)
        if (strcmp(unit, si[i].unit) == 0) {
            add_si(out, number, si[i].shown);
            return;
        }
    if (strcmp(unit, "s") == 0)
        add_seconds(out, number);
    else if (strcmp(unit, "bytes") == 0)
        add_size(out, number, "");
    else if (strcmp(unit, "bytes/s") == 0)
        add_size(out, number, "/s");
    else if (strcmp(unit, "1") == 0)
        text_addf(out, fabs(number) < 0.001 && number != 0 ? "%.2g %%"
                                                           : "%.1f %%",
                  number * 100);
    else if (strcmp(unit, "count") == 0 || strcmp(unit, "rank") == 0)
        text_addf(out, "%.0f", number);
    else if (strcmp(unit, "cores") == 0)
        text_addf(out, fabs(number) < 99.995 ? "%.2f cores" : "%.0f cores",
                  number);
    else if (*unit)
        text_addf(out, fabs(number) >= 1e4 && fabs(number) < 1e9 ? "%.0f %s"
                                                                 : "%.4g %s",
                  number, unit);
    else
        text_addf(out, "%.6g", number);
}

void card_format_value(const struct card_value *value, const char *unit,
                       struct mlb_text *out)
{
    if (value->state == METRIC_UNAVAILABLE)
        text_add(out, "n/a");
    else
        card_format(value->number, unit, out);
}
