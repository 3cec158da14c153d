// SPDX-License-Identifier: Apache-2.0
// tiles/scores_group.h: what every group pass over score tiles shares: metric, mask, and sums by 16 lanes.
// Needs TILE_M, TILE_N, TILE_K, WG_M, WG_N, BLOCK (tuned), SYMMETRIC, POSITIVES and METRIC (see tiles/scores_panel.h).
//
// A tile of scores is written to local memory; then an item owns fixed (row, lane) and (column, lane) pairs and adds
// their entries in ascending order, so a lane's order is the panel family's.
#include "core/group.h"

#if !defined(BLOCK) || !defined(SYMMETRIC) || !defined(POSITIVES) || !defined(METRIC)
#error "tiles/scores_group.h: a macro is missing"
#endif
#include "tiles/pairs.h"

#define MAX_SB       256
#define TILE_LD      (TILE_N + 1)
#define TILE_SIZE    (TILE_M * TILE_LD) // holds [16][TILE_M] and [16][TILE_N] as well
#define ROW_PAIRS    (TILE_M * 16 / ITEMS)
#define COLUMN_PAIRS (TILE_N * 16 / ITEMS)
#define COLUMN_TILES (MAX_SB / TILE_N)

// Pair t of an item: a row (column) of the tile and a lane. Neighbours have neighbouring rows.
#define PAIR_ROW(t)         ((item() + (uint)(t) * ITEMS) % TILE_M)
#define PAIR_ROW_LANE(t)    ((item() + (uint)(t) * ITEMS) / TILE_M)
#define PAIR_COLUMN(t)      ((item() + (uint)(t) * ITEMS) % TILE_N)
#define PAIR_COLUMN_LANE(t) ((item() + (uint)(t) * ITEMS) / TILE_N)

inline float to_metric(const float product, const uint i, const uint j, global const float *x_norms, global const float *y_norms)
{
    float s = product;
    if (METRIC >= 2) {
        s = fma(-2.0f, product, x_norms[i] + y_norms[j]);
        s = s < 0.0f ? 0.0f : s;
    }
    return METRIC % 2 ? -s : s;
}

// Rows from row_end on are padding: they get row_end − 1's norm and are never read.
inline void apply_metric(float acc[MICRO_M][MICRO_N], const uint i0, const uint row_end, const uint j0,
                         global const float *x_norms, global const float *y_norms)
{
    if (METRIC)
        EACH_ENTRY(r, c)
            acc[r][c] = to_metric(acc[r][c], min(i0 + ROW(r), row_end - 1), j0 + COLUMN(c), x_norms, y_norms);
}

// Sets what does not count to −inf; the score of a single positive is noted, by one item of all.
inline void apply_mask(float acc[MICRO_M][MICRO_N], const uint i0, const uint row_end, const uint j0, const uint n,
                       const uint m, global float *positive)
{
    EACH_ENTRY(r, c)
    {
        const uint i = i0 + ROW(r), j = j0 + COLUMN(c);
        if (i < row_end && j < m && is_positive(i, j, n) && (!SYMMETRIC || i < j)) {
            positive[i] = acc[r][c];
            if (SYMMETRIC)
                positive[j] = acc[r][c];
        }
        if (j >= m || (SYMMETRIC && i == j) || is_positive(i, j, n))
            acc[r][c] = -INFINITY;
    }
}

// Micro-tiles to the tile in local memory.
inline void put_tile(float acc[MICRO_M][MICRO_N], local float *tile)
{
    EACH_ENTRY(r, c) tile[ROW(r) * TILE_LD + COLUMN(c)] = acc[r][c];
}

// Lane values of all pairs to [16][width].
#define PUT_LANES(lanes, pairs, tile)           \
    CHI_UNROLL for (uint t = 0; t < pairs; t++) \
        (tile)[item() + t * ITEMS] = (lanes)[t];

// One finished sum, from [16][width].
inline float lanes_total(local const float *tile, const uint width, const uint at)
{
    float q[16];
    CHI_UNROLL for (uint l = 0; l < 16; l++)
        q[l] = tile[l * width + at];
    return lane_tree(vload16(0, q));
}

// Totals of lanes that lie in the items' registers, `width` sums of 16, to to[0 … count − 1].
#define TOTALS(lanes, pairs, tile, width, count, to)                 \
    PUT_LANES(lanes, pairs, tile)                                    \
    barrier(CLK_LOCAL_MEM_FENCE);                                    \
    for (uint t = item(); t < min((uint)(width), (count)); t += ITEMS) \
        (to)[t] = lanes_total(tile, width, t);                       \
    barrier(CLK_LOCAL_MEM_FENCE);
