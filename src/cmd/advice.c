/* SPDX-License-Identifier: BSD-3-Clause */
/* What earlier runs advise, put into a job. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/units.h"
#include "cmd/advice.h"
#include "job/value.h"

#define COMMAND_LINE "command line"      /* an origin, as job_override sets */
#define ORIGIN "--fit"
#define BASIS 200                        /* bytes of a reason that are shown */
#define ITEMS 64

/* The shape of a job (nodes, tasks) is the user's: another one may give
 * other results. */
static const char *const keys[] = {
    "resources.memory_per_node", "resources.cpus_per_task",
    "resources.gpus_per_task", "resources.walltime",
};

static const struct job_key *find_key(const char *path)
{
    for (size_t i = 0; path && i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strcmp(path, keys[i]) == 0)
            return job_key_find(path);
    return NULL;
}

static char *shown(const struct job_key *key, const struct mlb_job *job)
{
    const void *place = job_key_value(key, job);
    struct mlb_text t = MLB_TEXT_INIT;

    if (!value_is_given(key, place))
        text_add(&t, key->fallback ? key->fallback
                                   : "the scheduler's default");
    else if (key->type == KEY_SIZE)
        units_add_size(&t, *(const long long *)place);
    else if (key->type == KEY_DURATION)
        units_add_clock(&t, *(const long *)place);
    else
        text_addf(&t, "%ld", *(const long *)place);
    return text_detach(&t);
}

/* Text of the helper, fit for a line on a terminal. */
static char *reason(const json_t *item)
{
    const char *basis = json_string_value(json_object_get(item, "basis"));
    char *cut = xstrndup(basis ? basis : "no reason is given", BASIS);
    char *text = text_printable(cut);

    free(cut);
    return text;
}

static bool is_users(const struct mlb_job *job, const char *key)
{
    const char *origin = fields_get(&job->origins, key);

    return origin && strcmp(origin, COMMAND_LINE) == 0;
}

/* Is there anything to do, and can it be done? value is advised for key. */
static void apply(struct mlb_job *job, const struct job_key *key,
                  const char *value, const char *why,
                  struct mlb_strings *said)
{
    struct mlb_job *wanted = job_create();
    void *place = job_key_place(key, wanted);
    struct mlb_error err = { 0 };
    char *from = shown(key, job), *to = NULL;

    if (value_parse(key->type, place, value, &err) < 0 ||
        value_in_bounds(key, place, &err) < 0) {
        char *text = text_printable(err.text);
        strings_pushf(said, "%s: stays %s: the advice cannot be used: %s",
                      key->path, from, text);
        free(text);
        goto out;
    }
    to = shown(key, wanted);
    if (strcmp(from, to) == 0) {
        strings_pushf(said, "%s: stays %s: %s", key->path, from, why);
    } else if (is_users(job, key->path)) {
        strings_pushf(said, "%s: stays %s, as the command line says; "
                      "advised is %s: %s", key->path, from, to, why);
    } else {
        value_parse(key->type, job_key_place(key, job), value, NULL);
        origin_set(&job->origins, key->path, ORIGIN);
        strings_pushf(said, "%s: %s -> %s: %s", key->path, from, to, why);
    }
out:
    job_destroy(wanted);
    free(from);
    free(to);
}

static void apply_item(struct mlb_job *job, const json_t *item,
                       struct mlb_strings *said)
{
    const char *name = json_string_value(json_object_get(item, "key"));
    const char *value = json_string_value(json_object_get(item, "value"));
    const struct job_key *key = find_key(name);

    if (!key || !value) {
        char *text = text_printable(name ? name : "an item without a key");
        strings_pushf(said, "advice that --fit does not follow: %.100s",
                      text);
        free(text);
        return;
    }
    char *why = reason(item);
    apply(job, key, value, why, said);
    free(why);
}

static int check(const json_t *advice, const struct mlb_job *job,
                 struct mlb_error *err)
{
    const char *schema =
        json_string_value(json_object_get(advice, "schema"));
    const char *name = json_string_value(json_object_get(advice, "job"));

    if (!schema || strcmp(schema, "mlbatch-advice/1") != 0)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "it is not of schema mlbatch-advice/1");
    json_t *asked = json_text(job->name);
    bool same = name && strcmp(name, json_string_value(asked)) == 0;
    json_decref(asked);
    if (!same)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "it is about another job");
    if (!json_is_integer(json_object_get(advice, "runs")) ||
        !json_is_array(json_object_get(advice, "items")) ||
        json_array_size(json_object_get(advice, "items")) > ITEMS)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "runs or items are missing or wrong");
    return 0;
}

int advice_apply(struct mlb_job *job, const char *json, size_t length,
                 struct mlb_strings *said, struct mlb_error *err)
{
    json_t *advice = json_loadb(json, length, JSON_REJECT_DUPLICATES, NULL);
    int rc = -1;

    if (!advice)
        mlb_error_set(err, MLB_ERR_BAD_INPUT, "it is not JSON");
    else
        rc = check(advice, job, err);
    if (rc == 0) {
        const json_t *items = json_object_get(advice, "items");
        json_int_t runs = json_integer_value(json_object_get(advice, "runs"));
        if (runs <= 0)
            strings_push(said, "there are no earlier runs to go by: nothing "
                               "is changed");
        for (size_t i = 0; runs > 0 && i < json_array_size(items); i++)
            apply_item(job, json_array_get(items, i), said);
        if (runs > 0 && json_array_size(items) == 0)
            strings_push(said, "earlier runs give no reason to change "
                               "anything");
    }
    json_decref(advice);
    return rc;
}
