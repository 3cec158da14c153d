// SPDX-License-Identifier: Apache-2.0
// progress.h: how every command shows how far it is, on stderr: a bar on a terminal that fits its width, plain lines
// elsewhere, nothing where it is quiet. Implementation: progress.c. Widths and units: text.h.
//
//     progress p;
//     progress_start(&p, tool.quiet, "steps", steps);
//     progress_note(&p, "device: %s, %s", name, why);          // lines before, between or behind, wrapped by words
//     progress_show(&p, step, "loss %.4f", loss);              // once before the work, with what is done already: time
//                                                              // left is reckoned from there; then as often as one likes
//     progress_end(&p);
#ifndef CHIARO_PROGRESS_H
#define CHIARO_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct progress {
    const char *what;      // "images", "steps", "blocks"; kept, not copied
    uint64_t total, first; // first: done when it was first shown
    bool quiet, terminal;
    double began, shown;   // seconds of the clock; 0: not yet
    bool whole;            // the last line was shown
} progress;

void progress_start(progress *p, bool quiet, const char *what, uint64_t total); // total 0: not known; 100 of "%": "12 %"

// "[#####.....] 12/450 steps, 3 min left, <text>" on a terminal, up to five times a second, cut where the width ends;
// "12 of 450 steps, 3 min left, <text>" elsewhere: the first at once, then every five seconds, and the last. NULL: no text.
void progress_show(progress *p, uint64_t done, const char *format, ...) __attribute__((format(printf, 3, 4)));

// A sentence of its own, wrapped at the width of the terminal (80 where there is none).
void progress_note(const progress *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Ends the bar's line, where one is open. tool_error, tool_fail and what the library logs do so themselves (progress_break).
void progress_end(progress *p);
void progress_break(void);

#endif
