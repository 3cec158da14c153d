// SPDX-License-Identifier: Apache-2.0
// tool.c: what the subcommands share. Header: tool.h.
#include "tool.h"

#include <stdio.h>
#include <string.h>

int tool_failed(chi_status status)
{
    fprintf(stderr, "chiaro: %s\n", chi_error_text()[0] ? chi_error_text() : chi_status_text(status));
    return status == CHI_ERR_NO_DEVICE ? TOOL_NO_DEVICE : TOOL_FAILED;
}

// Letters to change, add or drop. Words beyond 63 letters are far from everything.
static size_t distance(const char *a, const char *b)
{
    size_t row[64];
    const size_t n = strlen(a), m = strlen(b);
    if (n > 63 || m > 63)
        return 64;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            const size_t change = corner + (a[i - 1] != b[j - 1]), drop = row[j] + 1, add = row[j - 1] + 1;
            corner = row[j];
            row[j] = change < drop ? change : drop;
            row[j] = add < row[j] ? add : row[j];
        }
    }
    return row[m];
}

int tool_unknown(const char *where, const char *what, const char *word, const char *const *known)
{
    const char *best = NULL;
    size_t least = strlen(word) / 2 + 2;
    for (; *known; known++) {
        const size_t d = distance(word, *known);
        if (d < least) {
            least = d;
            best = *known;
        }
    }
    if (best)
        fprintf(stderr, "%s: unknown %s %s; did you mean %s?\n", where, what, word, best);
    else
        fprintf(stderr, "%s: unknown %s %s\n", where, what, word);
    return TOOL_USAGE;
}
