/* SPDX-License-Identifier: BSD-3-Clause */
/* PAPI: hardware counters under names that hold on every processor. */
#include "config.h"

#include <papi.h>
#include <stdbool.h>
#include <stddef.h>

#include "counters/source.h"

static const struct {
    int code;
    const char *name;
} events[] = {
    { PAPI_TOT_INS, "PAPI_TOT_INS" },
    { PAPI_TOT_CYC, "PAPI_TOT_CYC" },
};

/* Add, start, work, read: that an event exists says nothing. The code of
 * the step that failed; *value is what was counted. */
static int try_event(int code, long long *value)
{
    int set = PAPI_NULL;
    int rc = PAPI_create_eventset(&set);

    if (rc != PAPI_OK)
        return rc;
    rc = PAPI_add_event(set, code);
    if (rc == PAPI_OK) {
        rc = PAPI_start(set);
        if (rc == PAPI_OK) {
            counters_burn(5);
            rc = PAPI_stop(set, value);
        }
        PAPI_cleanup_eventset(set);
    }
    PAPI_destroy_eventset(&set);
    return rc;
}

/* Why PAPI's CPU component is switched off, NULL if it is not. */
static const char *disabled_reason(void)
{
    int index = PAPI_get_component_index("perf_event");
    const PAPI_component_info_t *cpu =
        index >= 0 ? PAPI_get_component_info(index) : NULL;

    return cpu && cpu->disabled ? cpu->disabled_reason : NULL;
}

/* PAPI's code cannot name the cause: the kernel's answer to the same wish
 * can, and the component's own word comes along. */
static void add_reason(int rc, struct mlb_text *out)
{
    const char *refusal;
    bool counts = perf_hardware_refusal(&refusal) == METRIC_FINE;
    const char *disabled = disabled_reason();

    text_addf(out, "unavailable: %s", !counts ? refusal
                   : "the kernel counts, but PAPI does not");
    if (disabled && *disabled)
        text_addf(out, "; PAPI says: %s", disabled);
    else
        text_addf(out, "; PAPI says: %s", PAPI_strerror(rc));
    if (counts)
        text_add(out, " (a newer PAPI may know this processor)");
}

static void probe(struct mlb_text *out)
{
    int rc = PAPI_library_init(PAPI_VER_CURRENT);
    bool zero = false;

    if (rc != PAPI_VER_CURRENT) {
        text_addf(out, "unavailable: PAPI cannot be initialised: %s",
                  rc > 0 ? "it is another version than this build's"
                         : PAPI_strerror(rc));
        return;
    }
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        long long value = 0;
        rc = try_event(events[i].code, &value);
        if (rc == PAPI_OK && value > 0) {
            text_addf(out, "ok: PAPI %d.%d.%d counts %s",
                      PAPI_VERSION_MAJOR(PAPI_VERSION),
                      PAPI_VERSION_MINOR(PAPI_VERSION),
                      PAPI_VERSION_REVISION(PAPI_VERSION), events[i].name);
            PAPI_shutdown();
            return;
        }
        zero |= rc == PAPI_OK;
    }
    if (zero)
        text_add(out, "unavailable: counters can be opened but stay zero (a "
                      "hypervisor that does not pass them on?)");
    else
        add_reason(rc, out);
    PAPI_shutdown();
}

const struct counters_source papi_source = {
    .name = "papi",
    .slow = true,
    .probe = probe,
};
