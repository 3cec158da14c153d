// SPDX-License-Identifier: Apache-2.0
// loss/clip.cl: row function of the CLIP loss. Host: src/loss/clip.c. Reference: src/ref/loss.c.
//
//   v_i = log Σ_j e^{l(i,j)} − l(i,i) + log Σ_j e^{l(j,i)} − l(i,i);  L = ½ mean v.
//   G_ij = e_ij (a_i + b_j),  a_i = 1 / R_i, b_j = 1 / R'_j;  G_ii = −(Q_i a_i + Q'_i b_i), saturated rows exact.
#include "loss/row.h"

kernel void loss_clip(const uint n, const uint parts, const int shift,
                      global const float *restrict scalars,
                      global const float *restrict row_sums, global const float *restrict col_sums, // [parts][n]
                      global const float *restrict row_shift, global const float *restrict col_shift, // [n], where SHIFTED
                      global const float *restrict scores, // [n]: s_ii
                      global float *restrict a, global float *restrict b, global float *restrict positive,
                      global float *restrict value) // [n]
{
    const uint i = (uint)get_global_id(0);
    if (i >= n)
        return;
    const float kappa = scalars[0];
    const one_positive row = row_with_positive(row_total(row_sums, parts, n, i), scores[i], kappa, SHIFTED ? row_shift[i] : (float)shift);
    const one_positive col = row_with_positive(row_total(col_sums, parts, n, i), scores[i], kappa, SHIFTED ? col_shift[i] : (float)shift);
    a[i] = row.a;
    b[i] = col.a;
    positive[i] = -fma(row.q, row.a, col.q * col.a);
    value[i] = row.value + col.value;
}
