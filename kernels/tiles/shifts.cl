// SPDX-License-Identifier: Apache-2.0
// tiles/shifts.cl: maxima of scores to the integer shifts of the sums: c = n of the largest score's e^l = 2^n p, 0 where
// there is none. One work-item a row (column); its positive counts too.   Reference: src/ref/exact.c.
#include "common/math.h"

kernel void tiles_shifts(const uint n, const uint parts,
                         const uint with_positive,
                         global const float *restrict scalars, // κ first
                         global const float *restrict maxima,  // [parts][n]
                         global const float *restrict positive, // [n]
                         global float *restrict shift)         // [n]
{
    const uint i = (uint)get_global_id(0);
    if (i >= n)
        return;
    float best = with_positive ? positive[i] : -INFINITY;
    for (uint s = 0; s < parts; s++) {
        const float t = maxima[(size_t)s * n + i];
        best = (t > best || is_nan(t)) ? t : best;
    }
    shift[i] = best == -INFINITY ? 0.0f : exp_split(best, scalars[0]).n;
}
