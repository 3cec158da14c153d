// SPDX-License-Identifier: Apache-2.0
// bench_table.h: figures of `chiaro bench` for people: a sentence for one, a table for several. JSON: bench_report.c.
#ifndef CHIARO_BENCH_TABLE_H
#define CHIARO_BENCH_TABLE_H

#include "bench.h"

// What the device could do at most: its FMA peak, or less where the least traffic of the problem, copied at its measured
// speed, takes longer.
typedef struct roofline {
    double flop_per_byte, gflops, fraction;
    const char *bound;
} roofline;

roofline figure_roof(const figure *f, const chi_device_peak *peak);
double figure_gflops(const figure *f); // of the least that the mathematics needs

// "; outliers then: 1 of 9, furthest 60.000 ms" of all runs into to [128], which is returned; "" where there are none.
const char *outliers_text(const char *when, const figure *const *runs, size_t count, char *to);

void table_sentence(const bench_report *r, const figure *f, const bench_peak *peak);
// first: of these figures the one that others are compared with, or NULL.
void table_head(bench_report *r, const figure *figures, const figure *first);
void table_row(const bench_report *r, const figure *figures, size_t d, const figure *first,
               const bench_peak *peak);
void table_kernels(const figure *f);

#endif
