// SPDX-License-Identifier: Apache-2.0
// encoder/conv_weights_group.cl: gradient of a convolution's weights; what encoder/conv_weights_panel.cl says of the sums
// holds here. A group owns one superblock × TILE_M columns (tap · c) × TILE_N outputs of one channel group.
// Host: src/encoder/conv.c. Reference: src/ref/layers.c.
// Tuned: TILE_M, TILE_N, TILE_K, VEC, WG_M, WG_N.
#include "core/group.h"
#include "encoder/place.h"

GROUP_KERNEL
void encoder_conv_weights(const uint first, const uint first_block, const uint count, // superblock of this launch, positions
                          const uint rows, const uint cols,
                          const uint in_image, const uint in_row, const uint in_col, const uint in_base,
                          const uint out_image, const uint out_row, const uint out_base,
                          const uint inputs, const uint taps, const uint outputs, const uint groups, // of one group
                          global const int *restrict table, // [taps][2]: step in the input first
                          global const float *restrict in, global const float *restrict grad_out,
                          global float *restrict partial)   // [superblock][group][taps · inputs][outputs]
{
    LOCAL_OPERANDS(left, right);
    local uint sources[TILE_K], gradients[TILE_K];
    local int step[TILE_M];
    const uint columns = taps * inputs, across = (columns + TILE_M - 1) / TILE_M, panels = (outputs + TILE_N - 1) / TILE_N;
    const uint id = first + (uint)get_group_id(0), column = id % across * TILE_M, o0 = id / across % panels * TILE_N;
    const uint group = id / across / panels % groups, block = id / across / panels / groups;
    const uint sb = superblock(count), p0 = (first_block + block) * sb, end = min(count, p0 + sb);
    const layout in_at = { rows, cols, in_col, in_image, in_row, in_base + group * inputs };
    const layout out_at = { rows, cols, groups * outputs, out_image, out_row, out_base + group * outputs + o0 };
    float acc[MICRO_M][MICRO_N];
    clear(acc);
    for (uint r = item(); r < TILE_M; r += ITEMS) { // past the end: the last column again, dropped
        const uint here = min(column + r, columns - 1);
        step[r] = table[2 * (here / inputs)] + (int)(here % inputs);
    }
    for (uint p = p0; p < end; p += TILE_K) {
        const uint steps = min((uint)TILE_K, end - p);
        for (uint k = item(); k < steps; k += ITEMS) {
            sources[k] = (uint)place(&in_at, p + k);
            gradients[k] = (uint)place(&out_at, p + k);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint t = item(); t < steps * TILE_M; t += ITEMS)
            left[t / TILE_M * LEFT_LD + t % TILE_M] = in[(long)sources[t / TILE_M] + step[t % TILE_M]];
        for (uint t = item(); t < steps * TILE_N; t += ITEMS)
            right[t / TILE_N * RIGHT_LD + t % TILE_N] = o0 + t % TILE_N < outputs ? grad_out[gradients[t / TILE_N] + t % TILE_N] : 0.0f;
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply(left, right, acc, steps);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const places at = places_at(0);
    EACH_ENTRY(r, c)
    {
        const uint here = column + ROW(at, r), o = o0 + COLUMN(at, c);
        if (here < columns && o < outputs)
            partial[(((size_t)block * groups + group) * columns + here) * outputs + o] = acc[r][c];
    }
}
