// SPDX-License-Identifier: Apache-2.0
// tiles/statistics_group.cl: one walk over all pairs that leaves sums of exponentials by row and by column.
// The other family: tiles/statistics_panel.cl, which says what is summed and what the macros mean.
// Host: src/tiles/passes.c. Reference: src/ref/loss.c.
//
// A group owns a pair of superblocks and walks its tiles row by row. Lanes stay in registers of the items that own
// them: those of the current rows, and those of all columns of the superblock.
#include "tiles/scores_group.h"

#if !defined(COLUMNS) || !defined(SHIFTED) || !defined(KEEP)
#error "tiles/statistics_group.cl: a macro is missing"
#endif

#define COLUMN_LANES (COLUMNS ? COLUMN_TILES * COLUMN_PAIRS : 1)
#define PLUS_SIZE(x) (POSITIVES == 2 ? (x) : 1) // sums over positives exist only for labels

// Where a group stands: tile at (i0, j0) of superblocks that end at (i_end, j_end).
typedef struct place {
    uint i0, j0, i_end, j_end;
    float kappa;
    global const float *row_shift, *col_shift;
    global const int *labels;
} place;

// What an entry of the tile in local memory, at (i, j), adds to a sum relative to `shift`.
inline float entry_term(const float entry, const place *at, const float shift)
{
    if (!SHIFTED)
        return entry;
    const exp_parts e = exp_split(entry, at->kappa);
    return scale_or_zero(e.p, e.n - shift);
}

inline float plus_term(const float s, const place *at, const uint i, const uint j)
{
    return s != -INFINITY && at->labels[i] == at->labels[j] ? s : 0.0f;
}

inline void add_rows(local const float *tile, const place *at, const bool plus, float *lanes)
{
    CHI_UNROLL for (uint t = 0; t < ROW_PAIRS; t++) {
        const uint row = PAIR_ROW(t), lane = PAIR_ROW_LANE(t), i = at->i0 + row;
        if (i >= at->i_end)
            continue;
        const float shift = SHIFTED ? at->row_shift[i] : 0.0f;
        for (uint q = lane; q < TILE_N; q += 16) {
            const float entry = tile[row * TILE_LD + q];
            lanes[t] += plus ? plus_term(entry, at, i, at->j0 + q) : entry_term(entry, at, shift);
        }
    }
}

inline void add_columns(local const float *tile, const place *at, const bool plus, float *lanes)
{
    CHI_UNROLL for (uint t = 0; t < COLUMN_PAIRS; t++) {
        const uint column = PAIR_COLUMN(t), lane = PAIR_COLUMN_LANE(t), j = at->j0 + column;
        if (j >= at->j_end)
            continue;
        const float shift = SHIFTED ? at->col_shift[j] : 0.0f;
        for (uint q = lane; q < TILE_M && at->i0 + q < at->i_end; q += 16) {
            const float entry = tile[q * TILE_LD + column];
            lanes[t] += plus ? plus_term(entry, at, at->i0 + q, j) : entry_term(entry, at, shift);
        }
    }
}

// e, or s where SHIFTED, of the rows inside the superblock to a block of kept tiles.
inline void keep_tile(float acc[MICRO_M][MICRO_N], const uint i0, const uint i_end, global float *tile)
{
    EACH_ENTRY(r, c)
        if (i0 + ROW(r) < i_end)
            tile[(i0 % BLOCK + ROW(r)) * BLOCK + COLUMN(c)] = acc[r][c];
}

GROUP_KERNEL
void tiles_statistics(const uint first, const uint n, const uint m, const uint dim,
                      const int shift, const uint kept_rows, const uint w0, const uint w1,
                      global const float *restrict scalars,   // κ first
                      global const float *restrict xp,        // row panels of x, TILE_M wide
                      global const float *restrict yp,        // row panels of y, TILE_N wide
                      global const float *restrict row_shift, global const float *restrict col_shift,
                      global const int *restrict labels,
                      global const float *restrict x_norms, global const float *restrict y_norms,
                      global float *restrict row_sums,        // [superblocks of m][n]
                      global float *restrict col_sums,        // [superblocks of n][m]
                      global float *restrict row_scores,
                      global float *restrict positive,        // [n]
                      global float *restrict kept)            // [n / BLOCK][window / BLOCK][BLOCK][BLOCK]
{
    local float left[LEFT_SIZE], right[RIGHT_SIZE], tile[TILE_SIZE];
    const uint sb_n = superblock(n), sb_m = superblock(m);
    const uint2 pair = pair_of(first + (uint)get_group_id(0), w0, w1);
    const uint i_first = pair.x * sb_n, i_end = min(n, i_first + sb_n);
    const uint j_first = pair.y * sb_m, j_end = min(m, j_first + sb_m);
    const uint c0 = w0 * sb_m, blocks = (min(m, w1 * sb_m) - c0 + BLOCK - 1) / BLOCK;
    const bool by_column = COLUMNS && !(SYMMETRIC && pair.x == pair.y);
    place at = { 0, 0, i_end, j_end, scalars[0], row_shift, col_shift, labels };
    float col_lanes[COLUMN_LANES], col_plus[PLUS_SIZE(COLUMN_LANES)];
    for (uint t = 0; t < COLUMN_LANES; t++)
        col_lanes[t] = 0.0f;
    for (uint t = 0; t < PLUS_SIZE(COLUMN_LANES); t++)
        col_plus[t] = 0.0f;
    for (at.i0 = i_first; at.i0 < i_end; at.i0 += TILE_M) {
        const bool keep = KEEP == 1 || (KEEP == 2 && at.i0 < kept_rows);
        float row_lanes[ROW_PAIRS], row_plus[ROW_PAIRS];
        CHI_UNROLL for (uint t = 0; t < ROW_PAIRS; t++)
            row_lanes[t] = row_plus[t] = 0.0f;
        for (at.j0 = j_first; at.j0 < j_end; at.j0 += TILE_N) {
            const uint columns = COLUMNS ? (at.j0 - j_first) / TILE_N * COLUMN_PAIRS : 0;
            float acc[MICRO_M][MICRO_N];
            multiply_panels(xp + (size_t)at.i0 * dim, yp + (size_t)at.j0 * dim, dim, left, right, acc);
            apply_metric(acc, at.i0, i_end, at.j0, x_norms, y_norms);
            apply_mask(acc, at.i0, i_end, at.j0, n, m, positive);
            if (POSITIVES == 2) {
                put_tile(acc, tile);
                barrier(CLK_LOCAL_MEM_FENCE);
                add_rows(tile, &at, true, row_plus);
                if (by_column)
                    add_columns(tile, &at, true, col_plus + (POSITIVES == 2 ? columns : 0));
                barrier(CLK_LOCAL_MEM_FENCE);
            }
            if (!SHIFTED)
                EACH_ENTRY(r, c) acc[r][c] = exp_shifted(acc[r][c], at.kappa, shift);
            if (keep)
                keep_tile(acc, at.i0, i_end, kept + ((size_t)(at.i0 / BLOCK) * blocks + (at.j0 - c0) / BLOCK) * BLOCK * BLOCK + at.j0 % BLOCK);
            put_tile(acc, tile);
            barrier(CLK_LOCAL_MEM_FENCE);
            add_rows(tile, &at, false, row_lanes);
            if (by_column)
                add_columns(tile, &at, false, col_lanes + columns);
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        TOTALS(row_lanes, ROW_PAIRS, tile, TILE_M, i_end - at.i0, row_sums + (size_t)pair.y * n + at.i0)
        if (POSITIVES == 2) {
            TOTALS(row_plus, ROW_PAIRS, tile, TILE_M, i_end - at.i0, row_scores + (size_t)pair.y * n + at.i0)
        }
    }
    if (!by_column)
        return;
    global float *to = (SYMMETRIC ? row_sums : col_sums) + (size_t)pair.x * m;
    for (uint j0 = j_first; j0 < j_end; j0 += TILE_N) {
        const uint columns = COLUMNS ? (j0 - j_first) / TILE_N * COLUMN_PAIRS : 0;
        TOTALS(col_lanes + columns, COLUMN_PAIRS, tile, TILE_N, j_end - j0, to + j0)
        if (POSITIVES == 2) {
            TOTALS(col_plus + (POSITIVES == 2 ? columns : 0), COLUMN_PAIRS, tile, TILE_N, j_end - j0, row_scores + (size_t)pair.x * m + j0)
        }
    }
}
