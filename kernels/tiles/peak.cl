// SPDX-License-Identifier: Apache-2.0
// tiles/peak.cl: what the device can do at most: fused multiply-adds, copies, reads of local memory, launches.
// Host: src/tiles/peak.c. VEC: floats of a vector; WG: work-items of a group.
#include "common/types.h"

#if !defined(VEC) || !defined(WG)
#error "tiles/peak.cl needs VEC and WG"
#endif

typedef CHI_JOIN(float, VEC) floatv;
#define CHAINS 12       // latency times width of every core we know fits
#define COPY_VECS 1024  // vectors that a group copies
#define READS 8         // of local memory, of an item a step, each with a sum of its own
// Vectors that a group reads again and again: 8 KiB, so that eight groups share the 64 KiB of a GPU's unit, two waves a SIMD.
#define CELLS (WG == 1 ? 256 : READS * WG)

// CHAINS independent chains of vectors a work-item, `steps` long.
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void peak_fma(const uint steps, const float a, const float b, global float *restrict to)
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

// COPY_VECS vectors a work-group, neighbours by neighbouring items.
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void peak_copy(global const floatv *restrict from, global floatv *restrict to)
{
    const size_t first = get_group_id(0) * COPY_VECS;
    for (size_t i = first + get_local_id(0); i < first + COPY_VECS; i += WG)
        to[i] = from[i];
}

// READS vectors a work-item a step. The step between them is an argument, so that no read can be left out.
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void peak_local(const uint steps, const uint stride, global float *restrict to)
{
    local floatv cells[CELLS];
    const uint item = (uint)get_local_id(0);
    for (uint i = item; i < CELLS; i += WG)
        cells[i] = (floatv)((float)i);
    barrier(CLK_LOCAL_MEM_FENCE);
    floatv sum[READS];
    CHI_UNROLL for (int r = 0; r < READS; r++)
        sum[r] = (floatv)(0.0f);
    uint at = item;
    for (uint s = 0; s < steps; s++, at += stride)
        CHI_UNROLL for (int r = 0; r < READS; r++)
            sum[r] = sum[r] + cells[(at + r * WG) % CELLS];
    CHI_UNROLL for (int r = 1; r < READS; r++)
        sum[0] = sum[0] + sum[r];
    CHI_JOIN(vstore, VEC)(sum[0], get_global_id(0), to);
}

// Nothing, but no compiler may say so.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void peak_launch(const uint never, global float *restrict to)
{
    if (never)
        to[0] = 1.0f;
}
