// SPDX-License-Identifier: Apache-2.0
// tiles/statistics_group.cl: one walk over all pairs that leaves sums of exponentials by row and by column.
// The other family: tiles/statistics_panel.cl, which says what is summed and what the macros mean.
// Host: src/tiles/passes.c. Reference: src/ref/loss.c.
//
// A group owns a pair of superblocks and walks its tiles row by row. Lanes stay in registers of the items that own
// them: those of the current rows, and those of all columns of the superblock.
#include "tiles/scores_group.h"
#include "tiles/kept.h"

#if !defined(COLUMNS) || !defined(SHIFTED)
#error "tiles/statistics_group.cl: a macro is missing"
#endif

#define COLUMN_LANES (COLUMNS ? COLUMN_TILES * COLUMN_PAIRS : 1)
#define PLUS_SIZE(x) (POSITIVES == 2 ? (x) : 1) // sums over positives exist only for labels
#if COLUMNS
#define TAKE_COLUMNS(all) take_columns(all, here, own);
#define GIVE_COLUMNS(all) give_columns(all, here, own);
#else
#define TAKE_COLUMNS(all)
#define GIVE_COLUMNS(all)
#endif

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

inline void add_rows(local const float *slab, const places p, const uint s, const place *at, const bool plus, float *lanes)
{
    EACH_PAIR(t, SLAB_PAIRS) {
        const uint i = at->i0 + s * SLAB + PAIR_ROW(p, t);
        if (i >= at->i_end)
            continue;
        const float shift = SHIFTED ? at->row_shift[i] : 0.0f;
        float *lane = lanes + s * SLAB_PAIRS + t;
        CHI_UNROLL for (uint q = 0; q < TILE_N; q += 16) {
            const uint column = q + PAIR_ROW_LANE(p, t);
            const float entry = slab[PAIR_ROW(p, t) * SLAB_LD + column];
            *lane += plus ? plus_term(entry, at, i, at->j0 + column) : entry_term(entry, at, shift);
        }
    }
}

inline void add_columns(local const float *slab, const places p, const uint s, const place *at, const bool plus, float *lanes)
{
    EACH_PAIR(t, COLUMN_PAIRS) {
        const uint column = PAIR_COLUMN(p, t), j = at->j0 + column;
        if (j >= at->j_end)
            continue;
        const float shift = SHIFTED ? at->col_shift[j] : 0.0f;
        CHI_UNROLL for (uint q = 0; q < SLAB; q += 16) {
            const uint row = q + PAIR_COLUMN_LANE(p, t), i = at->i0 + s * SLAB + row;
            const float entry = slab[row * SLAB_LD + column];
            if (i < at->i_end)
                lanes[t] += plus ? plus_term(entry, at, i, j) : entry_term(entry, at, shift);
        }
    }
}

// A tile's entries to the sums of its rows, and of its columns where they are wanted; to a block of kept tiles, unless NULL.
// Exponentials are taken a slab at a time, which bounds the registers they need.
inline void add_tile(float acc[MICRO_M][MICRO_N], local float *slab, const place *at, const bool plus, const bool by_column,
                     const int shift, global float *kept, float *row_lanes, float *col_lanes)
{
    const places p = places_at(at->j0);
    EACH_SLAB(s) {
        if (!plus && !SHIFTED)
            EACH_SLAB_ENTRY(p, s, r, c) acc[r][c] = exp_shifted(acc[r][c], at->kappa, shift);
        put_slab(acc, p, s, slab);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint e = p.item; kept && e < SLAB * TILE_N && at->i0 + s * SLAB + e / TILE_N < at->i_end; e += ITEMS)
            kept[(s * SLAB + e / TILE_N) * BLOCK + e % TILE_N] = slab[e / TILE_N * SLAB_LD + e % TILE_N];
        add_rows(slab, p, s, at, plus, row_lanes);
        if (by_column)
            add_columns(slab, p, s, at, plus, col_lanes);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

GROUP_KERNEL
void tiles_statistics(const uint first, const uint n, const uint m, const uint dim,
                      const int shift, const uint kept_rows, const uint w0, const uint w1,
                      const uint p0, const uint col_at, const uint k0, const uint blocks,
                      global const float *restrict scalars,   // κ first
                      global const float *restrict xp,        // row panels of x, TILE_M wide
                      global const float *restrict yp,        // row panels of y, TILE_N wide
                      global const float *restrict row_shift, global const float *restrict col_shift,
                      global const int *restrict labels,
                      global const float *restrict x_norms, global const float *restrict y_norms,
                      global float *restrict row_sums,        // [superblocks of the window][n]
                      global float *restrict col_sums,        // [superblocks of n][columns of the window]
                      global float *restrict row_scores,
                      global float *restrict positive,        // [n]
                      global float *restrict kept)            // tiles/kept.h
{
    LOCAL_FLOATS(space, SPACE);
    const uint sb_n = superblock(n), sb_m = superblock(m);
    const uint2 pair = pair_of(first + (uint)get_group_id(0), w0, w1);
    const uint i_first = pair.x * sb_n, i_end = min(n, i_first + sb_n);
    const uint j_first = pair.y * sb_m, j_end = min(m, j_first + sb_m);
    const uint c0 = k0 * sb_m, window = w0 * sb_m, width = min(m, w1 * sb_m) - window;
    const bool by_column = COLUMNS && !(SYMMETRIC && pair.x == pair.y);
    place at = { 0, 0, i_end, j_end, scalars[0], row_shift, col_shift, labels };
    float col_lanes[COLUMN_LANES], col_plus[PLUS_SIZE(COLUMN_LANES)];
    for (uint t = 0; t < COLUMN_LANES; t++) col_lanes[t] = 0.0f;
    for (uint t = 0; t < PLUS_SIZE(COLUMN_LANES); t++) col_plus[t] = 0.0f;
    for (at.i0 = i_first; at.i0 < i_end; at.i0 += TILE_M) {
        const bool keep = at.i0 < kept_rows;
        float row_lanes[ROW_PAIRS], row_plus[ROW_PAIRS];
        EACH_PAIR(t, ROW_PAIRS) row_lanes[t] = row_plus[t] = 0.0f;
        for (at.j0 = j_first; at.j0 < j_end; at.j0 += TILE_N) {
            const uint here = (at.j0 - j_first) / TILE_N;
            float acc[MICRO_M][MICRO_N], own[COLUMN_PAIRS];
            multiply_panels(xp + (size_t)at.i0 * dim, yp + (size_t)at.j0 * dim, dim, space, space + LEFT_SIZE, acc);
            apply_metric(acc, at.i0, i_end, at.j0, x_norms, y_norms);
            apply_mask(acc, at.i0, i_end, at.j0, n, m, positive);
            EACH_PAIR(t, COLUMN_PAIRS) own[t] = 0.0f;
            if (POSITIVES == 2) {
                TAKE_COLUMNS(col_plus)
                add_tile(acc, space, &at, true, by_column, shift, 0, row_plus, own);
                GIVE_COLUMNS(col_plus)
            }
            global float *tile = kept + kept_at(at.i0, at.j0 - c0, blocks, sb_n) + at.j0 % BLOCK;
            TAKE_COLUMNS(col_lanes)
            add_tile(acc, space, &at, false, by_column, shift, keep ? tile : 0, row_lanes, own);
            GIVE_COLUMNS(col_lanes)
        }
        TOTALS(put_row_lanes, row_lanes, space, TILE_M, i_end - at.i0, row_sums + (size_t)(pair.y - p0) * n + at.i0)
        if (POSITIVES == 2) {
            TOTALS(put_row_lanes, row_plus, space, TILE_M, i_end - at.i0, row_scores + (size_t)(pair.y - p0) * n + at.i0)
        }
    }
    if (!by_column)
        return;
    global float *to = (SYMMETRIC ? row_sums + col_at : col_sums) + (size_t)pair.x * width;
    for (uint j0 = j_first; j0 < j_end; j0 += TILE_N) {
        const uint here = (j0 - j_first) / TILE_N;
        float own[COLUMN_PAIRS];
        EACH_PAIR(t, COLUMN_PAIRS) own[t] = 0.0f;
        TAKE_COLUMNS(col_lanes)
        TOTALS(put_column_lanes, own, space, TILE_N, j_end - j0, to + (j0 - window))
        if (POSITIVES == 2) {
            TAKE_COLUMNS(col_plus)
            TOTALS(put_column_lanes, own, space, TILE_N, j_end - j0, row_scores + col_at + (size_t)pair.x * width + (j0 - window))
        }
    }
}
