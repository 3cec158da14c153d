// SPDX-License-Identifier: Apache-2.0
// tiles/maxima_group.cl: the largest score of each row and each column, from which shifts follow.
// The other family: tiles/maxima_panel.cl, which says what counts. Host: src/tiles/passes.c. Reference: src/ref/loss.c.
#include "tiles/scores_group.h"

#if !defined(COLUMNS)
#error "tiles/maxima_group.cl: COLUMNS is missing"
#endif

inline float larger(const float a, const float b) { return b > a || is_nan(b) ? b : a; }

// Largest of 16 lanes, `width` times, to to[0 … count − 1].
#define LARGEST(put_lanes, lanes, space, width, count, to)               \
    put_lanes(lanes, space);                                             \
    barrier(CLK_LOCAL_MEM_FENCE);                                        \
    for (uint t = item(); t < min((uint)(width), (count)); t += ITEMS) { \
        float best = -INFINITY;                                          \
        for (uint l = 0; l < 16; l++)                                    \
            best = larger(best, (space)[t * LANES_LD + l]);              \
        (to)[t] = best;                                                  \
    }                                                                    \
    barrier(CLK_LOCAL_MEM_FENCE);

inline void largest_of_tile(float acc[MICRO_M][MICRO_N], local float *slab, const uint i0, const uint i_end, const uint j0,
                            float *rows, float *columns)
{
    const places p = places_at(j0);
    EACH_SLAB(s) {
        put_slab(acc, p, s, slab);
        barrier(CLK_LOCAL_MEM_FENCE);
        EACH_PAIR(t, SLAB_PAIRS) CHI_UNROLL for (uint q = 0; q < TILE_N; q += 16)
            rows[s * SLAB_PAIRS + t] = larger(rows[s * SLAB_PAIRS + t], slab[PAIR_ROW(p, t) * SLAB_LD + q + PAIR_ROW_LANE(p, t)]);
        EACH_PAIR(t, COLUMNS ? COLUMN_PAIRS : 0) CHI_UNROLL for (uint q = 0; q < SLAB; q += 16) {
            const uint row = q + PAIR_COLUMN_LANE(p, t);
            if (i0 + s * SLAB + row < i_end)
                columns[t] = larger(columns[t], slab[row * SLAB_LD + PAIR_COLUMN(p, t)]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

GROUP_KERNEL
void tiles_maxima(const uint first, const uint n, const uint m, const uint dim,
                  const uint w0, const uint w1, const uint col_at,                            // tiles/pairs.h
                  global const float *restrict xp, global const float *restrict yp,
                  global const float *restrict x_norms, global const float *restrict y_norms, // where METRIC is 2 or 3
                  global float *restrict row_max, // [superblocks of the window][n]
                  global float *restrict col_max, // [superblocks of n][columns of the window]
                  global float *restrict positive)
{
    LOCAL_FLOATS(space, SPACE);
    const uint sb_n = superblock(n), sb_m = superblock(m);
    const uint2 pair = pair_of(first + (uint)get_group_id(0), w0, w1);
    const uint i_first = pair.x * sb_n, i_end = min(n, i_first + sb_n);
    const uint j_first = pair.y * sb_m, j_end = min(m, j_first + sb_m);
    float columns[COLUMN_TILES * COLUMN_PAIRS];
    for (uint t = 0; t < COLUMN_TILES * COLUMN_PAIRS; t++) columns[t] = -INFINITY;
    for (uint i0 = i_first; i0 < i_end; i0 += TILE_M) {
        float rows[ROW_PAIRS];
        EACH_PAIR(t, ROW_PAIRS) rows[t] = -INFINITY;
        for (uint j0 = j_first; j0 < j_end; j0 += TILE_N) {
            float acc[MICRO_M][MICRO_N], own[COLUMN_PAIRS];
            multiply_panels(xp + (size_t)i0 * dim, yp + (size_t)j0 * dim, dim, space, space + LEFT_SIZE, acc);
            apply_metric(acc, i0, i_end, j0, x_norms, y_norms);
            apply_mask(acc, i0, i_end, j0, n, m, positive);
            EACH_PAIR(t, COLUMN_PAIRS) own[t] = -INFINITY;
            if (COLUMNS)
                take_columns(columns, (j0 - j_first) / TILE_N, own);
            largest_of_tile(acc, space, i0, i_end, j0, rows, own);
            if (COLUMNS)
                give_columns(columns, (j0 - j_first) / TILE_N, own);
        }
        LARGEST(put_row_lanes, rows, space, TILE_M, i_end - i0, row_max + (size_t)(pair.y - w0) * n + i0)
    }
    if (!COLUMNS || (SYMMETRIC && pair.x == pair.y))
        return;
    const uint window = w0 * sb_m, width = min(m, w1 * sb_m) - window;
    global float *to = (SYMMETRIC ? row_max + col_at : col_max) + (size_t)pair.x * width;
    for (uint j0 = j_first; j0 < j_end; j0 += TILE_N) {
        float own[COLUMN_PAIRS];
        EACH_PAIR(t, COLUMN_PAIRS) own[t] = -INFINITY;
        take_columns(columns, (j0 - j_first) / TILE_N, own);
        LARGEST(put_column_lanes, own, space, TILE_N, j_end - j0, to + (j0 - window))
    }
}
