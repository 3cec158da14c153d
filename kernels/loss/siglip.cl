// SPDX-License-Identifier: Apache-2.0
// loss/siglip.cl: row function of SigLIP. Host: src/loss/siglip.c. Reference: src/ref/siglip.c.
//
//   v_i = Σ_j log(1 + e^{z_ij}),  z_ij = −t_ij (s_ij / τ + b), t = +1 where i = j, else −1;  L = Σ v / n,  dL/db = Σ G / n.
#include "loss/row.h"

kernel void loss_siglip(const uint n, const uint parts,
                        global const float *restrict row_sums, global const float *restrict row_slopes, // [parts][n]
                        global float *restrict value, global float *restrict slope)                     // [n]
{
    const uint i = (uint)get_global_id(0);
    if (i >= n)
        return;
    value[i] = row_total(row_sums, parts, n, i);
    slope[i] = row_total(row_slopes, parts, n, i);
}
