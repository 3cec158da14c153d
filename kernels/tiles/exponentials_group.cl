// SPDX-License-Identifier: Apache-2.0
// tiles/exponentials_group.cl: kept tiles computed again, for rows that the budget could not keep.
// The other family: tiles/exponentials_panel.cl. Host: src/tiles/passes.c. Reference: src/ref/loss.c.
//
// One group owns BLOCK rows × one superblock of columns: rows from i0, columns from superblock w0.
#include "tiles/scores_group.h"

#if !defined(SHIFTED)
#error "tiles/exponentials_group.cl: SHIFTED is missing"
#endif

GROUP_KERNEL
void tiles_exponentials(const uint first, const uint n, const uint m, const uint dim, const int shift,
                        const uint i0, const uint w0,
                        global const float *restrict scalars, // κ first
                        global const float *restrict xp, global const float *restrict yp,
                        global float *restrict positive,      // [n]: written again, to the same value
                        global float *restrict kept)
{
    LOCAL_OPERANDS(left, right);
    const uint sb_m = superblock(m), across = (m + sb_m - 1) / sb_m - w0, group = first + (uint)get_group_id(0);
    const uint ib = i0 + group / across * BLOCK, ib_end = min(n, ib + BLOCK);
    const uint j_first = (w0 + group % across) * sb_m, j_end = min(m, j_first + sb_m);
    const uint c0 = w0 * sb_m, blocks = (m - c0 + BLOCK - 1) / BLOCK;
    const float kappa = scalars[0];
    for (uint i = ib; i < ib_end; i += TILE_M)
        for (uint j = j_first; j < j_end; j += TILE_N) {
            global float *tile = kept + ((size_t)((ib - i0) / BLOCK) * blocks + (j - c0) / BLOCK) * BLOCK * BLOCK + j % BLOCK;
            float acc[MICRO_M][MICRO_N];
            multiply_panels(xp + (size_t)i * dim, yp + (size_t)j * dim, dim, left, right, acc);
            apply_mask(acc, i, ib_end, j, n, m, positive);
            const places p = places_at(j);
            CHI_UNROLL for (int r = 0; r < MICRO_M; r++) {
                if (!SHIFTED)
                    CHI_UNROLL for (int c = 0; c < MICRO_N; c++)
                        acc[r][c] = exp_shifted(acc[r][c], kappa, shift);
                if (i + ROW(p, r) < ib_end)
                    CHI_UNROLL for (int c = 0; c < MICRO_N; c += VEC)
                        *(global run *)(tile + (i - ib + ROW(p, r)) * BLOCK + COLUMN(p, c)) = get_run(&acc[r][c]);
            }
        }
}
