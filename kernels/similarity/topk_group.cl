// SPDX-License-Identifier: Apache-2.0
// similarity/topk_group.cl: the k best columns of each row, without the matrix.
// The other family: similarity/topk_panel.cl. Host: src/similarity/topk.c. Reference: tests/check_similarity.c (a sort).
//
// One group owns BLOCK rows and walks its columns upwards for each tile of rows. A tile goes to local memory, where one
// item a row takes what beats the worst of the row's list, which lies in the output (order.h). Columns are numbered from
// `seen`; the lists hold the best of those before.
// Macros as in tiles/scores_panel.h; the value compared is scale · metric, negated where METRIC says so.
#include "tiles/scores_group.h"
#include "similarity/order.h"

GROUP_KERNEL
void similarity_topk(const uint first, const uint n, const uint m, const uint dim, const uint k_best, const uint seen,
                     const uint parts, const float scale,
                     global const float *restrict xp, global const float *restrict yp,
                     global const float *restrict x_norms, global const float *restrict y_norms,
                     const ulong offset, const uint stride,
                     global float *restrict part_values, // [parts − 1][n][k_best]
                     global int *restrict part_indices,  // [parts − 1][n][k_best]
                     global float *restrict values,      // [n][k_best]
                     global int *restrict indices)       // [n][k_best]
{
    LOCAL_FLOATS(space, SPACE);
    const list_place at = list_place_of(first + (uint)get_group_id(0), n, m, BLOCK, parts);
    const uint ib = at.row_block * BLOCK, ib_end = min(n, ib + BLOCK);
    for (uint i0 = ib; i0 < ib_end; i0 += TILE_M) {
        const uint i = i0 + OWNER_ROW;
        const bool owner = OWNER_ROW < TILE_M && i < ib_end;
        const size_t row = owner ? i : ib;
        global float *list = at.part ? part_values + ((size_t)(at.part - 1) * n + row) * k_best : values + offset + row * stride;
        global int *columns = (at.part ? part_indices + (size_t)(at.part - 1) * n * k_best : indices) + row * k_best;
        float worst = NAN; // value to beat
        if (owner)
            worst = at.part || seen == 0 ? list_clear(list, columns, k_best) : list_resume(list, columns, k_best, METRIC % 2);
        for (uint j0 = at.j_first; j0 < at.j_end; j0 += TILE_N) {
            float acc[MICRO_M][MICRO_N];
            multiply_panels(xp + (size_t)i0 * dim, yp + (size_t)j0 * dim, dim, space, space + LEFT_SIZE, acc);
            apply_metric(acc, i0, ib_end, j0, x_norms, y_norms);
            EACH_ENTRY(r, c) acc[r][c] = acc[r][c] * scale;
            const places p = places_at(j0);
            EACH_SLAB(s) {
                put_slab(acc, p, s, space);
                barrier(CLK_LOCAL_MEM_FENCE);
                for (uint q = 0; owner && OWNER_SLAB == s && q < TILE_N && j0 + q < at.j_end; q++) {
                    const float v = space[OWNER_ROW % SLAB * SLAB_LD + q];
                    if (v > worst || has_room(worst))
                        worst = list_take(list, columns, k_best, key_of(v, (int)(seen + j0 + q)));
                }
                barrier(CLK_LOCAL_MEM_FENCE);
            }
        }
        if (owner && parts == 1)
            list_finish_heap(list, columns, k_best, METRIC % 2);
    }
}
