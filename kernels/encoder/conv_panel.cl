// SPDX-License-Identifier: Apache-2.0
// encoder/conv_panel.cl: convolutions as implicit matrix products: forward, and the gradient of the input.
// The other family: encoder/conv_group.cl. Host: src/encoder/conv.c. Reference: src/ref/layers.c.
//
// Forward: out[position][o] = Σ over (kh, kw, c) of in[position · stride + (kh, kw)][c] · w[o][kh][kw][c] + bias[o].
// Input gradient: the same walk over positions of one parity class, whose taps are those that reach it, ascending.
// All classes run in one launch, side by side, so that what they read is shared in the caches.
// A group owns POSITIONS output positions of one channel group and class. Patches are never copied: the left operand is read
// through one offset a position, the input's zero border standing for the padding (its zeros are added, not skipped,
// which changes nothing while weights are finite). One fma chain an output, the bias added once afterwards.
// Tuned: TILE_M, TILE_N, VEC.
#include "core/panel.h"
#include "common/vendor.h"
#include "encoder/place.h"

#define POSITIONS (TILE_M * 8)

inline void put(const floatv *row, global float *to, const uint columns, const uint with_bias, global const float *bias)
{
    float all[TILE_N];
    if (columns >= TILE_N) {
        CHI_UNROLL for (int v = 0; v < TILE_V; v++)
            vstorev(with_bias ? row[v] + vloadv(v, bias) : row[v], v, to);
        return;
    }
    row_to_array(row, all);
    for (uint q = 0; q < columns; q++)
        to[q] = with_bias ? all[q] + bias[q] : all[q];
}

#define PATCH(r, k) patch[from[r] + (k)]

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void encoder_conv(const uint first, const uint images,
                  const uint classes, const uint class_base,       // classes of positions, their records in the table
                  const uint in_image, const uint in_row, const uint in_col,
                  const uint out_image, const uint out_row, const uint out_col,
                  const uint depth,                                // channels summed over, of one group
                  const uint all_taps,
                  const uint width,                                // channels written, of one group
                  const uint groups, const uint with_bias,
                  global const int *restrict table,                // [taps][2]: step in the input, place in the weights; then records:
                                                                   // rows, columns, first place in input and output, taps, first tap
                  global const float *restrict in,
                  global const float *restrict weights,            // [group][panel of TILE_N][all_taps][depth][TILE_N]
                  global const float *restrict bias,               // [groups · width]
                  global float *restrict out)
{
    const uint id = first + (uint)get_group_id(0), group = id / classes % groups, p0 = id / classes / groups * POSITIONS;
    global const int *record = table + class_base + 6 * (id % classes);
    const uint rows = record[0], cols = record[1], taps = record[4], tap_base = record[5], count = images * rows * cols;
    if (p0 >= count)
        return;
    const uint here = min((uint)POSITIONS, count - p0), panels = (width + TILE_N - 1) / TILE_N;
    const layout in_at = { rows, cols, in_col, in_image, in_row, (uint)record[2] + group * depth };
    const layout out_at = { rows, cols, out_col, out_image, out_row, (uint)record[3] + group * width };
    walker in_walk = walk_from(&in_at, p0), out_walk = walk_from(&out_at, p0);
    size_t sources[POSITIONS], targets[POSITIONS]; // past the end: the last position again, computed and dropped
    for (uint p = 0; p < POSITIONS; p++) {
        sources[p] = in_walk.at;
        targets[p] = out_walk.at;
        if (p + 1 < here) {
            walk_on(&in_at, &in_walk);
            walk_on(&out_at, &out_walk);
        }
    }
    for (uint panel = 0; panel < panels; panel++) {
        global const float *w = weights + (size_t)(group * panels + panel) * all_taps * depth * TILE_N;
        const uint o = panel * TILE_N;
        for (uint p = 0; p < here; p += TILE_M) {
            size_t from[TILE_M];
            floatv acc[TILE_M][TILE_V];
            CHI_UNROLL for (int r = 0; r < TILE_M; r++)
                from[r] = sources[p + r];
            EACH_ENTRY(r, v) acc[r][v] = (floatv)(0.0f);
            for (uint t = 0; t < taps; t++) {
                global const float *patch = in + table[2 * (tap_base + t)];
                global const float *right = w + (size_t)table[2 * (tap_base + t) + 1] * depth * TILE_N;
                if (panel == 0 && p + TILE_M < here) // scattered rows: no hardware foresees them
                    for (uint r = 0; r < TILE_M; r++)
                        for (uint k = 0; k < depth; k += LINE)
                            PREFETCH(patch + sources[p + TILE_M + r] + k);
                PANEL_MULTIPLY(acc, PATCH, right, TILE_N, depth)
            }
            CHI_UNROLL for (int r = 0; r < TILE_M; r++)
                if (p + r < here)
                    put(acc[r], out + targets[p + r] + o, width - o, with_bias, bias + group * width + o);
        }
    }
}
