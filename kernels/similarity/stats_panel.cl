// SPDX-License-Identifier: Apache-2.0
// similarity/stats_panel.cl: sums, extremes and a histogram of all pairs, without the matrix.
// The other family: similarity/stats_group.cl. Host: src/similarity/stats.c. Reference: src/ref/similarity.c.
//
// One group owns BLOCK rows × one superblock of columns. Row i's sum of (s − centre)^power over superblock J goes to
// sums[J][i], 16 lanes and a halving tree, NaN left out; extremes to lows[J][i], highs[J][i]. The histogram counts in
// integers, so atomics cost no order: word pairs (low, high) of 64-bit counts, then below, above, NaN.
#include "tiles/scores_panel.h"
#include "similarity/counts.h"

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void similarity_stats(const uint first, const uint n, const uint m, const uint dim, const float scale,
                      const uint power, const float centre,       // 1, 0: sums; 2, mean: squares, no counting
                      const uint bins, const float low, const float high, const float bins_per_unit,
                      global const float *restrict xp, global const float *restrict yp,
                      global const float *restrict x_norms, global const float *restrict y_norms,
                      global float *restrict sums, global float *restrict lows, global float *restrict highs, // [parts][n]
                      global uint *counts) // [bins + 3][2]
{
    const uint sb_m = superblock(m), across = (m + sb_m - 1) / sb_m, group = first + (uint)get_group_id(0);
    const uint ib = group / across * BLOCK, ib_end = min(n, ib + BLOCK);
    const uint part = group % across, j_first = part * sb_m, j_end = min(m, j_first + sb_m);
    floatv hold[HOLD_SIZE];
    float16 lanes[PANELS * TILE_M];
    float least[PANELS * TILE_M], most[PANELS * TILE_M];
    uint seen[MOST_BINS + 3];
    for (uint i = 0; i < PANELS * TILE_M; i++) {
        lanes[i] = (float16)(0.0f);
        least[i] = INFINITY;
        most[i] = -INFINITY;
    }
    for (uint b = 0; b < bins + 3; b++)
        seen[b] = 0;
    for (uint j0 = j_first; j0 < j_end; j0 += TILE_N) {
#define COUNT_TILE(acc, i0)                                                                               \
    METRIC_TILE(acc, i0, ib_end, j0, x_norms, y_norms)                                                    \
    CHI_UNROLL for (int r = 0; r < TILE_M; r++)                                                           \
        if ((i0) + r < ib_end) {                                                                          \
            const uint at = (i0) + r - ib;                                                                \
            float row[TILE_N];                                                                            \
            row_to_array(acc[r], row);                                                                    \
            for (uint q = 0; q < TILE_N; q++) {                                                           \
                const float s = row[q] * scale, d = s - centre;                                           \
                const bool counts_in = j0 + q < j_end && !is_nan(s);                                      \
                row[q] = counts_in ? d : 0.0f;                                                            \
                if (power == 2 || j0 + q >= j_end)                                                        \
                    continue;                                                                             \
                least[at] = s < least[at] ? s : least[at];                                                \
                most[at] = s > most[at] ? s : most[at];                                                   \
                seen[is_nan(s) ? bins + 2 : s < low ? bins : s > high ? bins + 1 : min((uint)((s - low) * bins_per_unit), bins - 1)]++; \
            }                                                                                             \
            for (uint q = 0; q < TILE_N; q += 16) {                                                       \
                const float16 d = vload16(0, row + q);                                                    \
                lanes[at] = power == 2 ? fma(d, d, lanes[at]) : lanes[at] + d;                            \
            }                                                                                             \
        }
        BLOCK_TILES(xp, yp, n, dim, ib, j0, hold, COUNT_TILE)
    }
    for (uint i = ib; i < ib_end; i++) {
        sums[(size_t)part * n + i] = lane_tree(lanes[i - ib]);
        lows[(size_t)part * n + i] = least[i - ib];
        highs[(size_t)part * n + i] = most[i - ib];
    }
    for (uint b = 0; b < bins + 3 && power == 1; b++)
        count_into(counts + 2 * b, seen[b]);
}
