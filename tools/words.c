// SPDX-License-Identifier: Apache-2.0
// words.c: words of a command line as numbers, and the nearest of those that there are. Header: tool.h.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

bool tool_bytes(const char *text, uint64_t *out)
{
    char *end = NULL;
    if (!text || *text < '0' || *text > '9')
        return false;
    errno = 0;
    const uint64_t number = strtoull(text, &end, 10);
    const char *units = "KMG", *unit = *end ? strchr(units, *end) : NULL;
    const unsigned shift = unit ? 10u * (unsigned)(unit - units + 1) : 0;
    if (errno || (*end && (!unit || end[1])) || (shift && number > UINT64_MAX >> shift))
        return false;
    *out = number << shift;
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
            const size_t change = diagonal + (a[i - 1] != b[j - 1]), less = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
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
