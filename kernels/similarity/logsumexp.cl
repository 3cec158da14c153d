// SPDX-License-Identifier: Apache-2.0
// similarity/logsumexp.cl: a row's sums of exponentials to log Σ_j e^{s(i,j)}, after tiles/statistics. One work-item a row.
// Host: src/similarity/similarity.c. Reference: src/ref/similarity.c.
#include "common/math.h"

kernel void similarity_logsumexp(const uint n, const uint parts, const float shift, const uint shifted,
                                 const ulong offset, const uint stride,
                                 global const float *restrict row_sums,  // [parts][n]
                                 global const float *restrict row_shift, // [n], where shifted
                                 global float *restrict lse)
{
    const uint i = (uint)get_global_id(0);
    if (i >= n)
        return;
    float total = parts ? row_sums[i] : 0.0f;
    for (uint s = 1; s < parts; s++)
        total = total + row_sums[(size_t)s * n + i];
    lse[offset + (size_t)i * stride] = log_scaled(total, shifted ? row_shift[i] : shift);
}
