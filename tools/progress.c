// SPDX-License-Identifier: Apache-2.0
// progress.c: see progress.h.
#include "progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "text.h"
#include "tool.h"

enum { BAR = 24, LINE = 4096 };
static bool line_open; // a bar stands on the terminal's last line, without a line break

void progress_break(void)
{
    if (line_open)
        fputc('\n', stderr);
    line_open = false;
}

void progress_start(progress *p, bool quiet, const char *what, uint64_t total)
{
    *p = (progress){
        .what = what, .total = total, .quiet = quiet, .terminal = text_terminal(STDERR_FILENO)
    };
}

void progress_end(progress *p)
{
    (void)p;
    progress_break();
}

// "12/450 steps, 3 min left", as far as each is known.
static size_t describe(const progress *p, uint64_t done, double now, char *to)
{
    char time[TEXT_ROOM];
    const bool part = p->total == 100 && strcmp(p->what, "%") == 0;
    int at = part       ? snprintf(to, LINE, "%" PRIu64 " %%", done)
             : p->total ? snprintf(to, LINE,
                                   p->terminal ? "%" PRIu64 "/%" PRIu64 " %s"
                                               : "%" PRIu64 " of %" PRIu64 " %s",
                                   done, p->total, p->what)
                        : snprintf(to, LINE, "%" PRIu64 " %s", done, p->what);
    const double seconds = now - p->began;
    if (at < 0 || at >= LINE)
        return 0;
    if (p->total && done >= p->total && done > p->first)
        at += snprintf(to + at, (size_t)(LINE - at), ", %s", text_seconds(seconds, time));
    else if (p->total && done > p->first && seconds > 0.5)
        at += snprintf(
            to + at, (size_t)(LINE - at), ", %s left",
            text_seconds(seconds * (double)(p->total - done) / (double)(done - p->first), time));
    return at < LINE ? (size_t)at : LINE - 1;
}

// The bar and as much of the text as fits, one column short of the width: a full line would break on some terminals.
static void show_bar(const progress *p, uint64_t done, const char *text)
{
    const size_t width = text_width(STDERR_FILENO) - 1;
    char bar[BAR + 4] = "";
    if (p->total) {
        const double part = done < p->total ? (double)done / (double)p->total : 1.0;
        const int full = (int)(part * BAR);
        bar[0] = '[';
        for (int i = 0; i < BAR; i++)
            bar[1 + i] = i < full ? '#' : '.';
        memcpy(bar + 1 + BAR, "] ", 3);
    }
    const size_t used = strlen(bar);
    fprintf(stderr, "\r%s%.*s\033[K", bar, (int)text_cut(text, width - used), text);
    fflush(stderr);
    line_open = true;
}

void progress_show(progress *p, uint64_t done, const char *format, ...)
{
    const double now = tool_seconds();
    const bool first = p->began == 0.0, last = p->total && done >= p->total;
    if (first) {
        p->began = now;
        p->first = done;
    }
    if (p->quiet || (last && p->whole) ||
        (!first && !last && now - p->shown < (p->terminal ? 0.2 : 5.0)))
        return;
    p->shown = now;
    p->whole = last;
    char text[2 * LINE];
    size_t at = describe(p, done, now, text);
    if (format) {
        va_list list;
        va_start(list, format);
        at += (size_t)snprintf(text + at, 3, ", ");
        vsnprintf(text + at, LINE, format, list);
        va_end(list);
    }
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 32 || *c == 127) // a name's line break must not break the bar
            *c = '?';
    if (p->terminal)
        show_bar(p, done, text);
    else
        fprintf(stderr, "%s\n", text);
}

void progress_note(const progress *p, const char *format, ...)
{
    char text[LINE];
    va_list list;
    if (p->quiet)
        return;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    progress_break();
    text_wrap(stderr, text, 0, 4, text_width(STDERR_FILENO));
}
