/* SPDX-License-Identifier: BSD-3-Clause */
/* Native options of sbatch: found in the table and applied to a request. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "scheduler/environment.h"
#include "scheduler/slurm_parts.h"

/* One option as written: its row, and its value if it came in the word. */
struct spelling {
    const struct slurm_option *row;
    const char *value;
};

static int unknown(const char *word, struct mlb_error *err)
{
    enum { MOST = 128 };
    const char *names[MOST], *name = word + strspn(word, "-");
    struct mlb_text list = MLB_TEXT_INIT;
    size_t count = 0;

    for (; slurm_options[count].name && count < MOST; count++) {
        names[count] = slurm_options[count].name;
        text_addf(&list, "%s%s", count ? ", " : "", names[count]);
    }
    char *whole = xstrndup(name, strcspn(name, "="));
    char *shown = text_printable(word);
    const char *near = text_suggest(whole, names, count);
    /* The list is longer than an error; the likely one comes first. */
    mlb_error_set(err, MLB_ERR_BAD_INPUT,
                  "Slurm option \"%s\" is not one that mlbatch passes on%s%s%s"
                  "; it knows %s", shown, near ? ", did you mean \"--" : "",
                  near ? near : "", near ? "\"?" : "", list.data);
    free(shown);
    free(whole);
    text_clear(&list);
    return -1;
}

static int find_row(const char *word, struct spelling *s,
                    struct mlb_error *err)
{
    bool is_long = strncmp(word, "--", 2) == 0;
    const char *name = is_long ? word + 2 : word + 1;
    size_t length = is_long ? strcspn(name, "=") : 1;

    if (word[0] != '-' || !*name)
        return unknown(word, err);
    for (const struct slurm_option *row = slurm_options; row->name; row++) {
        bool same = is_long ? strlen(row->name) == length &&
                                  strncmp(row->name, name, length) == 0
                            : row->letter == *name;
        if (!same)
            continue;
        s->row = row;
        s->value = name[length] == '\0' ? NULL
                                        : name + length + (is_long ? 1 : 0);
        return 0;
    }
    return unknown(word, err);
}

static int apply_one(struct slurm_request *request, const struct spelling *s,
                     struct mlb_error *err)
{
    const struct slurm_option *row = s->row;

    if (row->argument == ARGUMENT_NEEDED && (!s->value || !*s->value))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "Slurm option --%s needs a value", row->name);
    if (row->argument == ARGUMENT_NONE && s->value)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "Slurm option --%s takes no value", row->name);
    if (row->set(request, row->field, s->value, err) < 0)
        return mlb_error_prefix(err, "Slurm option --%s", row->name);
    if (row->variable)
        environment_set(&request->environment, row->variable, s->value);
    return 0;
}

int slurm_options_apply(struct slurm_request *request,
                        const struct mlb_strings *options,
                        struct mlb_error *err)
{
    for (size_t i = 0; i < options->count; i++) {
        struct spelling s = { 0 };
        if (find_row(options->items[i], &s, err) < 0)
            return -1;
        if (!s.value && s.row->argument == ARGUMENT_NEEDED &&
            i + 1 < options->count)
            s.value = options->items[++i];
        if (apply_one(request, &s, err) < 0)
            return -1;
    }
    return 0;
}

int slurm_options_check(const struct mlb_strings *options,
                        struct mlb_error *err)
{
    struct slurm_request scratch = {
        .environment = MLB_STRINGS_INIT, .owned = MLB_STRINGS_INIT,
    };
    int rc = slurm_options_apply(&scratch, options, err);

    slurm_request_clear(&scratch);
    return rc;
}
