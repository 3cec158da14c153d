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
#include "encoder/place.h"

#define OUTPUTS ((64 + TILE_M - 1) / TILE_M * TILE_M)

#define GRADIENT(r, k) gradient[(k) * TILE_M + (r)]

inline void put(const floatv *row, global float *to, const uint wide)
{
    float all[TILE_N];
    if (wide == TILE_N) {
        CHI_UNROLL for (int v = 0; v < TILE_V; v++)
            vstorev(row[v], v, to);
        return;
    }
    row_to_array(row, all);
    for (uint q = 0; q < wide; q++)
        to[q] = all[q];
}

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
    const layout in_at = { rows, cols, in_col, in_image, in_row, in_base + group * inputs };
    const layout out_at = { rows, cols, groups * outputs, out_image, out_row, out_base + group * outputs + o0 };
    walker in_walk = walk_from(&in_at, p0), out_walk = walk_from(&out_at, p0);
    size_t sources[MAX_SB];
    float gradients[MAX_SB * OUTPUTS], patches[MAX_SB * TILE_N]; // gradients: [tile of outputs][position][TILE_M]
    for (uint k = 0; k < steps; k++, walk_on(&in_at, &in_walk), walk_on(&out_at, &out_walk)) {
        sources[k] = in_walk.at;
        global const float *from = grad_out + out_walk.at;
        uint o = 0;
        for (; o + TILE_M <= here; o += TILE_M)
            CHI_UNROLL for (uint r = 0; r < TILE_M; r++)
                gradients[o * MAX_SB + k * TILE_M + r] = from[o + r];
        for (uint r = 0; r < TILE_M && o < here; r++)
            gradients[o * MAX_SB + k * TILE_M + r] = o + r < here ? from[o + r] : 0.0f;
    }
    for (uint k = 0; k < steps * TILE_N && columns % TILE_N; k++)
        patches[k] = 0.0f; // columns past the end
    for (uint column = 0; column < columns; column += TILE_N) {
        const uint wide = min((uint)TILE_N, columns - column);
        if (column % inputs + TILE_N <= inputs) { // one tap, whole vectors
            const int step = table[2 * (column / inputs)] + (int)(column % inputs);
            for (uint k = 0; k < steps; k++)
                CHI_UNROLL for (int v = 0; v < TILE_V; v++)
                    vstorev(vloadv(v, in + sources[k] + step), v, patches + k * TILE_N);
        } else {
            int step[TILE_N];
            for (uint q = 0; q < wide; q++)
                step[q] = table[2 * ((column + q) / inputs)] + (int)((column + q) % inputs);
            for (uint k = 0; k < steps; k++)
                for (uint q = 0; q < wide; q++)
                    patches[k * TILE_N + q] = in[(long)sources[k] + step[q]];
        }
        for (uint o = 0; o < here; o += TILE_M) {
            const float *gradient = gradients + o * MAX_SB;
            global float *to = partial + ((size_t)block * groups * outputs + group * outputs + o0 + o) * columns + column;
            floatv acc[TILE_M][TILE_V];
            EACH_ENTRY(r, v) acc[r][v] = (floatv)(0.0f);
            PANEL_MULTIPLY(acc, GRADIENT, patches, TILE_N, steps)
            CHI_UNROLL for (int r = 0; r < TILE_M; r++)
                if (o + r < here)
                    put(acc[r], to + (size_t)r * columns, wide);
        }
    }
}
