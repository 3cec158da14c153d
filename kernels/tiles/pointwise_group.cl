// SPDX-License-Identifier: Apache-2.0
// tiles/pointwise_group.cl: losses whose pairs need no normaliser. The other family: tiles/pointwise_panel.cl, which says what
// a pair's value and slope are. Host: src/tiles/passes.c. Reference: src/ref/siglip.c.
#include "tiles/scores_group.h"

// Value of a pair's score; its slope to *slope.
inline float pair_value(const float s, const float scale, const float bias, const bool own, float *slope)
{
    const float l = fma(s, scale, bias), z = own ? -l : l, e = exp_minus(-fabs(l)), r = recip_unit(1.0f + e);
    const float sigma = z >= 0.0f ? r : e * r;
    *slope = own ? -sigma : sigma;
    return (z >= 0.0f ? z : 0.0f) + log1p_unit(e);
}

inline void add_rows(local const float *tile, const uint i0, const uint i_end, float *lanes)
{
    CHI_UNROLL for (uint t = 0; t < ROW_PAIRS; t++)
        if (i0 + PAIR_ROW(t) < i_end)
            for (uint q = PAIR_ROW_LANE(t); q < TILE_N; q += 16)
                lanes[t] += tile[PAIR_ROW(t) * TILE_LD + q];
}

GROUP_KERNEL
void tiles_pointwise(const uint first, const uint n, const uint m, const uint dim, const uint i0, const uint keep,
                     global const float *restrict scalars, // scale at 1, bias at 4
                     global const float *restrict xp, global const float *restrict yp,
                     global float *restrict row_sums, global float *restrict row_slopes, // [superblocks of m][n]
                     global float *restrict kept)          // [rows from i0 / BLOCK][m / BLOCK][BLOCK][BLOCK]
{
    local float left[LEFT_SIZE], right[RIGHT_SIZE], tile[TILE_SIZE];
    const uint sb_m = superblock(m), across = (m + sb_m - 1) / sb_m, group = first + (uint)get_group_id(0);
    const uint ib = i0 + group / across * BLOCK, ib_end = min(n, ib + BLOCK), part = group % across;
    const uint j_first = part * sb_m, j_end = min(m, j_first + sb_m), blocks = (m + BLOCK - 1) / BLOCK;
    const float scale = scalars[1], bias = scalars[4];
    for (uint i = ib; i < ib_end; i += TILE_M) {
        float lanes[ROW_PAIRS], slopes[ROW_PAIRS];
        CHI_UNROLL for (uint t = 0; t < ROW_PAIRS; t++)
            lanes[t] = slopes[t] = 0.0f;
        for (uint j = j_first; j < j_end; j += TILE_N) {
            global float *to = kept + ((size_t)((ib - i0) / BLOCK) * blocks + j / BLOCK) * BLOCK * BLOCK + j % BLOCK;
            float acc[MICRO_M][MICRO_N], slope[MICRO_M][MICRO_N];
            multiply_panels(xp + (size_t)i * dim, yp + (size_t)j * dim, dim, left, right, acc);
            apply_mask(acc, i, ib_end, j, n, m, kept);
            EACH_ENTRY(r, c)
                acc[r][c] = pair_value(acc[r][c], scale, bias, i + ROW(r) == j + COLUMN(c), &slope[r][c]);
            put_tile(acc, tile);
            barrier(CLK_LOCAL_MEM_FENCE);
            add_rows(tile, i, ib_end, lanes);
            barrier(CLK_LOCAL_MEM_FENCE);
            EACH_ENTRY(r, c)
                if (keep && i + ROW(r) < ib_end)
                    to[(i - ib + ROW(r)) * BLOCK + COLUMN(c)] = slope[r][c];
            put_tile(slope, tile);
            barrier(CLK_LOCAL_MEM_FENCE);
            add_rows(tile, i, ib_end, slopes);
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        TOTALS(lanes, ROW_PAIRS, tile, TILE_M, ib_end - i, row_sums + (size_t)part * n + i)
        TOTALS(slopes, ROW_PAIRS, tile, TILE_M, ib_end - i, row_slopes + (size_t)part * n + i)
    }
}
