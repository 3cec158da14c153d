// SPDX-License-Identifier: Apache-2.0
// tiles/scores_group.h: what every group pass over score tiles shares: metric, mask, and sums by 16 lanes.
// Needs TILE_M, TILE_N, TILE_K, WG_M, WG_N, BLOCK (tuned), SYMMETRIC, POSITIVES and METRIC (see tiles/scores_panel.h).
//
// A tile of scores goes to local memory a slab of rows at a time, in the place of the operands; then an item owns fixed
// (row, lane) and (column, lane) pairs and adds their entries in ascending order, so a lane's order is the panel family's.
#include "core/group.h"

#if !defined(BLOCK) || !defined(SYMMETRIC) || !defined(POSITIVES) || !defined(METRIC)
#error "tiles/scores_group.h: a macro is missing"
#endif
#include "common/vendor.h"
#include "tiles/pairs.h"

#define MAX_SB       256
#define SLAB         (TILE_M < 32 ? TILE_M : 32) // rows: whole rounds of a column's 16 lanes
#define SLABS        (TILE_M / SLAB)
#define SLAB_LD      (TILE_N + VEC)
#define SLAB_PAIRS   (SLAB * 16 / ITEMS)   // (row, lane) of an item in one slab
#define ROW_PAIRS    (TILE_M * 16 / ITEMS) // in all of them
#define COLUMN_PAIRS (TILE_N * 16 / ITEMS)
#define COLUMN_TILES (MAX_SB / TILE_N)
#define LANES_LD     17 // of lanes that wait for their tree: [row or column][lane]
#define LARGER(a, b) ((a) > (b) ? (a) : (b))

// Local memory of a group, for operands, then a slab, then lanes.
#define SPACE LARGER(LEFT_SIZE + RIGHT_SIZE, LARGER(SLAB * SLAB_LD, LANES_LD * LARGER(TILE_M, TILE_N)))

// Pair t of an item: a row of a slab and a lane, or a column of the tile and a lane.
#define PAIR_ROW(p, t)         (((p).item + (uint)(t) * ITEMS) / 16)
#define PAIR_ROW_LANE(p, t)    (((p).item + (uint)(t) * ITEMS) % 16)
#define PAIR_COLUMN(p, t)      (((p).item + (uint)(t) * ITEMS) % TILE_N)
#define PAIR_COLUMN_LANE(p, t) (((p).item + (uint)(t) * ITEMS) / TILE_N)
// An item that owns a row of the tile: rows of one slab lie far apart among the items, so that several waves have some.
#define OWNER_ROW              item()
#define OWNER_SLAB             (item() / SLAB)
#define EACH_SLAB(s)           CHI_UNROLL for (uint s = 0; s < SLABS; s++)
#define EACH_PAIR(t, pairs)    CHI_UNROLL for (uint t = 0; t < (pairs); t++)

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
    const places p = places_at(j0);
    if (METRIC)
        EACH_ENTRY(r, c)
            acc[r][c] = to_metric(acc[r][c], min(i0 + ROW(p, r), row_end - 1), j0 + COLUMN(p, c), x_norms, y_norms);
}

// Sets what does not count to −inf; the score of a single positive is noted, by one item of all.
inline void apply_mask(float acc[MICRO_M][MICRO_N], const uint i0, const uint row_end, const uint j0, const uint n,
                       const uint m, global float *positive)
{
    const places p = places_at(j0);
    EACH_ENTRY(r, c)
    {
        const uint i = i0 + ROW(p, r), j = j0 + COLUMN(p, c);
        if (i < row_end && j < m && is_positive(i, j, n) && (!SYMMETRIC || i < j)) {
            positive[i] = acc[r][c];
            if (SYMMETRIC)
                positive[j] = acc[r][c];
        }
        if (j >= m || (SYMMETRIC && i == j) || is_positive(i, j, n))
            acc[r][c] = -INFINITY;
    }
}

// Whether row r is in slab s: of all items at once, where their runs fit into it.
#define IN_SLAB(p, r, s) (WG_M * VEC <= SLAB ? (uint)(r) / VEC * (WG_M * VEC) / SLAB == (s) : ROW(p, r) / SLAB == (s))
#define EACH_SLAB_ENTRY(p, s, r, c)              \
    CHI_UNROLL for (int r = 0; r < MICRO_M; r++) \
    if (IN_SLAB(p, r, s)) CHI_UNROLL for (int c = 0; c < MICRO_N; c++)

// Rows s · SLAB … of the micro-tiles to local memory.
inline void put_slab(float acc[MICRO_M][MICRO_N], const places p, const uint s, local float *slab)
{
    CHI_UNROLL for (int r = 0; r < MICRO_M; r++)
        if (IN_SLAB(p, r, s))
            CHI_UNROLL for (int c = 0; c < MICRO_N; c += VEC)
                *(local run *)(slab + ROW(p, r) % SLAB * SLAB_LD + COLUMN(p, c)) = get_run(&acc[r][c]);
}

// Lanes of a superblock's columns, [tile of columns][pair]: those of tile `here`, and back. Where arrays are registers the
// number is compared and never indexes.
#if PRIVATE_ARRAYS
#define EACH_COLUMN_TILE(c, here) for (uint c = (here), once = 1; once; once = 0)
#else
#define EACH_COLUMN_TILE(c, here) CHI_UNROLL for (uint c = 0; c < COLUMN_TILES; c++)
#endif
inline void take_columns(const float *all, const uint here, float *own)
{
    EACH_COLUMN_TILE(c, here) EACH_PAIR(t, COLUMN_PAIRS) own[t] = c == here ? all[c * COLUMN_PAIRS + t] : own[t];
}
inline void give_columns(float *all, const uint here, const float *own)
{
    EACH_COLUMN_TILE(c, here) EACH_PAIR(t, COLUMN_PAIRS) all[c * COLUMN_PAIRS + t] = c == here ? own[t] : all[c * COLUMN_PAIRS + t];
}

// Lanes to [row][lane] or [column][lane]; a barrier follows.
inline void put_row_lanes(const float *lanes, local float *space)
{
    const places p = places_at(0);
    EACH_SLAB(s) EACH_PAIR(t, SLAB_PAIRS)
        space[(s * SLAB + PAIR_ROW(p, t)) * LANES_LD + PAIR_ROW_LANE(p, t)] = lanes[s * SLAB_PAIRS + t];
}
inline void put_column_lanes(const float *lanes, local float *space)
{
    const places p = places_at(0);
    EACH_PAIR(t, COLUMN_PAIRS) space[PAIR_COLUMN(p, t) * LANES_LD + PAIR_COLUMN_LANE(p, t)] = lanes[t];
}

// Finished sums of `width` rows or columns, whose lanes put_lanes writes, to to[0 … count − 1].
#define TOTALS(put_lanes, lanes, space, width, count, to)              \
    put_lanes(lanes, space);                                           \
    barrier(CLK_LOCAL_MEM_FENCE);                                      \
    for (uint t = item(); t < min((uint)(width), (count)); t += ITEMS) \
        (to)[t] = lane_tree(vload16(0, (space) + t * LANES_LD));       \
    barrier(CLK_LOCAL_MEM_FENCE);
