// SPDX-License-Identifier: Apache-2.0
// encoder/normalize.cl: rows divided by max(‖row‖, 1e-12), as a layer, and its gradient. Host: src/encoder/normalize.c.
// Reference: src/ref/exact.c (chi__ref_normalize); factors come from tiles/norms.cl. One work-item a row.
#include "common/types.h"

kernel void encoder_normalize(const uint n, const uint dim, global const float *restrict x,
                              global const float *restrict factors, global float *restrict y)
{
    const uint i = (uint)get_global_id(0);
    if (i >= n)
        return;
    for (uint k = 0; k < dim; k++)
        y[(size_t)i * dim + k] = x[(size_t)i * dim + k] * factors[2 * i] * factors[2 * i + 1];
}

kernel void encoder_normalize_grad(const uint n, const uint dim, global const float *restrict y, global const float *restrict grad,
                                   global const float *restrict inverse, global float *restrict to)
{
    const uint i = (uint)get_global_id(0);
    if (i >= n)
        return;
    float dot = 0.0f;
    for (uint k = 0; k < dim; k++)
        dot = fma(y[(size_t)i * dim + k], grad[(size_t)i * dim + k], dot);
    for (uint k = 0; k < dim; k++) {
        const size_t at = (size_t)i * dim + k;
        to[at] = inverse[i] == 0.0f ? 0.0f : inverse[i] * fma(-dot, y[at], grad[at]);
    }
}
