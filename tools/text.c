// SPDX-License-Identifier: Apache-2.0
// text.c: see text.h.
#include "text.h"

#include <inttypes.h>
#include <stdarg.h>
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
    const size_t length = first >= 0xf0 && first < 0xf8 ? 4
                          : first >= 0xe0               ? 3
                          : first >= 0xc2               ? 2
                                                        : 1;
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
// Whether the text's line ends here: at its end, or at a break that stays. kept: the line's own does.
static bool line_ends(const char *text, bool kept)
{
    return !*text || (*text == '\n' && (kept || text[1] == '\n' || text[1] == ' ' || !text[1]));
}

// Bytes of the word that begins here. What brackets hold is one word, "[--k N]", as far as it is short.
static size_t word_of(const char *text)
{
    enum { SHORT = 40 };
    const size_t plain = strcspn(text, " \n"),
                 bracket = *text == '[' ? strcspn(text, "]\n") : SHORT;
    return bracket < SHORT && text[bracket] == ']' && bracket > plain
               ? bracket + strcspn(text + bracket, " \n")
               : plain;
}

// One line of the text, the cursor standing at column `at`; what follows it.
static const char *wrap_line(FILE *to, const char *text, size_t at, size_t indent, size_t width)
{
    const bool kept = *text == ' ';
    bool first = true;
    for (; *text == ' '; text++, at++, indent++) // its own spaces hold for what is broken off it
        fputc(' ', to);
    while (!line_ends(text, kept)) {
        const size_t bytes = word_of(text), columns = columns_of(text, bytes);
        if (!first && at + 1 + columns > width) {
            fprintf(to, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            fputc(' ', to);
            at++;
        }
        fwrite(text, 1, bytes, to);
        at += columns;
        first = false;
        for (text += bytes; *text == ' ' || (*text == '\n' && !line_ends(text, kept)); text++)
            ;
    }
    fputc('\n', to);
    return *text ? text + 1 : text;
}

void text_wrap(FILE *to, const char *text, size_t at, size_t indent, size_t width)
{
    text = wrap_line(to, text, at, indent, width);
    while (*text) {
        fprintf(to, "%*s", *text == '\n' ? 0 : (int)indent, "");
        text = wrap_line(to, text, indent, indent, width);
    }
}

void text_say(FILE *to, size_t indent, const char *format, ...)
{
    char text[8192];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    text_wrap(to, text, 0, indent, text_width(fileno(to)));
}

// Bytes of the word of a command line that begins here: quotes keep spaces.
static size_t one_shell_word(const char *text)
{
    size_t length = 0;
    for (char quote = 0; text[length] && (quote || (text[length] != ' ' && text[length] != '\n'));
         length++)
        if (quote ? text[length] == quote : text[length] == '"' || text[length] == '\'')
            quote = quote ? 0 : text[length];
    return length;
}

// The same, an option with its value.
static size_t shell_word(const char *text)
{
    const size_t length = one_shell_word(text);
    if (text[0] != '-' || text[length] != ' ' || !text[length + 1] ||
        strchr("-;|&<>", text[length + 1]))
        return length;
    return length + 1 + one_shell_word(text + length + 1);
}

void text_command(FILE *to, const char *command, size_t at, size_t indent, size_t width)
{
    while (*command) {
        const size_t bytes = shell_word(command), columns = columns_of(command, bytes);
        fwrite(command, 1, bytes, to);
        at += columns;
        command += bytes;
        const char *next = command + (*command == ' ' || *command == '\n');
        if (*command == '\n') {
            fprintf(to, "\n%*s", (int)indent, "");
            at = indent;
        } else if (*command &&
                   at + 1 + columns_of(next, shell_word(next)) + 2 > width) { // 2: " \\"
            fprintf(to, " \\\n%*s", (int)indent + 2, "");
            at = indent + 2;
        } else if (*command) {
            fputc(' ', to);
            at++;
        }
        command = next;
    }
    fputc('\n', to);
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
    if (!(whole >= 0.0995))
        snprintf(to, TEXT_ROOM, "%.2g ms", whole > 0.0 ? 1e3 * whole : 0.0);
    else if (whole < 9.95)
        snprintf(to, TEXT_ROOM, "%.1f s", whole);
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
