// SPDX-License-Identifier: Apache-2.0
// tiles/scores_panel.h: the walk over score tiles that every panel pass shares, and what a pass leaves out.
// Needs TILE_M, TILE_N, VEC, BLOCK, TILE_K (tuned), SYMMETRIC and POSITIVES (see tiles/statistics_panel.cl), and
// METRIC: 0 the product x · y; 1 its negative; 2 max(0, ‖x‖² + ‖y‖² − 2 x·y); 3 the negative of that.
#include "common/vendor.h"
#include "core/panel.h"

#if !defined(BLOCK) || !defined(TILE_K) || !defined(SYMMETRIC) || !defined(POSITIVES) || !defined(METRIC)
#error "tiles/scores_panel.h: a macro is missing"
#endif

#include "tiles/pairs.h"

#define PANELS    ((BLOCK + TILE_M - 1) / TILE_M) // row panels of a block
#define HOLD_SIZE (TILE_K ? PANELS * TILE_M * TILE_V : 1)
#define HOLD(p, r, v) (TILE_K ? ((p) * TILE_M + (r)) * TILE_V + (v) : 0)

// All tiles of the block of rows at ib × the column panel at j0. Where a tile's scores are complete, EPILOGUE(acc, i0)
// runs, i0 its first row below n. `hold` keeps unfinished accumulators when the features are walked in blocks of TILE_K.
// Each panel of rows asks for its share of the next column panel, which the first one would wait for: from main memory,
// and where a panel fills the first cache also from the second.
#define LEFT(r, k) left[(size_t)(k) * TILE_M + (r)]
#define ASK_AHEAD(k) PREFETCH(next + (k) * TILE_N / PANELS)
#define BLOCK_TILES(xp, yp, n, dim, ib, j0, hold, EPILOGUE)                                                                 \
    for (uint k0 = 0; k0 < (dim); k0 += TILE_K ? TILE_K : (dim))                                                            \
        for (uint p = 0; p < PANELS && (ib) + p * TILE_M < (n); p++) {                                                      \
            const uint steps = TILE_K ? min((uint)TILE_K, (dim)-k0) : (dim);                                                \
            global const float *left = (xp) + ((size_t)((ib) / BLOCK * PANELS + p) * (dim) + k0) * TILE_M;                  \
            global const float *right = (yp) + (size_t)(j0) * (dim) + (size_t)k0 * TILE_N;                                  \
            global const float *next = (yp) + (size_t)((j0) + TILE_N) * (dim) + ((size_t)p * (dim) + k0) * TILE_N / PANELS; \
            floatv acc[TILE_M][TILE_V];                                                                                     \
            EACH_ENTRY(r, v) acc[r][v] = k0 ? hold[HOLD(p, r, v)] : (floatv)(0.0f);                                         \
            PANEL_MULTIPLY_SOME(acc, LEFT, right, TILE_N, steps, TILE_V, ASK_AHEAD)                                         \
            if (k0 + steps < (dim)) {                                                                                       \
                EACH_ENTRY(r, v) hold[HOLD(p, r, v)] = acc[r][v];                                                           \
            } else {                                                                                                        \
                EPILOGUE(acc, (ib) + p * TILE_M)                                                                            \
            }                                                                                                               \
        }

// Sum of the lanes of one row.
inline float row_total(const floatv *lanes)
{
    float q[16];
    CHI_UNROLL for (int v = 0; v < LANE_V; v++)
        vstorev(lanes[v], v, q);
    return lane_tree(vload16(0, q));
}

// Products of row i to what METRIC says.
inline void apply_metric(floatv *row, const uint i, const uint j0, global const float *x_norms, global const float *y_norms)
{
    CHI_UNROLL for (int v = 0; v < TILE_V; v++) {
        if (METRIC >= 2) {
            const floatv d = fma((floatv)(-2.0f), row[v], (floatv)(x_norms[i]) + vloadv(v, y_norms + j0));
            row[v] = select(d, (floatv)(0.0f), d < (floatv)(0.0f));
        }
        if (METRIC % 2)
            row[v] = -row[v];
    }
}
#define METRIC_TILE(acc, i0, row_end, j0, x_norms, y_norms)                         \
    if (METRIC) {                                                                   \
        CHI_UNROLL for (int r = 0; r < TILE_M; r++)                                 \
            apply_metric(acc[r], min((i0) + r, (row_end)-1), j0, x_norms, y_norms); \
    }

// Negative where the tile at (i, j) keeps clear of the diagonal column = row + off.
inline int clears(const uint i, const uint j, const int off)
{
    const int d = (int)j - (int)i - off;
    return (d + TILE_N - 1) | (TILE_M - 1 - d);
}

// Sets what does not count to −inf: columns past the end, a row and itself, its single positive, whose score is noted.
// Rows from row_end on are padding: the next block has them.
inline void mask_row(float *row, const uint i, const uint row_end, const uint j0, const uint n, const uint m,
                     global float *positive)
{
    CHI_ROLLED for (uint q = 0; q < TILE_N; q++) {
        const uint j = j0 + q;
        const bool inside = i < row_end && j < m;
        if (inside && is_positive(i, j, n)) {
            positive[i] = row[q];
            if (SYMMETRIC)
                positive[j] = row[q];
        }
        if (j >= m || (SYMMETRIC && i == j) || is_positive(i, j, n))
            row[q] = -INFINITY;
    }
}

// By signs, in one comparison: a condition on j0 alone would have compilers make a second copy of the whole walk for it.
inline bool needs_mask(const uint i0, const uint j0, const uint n, const uint m)
{
    const int half_n = (int)(n / 2);
    int clear = (int)(j0 + TILE_N - 1 - m); // negative where no column is past the end
    if (SYMMETRIC || POSITIVES == 1)
        clear &= clears(i0, j0, 0);
    if (SYMMETRIC && POSITIVES == 1)
        clear &= clears(i0, j0, half_n) & clears(i0, j0, -half_n);
    return clear >= 0;
}

// Few tiles need it: they go through memory, so that mask_row is compiled once.
#define MASK_TILE(acc, i0, row_end, j0, n, m, positive)                         \
    if (needs_mask(i0, j0, n, m)) {                                             \
        float tile[TILE_M * TILE_N];                                            \
        CHI_UNROLL for (int r = 0; r < TILE_M; r++)                             \
            row_to_array(acc[r], tile + r * TILE_N);                            \
        CHI_ROLLED for (uint r = 0; r < TILE_M; r++)                            \
            mask_row(tile + r * TILE_N, (i0) + r, row_end, j0, n, m, positive); \
        CHI_UNROLL for (int r = 0; r < TILE_M; r++)                             \
            row_from_array(acc[r], tile + r * TILE_N);                          \
    }
