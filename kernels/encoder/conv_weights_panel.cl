// SPDX-License-Identifier: Apache-2.0
// encoder/conv_weights_panel.cl: gradient of a convolution's weights.
// The other family: encoder/conv_weights_group.cl. Host: src/encoder/conv.c. Reference: src/ref/layers.c.
//
//   dW[o][tap][c] = Σ over positions of dOut[position][o] · in[position · stride + tap][c]
// cut into superblocks of positions, flattened (image, row, column): one fma chain a superblock, left in
// partial[superblock][tap · c][o]; encoder/reduce.cl adds them, ascending, and turns them round. A group owns one
// superblock × TILE_N outputs of one channel group: it copies their gradients side by side and reads the patches where
// they are, one element at a time.
// Tuned: TILE_M, TILE_N, VEC.
#include "core/panel.h"
#include "common/vendor.h"
#include "encoder/place.h"

// A tile of TILE_M columns (tap · c): side by side in the input, or each from a place of its own.
#define BESIDE(r, k) patch[sources[k] + (r)]
#define APART(r, k)  in[(long)sources[k] + step[r]]

inline void put(const floatv *row, global float *to, const uint wide)
{
    float all[TILE_N];
    if (wide >= TILE_N) {
        CHI_UNROLL for (int v = 0; v < TILE_V; v++)
            vstorev(row[v], v, to);
        return;
    }
    row_to_array(row, all);
    for (uint q = 0; q < wide; q++)
        to[q] = all[q];
}

// Place of column `column`, counted from a position's source.
inline int step_of(global const int *table, const uint column, const uint inputs)
{
    return table[2 * (column / inputs)] + (int)(column % inputs);
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void encoder_conv_weights(const uint first, const uint first_block, const uint count, // superblock of this launch, positions
                          const uint rows, const uint cols,
                          const uint in_image, const uint in_row, const uint in_col, const uint in_base,
                          const uint out_image, const uint out_row, const uint out_base,
                          const uint inputs, const uint taps, const uint outputs, const uint groups, // of one group
                          global const int *restrict table, // [taps][2]: step in the input first
                          global const float *restrict in, global const float *restrict grad_out,
                          global float *restrict partial)   // [superblock][group][taps · inputs][outputs]
{
    const uint panels = (outputs + TILE_N - 1) / TILE_N, id = first + (uint)get_group_id(0);
    const uint o0 = id % panels * TILE_N, group = id / panels % groups, block = id / panels / groups;
    const uint sb = superblock(count), p0 = (first_block + block) * sb, steps = min(sb, count - p0);
    const uint wide = min((uint)TILE_N, outputs - o0), columns = taps * inputs;
    const layout in_at = { rows, cols, in_col, in_image, in_row, in_base + group * inputs };
    const layout out_at = { rows, cols, groups * outputs, out_image, out_row, out_base + group * outputs + o0 };
    walker in_walk = walk_from(&in_at, p0), out_walk = walk_from(&out_at, p0);
    size_t sources[MAX_SB];
    float gradients[MAX_SB * TILE_N];
    for (uint k = 0; k < steps; k++, walk_on(&in_at, &in_walk), walk_on(&out_at, &out_walk)) {
        global const float *from = grad_out + out_walk.at;
        sources[k] = in_walk.at;
        if (wide == TILE_N)
            CHI_UNROLL for (int v = 0; v < TILE_V; v++)
                vstorev(vloadv(v, from), v, gradients + k * TILE_N);
        else
            for (uint q = 0; q < TILE_N; q++)
                gradients[k * TILE_N + q] = q < wide ? from[q] : 0.0f;
    }
    for (uint column = 0; column < columns; column += TILE_M) {
        const int start = step_of(table, column, inputs);
        const uint last = columns - 1;
        bool beside = column + TILE_M <= columns;
        int step[TILE_M]; // past the end: the last column again, computed and dropped
        for (uint r = 0; r < TILE_M; r++) {
            step[r] = step_of(table, min(column + r, last), inputs);
            beside = beside && step[r] == start + (int)r;
        }
        floatv acc[TILE_M][TILE_V];
        EACH_ENTRY(r, v) acc[r][v] = (floatv)(0.0f);
        if (beside) {
            global const float *patch = in + start;
            PANEL_MULTIPLY(acc, BESIDE, gradients, TILE_N, steps)
        } else {
            PANEL_MULTIPLY(acc, APART, gradients, TILE_N, steps)
        }
        global float *to = partial + (((size_t)block * groups + group) * columns + column) * outputs + o0;
        CHI_UNROLL for (int r = 0; r < TILE_M; r++)
            if (column + r < columns)
                put(acc[r], to + (size_t)r * outputs, wide);
    }
}
