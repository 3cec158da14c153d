// SPDX-License-Identifier: Apache-2.0
// loss/row.h: what row functions share: partial sums of superblocks to a row's total.
#include "loss/value.h"

#ifndef SHIFTED
#error "loss/row.h needs SHIFTED: 1 where each row has a shift of its own"
#endif

// Superblocks ascending.
inline float row_total(global const float *sums, const uint parts, const uint n, const uint i)
{
    float total = sums[i];
    for (uint s = 1; s < parts; s++)
        total = total + sums[(size_t)s * n + i];
    return total;
}

// One row with a single positive, out of its sum: Q = Σ others, R = Q + e_pos, all relative to shift c.
typedef struct one_positive {
    float q, a;  // Q and 1 / R
    float value; // log(R / e_pos) = log1p(Q / e_pos): exact where Q is 0, where log R − l would cancel
} one_positive;

inline one_positive row_with_positive(const float q, const float score, const float kappa, const float c)
{
    const exp_parts e = exp_split(score, kappa);
    one_positive row;
    row.q = q;
    row.a = recip(q + scale_by_power(e.p, e.n - c));
    row.value = log1p_scaled(q * recip(e.p), c - e.n);
    return row;
}
