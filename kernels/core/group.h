// SPDX-License-Identifier: Apache-2.0
// core/group.h: the multiply core for GPUs. A work-group of WG_N × WG_M items holds one tile of TILE_M × TILE_N in
// registers, MICRO_M × MICRO_N an item, and reads both operands from local memory, TILE_K deep.
//
// Item (x, y) has rows y + r WG_M and columns x + c WG_N: neighbours read neighbouring words. Any wave width works:
// barriers alone order the items, and every item reaches each of them. One fma chain an entry, ascending, as in
// core/panel.h, so the bits are the same.
// Tuned: TILE_M, TILE_N, TILE_K, WG_M, WG_N.   Reference: src/ref/exact.c.
#include "common/math.h"

#if !defined(TILE_M) || !defined(TILE_N) || !defined(TILE_K) || !defined(WG_M) || !defined(WG_N)
#error "core/group.h needs TILE_M, TILE_N, TILE_K, WG_M and WG_N"
#endif

#define ITEMS   (WG_M * WG_N)
#define MICRO_M (TILE_M / WG_M)
#define MICRO_N (TILE_N / WG_N)
#define LEFT_LD  (TILE_M + 1) // padded: rows of a power of two would share banks
#define RIGHT_LD (TILE_N + 1)
#define LEFT_SIZE  (TILE_K * LEFT_LD)
#define RIGHT_SIZE (TILE_K * RIGHT_LD)

#define GROUP_KERNEL kernel __attribute__((reqd_work_group_size(WG_N, WG_M, 1)))

// Row r and column c of an item's micro-tile within the tile.
#define ROW(r)    ((uint)get_local_id(1) + (uint)(r) * WG_M)
#define COLUMN(c) ((uint)get_local_id(0) + (uint)(c) * WG_N)
#define EACH_ENTRY(r, c)                         \
    CHI_UNROLL for (int r = 0; r < MICRO_M; r++) \
    CHI_UNROLL for (int c = 0; c < MICRO_N; c++)

inline uint item(void) { return (uint)get_local_id(1) * WG_N + (uint)get_local_id(0); }

inline void clear(float acc[MICRO_M][MICRO_N])
{
    EACH_ENTRY(r, c) acc[r][c] = 0.0f;
}

// Rows of `width` floats, a constant, that lie one after the other, into rows of width + 1.
#define LOAD_ROWS(from, to, width, rows)                     \
    for (uint t = item(); t < (rows) * (width); t += ITEMS)    \
        (to)[t / (width) * ((width) + 1) + t % (width)] = (from)[t];

inline void multiply_step(local const float *a, local const float *b, float acc[MICRO_M][MICRO_N])
{
    float column[MICRO_N];
    CHI_UNROLL for (int c = 0; c < MICRO_N; c++)
        column[c] = b[COLUMN(c)];
    CHI_UNROLL for (int r = 0; r < MICRO_M; r++) {
        const float row = a[ROW(r)];
        CHI_UNROLL for (int c = 0; c < MICRO_N; c++)
            acc[r][c] = fma(row, column[c], acc[r][c]);
    }
}

// acc += A B over steps ≤ TILE_K of k, a is [k][LEFT_LD] and b [k][RIGHT_LD].
inline void multiply(local const float *a, local const float *b, float acc[MICRO_M][MICRO_N], const uint steps)
{
    if (steps == TILE_K) {
        for (uint k = 0; k < TILE_K; k++)
            multiply_step(a + k * LEFT_LD, b + k * RIGHT_LD, acc);
        return;
    }
    for (uint k = 0; k < steps; k++)
        multiply_step(a + k * LEFT_LD, b + k * RIGHT_LD, acc);
}

// acc = A B over all of `dim`, from row panels k-major: left [dim][TILE_M], right [dim][TILE_N]. All items call it;
// afterwards a and b are free.
inline void multiply_panels(global const float *left, global const float *right, const uint dim, local float *a,
                            local float *b, float acc[MICRO_M][MICRO_N])
{
    clear(acc);
    for (uint k0 = 0; k0 < dim; k0 += TILE_K) {
        const uint steps = min((uint)TILE_K, dim - k0);
        global const float *left_rows = left + (size_t)k0 * TILE_M, *right_rows = right + (size_t)k0 * TILE_N;
        LOAD_ROWS(left_rows, a, TILE_M, steps)
        LOAD_ROWS(right_rows, b, TILE_N, steps)
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply(a, b, acc, steps);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}
