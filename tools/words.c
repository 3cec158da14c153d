// SPDX-License-Identifier: Apache-2.0
// words.c: words of a command line as numbers, and the nearest of those that there are. Header: tool.h.
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tool.h"

bool tool_number(const char *text, double *out)
{
    char *end = NULL;
    if (!text || !*text)
        return false;
    *out = strtod(text, &end); // the program never sets a locale: the point is a point
    return *end == 0;
}

bool tool_count(const char *text, uint64_t *out)
{
    char *end = NULL;
    if (!text || *text < '0' || *text > '9')
        return false;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return *end == 0 && errno == 0;
}

// The power of two of a unit, 0 for none; 100: it is no unit.
static unsigned unit_shift(const char *unit)
{
    static const char *const letters = "KMGT";
    const char upper = (char)(*unit >= 'a' && *unit <= 'z' ? *unit - 'a' + 'A' : *unit),
               *letter = upper ? strchr(letters, upper) : NULL;
    if (!*unit || strcmp(unit, "B") == 0 || strcmp(unit, "b") == 0)
        return 0;
    if (!letter || (unit[1] && strcasecmp(unit + 1, "b") != 0 && strcasecmp(unit + 1, "ib") != 0))
        return 100;
    return 10u * (unsigned)(letter - letters + 1);
}

bool tool_bytes(const char *text, uint64_t *out)
{
    const size_t digits = text ? strspn(text, "0123456789.") : 0;
    const bool power = digits && (text[digits] == 'e' || text[digits] == 'E') &&
                       text[digits + 1] >= '0' && text[digits + 1] <= '9';
    const char *unit = power  ? text + digits + 1 + strspn(text + digits + 1, "0123456789")
                       : text ? text + digits
                              : NULL;
    char number[64];
    double value = 0.0;
    uint64_t whole = 0;
    if (!digits || (size_t)(unit - text) >= sizeof number)
        return false;
    memcpy(number, text, (size_t)(unit - text));
    number[unit - text] = 0;
    unit += strspn(unit, " ");
    const unsigned shift = unit_shift(unit);
    if (shift == 100)
        return false;
    if (tool_count(number, &whole)) { // exactly
        *out = whole << shift;
        return *out >> shift == whole;
    }
    if (!tool_number(number, &value) || !(ldexp(value, (int)shift) < 0x1p64))
        return false;
    *out = (uint64_t)ldexp(value, (int)shift);
    return true;
}

static size_t distance(const char *a, const char *b)
{
    size_t row[64], m = strlen(b);
    if (m > 62)
        return 1000;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            const size_t change = diagonal + (a[i - 1] != b[j - 1]),
                         less = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < less ? change : less;
        }
    }
    return row[m];
}

const char *tool_nearest(const char *word, const char *const *candidates, size_t count)
{
    const char *best = "";
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        const size_t d = distance(word, candidates[i]);
        if (d < least) {
            least = d;
            best = candidates[i];
        }
    }
    return best;
}
