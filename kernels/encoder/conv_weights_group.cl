// SPDX-License-Identifier: Apache-2.0
// encoder/conv_weights_group.cl: gradient of a convolution's weights; what encoder/conv_weights_panel.cl says of the sums
// holds here. A group owns one superblock × TILE_M columns (tap · c) × TILE_N outputs of one channel group.
// Host: src/encoder/conv.c. Reference: src/ref/layers.c.
// Tuned: TILE_M, TILE_N, TILE_K, VEC, WG_M, WG_N, STAGES, SUB_GROUPS.
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
    local uint sources[MAX_SB], gradients[MAX_SB]; // of the superblock's positions
    local int step[TILE_M];
    const uint columns = taps * inputs, across = (columns + TILE_M - 1) / TILE_M, panels = (outputs + TILE_N - 1) / TILE_N;
    const uint id = first + (uint)get_group_id(0), column = id % across * TILE_M, o0 = id / across % panels * TILE_N;
    const uint group = id / across / panels % groups, block = id / across / panels / groups;
    const uint sb = superblock(count), p0 = (first_block + block) * sb, end = min(count, p0 + sb);
    const layout in_at = { rows, cols, in_col, in_image, in_row, in_base + group * inputs };
    const layout out_at = { rows, cols, groups * outputs, out_image, out_row, out_base + group * outputs + o0 };
    float acc[MICRO_M][MICRO_N], inputs_of[SHARE(TILE_K * TILE_M)], outputs_of[SHARE(TILE_K * TILE_N)];
    clear(acc);
    for (uint r = item(); r < TILE_M; r += ITEMS) { // past the end: the last column again, dropped
        const uint here = min(column + r, columns - 1);
        step[r] = table[2 * (here / inputs)] + (int)(here % inputs);
    }
    for (uint k = item(); k < end - p0; k += ITEMS) {
        sources[k] = (uint)place(&in_at, p0 + k);
        gradients[k] = (uint)place(&out_at, p0 + k);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    EACH_BLOCK(k0, end - p0) {
        const uint steps = STEPS_OF(k0, end - p0);
        local const uint *source = sources + k0, *gradient = gradients + k0;
#define INPUT(t)  in[(long)source[t / TILE_M] + step[t % TILE_M]]
#define OUTPUT(t) (o0 + t % TILE_N < outputs ? grad_out[gradient[t / TILE_N] + t % TILE_N] : 0.0f)
        TAKE(s, t, TILE_K * TILE_M, steps * TILE_M, inputs_of, INPUT(t))
        TAKE(s, t, TILE_K * TILE_N, steps * TILE_N, outputs_of, OUTPUT(t))
        MULTIPLY_BEFORE(k0, left, right, acc)
        EACH_SHARE(s, t, TILE_K * TILE_M, steps * TILE_M)
            left[HERE_LEFT(k0) + t / TILE_M * LEFT_LD + t % TILE_M] = TAKEN(inputs_of, s, INPUT(t));
        EACH_SHARE(s, t, TILE_K * TILE_N, steps * TILE_N)
            right[HERE_RIGHT(k0) + t / TILE_N * RIGHT_LD + t % TILE_N] = TAKEN(outputs_of, s, OUTPUT(t));
        MULTIPLY_NOW(left, right, acc, steps)
    }
    const places at = places_at(0);
    EACH_ENTRY(r, c)
    {
        const uint here = column + ROW(at, r), o = o0 + COLUMN(at, c);
        if (here < columns && o < outputs)
            partial[(((size_t)block * groups + group) * columns + here) * outputs + o] = acc[r][c];
    }
}
