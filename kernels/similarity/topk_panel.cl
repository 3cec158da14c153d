// SPDX-License-Identifier: Apache-2.0
// similarity/topk_panel.cl: the k best columns of each row, without the matrix.
// The other family: similarity/topk_group.cl. Host: src/similarity/topk.c. Reference: tests/check_similarity.c (a sort).
//
// One group owns BLOCK rows and walks its columns upwards. A row's list lies in the output (order.h); a tile is looked at row by
// row, and a vector of it one by one, only if some value beats its list's worst. Columns are numbered from `seen`; the lists hold the
// best of those before.
// Macros as in tiles/scores_panel.h; the value compared is scale · metric, negated where METRIC says so.
#include "tiles/scores_panel.h"
#include "similarity/order.h"

// Whether a comparison holds in any lane.
inline bool holds_anywhere(const intv lanes)
{
#if VEC == 16
    const int8 eight = lanes.lo | lanes.hi;
    const int4 four = eight.lo | eight.hi;
#elif VEC == 8
    const int4 four = lanes.lo | lanes.hi;
#else
    const int4 four = lanes;
#endif
    const int2 two = four.lo | four.hi;
    return (two.x | two.y) != 0;
}

// The first `count` values of a row, of columns from `column` on, to its list; returns the value to beat from now on.
CHI_OUTLINED float rank_row(const float *row, const uint count, const uint column, float worst, global float *list, global int *columns,
                            const uint k_best)
{
    for (uint v = 0; v < TILE_V; v++)
        if (has_room(worst) || holds_anywhere(vloadv(v, row) > (floatv)(worst)))
            for (uint q = v * VEC; q < min(count, (v + 1) * VEC); q++)
                if (row[q] > worst || has_room(worst))
                    worst = list_take(list, columns, k_best, key_of(row[q], (int)(column + q)));
    return worst;
}

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
    float worst[PANELS * TILE_M]; // value to beat; of padding none can
    uint open = 0;                // rows whose lists have room
    CHI_ROLLED for (uint r = 0; r < PANELS * TILE_M; r++) {
        global float *list = lists + (size_t)r * step;
        global int *list_columns = columns + (size_t)r * k_best;
        worst[r] = r >= ib_end - ib ? INFINITY : at.part || seen == 0 ? list_clear(list, list_columns, k_best) : list_resume(list, list_columns, k_best, METRIC % 2);
        open += has_room(worst[r]);
    }
    for (uint j0 = at.j_first; j0 < at.j_end; j0 += TILE_N) {
#define RANK_TILE(acc, i0)                                                                                                                              \
    METRIC_TILE(acc, i0, ib_end, j0, x_norms, y_norms)                                                                                                  \
    intv beats = (intv)(0);                                                                                                                             \
    EACH_ENTRY(r, v)                                                                                                                                    \
    {                                                                                                                                                   \
        acc[r][v] = acc[r][v] * (floatv)(scale);                                                                                                        \
        beats |= acc[r][v] > (floatv)(worst[(i0)-ib + r]);                                                                                              \
    }                                                                                                                                                   \
    if (open || holds_anywhere(beats)) {                                                                                                                \
        float tile[TILE_M * TILE_N];                                                                                                                    \
        CHI_UNROLL for (int r = 0; r < TILE_M; r++)                                                                                                     \
            row_to_array(acc[r], tile + r * TILE_N);                                                                                                    \
        CHI_ROLLED for (uint r = 0, i = (i0)-ib; r < TILE_M && ib + i < ib_end; r++, i++) {                                                             \
            const bool room = has_room(worst[i]);                                                                                                       \
            worst[i] = rank_row(tile + r * TILE_N, at.j_end - j0, seen + j0, worst[i], lists + (size_t)i * step, columns + (size_t)i * k_best, k_best); \
            open -= room && !has_room(worst[i]);                                                                                                        \
        }                                                                                                                                               \
    }
        BLOCK_TILES(xp, yp, n, dim, ib, j0, hold, RANK_TILE)
    }
    for (uint r = 0; parts == 1 && r < ib_end - ib; r++)
        list_finish(lists + (size_t)r * step, columns + (size_t)r * k_best, k_best, METRIC % 2);
}
