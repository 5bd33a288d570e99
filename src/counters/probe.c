/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch-counters-probe: says what this node can count. A program of its
 * own, as loading PAPI costs more than all else that starting a rank does. */
#include "config.h"

#include <stdio.h>

#include "counters/counters.h"

int main(void)
{
    struct mlb_text text = MLB_TEXT_INIT;

    counters_probe(&text);
    fputs(text.data, stdout);
    text_clear(&text);
    return fflush(stdout) == 0 ? 0 : 7;
}
