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

inline void add_slab(float acc[MICRO_M][MICRO_N], const places p, const uint s, local float *slab, const uint i0, const uint i_end, float *lanes)
{
    put_slab(acc, p, s, slab);
    barrier(CLK_LOCAL_MEM_FENCE);
    EACH_PAIR(t, SLAB_PAIRS)
        if (i0 + s * SLAB + PAIR_ROW(p, t) < i_end)
            CHI_UNROLL for (uint q = 0; q < TILE_N; q += 16)
                lanes[s * SLAB_PAIRS + t] += slab[PAIR_ROW(p, t) * SLAB_LD + q + PAIR_ROW_LANE(p, t)];
    barrier(CLK_LOCAL_MEM_FENCE);
}

GROUP_KERNEL
void tiles_pointwise(const uint first, const uint n, const uint m, const uint dim, const uint i0, const uint keep,
                     const uint r0, const uint rows,       // partial sums: their first row, rows of them
                     global const float *restrict scalars, // scale at 1, bias at 4
                     global const float *restrict xp, global const float *restrict yp,
                     global float *restrict row_sums, global float *restrict row_slopes, // [superblocks of m][rows]
                     global float *restrict kept)          // [rows from i0 / BLOCK][m / BLOCK][BLOCK][BLOCK]
{
    LOCAL_FLOATS(space, SPACE);
    const uint sb_m = superblock(m), across = (m + sb_m - 1) / sb_m, group = first + (uint)get_group_id(0);
    const uint ib = i0 + group / across * BLOCK, ib_end = min(n, ib + BLOCK), part = group % across;
    const uint j_first = part * sb_m, j_end = min(m, j_first + sb_m), blocks = (m + BLOCK - 1) / BLOCK;
    const float scale = scalars[1], bias = scalars[4];
    for (uint i = ib; i < ib_end; i += TILE_M) {
        float lanes[ROW_PAIRS], slopes[ROW_PAIRS];
        EACH_PAIR(t, ROW_PAIRS) lanes[t] = slopes[t] = 0.0f;
        for (uint j = j_first; j < j_end; j += TILE_N) {
            global float *to = kept + ((size_t)((ib - i0) / BLOCK) * blocks + j / BLOCK) * BLOCK * BLOCK + j % BLOCK;
            float acc[MICRO_M][MICRO_N], slope[MICRO_M][MICRO_N];
            multiply_panels(xp + (size_t)i * dim, yp + (size_t)j * dim, dim, space, space + LEFT_SIZE, acc);
            apply_mask(acc, i, ib_end, j, n, m, kept);
            const places p = places_at(j);
            EACH_SLAB(s) { // a slab at a time, which bounds the registers
                EACH_SLAB_ENTRY(p, s, r, c)
                    acc[r][c] = pair_value(acc[r][c], scale, bias, i + ROW(p, r) == j + COLUMN(p, c), &slope[r][c]);
                add_slab(acc, p, s, space, i, ib_end, lanes);
                EACH_SLAB_ENTRY(p, s, r, c)
                    if (keep && i + ROW(p, r) < ib_end)
                        to[(i - ib + ROW(p, r)) * BLOCK + COLUMN(p, c)] = slope[r][c];
                add_slab(slope, p, s, space, i, ib_end, slopes);
            }
        }
        TOTALS(put_row_lanes, lanes, space, TILE_M, ib_end - i, row_sums + (size_t)part * rows + (i - r0))
        TOTALS(put_row_lanes, slopes, space, TILE_M, ib_end - i, row_slopes + (size_t)part * rows + (i - r0))
    }
}
