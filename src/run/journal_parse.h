/* SPDX-License-Identifier: BSD-3-Clause */
/* What the blocks of a journal say. (Inside src/run.) */
#ifndef RUN_JOURNAL_PARSE_H
#define RUN_JOURNAL_PARSE_H

#include <stdbool.h>

#include "run/journal.h"

struct journal_parser;
struct journal_parser *journal_parser_create(void);
void journal_parser_destroy(struct journal_parser *parser);

/* The payload of a header behind its kind. MLB_ERR_UNSUPPORTED: newer than
 * this program; MLB_ERR_BAD_INPUT. */
int journal_parser_header(struct journal_parser *parser,
                          const unsigned char *bytes, size_t length,
                          struct mlb_error *err);
long journal_parser_attempt(const struct journal_parser *parser);
const char *journal_parser_node(const struct journal_parser *parser);
const char *journal_parser_boot(const struct journal_parser *parser);

/* Take a payload; it is copied. False: it is of no use, as what it builds on
 * was lost. */
bool journal_parser_block(struct journal_parser *parser,
                          const unsigned char *bytes, size_t length);
/* The next item of what was taken; JOURNAL_NONE: that is all. */
enum journal_what journal_parser_next(struct journal_parser *parser,
                                      struct journal_item *item);
/* Bytes of the last block that made no sense; once. */
size_t journal_parser_left(struct journal_parser *parser);

/* Bytes before the next block were lost: wait for one that stands alone. */
void journal_parser_lose(struct journal_parser *parser);
bool journal_parser_lost(const struct journal_parser *parser);

#endif
