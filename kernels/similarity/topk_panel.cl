// SPDX-License-Identifier: Apache-2.0
// similarity/topk_panel.cl: the k best columns of each row, without the matrix.
// The other family: similarity/topk_group.cl. Host: src/similarity/topk.c. Reference: tests/check_similarity.c (a sort).
//
// One group owns BLOCK rows and walks its columns upwards. A row's list lies in the output (order.h); what beats the value that
// was its worst when it was last looked at becomes a candidate (candidates.h). Columns are numbered from `seen`; the lists hold
// the best of those before.
// Macros as in tiles/scores_panel.h; the value compared is scale · metric, negated where METRIC says so.
#include "tiles/scores_panel.h"
#include "similarity/candidates.h"

#define ROWS (PANELS * TILE_M)

#if TILE_M * TILE_V > 32
#error "similarity/topk_panel.cl: a tile has more than 32 vectors, one for each bit of a lane's hits"
#endif

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

// Rows of a block and what was found for them.
typedef struct found {
    global float *lists; // one in `step` floats
    global int *columns; // one in k_best
    uint step, k_best, enough;
    float worst[ROWS];   // value to beat; NaN while anything does
    uint count[ROWS];    // candidates
    ulong candidates[ROWS][MOST_CANDIDATES];
} found;

inline global float *values_of(const found *f, const uint i) { return f->lists + (size_t)i * f->step; }
inline global int *columns_of(const found *f, const uint i) { return f->columns + (size_t)i * f->k_best; }

CHI_OUTLINED void merge_row(found *f, const uint i)
{
    f->worst[i] = list_merge(values_of(f, i), columns_of(f, i), f->k_best, f->candidates[i], f->count[i]);
    f->count[i] = 0;
}

// Entries of a tile whose bits are set become candidates: bit r · TILE_V + v of hits[q] is lane q of vector v of row r. Of the
// first `rows` from row i on, and of the first `width` columns from `column` on.
CHI_OUTLINED void take_hits(found *f, const float *tile, const uint *hits, const uint i, const uint rows, const uint column, const uint width)
{
    for (uint q = 0; q < VEC; q++)
        for (uint bits = hits[q]; bits; bits &= bits - 1) {
            const uint bit = 31 - clz(bits & -bits), r = bit / TILE_V, j = bit % TILE_V * VEC + q;
            if (r >= rows || j >= width)
                continue;
            f->candidates[i + r][f->count[i + r]++] = key_of(tile[r * TILE_N + j], (int)(column + j));
            if (f->count[i + r] == f->enough)
                merge_row(f, i + r);
        }
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
    const uint ib = at.row_block * BLOCK, ib_end = min(n, ib + BLOCK);
    found f;
    f.lists = at.part ? part_values + ((size_t)(at.part - 1) * n + ib) * k_best : values + offset + (size_t)ib * stride;
    f.columns = (at.part ? part_indices + (size_t)(at.part - 1) * n * k_best : indices) + (size_t)ib * k_best;
    f.step = at.part ? k_best : stride;
    f.k_best = k_best;
    f.enough = candidates_for(k_best);
    floatv hold[HOLD_SIZE];
    CHI_ROLLED for (uint r = 0; r < ROWS; r++) {
        global float *list = values_of(&f, r);
        global int *columns = columns_of(&f, r);
        f.count[r] = 0;
        f.worst[r] = r >= ib_end - ib ? INFINITY : at.part || seen == 0 ? list_clear(list, columns, k_best) : list_resume(list, columns, k_best, METRIC % 2);
    }
    for (uint j0 = at.j_first; j0 < at.j_end; j0 += TILE_N) {
#define FIND_HITS(acc, i0)                                                                              \
    METRIC_TILE(acc, i0, ib_end, j0, x_norms, y_norms)                                                  \
    intv hits = (intv)(0);                                                                              \
    EACH_ENTRY(r, v)                                                                                    \
    {                                                                                                   \
        const float worst = f.worst[(i0)-ib + r];                                                       \
        const intv any = (intv)(has_room(worst) ? -1 : 0), bit = (intv)((int)(1u << (r * TILE_V + v))); \
        acc[r][v] = acc[r][v] * (floatv)(scale);                                                        \
        hits |= (any | acc[r][v] > (floatv)(worst)) & bit;                                              \
    }                                                                                                   \
    if (holds_anywhere(hits)) {                                                                         \
        float tile[TILE_M * TILE_N];                                                                    \
        uint lanes[VEC];                                                                                \
        CHI_UNROLL for (int r = 0; r < TILE_M; r++)                                                     \
            row_to_array(acc[r], tile + r * TILE_N);                                                    \
        vstorev(as_uintv(hits), 0, lanes);                                                              \
        take_hits(&f, tile, lanes, (i0)-ib, ib_end - (i0), seen + j0, at.j_end - j0);                   \
    }
        BLOCK_TILES(xp, yp, n, dim, ib, j0, hold, FIND_HITS)
    }
    for (uint r = 0; r < ib_end - ib; r++) {
        merge_row(&f, r);
        if (parts == 1)
            list_finish_sorted(values_of(&f, r), columns_of(&f, r), k_best, METRIC % 2);
    }
}
