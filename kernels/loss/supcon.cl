// SPDX-License-Identifier: Apache-2.0
// loss/supcon.cl: labels, counts and the row function of SupCon. Host: src/loss/supcon.c. Reference: src/ref/loss.c.
//
//   v_i = log Σ_{j≠i} e^{l(i,j)} − 1/|P(i)| Σ_{p∈P(i)} l(i,p), 0 where P(i) is empty;  L = W Σ v.
//   G_ij = fma(e_ij, a_i + a_j, −(w_i + w_j)) on positives, e_ij (a_i + a_j) elsewhere; a = w = 0 for empty rows.
#include "loss/row.h"

enum { FAULT_LABEL = 0 };

// A copy of the labels with −1 behind them up to `padded`, so that whole vectors may be read.
kernel void loss_labels(const uint n, const uint padded, global const int *restrict labels, global int *restrict to,
                        global uint *restrict faults)
{
    const uint i = (uint)get_global_id(0);
    if (i >= padded)
        return;
    const int label = i < n ? labels[i] : -1;
    if (i < n && label < 0)
        faults[FAULT_LABEL] = 1;
    to[i] = label;
}

// |P(i)|; −1 for a label out of range.
kernel void loss_counts(const uint n, const uint padded, global const int *restrict labels, global int *restrict counts)
{
    const uint i = (uint)get_global_id(0);
    if (i >= n)
        return;
    const int own = labels[i];
    int same = 0;
    for (uint j = 0; j < padded; j++) // one by one: Oclgrind 21.10 widens a vector comparison to 255
        same += labels[j] == own;
    counts[i] = own < 0 ? -1 : same - 1;
}

// W and W · scale: the mean's weight over rows with a positive, or over all rows. One work-item.
kernel void loss_weights(const uint n, const uint skip, global const int *restrict counts,
                         global float *restrict scalars, // κ, scale, W · scale, W
                         global uint *restrict empty)    // [1]
{
    uint filled = 0;
    bool fault = false;
    for (uint i = 0; i < n; i++) {
        filled += counts[i] > 0;
        fault |= counts[i] < 0;
    }
    const uint rows = skip ? filled : n;
    const float weight = fault ? NAN : rows ? recip((float)rows) : 0.0f;
    scalars[3] = weight;
    scalars[2] = weight * scalars[1];
    empty[0] = n - filled;
}

kernel void loss_supcon(const uint n, const uint padded, const uint parts, const int shift,
                        global const float *restrict scalars,
                        global const float *restrict row_sums, global const float *restrict row_scores, // [parts][n]
                        global const float *restrict row_shift, // [n], where SHIFTED
                        global const int *restrict counts,      // [n]
                        global float *restrict a, global float *restrict w, // [padded]
                        global float *restrict value)           // [n]
{
    const uint i = (uint)get_global_id(0);
    if (i >= padded)
        return;
    if (i >= n || counts[i] <= 0) {
        a[i] = w[i] = 0.0f;
        if (i < n)
            value[i] = 0.0f;
        return;
    }
    const float r = row_total(row_sums, parts, n, i);
    a[i] = recip(r);
    w[i] = recip((float)counts[i]);
    const float mean = scalars[1] * (row_total(row_scores, parts, n, i) * w[i]);
    value[i] = log_scaled(r, SHIFTED ? row_shift[i] : (float)shift) - mean;
}
