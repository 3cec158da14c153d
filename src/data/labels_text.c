// SPDX-License-Identifier: Apache-2.0
// labels_text.c: names from text, one a line, and from numpy's strings of fixed width. Called by
// labels_read.c.
#include "labels.h"

#include <inttypes.h>
#include <string.h>

#include "../base/file.h"
#include "../base/memory.h"

enum { MAX_NAME = 4095 };
static const uint64_t max_text = (uint64_t)1 << 30;

// ---- lines --------------------------------------------------------------------------------------

// Cuts the line [at, end) to its name, ended by a zero; false where nothing is left.
static char *trim_line(char *at, char *end)
{
    while (at < end && (end[-1] == '\r' || end[-1] == ' ' || end[-1] == '\t'))
        end--;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    *end = 0;
    return at;
}

static size_t count_lines(const char *text, size_t bytes)
{
    size_t lines = bytes && text[bytes - 1] != '\n';
    for (const char *at = text; (at = memchr(at, '\n', bytes - (size_t)(at - text))); at++)
        lines++;
    return lines;
}

// Cuts the text into lines, in place.
static chi_status split_lines(const char *path, char *text, size_t bytes, char **names)
{
    char *end = text + bytes;
    size_t line = 0;
    for (char *at = text; at < end;) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        char *next = newline ? newline + 1 : end;
        char *name = trim_line(at, newline ? newline : end);
        if (!*name)
            return chi__fail(NULL, CHI_ERR_FORMAT,
                             "%s: line %zu is empty; each line is the label of one row", path,
                             line + 1);
        if (strlen(name) > MAX_NAME)
            return chi__fail(NULL, CHI_ERR_FORMAT,
                             "%s: line %zu has %zu bytes, names have at most %d", path, line + 1,
                             strlen(name), MAX_NAME);
        names[line++] = name;
        at = next;
    }
    return CHI_OK;
}

static chi_status refuse_zero(const char *path, const char *text, const char *zero)
{
    const unsigned char *first = (const unsigned char *)text;
    if ((first[0] == 0xff && first[1] == 0xfe) || (first[0] == 0xfe && first[1] == 0xff))
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: text of 16-bit characters; save it as UTF-8",
                         path);
    return chi__fail(
        NULL, CHI_ERR_FORMAT,
        "%s: byte %td is zero, so it is no text, and it begins like no array that is read", path,
        zero - text);
}

chi_status chi__labels_from_text(const char *path, const chi_labels_options *options,
                                 chi_labels *out)
{
    char *text = NULL, **names = NULL;
    size_t bytes;
    chi_status st;
    CHI_TRY(chi__file_load(path, max_text, &text, &bytes));
    const size_t mark = bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    const char *zero = memchr(text, 0, bytes);
    const size_t lines = zero ? 0 : count_lines(text + mark, bytes - mark);
    if (zero || !lines) {
        st = zero ? refuse_zero(path, text, zero)
                  : chi__fail(NULL, CHI_ERR_FORMAT, "%s: empty, no labels", path);
        goto done;
    }
    names = chi__alloc(lines, sizeof *names);
    if (!names) {
        st = chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu lines", path, lines);
        goto done;
    }
    CHI_TRY_DONE(split_lines(path, text + mark, bytes - mark, names));
    st = chi__labels_from_names(&(chi__label_source){ path, "line", 1 }, (const char *const *)names,
                                lines, options, out);
done:
    chi__free(names);
    chi__free(text);
    return st;
}

// ---- numpy's strings ----------------------------------------------------------------------------

// One character as UTF-8 behind *to. Python keeps a byte that was no UTF-8 as U+DC80 … U+DCFF: that
// byte again. False: no character.
static bool put_character(uint32_t c, char **to)
{
    if (c >= 0xdc80 && c <= 0xdcff) {
        *(*to)++ = (char)(c - 0xdc00);
        return true;
    }
    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return false;
    const int more = c < 0x80      ? 0
                     : c < 0x800   ? 1
                     : c < 0x10000 ? 2
                                   : 3; // bytes that follow the first
    static const unsigned char marks[] = { 0, 0xc0, 0xe0, 0xf0 };
    *(*to)++ = (char)(marks[more] | c >> 6 * more);
    for (int i = more - 1; i >= 0; i--)
        *(*to)++ = (char)(0x80 | (c >> 6 * i & 0x3f));
    return true;
}

static uint32_t character(const chi__layout *l, const unsigned char *at)
{
    uint32_t c = *at;
    if (l->text == 'U') {
        memcpy(&c, at, sizeof c);
        if (l->swap)
            chi__swap_bytes(&c, 1, sizeof c);
    }
    return c;
}

// Row i as a name behind *to, ended by a zero. Zeros behind the text are filling.
static chi_status put_name(const char *path, const chi__layout *l, const unsigned char *bytes,
                           size_t i, char **to)
{
    const size_t each = l->text == 'U' ? 4 : 1;
    const unsigned char *row = bytes + i * l->width * each;
    const char *start = *to;
    size_t length = l->width;
    while (length && !character(l, row + (length - 1) * each))
        length--;
    for (size_t k = 0; k < length; k++) {
        const uint32_t c = character(l, row + k * each);
        if (l->text == 'S' && c)
            *(*to)++ = (char)c;
        else if (!put_character(c, to))
            return chi__fail(NULL, CHI_ERR_FORMAT,
                             "%s: row %zu: character %zu is U+%04" PRIX32 ", which no text holds",
                             path, i, k, c);
    }
    if (*to - start > MAX_NAME)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: row %zu has %td bytes, names have at most %d",
                         path, i, *to - start, MAX_NAME);
    *(*to)++ = 0;
    return CHI_OK;
}

chi_status chi__labels_from_strings(const char *path, const chi__layout *layout, const void *bytes,
                                    const chi_labels_options *options, chi_labels *out)
{
    const size_t n = layout->tensor.count;
    char *text =
        chi__alloc((size_t)layout->bytes + n, 1); // UTF-8 takes no more than four bytes a character
    char **names = chi__alloc(n, sizeof *names), *at = text;
    chi_status st = CHI_OK;
    if (!text || !names)
        st = chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu names", path, n);
    for (size_t i = 0; i < n && st == CHI_OK; i++) {
        names[i] = at;
        st = put_name(path, layout, bytes, i, &at);
    }
    if (st == CHI_OK)
        st = chi__labels_from_names(&(chi__label_source){ path, "row", 0 },
                                    (const char *const *)names, n, options, out);
    chi__free(text);
    chi__free(names);
    return st;
}
