// SPDX-License-Identifier: Apache-2.0
// tiles/exponentials_panel.cl: kept tiles computed again, for rows that the budget could not keep.
// The other family: tiles/exponentials_group.cl. Host: src/tiles/passes.c. Reference: src/ref/loss.c.
//
// One group owns BLOCK rows × one superblock of columns. Rows start at i0, columns at superblock w0 (where y is x: the rows'
// own, for the tiles before it are mirrored ones); `kept` starts there.
// Macros and tuned names as in tiles/statistics_panel.cl.
#include "tiles/scores_panel.h"
#include "common/vendor.h"

#if !defined(SHIFTED)
#error "tiles/exponentials_panel.cl: SHIFTED is missing"
#endif

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void tiles_exponentials(const uint first, const uint n, const uint m, const uint dim, const int shift,
                        const uint i0, const uint w0,
                        global const float *restrict scalars, // κ first
                        global const float *restrict xp, global const float *restrict yp,
                        global float *restrict positive,      // [n]: written again, to the same value
                        global float *restrict kept)
{
    const uint sb_m = superblock(m), across = (m + sb_m - 1) / sb_m - w0, group = first + (uint)get_group_id(0);
    const uint ib = i0 + group / across * BLOCK, j_first = (w0 + group % across) * sb_m, j_end = min(m, j_first + sb_m);
    const uint c0 = w0 * sb_m, blocks = (m - c0 + BLOCK - 1) / BLOCK;
    const float kappa = scalars[0];
    floatv hold[HOLD_SIZE];
    for (uint j0 = j_first; j0 < j_end; j0 += TILE_N) {
        global float *tile = kept + ((size_t)((ib - i0) / BLOCK) * blocks + (j0 - c0) / BLOCK) * BLOCK * BLOCK + j0 % BLOCK;
#define KEEP_TILE(acc, row0)                                                                                                                                 \
    MASK_TILE(acc, row0, min(n, ib + BLOCK), j0, n, m, positive)                                                                                             \
    CHI_UNROLL for (int r = 0; r < TILE_M; r++)                                                                                                              \
        if ((row0) + r < ib + BLOCK) {                                                                                                                       \
            CHI_UNROLL for (int v = 0; v < TILE_V; v++)                                                                                                      \
                STREAM_STORE((SHIFTED ? acc[r][v] : exp_shifted_v(acc[r][v], kappa, shift)), (global floatv *)(tile + ((row0) + r - ib) * BLOCK + v * VEC)); \
        }
        BLOCK_TILES(xp, yp, n, dim, ib, j0, hold, KEEP_TILE)
    }
}
