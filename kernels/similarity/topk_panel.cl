// SPDX-License-Identifier: Apache-2.0
// similarity/topk_panel.cl: the k best columns of each row, without the matrix.
// The other family: similarity/topk_group.cl. Host: src/similarity/topk.c. Reference: tests/check_similarity.c (a sort).
//
// One group owns BLOCK rows and walks its columns upwards. A row's list lies in the output (order.h); a vector of values is
// looked at one by one only if some value beats the list's worst. Columns are numbered from `seen`; the lists hold the
// best of those before.
// Macros as in tiles/scores_panel.h; the value compared is scale · metric, negated where METRIC says so.
#include "tiles/scores_panel.h"
#include "similarity/order.h"

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
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
    const list_place at = list_place_of(first + (uint)get_group_id(0), n, m, BLOCK, parts);
    const uint ib = at.row_block * BLOCK, ib_end = min(n, ib + BLOCK), step = at.part ? k_best : stride;
    global float *lists = at.part ? part_values + ((size_t)(at.part - 1) * n + ib) * k_best : values + offset + (size_t)ib * stride;
    global int *columns = (at.part ? part_indices + (size_t)(at.part - 1) * n * k_best : indices) + (size_t)ib * k_best;
    floatv hold[HOLD_SIZE];
    float worst[PANELS * TILE_M]; // value to beat
    for (uint r = 0; r < ib_end - ib; r++)
        worst[r] = at.part || seen == 0 ? list_clear(lists + (size_t)r * step, columns + (size_t)r * k_best, k_best)
                                        : list_resume(lists + (size_t)r * step, columns + (size_t)r * k_best, k_best, METRIC % 2);
    for (uint j0 = at.j_first; j0 < at.j_end; j0 += TILE_N) {
#define RANK_TILE(acc, i0)                                                                                  \
    METRIC_TILE(acc, i0, ib_end, j0, x_norms, y_norms)                                                      \
    CHI_UNROLL for (int r = 0; r < TILE_M; r++)                                                             \
        if ((i0) + r < ib_end) {                                                                            \
            const uint i = (i0) + r - ib;                                                                   \
            intv beats = (intv)(has_room(worst[i]) ? -1 : 0);                                               \
            CHI_UNROLL for (int v = 0; v < TILE_V; v++) {                                                   \
                acc[r][v] = acc[r][v] * (floatv)(scale);                                                    \
                beats |= acc[r][v] > (floatv)(worst[i]);                                                    \
            }                                                                                               \
            if (any(beats)) {                                                                               \
                float row[TILE_N];                                                                          \
                row_to_array(acc[r], row);                                                                  \
                for (uint q = 0; q < TILE_N && j0 + q < at.j_end; q++)                                      \
                    if (row[q] > worst[i] || has_room(worst[i]))                                            \
                        worst[i] = list_take(lists + (size_t)i * step, columns + (size_t)i * k_best, k_best, row[q], (int)(seen + j0 + q)); \
            }                                                                                               \
        }
        BLOCK_TILES(xp, yp, n, dim, ib, j0, hold, RANK_TILE)
    }
    for (uint r = 0; parts == 1 && r < ib_end - ib; r++)
        list_finish(lists + (size_t)r * step, columns + (size_t)r * k_best, k_best, METRIC % 2);
}
