/* SPDX-License-Identifier: BSD-3-Clause */
/* Byte buffers, string lists and the allocation rule of the tools. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Allocate or end the program with a message and exit status 7: a tool that
 * is out of memory has nothing better to do. Not for the library. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
char *xstrdup(const char *s);                 /* NULL gives NULL */
char *xstrndup(const char *s, size_t length);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A growing byte buffer. data is always non-NULL and NUL-terminated at
 * data[length]; the bytes before may hold NUL. */
struct mlb_text {
    char *data;
    size_t length, size;
};
extern char text_empty[1];
#define MLB_TEXT_INIT { text_empty, 0, 0 }

void text_clear(struct mlb_text *t);          /* free; ready for use again */
void text_add(struct mlb_text *t, const char *s);
void text_addn(struct mlb_text *t, const void *bytes, size_t length);
void text_addf(struct mlb_text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
char *text_detach(struct mlb_text *t);        /* caller frees; t is empty */

/* s as one word of a POSIX shell, quoted only if it must be. */
void text_add_shell(struct mlb_text *t, const char *s);

/* A list of strings that owns them. items is never NULL and always ends in
 * a NULL pointer: fit for execv and for loops. */
struct mlb_strings {
    char **items;
    size_t count;
};
extern char *strings_none[1];
#define MLB_STRINGS_INIT { strings_none, 0 }

void strings_push(struct mlb_strings *l, const char *s);
void strings_pushf(struct mlb_strings *l, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Replace item number at; at == count appends. */
void strings_set(struct mlb_strings *l, size_t at, const char *s);
void strings_copy(struct mlb_strings *to, const struct mlb_strings *from);
bool strings_have(const struct mlb_strings *l, const char *s);
void strings_clear(struct mlb_strings *l);

/* The one of names (count of them) that a person most likely meant by word,
 * or NULL if none is near (edit distance over a third of the length). */
const char *text_suggest(const char *word, const char *const *names,
                         size_t count);

/* Bytes that are safe as one part of a path and as a word in any shell:
 * letters, digits, UTF-8 and "_-.+,@" stay, all else becomes "=XX" (hex).
 * A leading '.' or '-' is escaped too. More than 120 bytes are cut and end
 * in a hash of the whole. Caller frees. Never empty: "" gives "=". */
char *text_encode_name(const char *name);

/* Is s valid UTF-8 without control characters? */
bool text_is_printable(const char *s);

/* s with every byte that is not printable UTF-8 shown as \xNN, for messages
 * on one line. Caller frees. */
char *text_printable(const char *s);

#endif
