// SPDX-License-Identifier: Apache-2.0
// names.c: see names.h. Escaping is the library's: chi_text_escape.
#include "names.h"

#include <chiaro/chiaro.h>
#include <stdlib.h>
#include <string.h>

const char *name_escape(const char *name, char *to, size_t room)
{
    chi_text_escape(name, to, room);
    return to;
}

char *names_print(char *const *names, size_t count)
{
    size_t room = 1, at = 0;
    for (size_t i = 0; i < count; i++)
        room += chi_text_escape(names[i], NULL, 0) + 1;
    char *text = malloc(room);
    if (!text)
        return NULL;
    text[0] = 0;
    for (size_t i = 0; i < count; i++) {
        at += chi_text_escape(names[i], text + at, room - at);
        memcpy(text + at, "\n", 2);
        at++;
    }
    return text;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The byte that an escape at `text` stands for, of at most `left` characters, and its length; 0: it is none.
static size_t unescape_one(const char *text, size_t left, char *to)
{
    if (left >= 2 && text[1] == '\\') {
        *to = '\\';
        return 2;
    }
    if (left < 4 || text[1] != 'x' || digit(text[2]) < 0 || digit(text[3]) < 0)
        return 0;
    *to = (char)(digit(text[2]) * 16 + digit(text[3]));
    return 4;
}

// The bytes that `length` escaped characters stand for, zero-ended; NULL: they are no such text.
static char *unescape(const char *text, size_t length)
{
    char *name = malloc(length + 1), *to = name;
    for (size_t i = 0, used; name && i < length; i += used, to++) {
        used = 1;
        if (text[i] != '\\')
            *to = text[i];
        else if (!(used = unescape_one(text + i, length - i, to))) {
            free(name);
            return NULL;
        }
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
