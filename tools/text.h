// SPDX-License-Identifier: Apache-2.0
// text.h: texts for a person: widths in characters, wrapping, sizes and times in units. Bars: progress.h. Implementation: text.c.
#ifndef CHIARO_TEXT_H
#define CHIARO_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TEXT_ROOM = 32, TEXT_WIDTH = 80 };

// Columns of the terminal behind a descriptor; where there is none: COLUMNS, else 80. At least 40.
size_t text_width(int descriptor);
bool text_terminal(int descriptor); // one on which a line can be written anew

// Characters, not bytes: one for a sequence of UTF-8, one for a byte that belongs to none.
size_t text_columns(const char *text);
// Bytes of the first `columns` characters, at most all of them.
size_t text_cut(const char *text, size_t columns);

// Prints words with line breaks where `width` ends and `indent` spaces before every line but the first, which begins at
// column `at`. A line break in the text is a space, but for those beside an empty line or one that begins with a space,
// which stay. Ends with a line break.
void text_wrap(FILE *to, const char *text, size_t at, size_t indent, size_t width);
// A sentence on its own line or lines, the second and others indented, as wide as the terminal behind `to`, else 80.
void text_say(FILE *to, size_t indent, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// A command line, or several, so that they can be pasted: broken with a backslash where `width` ends.
void text_command(FILE *to, const char *command, size_t at, size_t indent, size_t width);

// Into to [TEXT_ROOM], which is returned.
const char *text_bytes(uint64_t bytes, char *to); // "1.5 GiB", "300 MiB", "12 bytes"
const char *text_seconds(double seconds,
                         char *to); // "15 ms", "0.4 s", "12 s", "3 min", "2 h 10 min"
const char *text_number(uint64_t number, char *to); // "12,345"

#endif
