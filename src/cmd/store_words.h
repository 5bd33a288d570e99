/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsing commands that take words, --store and --json; printing JSON. */
#ifndef CMD_STORE_WORDS_H
#define CMD_STORE_WORDS_H

#include <argp.h>
#include <jansson.h>

#include "base/text.h"
#include "cmd/store_cmd.h"

struct store_words {
    struct store_context *context;
    const char *what;             /* "which run?": if there are too few */
    size_t least, most;           /* most 0: any number */
    struct mlb_strings words;
};

/* For the parser of a command with options of its own, and the parser and
 * children of one without; its input is then the words. */
error_t store_parse_words(int key, char *arg, struct argp_state *state,
                          struct store_words *words);
error_t store_words_parser(int key, char *arg, struct argp_state *state);
extern const struct argp_child store_words_children[];

/* Print {"schema": SCHEMA, ...object's keys}. Takes object. */
void store_print_json(json_t *object, int schema);

#endif
