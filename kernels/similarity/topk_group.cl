// SPDX-License-Identifier: Apache-2.0
// similarity/topk_group.cl: the k best columns of each row, without the matrix.
// The other family: similarity/topk_panel.cl. Host: src/similarity/similarity.c. Reference: src/ref/similarity.c.
//
// One group owns BLOCK rows and walks all columns upwards for each tile of rows. A tile goes to local memory, where one
// item a row takes what beats the last of the row's list, which lies in the output, best first. Columns are numbered from
// `seen`; the lists hold the best of those before.
// Macros as in tiles/scores_panel.h; the value compared is scale · metric, negated where METRIC says so.
#include "tiles/scores_group.h"
#include "similarity/order.h"

GROUP_KERNEL
void similarity_topk(const uint first, const uint n, const uint m, const uint dim, const uint k_best, const uint seen, const float scale,
                     global const float *restrict xp, global const float *restrict yp,
                     global const float *restrict x_norms, global const float *restrict y_norms,
                     const ulong offset, const uint stride,
                     global float *restrict values, // [n][k_best]
                     global int *restrict indices)  // [n][k_best]
{
    local float left[LEFT_SIZE], right[RIGHT_SIZE], tile[TILE_SIZE];
    const uint ib = (first + (uint)get_group_id(0)) * BLOCK, ib_end = min(n, ib + BLOCK);
    for (uint i0 = ib; i0 < ib_end; i0 += TILE_M) {
        const uint i = i0 + item();
        const bool owner = item() < TILE_M && i < ib_end;
        global float *list = values + offset + (owner ? (size_t)i * stride : 0);
        global int *columns = indices + (owner ? (size_t)i * k_best : 0);
        if (owner)
            list_resume(list, min(seen, k_best), METRIC % 2);
        for (uint j0 = 0; j0 < m; j0 += TILE_N) {
            float acc[MICRO_M][MICRO_N];
            multiply_panels(xp + (size_t)i0 * dim, yp + (size_t)j0 * dim, dim, left, right, acc);
            apply_metric(acc, i0, ib_end, j0, x_norms, y_norms);
            EACH_ENTRY(r, c) acc[r][c] = acc[r][c] * scale;
            put_tile(acc, tile);
            barrier(CLK_LOCAL_MEM_FENCE);
            for (uint q = 0; owner && q < TILE_N && j0 + q < m; q++)
                list_insert(list, columns, min(seen + j0 + q, k_best), k_best, tile[item() * TILE_LD + q], (int)(seen + j0 + q));
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        if (owner)
            list_finish(list, columns, min(seen + m, k_best), k_best, METRIC % 2);
    }
}
