/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes in and out, and how many of them never left memory. */
#include "config.h"

#include <math.h>

#include "report/card_parts.h"

static struct card_value sum(const struct card_input *in,
                             enum metric_id metric)
{
    struct card_tally tally;

    return card_task_sum(in, metric, NULL, &tally);
}

/* Storage may be read ahead, so that more is fetched than is asked for. */
static struct card_value cached(const struct card_value *asked,
                                const struct card_value *fetched)
{
    const struct card_value *const inputs[] = { asked, fetched };

    return card_derive(asked->number > 0
                           ? fmax(1 - fetched->number / asked->number, 0)
                           : NAN, inputs, 2);
}

void card_io(const struct card_input *in, struct card *card)
{
    struct card_section *s = card_section_add(card, "io", "Files");
    struct card_value asked = sum(in, METRIC_READ_CHARS);
    struct card_value fetched = sum(in, METRIC_READ_BYTES);
    struct card_value given = sum(in, METRIC_WRITE_CHARS);
    struct card_value sent = sum(in, METRIC_WRITE_BYTES);

    card_row_add(s, "read_cached", "Read from caches", "1",
                 cached(&asked, &fetched));
    card_row_add(s, "read_rate", "Fetched a second", "bytes/s",
                 card_quotient(&fetched, &in->seconds));
    card_row_add(s, "write_rate", "Sent a second", "bytes/s",
                 card_quotient(&sent, &in->seconds));
    card_row_add(s, "read_chars", "Read", "bytes", asked);
    card_row_add(s, "read_bytes", "Fetched from storage", "bytes", fetched);
    card_row_add(s, "write_chars", "Written", "bytes", given);
    card_row_add(s, "write_bytes", "Sent to storage", "bytes", sent);
}
