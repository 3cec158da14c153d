// SPDX-License-Identifier: Apache-2.0
// text.c: bounded text and numbers, whatever the locale. Header: text.h.
#include "text.h"

#include <locale.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }
static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool make_room(chi__text *text, size_t more)
{
    if (text->room - text->length > more)
        return true;
    const size_t room = (text->length + more + 1) * 2;
    char *at = chi__realloc(text->at, room, 1);
    if (!at)
        return false;
    text->at = at;
    text->room = room;
    return true;
}

void chi__text_add(chi__text *text, const char *format, ...)
{
    if (text->failed)
        return;
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 || !make_room(text, (size_t)length)) {
        text->failed = true;
    } else {
        vsnprintf(text->at + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
}

bool chi__same_text(const char *a, const char *b)
{
    while (*a && lower(*a) == lower(*b))
        a++, b++;
    return *a == '\0' && *b == '\0';
}

bool chi__contains_text(const char *where, const char *what)
{
    for (;; where++) {
        size_t i = 0;
        while (what[i] && lower(where[i]) == lower(what[i]))
            i++;
        if (!what[i])
            return true;
        if (!*where)
            return false;
    }
}

void chi__trim(char *text)
{
    size_t first = 0, end = strlen(text);
    while (is_space(text[first]))
        first++;
    while (end > first && is_space(text[end - 1]))
        end--;
    memmove(text, text + first, end - first);
    text[end - first] = '\0';
}

// Edit distance of the first 63 characters, case ignored.
static unsigned distance(const char *a, const char *b)
{
    enum { LIMIT = 63 };
    const size_t an = strnlen(a, LIMIT), bn = strnlen(b, LIMIT);
    unsigned row[LIMIT + 1];
    for (size_t j = 0; j <= bn; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= an; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= bn; j++) {
            const unsigned above = row[j], swap = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));
            unsigned best = above < row[j - 1] ? above + 1 : row[j - 1] + 1;
            row[j] = swap < best ? swap : best;
            diagonal = above;
        }
    }
    return row[bn];
}

const char *chi__nearest(const char *word, const char *const *candidates, size_t count)
{
    const char *nearest = NULL;
    unsigned least = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        const unsigned d = distance(word, candidates[i]);
        if (d < least) {
            least = d;
            nearest = candidates[i];
        }
    }
    return nearest;
}

bool chi__parse_double(const char *text, double *out)
{
    if (!*text || is_space(*text))
        return false;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain)
        return false;
    char *end;
    const double value = strtod_l(text, &end, plain);
    freelocale(plain);
    if (*end)
        return false;
    *out = value;
    return true;
}

// Digits at *text, which is moved behind them.
static bool parse_digits(const char **text, unsigned long long *out)
{
    uint64_t value = 0;
    if (!is_digit(**text))
        return false;
    for (; is_digit(**text); (*text)++)
        if (!chi__mul(value, 10, &value) || !chi__add(value, (uint64_t)(**text - '0'), &value))
            return false;
    *out = value;
    return true;
}

bool chi__parse_u64(const char *text, unsigned long long *out)
{
    unsigned long long value;
    if (!parse_digits(&text, &value) || *text)
        return false;
    *out = value;
    return true;
}

bool chi__parse_bytes(const char *text, unsigned long long *out)
{
    static const char units[] = "kmg";
    unsigned long long value;
    uint64_t bytes;
    if (!parse_digits(&text, &value))
        return false;
    bytes = value;
    if (*text) {
        const char *unit = strchr(units, lower(*text));
        if (!unit || text[1] || !chi__mul(bytes, 1024ull << (10 * (unit - units)), &bytes))
            return false;
    }
    *out = bytes;
    return true;
}

const char *chi__bytes_text(unsigned long long bytes, char *to)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    if (bytes < 1024) {
        snprintf(to, 24, "%llu bytes", bytes);
        return to;
    }
    double value = (double)bytes / 1024;
    size_t unit = 0;
    for (; value >= 1024 && unit < 5; unit++)
        value /= 1024;
    // Tenths by hand: printf's decimal point follows the locale.
    const unsigned tenths = (unsigned)(value * 10 + 0.5);
    snprintf(to, 24, "%u.%u %s", tenths / 10 % 100000, tenths % 10, units[unit]);
    return to;
}

// Bytes of the printable character that `text` begins with; 0: a control character, or no valid UTF-8.
static size_t character(const unsigned char *text)
{
    const unsigned char a = text[0];
    if (a < 0x80)
        return a >= 0x20 && a != 0x7f;
    const size_t bytes = a >= 0xf0 ? 4 : a >= 0xe0 ? 3 : 2;
    if (a < 0xc2 || a > 0xf4)
        return 0;
    for (size_t i = 1; i < bytes; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    // C1 controls, longer forms than needed, surrogates, and what lies beyond U+10FFFF.
    const unsigned char b = text[1];
    const bool wrong = (a == 0xc2 && b < 0xa0) || (a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f) ||
                       (a == 0xf0 && b < 0x90) || (a == 0xf4 && b > 0x8f);
    return wrong ? 0 : bytes;
}

static size_t write_out(const char *text, char *to, size_t room, bool sentence)
{
    static const char digits[] = "0123456789abcdef";
    size_t length = 0, kept = 0;
    while (*text) {
        const unsigned char byte = (unsigned char)*text;
        const char hex[4] = { '\\', 'x', digits[byte >> 4], digits[byte & 15] };
        const size_t is = sentence && (byte == '\n' || byte == '\t') ? 1 : character((const unsigned char *)text);
        const bool doubled = byte == '\\' && !sentence;
        const size_t adds = !is ? 4 : doubled ? 2 : is;
        if (length == kept && length + adds < room) { // whole characters only
            memcpy(to + length, !is ? hex : doubled ? "\\\\" : text, adds);
            kept += adds;
        }
        length += adds;
        text += is ? is : 1;
    }
    if (room)
        to[kept] = '\0';
    return length;
}

size_t chi__text_escape(const char *text, char *to, size_t room) { return write_out(text, to, room, false); }
size_t chi__text_clean(const char *text, char *to, size_t room) { return write_out(text, to, room, true); }
