// SPDX-License-Identifier: Apache-2.0
// loss/infonce.cl: row function of one-sided InfoNCE. Host: src/loss/infonce.c. Reference: src/ref/loss.c.
//
//   v_i = log Σ_j e^{l(i,j)} − l(i,i);  L = mean v.
//   dX_i = a_i (Σ_{j≠i} e_ij y_j − Q_i y_i);  dY: G_ij = e_ij a_i, G_ii = −Q_i a_i.
#include "loss/row.h"

kernel void loss_infonce(const uint n, const uint parts, const int shift,
                         global const float *restrict scalars,
                         global const float *restrict row_sums,  // [parts][n]
                         global const float *restrict row_shift, // [n], where SHIFTED
                         global const float *restrict scores,    // [n]: s_ii
                         global float *restrict a, global float *restrict q, global float *restrict positive,
                         global float *restrict value) // [n]
{
    const uint i = (uint)get_global_id(0);
    if (i >= n)
        return;
    const one_positive row = row_with_positive(row_total(row_sums, parts, n, i), scores[i], scalars[0], SHIFTED ? row_shift[i] : (float)shift);
    a[i] = row.a;
    q[i] = row.q;
    positive[i] = -(row.q * row.a);
    value[i] = row.value;
}
