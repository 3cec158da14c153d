// SPDX-License-Identifier: Apache-2.0
// loss/ntxent.cl: row function of NT-Xent. Host: src/loss/ntxent.c. Reference: src/ref/loss.c.
//
//   v_i = log Σ_{j≠i} e^{l(i,j)} − l(i,i');  L = mean v.
//   G_ij = e_ij (a_i + a_j),  G_ii' = −(Q_i a_i + Q_i' a_i'), the same number for both rows of a pair.
#include "loss/row.h"

// One work-item a pair: rows i and i + n/2.
kernel void loss_ntxent(const uint n, const uint parts, const int shift,
                        global const float *restrict scalars,
                        global const float *restrict row_sums,  // [parts][n]
                        global const float *restrict row_shift, // [n], where SHIFTED
                        global const float *restrict scores,    // [n]: s_ii'
                        global float *restrict a, global float *restrict positive,
                        global float *restrict value) // [n]
{
    const uint i = (uint)get_global_id(0), half_n = n / 2, j = i + half_n;
    if (i >= half_n)
        return;
    const float kappa = scalars[0];
    const one_positive one = row_with_positive(row_total(row_sums, parts, n, i), scores[i], kappa, SHIFTED ? row_shift[i] : (float)shift);
    const one_positive two = row_with_positive(row_total(row_sums, parts, n, j), scores[j], kappa, SHIFTED ? row_shift[j] : (float)shift);
    a[i] = one.a;
    a[j] = two.a;
    positive[i] = positive[j] = -fma(one.q, one.a, two.q * two.a);
    value[i] = one.value;
    value[j] = two.value;
}
