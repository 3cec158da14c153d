// SPDX-License-Identifier: Apache-2.0
// similarity/stats_group.cl: sums, extremes and a histogram of all pairs, without the matrix.
// The other family: similarity/stats_panel.cl, which says what goes where. Host: src/similarity/stats.c.
// Reference: src/ref/similarity.c.
//
// One group owns BLOCK rows × one superblock of columns. Sums are taken by the items that own a row's lanes, extremes by
// one item a row, upwards; the group counts in local memory.
#include "tiles/scores_group.h"
#include "similarity/counts.h"

GROUP_KERNEL
void similarity_stats(const uint first, const uint n, const uint m, const uint dim, const float scale,
                      const uint power, const float centre,       // 1, 0: sums; 2, mean: squares, no counting
                      const uint bins, const float low, const float high, const float bins_per_unit,
                      global const float *restrict xp, global const float *restrict yp,
                      global const float *restrict x_norms, global const float *restrict y_norms,
                      global float *restrict sums, global float *restrict lows, global float *restrict highs, // [parts][n]
                      global uint *counts) // [bins + 3][2]
{
    local float left[LEFT_SIZE], right[RIGHT_SIZE], tile[TILE_SIZE];
    local uint seen[MOST_BINS + 3];
    const uint sb_m = superblock(m), across = (m + sb_m - 1) / sb_m, group = first + (uint)get_group_id(0);
    const uint ib = group / across * BLOCK, ib_end = min(n, ib + BLOCK);
    const uint part = group % across, j_first = part * sb_m, j_end = min(m, j_first + sb_m);
    for (uint b = item(); b < bins + 3; b += ITEMS)
        seen[b] = 0;
    for (uint i0 = ib; i0 < ib_end; i0 += TILE_M) {
        const bool owner = item() < TILE_M && i0 + item() < ib_end;
        float lanes[ROW_PAIRS], least = INFINITY, most = -INFINITY;
        CHI_UNROLL for (uint t = 0; t < ROW_PAIRS; t++)
            lanes[t] = 0.0f;
        for (uint j0 = j_first; j0 < j_end; j0 += TILE_N) {
            float acc[MICRO_M][MICRO_N];
            multiply_panels(xp + (size_t)i0 * dim, yp + (size_t)j0 * dim, dim, left, right, acc);
            apply_metric(acc, i0, ib_end, j0, x_norms, y_norms);
            EACH_ENTRY(r, c)
            {
                const float s = acc[r][c] = acc[r][c] * scale;
                if (power == 1 && i0 + ROW(r) < ib_end && j0 + COLUMN(c) < j_end)
                    atomic_inc(seen + (is_nan(s) ? bins + 2 : s < low ? bins : s > high ? bins + 1 : min((uint)((s - low) * bins_per_unit), bins - 1)));
            }
            put_tile(acc, tile);
            barrier(CLK_LOCAL_MEM_FENCE);
            CHI_UNROLL for (uint t = 0; t < ROW_PAIRS; t++)
                for (uint q = PAIR_ROW_LANE(t); q < TILE_N; q += 16) {
                    const float s = tile[PAIR_ROW(t) * TILE_LD + q], d = j0 + q < j_end && !is_nan(s) ? s - centre : 0.0f;
                    lanes[t] = power == 2 ? fma(d, d, lanes[t]) : lanes[t] + d;
                }
            for (uint q = 0; owner && power == 1 && q < TILE_N && j0 + q < j_end; q++) {
                const float s = tile[item() * TILE_LD + q];
                least = s < least ? s : least;
                most = s > most ? s : most;
            }
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        TOTALS(lanes, ROW_PAIRS, tile, TILE_M, ib_end - i0, sums + (size_t)part * n + i0)
        if (owner) {
            lows[(size_t)part * n + i0 + item()] = least;
            highs[(size_t)part * n + i0 + item()] = most;
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint b = item(); b < bins + 3 && power == 1; b += ITEMS)
        count_into(counts + 2 * b, seen[b]);
}
