// SPDX-License-Identifier: Apache-2.0
// tiles/totals.cl: partial sums (or maxima) of one window of superblocks joined to what earlier windows gave: the chain of
// every row goes on where it stood, superblocks ascending. Host: src/tiles/passes.c. Reference: src/ref/exact.c.
//
// One work-item a row (or a column, whose superblocks all are in one window). Where partials lie: tiles/pairs.h.
// SYMMETRIC  y is x: a row of the window starts with what it got as a column, from the superblocks before its own
// MAXIMA     the largest instead of the sum
#include "common/math.h"

#if !defined(SYMMETRIC) || !defined(MAXIMA)
#error "tiles/totals.cl: a macro is missing"
#endif

// The first of a chain starts it.
inline float joined(const float total, const float next, const bool starts)
{
    if (MAXIMA)
        return starts || next > total || is_nan(next) ? next : total;
    return starts ? next : total + next;
}

kernel void tiles_totals(const uint count, const uint stride, // rows, and those of one superblock's partials
                         const uint w0, const uint w1,        // superblocks of the window; 0: a chain starts
                         const uint sb,                       // rows of one, where SYMMETRIC
                         const uint col_at, const uint at,    // row 0's place in `totals`
                         global const float *restrict partials, global float *restrict totals)
{
    const uint i = (uint)get_global_id(0);
    if (i >= count)
        return;
    const uint own = SYMMETRIC ? i / sb : 0, first = w0 * sb;
    uint s = w0;
    float total = 0.0f;
    if (own > 0 && own >= w0) {
        for (s = 0; s < own; s++)
            total = joined(total, partials[col_at + (size_t)s * (count - first) + (i - first)], s == 0);
    } else if (w0 > 0) {
        total = totals[at + i];
    }
    for (; s < w1; s++)
        total = joined(total, partials[(size_t)(s - w0) * stride + i], s == 0);
    totals[at + i] = total;
}
