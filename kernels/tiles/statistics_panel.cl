// SPDX-License-Identifier: Apache-2.0
// tiles/statistics_panel.cl: one walk over all pairs that leaves sums of exponentials by row and by column.
// The other family: tiles/statistics_group.cl. Host: src/tiles/passes.c. Reference: src/ref/loss.c.
//
// One group owns a pair (I, J) of superblocks: rows I of x, rows J of y. For each row i of I and column j of J
//   s_ij = x_i · y_j,  e_ij = e^(s_ij / τ) 2^−shift,
// row i's sum over J goes to row_sums[J][i], column j's sum over I to col_sums[I][j], as far as a window of J holds them
// (tiles/pairs.h): 16 lanes by index mod 16, then a halving tree. Pairs that do not count have e = 0: a row and itself, its single positive (whose s goes to
// positive[i]), columns past the end.
//
// SYMMETRIC  y is x: only I ≤ J, and the column sums are row sums too
// COLUMNS    column sums are wanted
// POSITIVES  0 none; 1 one a row: column i, or i ± n/2 where SYMMETRIC; 2 by labels: sums of s over them as well
// SHIFTED    0 one shift for all; 1 a shift of its own for each row and column (from tiles_maxima)
// Tiles of rows below kept_rows are stored for the gradient: e, or s where SHIFTED.
// Tuned: TILE_M, TILE_N, VEC, BLOCK, TILE_K.
#include "tiles/scores_panel.h"
#include "tiles/kept.h"
#include "common/vendor.h"

#if !defined(COLUMNS) || !defined(SHIFTED)
#error "tiles/statistics_panel.cl: a macro is missing"
#endif

#define MAX_SB      256
#define ROW_LANES   (PANELS * TILE_M * LANE_V)
#define COL_LANES   (MAX_SB / TILE_N * 16 * TILE_V)
#define PLUS_SIZE(x) (POSITIVES == 2 ? (x) : 1) // sums over positives exist only for labels
#define PLUS_AT(x)   (POSITIVES == 2 ? (x) : 0)

// Sums of one column panel: 16 lanes of TILE_V vectors each.
CHI_OUTLINED void column_totals(floatv *lanes, global float *to, const uint columns)
{
    for (uint w = 8; w; w /= 2)
        for (uint l = 0; l < w; l++)
            CHI_UNROLL for (int v = 0; v < TILE_V; v++)
                lanes[l * TILE_V + v] += lanes[(l + w) * TILE_V + v];
    float sums[TILE_N];
    row_to_array(lanes, sums);
    for (uint q = 0; q < min(columns, (uint)TILE_N); q++)
        to[q] = sums[q];
}

// What a group reads and leaves.
typedef struct walk {
    uint n, m, dim;
    int shift;
    float kappa;
    global const float *xp, *yp, *row_shift, *col_shift, *x_norms, *y_norms;
    global const int *labels;
    global float *row_sums, *row_scores; // of the superblock of columns
    global float *positive, *kept;
    uint kept_rows, kept_columns, blocks; // tiles are kept below this row, from this column on, as many blocks of them across
} walk;

// The rows of the block at ib × columns j_first … j_end − 1.
CHI_OUTLINED void sum_block(const walk *of, const uint ib, const uint ib_end, const uint j_first, const uint j_end,
                            floatv *col_lanes, floatv *col_plus)
{
    const walk w = *of;
    const bool keep = ib < w.kept_rows;
    floatv hold[HOLD_SIZE], row_lanes[ROW_LANES], row_plus[PLUS_SIZE(ROW_LANES)];
    for (uint t = 0; t < ROW_LANES; t++)
        row_lanes[t] = row_plus[PLUS_AT(t)] = (floatv)(0.0f);
    for (uint j0 = j_first; j0 < j_end; j0 += TILE_N) {
        floatv *columns = col_lanes + (j0 - j_first) / TILE_N * 16 * TILE_V;
        floatv *columns_plus = col_plus + PLUS_AT((j0 - j_first) / TILE_N * 16 * TILE_V);
        global float *tile = w.kept + kept_at(ib, j0 - w.kept_columns, w.blocks, superblock(w.n)) + j0 % BLOCK;
        // One vector of scores of row i: its exponentials join both sums.
#define SUM_VECTOR(s, i, v)                                                                                       \
    {                                                                                                             \
        floatv by_row, by_col;                                                                                    \
        if (SHIFTED) {                                                                                            \
            floatv whole, part;                                                                                   \
            exp_split_v(s, w.kappa, &whole, &part);                                                               \
            by_row = scale_by_power_v(part, whole - (floatv)(w.row_shift[i]));                                    \
            by_col = COLUMNS ? scale_by_power_v(part, whole - vloadv(v, w.col_shift + j0)) : by_row;              \
        } else {                                                                                                  \
            by_row = by_col = exp_shifted_v(s, w.kappa, w.shift);                                                 \
        }                                                                                                         \
        if (keep)                                                                                                 \
            STREAM_STORE(SHIFTED ? s : by_row, (global floatv *)(tile + ((i)-ib) * BLOCK + v * VEC));             \
        row_lanes[((i)-ib) * LANE_V + v % LANE_V] += by_row;                                                      \
        if (COLUMNS)                                                                                              \
            columns[((i)&15) * TILE_V + v] += by_col;                                                             \
        if (POSITIVES == 2) {                                                                                     \
            const intv same = (vload_intv(v, w.labels + j0) == (intv)(w.labels[i])) & (s != (floatv)(-INFINITY)); \
            const floatv plus = select((floatv)(0.0f), s, same);                                                  \
            row_plus[PLUS_AT(((i)-ib) * LANE_V + v % LANE_V)] += plus;                                            \
            columns_plus[PLUS_AT(((i)&15) * TILE_V + v)] += plus;                                                 \
        }                                                                                                         \
    }
#define SUM_TILE(acc, i0)                                  \
    METRIC_TILE(acc, i0, ib_end, j0, w.x_norms, w.y_norms) \
    MASK_TILE(acc, i0, ib_end, j0, w.n, w.m, w.positive)   \
    CHI_UNROLL for (int r = 0; r < TILE_M; r++)            \
        if ((i0) + r < ib_end) {                           \
            CHI_UNROLL for (int v = 0; v < TILE_V; v++)    \
                SUM_VECTOR(acc[r][v], (i0) + r, v)         \
        }
        BLOCK_TILES(w.xp, w.yp, w.n, w.dim, ib, j0, hold, SUM_TILE)
    }
    for (uint i = ib; i < ib_end; i++) {
        w.row_sums[i] = row_total(row_lanes + (i - ib) * LANE_V);
        if (POSITIVES == 2)
            w.row_scores[i] = row_total(row_plus + PLUS_AT((i - ib) * LANE_V));
    }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void tiles_statistics(const uint first, const uint n, const uint m, const uint dim,
                      const int shift,                        // where not SHIFTED
                      const uint kept_rows,                   // tiles of rows below are kept
                      const uint w0, const uint w1,           // superblocks of columns: the window walked
                      const uint p0, const uint col_at,       // where partial sums lie: tiles/pairs.h
                      const uint k0, const uint blocks,       // kept columns: their first superblock, blocks of them
                      global const float *restrict scalars,   // κ first
                      global const float *restrict xp,        // row panels of x
                      global const float *restrict yp,        // row panels of y, TILE_N wide
                      global const float *restrict row_shift, // [n], where SHIFTED
                      global const float *restrict col_shift, // [m padded], where SHIFTED
                      global const int *restrict labels,      // [n padded], where POSITIVES is 2
                      global const float *restrict x_norms,   // [n], where METRIC is 2 or 3
                      global const float *restrict y_norms,   // [m padded], the same
                      global float *restrict row_sums,        // [superblocks of the window][n]
                      global float *restrict col_sums,        // [superblocks of n][columns of the window]
                      global float *restrict row_scores,      // the same of s over positives, where POSITIVES is 2
                      global float *restrict positive,        // [n]
                      global float *restrict kept)            // tiles/kept.h
{
    const uint sb_n = superblock(n), sb_m = superblock(m);
    const uint2 pair = pair_of(first + (uint)get_group_id(0), w0, w1);
    const uint i_first = pair.x * sb_n, i_end = min(n, i_first + sb_n);
    const uint j_first = pair.y * sb_m, j_end = min(m, j_first + sb_m);
    const uint window = w0 * sb_m, width = min(m, w1 * sb_m) - window;
    const size_t part = (size_t)(pair.y - p0) * n;
    const walk w = { n, m, dim, shift, scalars[0], xp, yp, row_shift, col_shift, x_norms, y_norms, labels,
                     row_sums + part, POSITIVES == 2 ? row_scores + part : 0, positive, kept, kept_rows, k0 * sb_m, blocks };
    floatv col_lanes[COL_LANES], col_plus[PLUS_SIZE(COL_LANES)];
    for (uint t = 0; t < COL_LANES; t++)
        col_lanes[t] = col_plus[PLUS_AT(t)] = (floatv)(0.0f);
    for (uint ib = i_first; ib < i_end; ib += BLOCK)
        sum_block(&w, ib, min(i_end, ib + BLOCK), j_first, j_end, col_lanes, col_plus);
    if (!COLUMNS || (SYMMETRIC && pair.x == pair.y))
        return;
    global float *to = (SYMMETRIC ? row_sums + col_at : col_sums) + (size_t)pair.x * width;
    for (uint j0 = j_first; j0 < j_end; j0 += TILE_N) {
        const uint t = (j0 - j_first) / TILE_N * 16 * TILE_V;
        column_totals(col_lanes + t, to + (j0 - window), j_end - j0);
        if (POSITIVES == 2)
            column_totals(col_plus + PLUS_AT(t), row_scores + col_at + (size_t)pair.x * width + (j0 - window), j_end - j0);
    }
}
