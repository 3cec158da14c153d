// SPDX-License-Identifier: Apache-2.0
// encoder/conv_group.cl: convolutions as implicit matrix products: forward, and the gradient of the input; what
// encoder/conv_panel.cl says of the walk holds here. A group owns TILE_M output positions of one channel group and class.
// Host: src/encoder/conv.c. Reference: src/ref/layers.c.
// Tuned: TILE_M, TILE_N, TILE_K, VEC, WG_M, WG_N, STAGES, SUB_GROUPS.
#include "core/group.h"
#include "encoder/place.h"

// steps ≤ TILE_K channels of TILE_M positions to a [k][LEFT_LD]: neighbours read neighbouring channels.
#define PATCH(t) (t % TILE_K < steps ? from[sources[t / TILE_K] + t % TILE_K] : 0.0f)
inline void take_patches(global const float *from, local const uint *sources, const uint steps, float *values)
{
    TAKE(s, t, TILE_M * TILE_K, TILE_M * TILE_K, values, PATCH(t))
}
inline void give_patches(global const float *from, local const uint *sources, const uint steps, const float *values, local float *a)
{
    EACH_SHARE(s, t, TILE_M * TILE_K, TILE_M * TILE_K)
        a[t % TILE_K * LEFT_LD + t / TILE_K] = TAKEN(values, s, PATCH(t));
}

GROUP_KERNEL
void encoder_conv(const uint first, const uint images,
                  const uint classes, const uint class_base,       // classes of positions, their records in the table
                  const uint in_image, const uint in_row, const uint in_col,
                  const uint out_image, const uint out_row, const uint out_col,
                  const uint depth,                                // channels summed over, of one group
                  const uint all_taps,
                  const uint width,                                // channels written, of one group
                  const uint groups, const uint with_bias,
                  global const int *restrict table,                // as in encoder/conv_panel.cl
                  global const float *restrict in,
                  global const float *restrict weights,            // [group][panel of TILE_N][all_taps][depth][TILE_N]
                  global const float *restrict bias,               // [groups · width]
                  global float *restrict out)
{
    LOCAL_OPERANDS(left, right);
    local uint sources[TILE_M], targets[TILE_M];
    const uint id = first + (uint)get_group_id(0), group = id / classes % groups, p0 = id / classes / groups * TILE_M;
    global const int *record = table + class_base + 6 * (id % classes);
    const uint rows = record[0], cols = record[1], tap_base = record[5], count = images * rows * cols;
    const uint taps = record[4], panels = p0 < count ? (width + TILE_N - 1) / TILE_N : 0; // a class may have fewer positions
    const layout in_at = { rows, cols, in_col, in_image, in_row, (uint)record[2] + group * depth };
    const layout out_at = { rows, cols, out_col, out_image, out_row, (uint)record[3] + group * width };
    for (uint r = item(); r < TILE_M && p0 < count; r += ITEMS) { // past the end: the last position again, dropped
        sources[r] = (uint)place(&in_at, min(p0 + r, count - 1));
        targets[r] = (uint)place(&out_at, min(p0 + r, count - 1));
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    const uint across = (depth + TILE_K - 1) / TILE_K * TILE_K;
    for (uint panel = 0; panel < panels; panel++) {
        global const float *w = weights + (size_t)(group * panels + panel) * all_taps * depth * TILE_N;
        float acc[MICRO_M][MICRO_N], patches[SHARE(TILE_M * TILE_K)];
        run columns[SHARE(RIGHT_RUNS)];
        clear(acc);
        EACH_BLOCK(at_k, taps * across) { // of each tap's channels, in whole blocks
            const uint tap = tap_base + min(at_k / across, taps - 1), k0 = at_k % across;
            const uint steps = at_k < taps * across ? min((uint)TILE_K, depth - k0) : 0;
            global const float *from = in + (long)table[2 * tap] + k0, *rows_of_w = w + ((size_t)table[2 * tap + 1] * depth + k0) * TILE_N;
            take_patches(from, sources, steps, patches);
            take_rows(rows_of_w, TILE_N, steps, columns);
            MULTIPLY_BEFORE(at_k, left, right, acc)
            give_patches(from, sources, steps, patches, left + HERE_LEFT(at_k));
            give_rows(rows_of_w, columns, TILE_N, steps, right + HERE_RIGHT(at_k));
            MULTIPLY_NOW(left, right, acc, steps)
        }
        const places at = places_at(panel);
        EACH_ENTRY(r, c)
        {
            const uint o = panel * TILE_N + COLUMN(at, c);
            if (p0 + ROW(at, r) < count && o < width)
                out[targets[ROW(at, r)] + o] = with_bias ? acc[r][c] + bias[group * width + o] : acc[r][c];
        }
    }
}
