/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON in and out, on jansson, for bytes that may not be UTF-8. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>

/* s as a JSON string; a byte that is not part of valid UTF-8 becomes U+FFFD
 * (JSON cannot carry it). NULL gives null. A new reference. */
json_t *json_text(const char *s);

/* Print to standard output, two blanks of indent, and a newline. */
void json_print(const json_t *value);

#endif
