// SPDX-License-Identifier: Apache-2.0
// tiles/maxima_panel.cl: the largest score of each row and each column, from which shifts follow.
// The other family: tiles/maxima_group.cl. Host: src/tiles/passes.c. Reference: src/ref/loss.c.
//
// One group owns a pair (I, J) of superblocks, as in tiles/statistics_panel.cl; row i's maximum over J goes to
// row_max[J][i], column j's over I to col_max[I][j]. NaN wins over everything; what does not count is −inf, but a
// single positive does count here. A maximum has no order, so none is prescribed.
#include "tiles/scores_panel.h"

#if !defined(COLUMNS)
#error "tiles/maxima_panel.cl: COLUMNS is missing"
#endif

#define MAX_SB 256

inline floatv larger(const floatv a, const floatv b) { return select(a, b, (b > a) | (b != b)); }

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void tiles_maxima(const uint first, const uint n, const uint m, const uint dim,
                  const uint w0, const uint w1, const uint col_at,                            // tiles/pairs.h
                  global const float *restrict xp, global const float *restrict yp,
                  global const float *restrict x_norms, global const float *restrict y_norms, // where METRIC is 2 or 3
                  global float *restrict row_max, // [superblocks of the window][n]
                  global float *restrict col_max, // [superblocks of n][columns of the window]
                  global float *restrict positive)
{
    const uint sb_n = superblock(n), sb_m = superblock(m);
    const uint2 pair = pair_of(first + (uint)get_group_id(0), w0, w1);
    const uint i_first = pair.x * sb_n, i_end = min(n, i_first + sb_n);
    const uint j_first = pair.y * sb_m, j_end = min(m, j_first + sb_m);
    floatv hold[HOLD_SIZE], rows[PANELS * TILE_M], columns[MAX_SB / TILE_N * TILE_V];
    for (uint t = 0; t < MAX_SB / TILE_N * TILE_V; t++)
        columns[t] = (floatv)(-INFINITY);
    for (uint ib = i_first; ib < i_end; ib += BLOCK) {
        const uint ib_end = min(i_end, ib + BLOCK);
        for (uint t = 0; t < PANELS * TILE_M; t++)
            rows[t] = (floatv)(-INFINITY);
        for (uint j0 = j_first; j0 < j_end; j0 += TILE_N) {
#define MAX_TILE(acc, i0)                                                                                                         \
    METRIC_TILE(acc, i0, ib_end, j0, x_norms, y_norms)                                                                            \
    MASK_TILE(acc, i0, ib_end, j0, n, m, positive)                                                                                \
    CHI_UNROLL for (int r = 0; r < TILE_M; r++)                                                                                   \
        if ((i0) + r < ib_end) {                                                                                                  \
            CHI_UNROLL for (int v = 0; v < TILE_V; v++) {                                                                         \
                rows[(i0) + r - ib] = larger(rows[(i0) + r - ib], acc[r][v]);                                                     \
                columns[(j0 - j_first) / TILE_N * TILE_V + v] = larger(columns[(j0 - j_first) / TILE_N * TILE_V + v], acc[r][v]); \
            }                                                                                                                     \
        }
            BLOCK_TILES(xp, yp, n, dim, ib, j0, hold, MAX_TILE)
        }
        for (uint i = ib; i < ib_end; i++) {
            float all[VEC], best = -INFINITY;
            vstorev(rows[i - ib], 0, all);
            for (int q = 0; q < VEC; q++)
                best = (all[q] > best || is_nan(all[q])) ? all[q] : best;
            row_max[(size_t)(pair.y - w0) * n + i] = best;
        }
    }
    if (!COLUMNS || (SYMMETRIC && pair.x == pair.y))
        return;
    const uint window = w0 * sb_m, width = min(m, w1 * sb_m) - window;
    global float *to = (SYMMETRIC ? row_max + col_at : col_max) + (size_t)pair.x * width;
    for (uint j = j_first; j < j_end; j++) {
        float all[TILE_N];
        row_to_array(columns + (j - j_first) / TILE_N * TILE_V, all);
        to[j - window] = all[(j - j_first) % TILE_N];
    }
}
