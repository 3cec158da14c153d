// SPDX-License-Identifier: Apache-2.0
// tiles/peak.cl: what the device can do at most: fused multiply-adds, and copying. Host: src/tiles/peak.c.
#include "common/types.h"

#ifndef VEC
#error "tiles/peak.cl needs VEC"
#endif

typedef CHI_JOIN(float, VEC) floatv;
#define CHAINS 12 // latency times width of every core we know fits

// CHAINS independent chains of vectors a work-item, `steps` long.
kernel void peak_fma(const uint steps, const float a, const float b, global float *restrict to)
{
    floatv x[CHAINS];
    CHI_UNROLL for (int c = 0; c < CHAINS; c++)
        x[c] = (floatv)((float)(get_global_id(0) + c) * 1e-3f);
    for (uint s = 0; s < steps; s++)
        CHI_UNROLL for (int c = 0; c < CHAINS; c++)
            x[c] = fma(x[c], (floatv)(a), (floatv)(b));
    CHI_UNROLL for (int c = 1; c < CHAINS; c++)
        x[0] = x[0] + x[c];
    CHI_JOIN(vstore, VEC)(x[0], get_global_id(0), to);
}

// 4096 floats a work-group.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void peak_copy(global const float16 *restrict from, global float16 *restrict to)
{
    const size_t first = get_group_id(0) * 256;
    for (size_t i = first; i < first + 256; i++)
        to[i] = from[i];
}
