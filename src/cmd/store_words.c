/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsing commands that take words, --store and --json; printing JSON. */
#include "config.h"

#include "base/json.h"
#include "cmd/store_words.h"

const struct argp_child store_words_children[] = {
    { .argp = &store_json_argp }, { 0 }
};

error_t store_parse_words(int key, char *arg, struct argp_state *state,
                          struct store_words *words)
{
    struct store_words *w = words;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = w->context;
        return 0;
    case ARGP_KEY_ARG:
        if (w->most && w->words.count == w->most)
            argp_error(state, "one word too many: \"%s\"", arg);
        strings_push(&w->words, arg);
        return 0;
    case ARGP_KEY_END:
        if (w->words.count < w->least)
            argp_error(state, "%s", w->what);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

error_t store_words_parser(int key, char *arg, struct argp_state *state)
{
    return store_parse_words(key, arg, state, state->input);
}

void store_print_json(json_t *object, int schema)
{
    json_t *top = json_pack("{s:i}", "schema", schema);

    json_object_update(top, object);
    json_print(top);
    json_decref(top);
    json_decref(object);
}
