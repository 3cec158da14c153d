// SPDX-License-Identifier: Apache-2.0
// loss/value.h: sums over rows, and the scalars that every pass reads: kernels that every loss has beside its row function,
// in one program. Host: src/loss/loss.c. Reference: src/ref/exact.c.
#include "common/math.h"

inline float tree(const float16 q)
{
    const float8 h = q.lo + q.hi;
    const float4 f = h.lo + h.hi;
    const float2 t = f.lo + f.hi;
    return t.x + t.y;
}

// to[0] = factor · weight · Σ terms, weight = scalars[3] where `scaled`, else 1. One work-item: 16 lanes a superblock.
kernel void loss_sum(const uint n, const uint scaled, const float factor, const ulong offset,
                     global const float *restrict terms, global const float *restrict scalars,
                     global float *restrict to)
{
    const uint sb = superblock(n);
    float total = 0.0f;
    for (uint b = 0; b < n; b += sb) {
        const uint end = min(n, b + sb);
        float16 lanes = (float16)(0.0f);
        for (uint i = b; i < end; i += 16) {
            float t[16];
            for (uint l = 0; l < 16; l++)
                t[l] = i + l < end ? terms[i + l] : 0.0f; // adding zero to a lane changes nothing: lanes are never −0
            lanes += vload16(0, t);
        }
        total = b ? total + tree(lanes) : tree(lanes);
    }
    to[offset] = (scaled ? total * scalars[3] : total) * factor;
}

// κ, scale, weight · scale, weight, bias: from log_scale and bias on the device where they are learnt, else as given.
kernel void loss_scalars(const uint learnt, const float kappa, const float scale, const float weight, const float bias,
                         const ulong offset, const ulong bias_offset, global const float *restrict log_scale,
                         global const float *restrict learnt_bias, // NULL: not learnt
                         global float *restrict scalars)
{
    const float s = learnt ? exp_of(log_scale[offset]) : scale;
    scalars[0] = learnt ? s * LOG2_E : kappa;
    scalars[1] = s;
    scalars[2] = weight * s;
    scalars[3] = weight;
    scalars[4] = learnt_bias ? learnt_bias[bias_offset] : bias;
}
