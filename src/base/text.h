// SPDX-License-Identifier: Apache-2.0
// text.h: bounded text. Nothing here depends on the locale.
#ifndef CHI_BASE_TEXT_H
#define CHI_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

// A growing text; finish with chi__free(t.at). After a failed allocation it stays as it was and .failed is set.
typedef struct chi__text { char *at; size_t length, room; bool failed; } chi__text;
void chi__text_add(chi__text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

bool chi__same_text(const char *a, const char *b);            // ignoring case (ASCII)
bool chi__contains_text(const char *where, const char *what); // ignoring case (ASCII)
void chi__trim(char *text);                                   // white space at both ends
// The candidate with the smallest edit distance; NULL where count is 0.
const char *chi__nearest(const char *word, const char *const *candidates, size_t count);
// Whole text as a number, decimal point whatever the locale; false: not one.
bool chi__parse_double(const char *text, double *out);
bool chi__parse_u64(const char *text, unsigned long long *out);
bool chi__parse_bytes(const char *text, unsigned long long *out); // plain bytes or K, M, G (powers of 1024)
// A text with everything that is no printable UTF-8 written \xNN, and a backslash \\; the length of all of it, as snprintf.
size_t chi__text_escape(const char *text, char *to, size_t room);
// The same for sentences: backslashes, tabs and line ends stay.
size_t chi__text_clean(const char *text, char *to, size_t room);
// 1536 → "1.5 KiB"; to must hold 24 characters.
const char *chi__bytes_text(unsigned long long bytes, char *to);

#endif
