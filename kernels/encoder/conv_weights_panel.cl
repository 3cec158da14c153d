// SPDX-License-Identifier: Apache-2.0
// encoder/conv_weights_panel.cl: gradient of a convolution's weights.
// Host: src/encoder/conv.c. Reference: src/ref/layers.c.
//
//   dW[o][tap][c] = Σ over positions of dOut[position][o] · in[position · stride + tap][c]
// cut into superblocks of positions, flattened (image, row, column): one fma chain a superblock, left in
// partial[superblock][o][tap · c]; encoder/reduce.cl adds them, ascending. A group owns one superblock × OUTPUTS outputs
// of one channel group and copies its patches, TILE_N columns at a time, where whole vectors can read them.
// Tuned: TILE_M, TILE_N, VEC.
#include "core/panel.h"

#define MAX_SB  256
#define OUTPUTS ((64 + TILE_M - 1) / TILE_M * TILE_M)

#define GRADIENT(r, k) gradients[(k) * OUTPUTS + o + (r)]

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void encoder_conv_weights(const uint first, const uint first_block, const uint count, // superblock of this launch, positions
                          const uint rows, const uint cols,
                          const uint in_image, const uint in_row, const uint in_col, const uint in_base,
                          const uint out_image, const uint out_row, const uint out_base,
                          const uint inputs, const uint taps, const uint outputs, const uint groups, // of one group
                          global const int *restrict table, // [taps][2]: step in the input first
                          global const float *restrict in, global const float *restrict grad_out,
                          global float *restrict partial)   // [superblock][groups · outputs][taps · inputs]
{
    const uint chunks = (outputs + OUTPUTS - 1) / OUTPUTS, id = first + (uint)get_group_id(0);
    const uint chunk = id % chunks, group = id / chunks % groups, block = id / chunks / groups;
    const uint sb = superblock(count), p0 = (first_block + block) * sb, steps = min(sb, count - p0);
    const uint o0 = chunk * OUTPUTS, here = min((uint)OUTPUTS, outputs - o0), columns = taps * inputs;
    uint sources[MAX_SB];
    float gradients[MAX_SB * OUTPUTS], patches[MAX_SB * TILE_N];
    for (uint k = 0; k < steps; k++) {
        const uint p = p0 + k, c = p % cols, r = p / cols % rows, b = p / cols / rows;
        sources[k] = in_base + b * in_image + r * in_row + c * in_col + group * inputs;
        global const float *from = grad_out + out_base + b * out_image + r * out_row + (size_t)c * groups * outputs + group * outputs + o0;
        for (uint o = 0; o < OUTPUTS; o++)
            gradients[k * OUTPUTS + o] = o < here ? from[o] : 0.0f;
    }
    for (uint column = 0; column < columns; column += TILE_N) {
        const uint wide = min((uint)TILE_N, columns - column);
        if (column % inputs + TILE_N <= inputs) { // one tap, whole vectors
            const int step = table[2 * (column / inputs)] + (int)(column % inputs);
            for (uint k = 0; k < steps; k++)
                CHI_UNROLL for (int v = 0; v < TILE_V; v++)
                    vstorev(vloadv(v, in + sources[k] + step), v, patches + k * TILE_N);
        } else {
            for (uint q = 0; q < TILE_N; q++) {
                const uint at = column + min(q, wide - 1);
                const int step = table[2 * (at / inputs)] + (int)(at % inputs);
                for (uint k = 0; k < steps; k++)
                    patches[k * TILE_N + q] = in[(long)sources[k] + step];
            }
        }
        for (uint o = 0; o < here; o += TILE_M) {
            floatv acc[TILE_M][TILE_V];
            EACH_ENTRY(r, v) acc[r][v] = (floatv)(0.0f);
            PANEL_MULTIPLY(acc, GRADIENT, patches, TILE_N, steps)
            for (int r = 0; r < TILE_M && o + r < here; r++) {
                float row[TILE_N];
                row_to_array(acc[r], row);
                global float *to = partial + ((size_t)block * groups * outputs + group * outputs + o0 + o + r) * columns + column;
                for (uint q = 0; q < wide; q++)
                    to[q] = row[q];
            }
        }
    }
}
