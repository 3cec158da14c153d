// SPDX-License-Identifier: Apache-2.0
// similarity/topk_panel.cl: the k best columns of each row, without the matrix.
// The other family: similarity/topk_group.cl. Host: src/similarity/similarity.c. Reference: src/ref/similarity.c.
//
// One group owns BLOCK rows and walks all columns upwards. A row's list lies in the output, best first; a vector of
// values is looked at one by one only if some value beats the list's last. Columns are numbered from `seen`; the lists
// hold the best of those before.
// Macros as in tiles/scores_panel.h; the value compared is scale · metric, negated where METRIC says so.
#include "tiles/scores_panel.h"
#include "similarity/order.h"

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void similarity_topk(const uint first, const uint n, const uint m, const uint dim, const uint k_best, const uint seen, const float scale,
                     global const float *restrict xp, global const float *restrict yp,
                     global const float *restrict x_norms, global const float *restrict y_norms,
                     const ulong offset, const uint stride,
                     global float *restrict values, // [n][k_best]
                     global int *restrict indices)  // [n][k_best]
{
    const uint ib = (first + (uint)get_group_id(0)) * BLOCK, ib_end = min(n, ib + BLOCK);
    floatv hold[HOLD_SIZE];
    float last[PANELS * TILE_M]; // value to beat, once a list is full
    for (uint i = ib; i < ib_end; i++) {
        list_resume(values + offset + (size_t)i * stride, min(seen, k_best), METRIC % 2);
        last[i - ib] = seen >= k_best ? values[offset + (size_t)i * stride + k_best - 1] : -INFINITY;
    }
    for (uint j0 = 0; j0 < m; j0 += TILE_N) {
#define RANK_TILE(acc, i0)                                                                                \
    METRIC_TILE(acc, i0, ib_end, j0, x_norms, y_norms)                                                    \
    CHI_UNROLL for (int r = 0; r < TILE_M; r++)                                                           \
        if ((i0) + r < ib_end) {                                                                          \
            const uint i = (i0) + r;                                                                      \
            intv beats = (intv)(seen + j0 < k_best ? -1 : 0);                                             \
            CHI_UNROLL for (int v = 0; v < TILE_V; v++) {                                                 \
                acc[r][v] = acc[r][v] * (floatv)(scale);                                                  \
                beats |= ~(acc[r][v] <= (floatv)(last[i - ib])); /* NaN counts as beating: rare, and decided below */ \
            }                                                                                             \
            if (any(beats)) {                                                                             \
                float row[TILE_N];                                                                        \
                row_to_array(acc[r], row);                                                                \
                global float *list = values + offset + (size_t)i * stride;                                \
                for (uint q = 0; q < TILE_N && j0 + q < m; q++)                                           \
                    list_insert(list, indices + (size_t)i * k_best, min(seen + j0 + q, k_best), k_best, row[q], (int)(seen + j0 + q)); \
                last[i - ib] = seen + min(j0 + TILE_N, m) >= k_best ? list[k_best - 1] : -INFINITY;       \
            }                                                                                             \
        }
        BLOCK_TILES(xp, yp, dim, ib, j0, hold, RANK_TILE)
    }
    for (uint i = ib; i < ib_end; i++)
        list_finish(values + offset + (size_t)i * stride, indices + (size_t)i * k_best, min(seen + m, k_best), k_best, METRIC % 2);
}
