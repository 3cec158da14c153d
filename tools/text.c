// SPDX-License-Identifier: Apache-2.0
// text.c: see text.h.
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

// ---- widths ------------------------------------------------------------------------------------------
size_t text_width(int descriptor)
{
    enum { LEAST = 40, MOST = 1000 };
    struct winsize size = { 0 };
    const char *columns = getenv("COLUMNS");
    long width = columns ? strtol(columns, NULL, 10) : 0;
    if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col)
        width = size.ws_col;
    if (width <= 0 || width > MOST)
        return TEXT_WIDTH;
    return width < LEAST ? LEAST : (size_t)width;
}

bool text_terminal(int descriptor)
{
    const char *kind = getenv("TERM");
    return isatty(descriptor) && kind && *kind && strcmp(kind, "dumb") != 0;
}

// Bytes of the character that begins here, at least 1.
static size_t character(const char *text)
{
    const unsigned char first = (unsigned char)*text;
    const size_t length = first >= 0xf0 && first < 0xf8 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;
    if (first >= 0xf8)
        return 1;
    for (size_t i = 1; i < length; i++)
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            return 1;
    return length;
}

// Characters of the first `bytes` bytes.
static size_t columns_of(const char *text, size_t bytes)
{
    size_t count = 0;
    for (const char *end = text + bytes; text < end; text += character(text))
        count++;
    return count;
}

size_t text_columns(const char *text) { return columns_of(text, strlen(text)); }

size_t text_cut(const char *text, size_t columns)
{
    const char *at = text;
    for (; *at && columns; columns--)
        at += character(at);
    return (size_t)(at - text);
}

// ---- wrapping ----------------------------------------------------------------------------------------
// One line of the text, without its break. `at` is where the cursor stands.
static void wrap_line(FILE *to, const char *line, size_t length, size_t at, size_t indent, size_t width)
{
    const char *end = line + length;
    bool first = true;
    for (; line < end && *line == ' '; line++, at++)
        fputc(' ', to);
    while (line < end) {
        const size_t bytes = strcspn(line, " \n"), columns = columns_of(line, bytes);
        if (!first && at + 1 + columns > width) {
            fprintf(to, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            fputc(' ', to);
            at++;
        }
        fwrite(line, 1, bytes, to);
        at += columns;
        first = false;
        for (line += bytes; line < end && *line == ' '; line++)
            ;
    }
    fputc('\n', to);
}

void text_wrap(FILE *to, const char *text, size_t at, size_t indent, size_t width)
{
    for (bool first = true; first || *text; first = false) {
        const size_t length = strcspn(text, "\n");
        if (!first)
            fprintf(to, "%*s", length ? (int)indent : 0, "");
        wrap_line(to, text, length, first ? at : indent, indent, width);
        text += length + (text[length] == '\n');
    }
}

// ---- units -------------------------------------------------------------------------------------------
const char *text_bytes(uint64_t bytes, char *to)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    double value = (double)bytes / 1024.0;
    size_t unit = 0;
    for (; value >= 1023.95 && unit < 5; unit++)
        value /= 1024.0;
    if (bytes < 1024)
        snprintf(to, TEXT_ROOM, "%" PRIu64 " byte%s", bytes, bytes == 1 ? "" : "s");
    else
        snprintf(to, TEXT_ROOM, value < 99.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return to;
}

const char *text_seconds(double seconds, char *to)
{
    const double whole = seconds < 1e9 ? seconds : 1e9;
    const unsigned long minutes = whole > 0.0 ? (unsigned long)(whole / 60.0 + 0.5) : 0;
    if (!(whole >= 9.95))
        snprintf(to, TEXT_ROOM, "%.1f s", whole > 0.0 ? whole : 0.0);
    else if (whole < 99.5)
        snprintf(to, TEXT_ROOM, "%.0f s", whole);
    else if (minutes < 100)
        snprintf(to, TEXT_ROOM, "%lu min", minutes);
    else if (minutes < 60 * 100)
        snprintf(to, TEXT_ROOM, "%lu h %lu min", minutes / 60, minutes % 60);
    else
        snprintf(to, TEXT_ROOM, "%lu days", (minutes + 720) / 1440);
    return to;
}

const char *text_number(uint64_t number, char *to)
{
    char digits[TEXT_ROOM];
    const int count = snprintf(digits, sizeof digits, "%" PRIu64, number);
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        if (i && (count - i) % 3 == 0)
            to[at++] = ',';
        to[at++] = digits[i];
    }
    to[at] = 0;
    return to;
}
