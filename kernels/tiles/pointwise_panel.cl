// SPDX-License-Identifier: Apache-2.0
// tiles/pointwise_panel.cl: losses whose pairs need no normaliser: value and slope of every pair, summed by row, and the
// slopes kept for the gradient. The other family: tiles/pointwise_group.cl. Host: src/tiles/passes.c. Reference: src/ref/siglip.c.
//
//   z = −t (s scale + b), t = +1 on the pair's diagonal, else −1;  e = e^−|z|
//   value log(1 + e^z) = max(z, 0) + log(1 + e);  slope G = −t σ(z), σ = 1 / (1 + e) for z ≥ 0, else e / (1 + e)
//
// One group owns BLOCK rows × one superblock of columns; rows from i0, where `kept` starts. keep: slopes are stored.
// Macros and tuned names as in tiles/statistics_panel.cl.
#include "tiles/scores_panel.h"
#include "common/vendor.h"

constant int lane_index[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

// Value of one vector of scores; its slopes to *slope. at: number of the vector's entry on the diagonal, where the tile meets it.
inline floatv pair_values(const floatv s, const float scale, const float bias, const bool on_diagonal, const int at, floatv *slope)
{
    const floatv l = fma(s, (floatv)(scale), (floatv)(bias)), e = exp_minus_v(-fabs(l)), r = recip_unit_v((floatv)(1.0f) + e);
    intv positive = l >= (floatv)(0.0f); // of z, whose size is that of l
    floatv z = l, sign = (floatv)(1.0f);
    if (on_diagonal) {
        const intv own = vloadv(0, lane_index) == (intv)(at);
        z = select(l, -l, own);
        sign = select(sign, (floatv)(-1.0f), own);
        positive = z >= (floatv)(0.0f);
    }
    const floatv sigma = select(e * r, r, positive);
    *slope = on_diagonal ? sigma * sign : sigma;
    return select((floatv)(0.0f), z, positive) + log1p_unit_v(e);
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void tiles_pointwise(const uint first, const uint n, const uint m, const uint dim, const uint i0, const uint keep,
                     const uint r0, const uint rows,       // partial sums: their first row, rows of them
                     global const float *restrict scalars, // scale at 1, bias at 4
                     global const float *restrict xp, global const float *restrict yp,
                     global float *restrict row_sums, global float *restrict row_slopes, // [superblocks of m][rows]
                     global float *restrict kept)          // [rows from i0 / BLOCK][m / BLOCK][BLOCK][BLOCK]
{
    const uint sb_m = superblock(m), across = (m + sb_m - 1) / sb_m, group = first + (uint)get_group_id(0);
    const uint ib = i0 + group / across * BLOCK, ib_end = min(n, ib + BLOCK), part = group % across;
    const uint j_first = part * sb_m, j_end = min(m, j_first + sb_m), blocks = (m + BLOCK - 1) / BLOCK;
    const float scale = scalars[1], bias = scalars[4];
    floatv hold[HOLD_SIZE], lanes[PANELS * TILE_M * LANE_V], slopes[PANELS * TILE_M * LANE_V];
    for (uint t = 0; t < PANELS * TILE_M * LANE_V; t++)
        lanes[t] = slopes[t] = (floatv)(0.0f);
    for (uint j0 = j_first; j0 < j_end; j0 += TILE_N) {
        global float *tile = kept + ((size_t)((ib - i0) / BLOCK) * blocks + j0 / BLOCK) * BLOCK * BLOCK + j0 % BLOCK;
#define SUM_VECTOR(s, i, v, diagonal)                                                                                           \
    {                                                                                                                           \
        floatv slope;                                                                                                           \
        lanes[((i)-ib) * LANE_V + v % LANE_V] += pair_values(s, scale, bias, diagonal, (int)(i) - (int)(j0 + v * VEC), &slope); \
        slopes[((i)-ib) * LANE_V + v % LANE_V] += slope;                                                                        \
        if (keep)                                                                                                               \
            STREAM_STORE(slope, (global floatv *)(tile + ((i)-ib) * BLOCK + v * VEC));                                          \
    }
#define SUM_ROWS(acc, row0, diagonal)                          \
    for (int r = 0; r < TILE_M; r++)                           \
        if ((row0) + r < ib_end) {                             \
            CHI_UNROLL for (int v = 0; v < TILE_V; v++)        \
                SUM_VECTOR(acc[r][v], (row0) + r, v, diagonal) \
        }
#define SUM_TILE(acc, row0)                      \
    MASK_TILE(acc, row0, ib_end, j0, n, m, kept) \
    if (clears(row0, j0, 0) >= 0) {              \
        CHI_UNROLL SUM_ROWS(acc, row0, true)     \
    } else {                                     \
        CHI_UNROLL SUM_ROWS(acc, row0, false)    \
    }
        BLOCK_TILES(xp, yp, n, dim, ib, j0, hold, SUM_TILE)
    }
    for (uint i = ib; i < ib_end; i++) {
        row_sums[(size_t)part * rows + (i - r0)] = row_total(lanes + (i - ib) * LANE_V);
        row_slopes[(size_t)part * rows + (i - r0)] = row_total(slopes + (i - ib) * LANE_V);
    }
}
