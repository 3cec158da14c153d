// SPDX-License-Identifier: Apache-2.0
// names.c: see names.h.
#include "names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ESCAPED = 4 }; // characters of \xNN

// Bytes of the UTF-8 character at `text`; 0: it is none, or a control character.
static size_t character(const unsigned char *text)
{
    static const struct { unsigned char mask, lead; unsigned least; } kinds[] = {
        { 0x80, 0x00, 0x20 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 },
    };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        if ((text[0] & kinds[k].mask) != kinds[k].lead)
            continue;
        unsigned code = text[0] & (unsigned char)~kinds[k].mask;
        for (size_t i = 1; i <= k; i++) {
            if ((text[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (text[i] & 0x3f);
        }
        const bool surrogate = code >= 0xd800 && code < 0xe000, control = code == 0x7f || (code >= 0x80 && code < 0xa0);
        return code < kinds[k].least || code > 0x10ffff || surrogate || control ? 0 : k + 1;
    }
    return 0;
}

// Appends `name` escaped to `to`; the characters written, a zero behind them not counted.
static size_t escape(const char *name, char *to, size_t room)
{
    const unsigned char *text = (const unsigned char *)name;
    size_t at = 0;
    while (*text) {
        const size_t bytes = *text == '\\' ? 0 : character(text), length = bytes ? bytes : ESCAPED;
        if (at + length >= room)
            break;
        if (bytes)
            memcpy(to + at, text, bytes);
        else
            snprintf(to + at, room - at, "\\x%02x", *text);
        at += length;
        text += bytes ? bytes : 1;
    }
    to[at] = 0;
    return at;
}

const char *name_escape(const char *name, char *to, size_t room)
{
    escape(name, to, room);
    return to;
}

char *names_print(char *const *names, size_t count)
{
    size_t room = 1, at = 0;
    for (size_t i = 0; i < count; i++)
        room += ESCAPED * strlen(names[i]) + 1;
    char *text = malloc(room);
    if (!text)
        return NULL;
    text[0] = 0;
    for (size_t i = 0; i < count; i++) {
        at += escape(names[i], text + at, room - at);
        memcpy(text + at, "\n", 2);
        at++;
    }
    return text;
}

static int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

// The bytes that `length` escaped characters stand for, zero-ended; NULL: they are no such text.
static char *unescape(const char *text, size_t length)
{
    char *name = malloc(length + 1), *to = name;
    for (size_t i = 0; name && i < length; i++) {
        if (text[i] != '\\') {
            *to++ = text[i];
            continue;
        }
        if (length - i < ESCAPED || text[i + 1] != 'x' || digit(text[i + 2]) < 0 || digit(text[i + 3]) < 0) {
            free(name);
            return NULL;
        }
        *to++ = (char)(digit(text[i + 2]) * 16 + digit(text[i + 3]));
        i += ESCAPED - 1;
    }
    if (name)
        *to = 0;
    return name;
}

bool names_parse(const char *text, char ***names, size_t *count)
{
    size_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    *count = 0;
    *names = calloc(lines + 1, sizeof **names);
    for (; *names && *count < lines; ++*count, text += strcspn(text, "\n") + 1)
        if (!((*names)[*count] = unescape(text, strcspn(text, "\n")))) {
            names_free(*names, *count);
            *names = NULL;
            *count = 0;
            return false;
        }
    return *names != NULL;
}

void names_free(char **names, size_t count)
{
    for (size_t i = 0; names && i < count; i++)
        free(names[i]);
    free(names);
}
