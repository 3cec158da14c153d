// SPDX-License-Identifier: Apache-2.0
// tiles/maxima_group.cl: the largest score of each row and each column, from which shifts follow.
// The other family: tiles/maxima_panel.cl, which says what counts. Host: src/tiles/passes.c. Reference: src/ref/loss.c.
#include "tiles/scores_group.h"

#if !defined(COLUMNS)
#error "tiles/maxima_group.cl: COLUMNS is missing"
#endif

inline float larger(const float a, const float b) { return b > a || is_nan(b) ? b : a; }

// Largest of 16 lanes, `width` of them, to to[0 … count − 1].
#define LARGEST(lanes, pairs, tile, width, count, to)                  \
    PUT_LANES(lanes, pairs, tile)                                      \
    barrier(CLK_LOCAL_MEM_FENCE);                                      \
    for (uint t = item(); t < min((uint)(width), (count)); t += ITEMS) { \
        float best = -INFINITY;                                        \
        for (uint l = 0; l < 16; l++)                                  \
            best = larger(best, (tile)[l * (width) + t]);              \
        (to)[t] = best;                                                \
    }                                                                  \
    barrier(CLK_LOCAL_MEM_FENCE);

GROUP_KERNEL
void tiles_maxima(const uint first, const uint n, const uint m, const uint dim,
                  global const float *restrict xp, global const float *restrict yp,
                  global const float *restrict x_norms, global const float *restrict y_norms, // where METRIC is 2 or 3
                  global float *restrict row_max, // [superblocks of m][n]
                  global float *restrict col_max, // [superblocks of n][m]
                  global float *restrict positive)
{
    local float left[LEFT_SIZE], right[RIGHT_SIZE], tile[TILE_SIZE];
    const uint sb_n = superblock(n), sb_m = superblock(m);
    const uint2 pair = pair_of(first + (uint)get_group_id(0), 0, (m + sb_m - 1) / sb_m);
    const uint i_first = pair.x * sb_n, i_end = min(n, i_first + sb_n);
    const uint j_first = pair.y * sb_m, j_end = min(m, j_first + sb_m);
    float columns[COLUMN_TILES * COLUMN_PAIRS];
    for (uint t = 0; t < COLUMN_TILES * COLUMN_PAIRS; t++)
        columns[t] = -INFINITY;
    for (uint i0 = i_first; i0 < i_end; i0 += TILE_M) {
        float rows[ROW_PAIRS];
        CHI_UNROLL for (uint t = 0; t < ROW_PAIRS; t++)
            rows[t] = -INFINITY;
        for (uint j0 = j_first; j0 < j_end; j0 += TILE_N) {
            float acc[MICRO_M][MICRO_N], *own = columns + (j0 - j_first) / TILE_N * COLUMN_PAIRS;
            multiply_panels(xp + (size_t)i0 * dim, yp + (size_t)j0 * dim, dim, left, right, acc);
            apply_metric(acc, i0, i_end, j0, x_norms, y_norms);
            apply_mask(acc, i0, i_end, j0, n, m, positive);
            put_tile(acc, tile);
            barrier(CLK_LOCAL_MEM_FENCE);
            CHI_UNROLL for (uint t = 0; t < ROW_PAIRS; t++)
                for (uint q = PAIR_ROW_LANE(t); q < TILE_N; q += 16)
                    rows[t] = larger(rows[t], tile[PAIR_ROW(t) * TILE_LD + q]);
            CHI_UNROLL for (uint t = 0; t < COLUMN_PAIRS; t++)
                for (uint q = PAIR_COLUMN_LANE(t); q < TILE_M && i0 + q < i_end; q += 16)
                    own[t] = larger(own[t], tile[q * TILE_LD + PAIR_COLUMN(t)]);
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        LARGEST(rows, ROW_PAIRS, tile, TILE_M, i_end - i0, row_max + (size_t)pair.y * n + i0)
    }
    if (!COLUMNS || (SYMMETRIC && pair.x == pair.y))
        return;
    global float *to = (SYMMETRIC ? row_max : col_max) + (size_t)pair.x * m;
    for (uint j0 = j_first; j0 < j_end; j0 += TILE_N) {
        LARGEST(columns + (j0 - j_first) / TILE_N * COLUMN_PAIRS, COLUMN_PAIRS, tile, TILE_N, j_end - j0, to + j0)
    }
}
