// SPDX-License-Identifier: Apache-2.0
// similarity/stats_group.cl: sums, extremes and a histogram of all pairs, without the matrix.
// The other family: similarity/stats_panel.cl, which says what goes where. Host: src/similarity/stats.c.
// Reference: src/ref/similarity.c.
//
// One group owns BLOCK rows × one superblock of columns. Sums are taken by the items that own a row's lanes, extremes by
// one item a row, upwards; the group counts in local memory.
#include "tiles/scores_group.h"
#include "similarity/counts.h"

// Places past the bins: below, above, NaN.
inline uint bin_of(const float s, const uint bins, const float low, const float high, const float bins_per_unit)
{
    return is_nan(s) ? bins + 2 : s < low ? bins : s > high ? bins + 1 : min((uint)((s - low) * bins_per_unit), bins - 1);
}

inline void add_rows(local const float *slab, const places p, const uint j0, const uint j_end, const uint power,
                     const float centre, float *lanes)
{
    EACH_PAIR(t, SLAB_PAIRS) CHI_UNROLL for (uint q = 0; q < TILE_N; q += 16) {
        const uint column = q + PAIR_ROW_LANE(p, t);
        const float s = slab[PAIR_ROW(p, t) * SLAB_LD + column], d = j0 + column < j_end && !is_nan(s) ? s - centre : 0.0f;
        lanes[t] = power == 2 ? fma(d, d, lanes[t]) : lanes[t] + d;
    }
}

GROUP_KERNEL
void similarity_stats(const uint first, const uint n, const uint m, const uint dim, const float scale,
                      const uint power, const float centre,       // 1, 0: sums; 2, mean: squares, no counting
                      const uint bins, const float low, const float high, const float bins_per_unit,
                      global const float *restrict xp, global const float *restrict yp,
                      global const float *restrict x_norms, global const float *restrict y_norms,
                      global float *restrict sums, global float *restrict lows, global float *restrict highs, // [parts][n]
                      global uint *counts) // [bins + 3][2]
{
    LOCAL_FLOATS(space, SPACE);
    local uint seen[MOST_BINS + 3];
    const uint sb_m = superblock(m), across = (m + sb_m - 1) / sb_m, group = first + (uint)get_group_id(0);
    const uint ib = group / across * BLOCK, ib_end = min(n, ib + BLOCK);
    const uint part = group % across, j_first = part * sb_m, j_end = min(m, j_first + sb_m);
    for (uint b = item(); b < bins + 3; b += ITEMS)
        seen[b] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint i0 = ib; i0 < ib_end; i0 += TILE_M) {
        const bool owner = OWNER_ROW < TILE_M && i0 + OWNER_ROW < ib_end;
        float lanes[ROW_PAIRS], least = INFINITY, most = -INFINITY;
        EACH_PAIR(t, ROW_PAIRS) lanes[t] = 0.0f;
        for (uint j0 = j_first; j0 < j_end; j0 += TILE_N) {
            float acc[MICRO_M][MICRO_N];
            multiply_panels(xp + (size_t)i0 * dim, yp + (size_t)j0 * dim, dim, space, space + LEFT_SIZE, acc);
            apply_metric(acc, i0, ib_end, j0, x_norms, y_norms);
            const places p = places_at(j0);
            EACH_SLAB(b) {
                EACH_SLAB_ENTRY(p, b, r, c) {
                    const float s = acc[r][c] = acc[r][c] * scale;
                    if (power == 1 && i0 + ROW(p, r) < ib_end && j0 + COLUMN(p, c) < j_end)
                        atomic_inc(seen + bin_of(s, bins, low, high, bins_per_unit));
                }
                put_slab(acc, p, b, space);
                barrier(CLK_LOCAL_MEM_FENCE);
                add_rows(space, p, j0, j_end, power, centre, lanes + b * SLAB_PAIRS);
                for (uint q = 0; owner && OWNER_SLAB == b && power == 1 && q < TILE_N && j0 + q < j_end; q++) {
                    const float s = space[OWNER_ROW % SLAB * SLAB_LD + q];
                    least = s < least ? s : least;
                    most = s > most ? s : most;
                }
                barrier(CLK_LOCAL_MEM_FENCE);
            }
        }
        TOTALS(put_row_lanes, lanes, space, TILE_M, ib_end - i0, sums + (size_t)part * n + i0)
        if (owner) {
            lows[(size_t)part * n + i0 + OWNER_ROW] = least;
            highs[(size_t)part * n + i0 + OWNER_ROW] = most;
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint b = item(); b < bins + 3 && power == 1; b += ITEMS)
        count_into(counts + 2 * b, seen[b]);
}
