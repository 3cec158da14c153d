// SPDX-License-Identifier: Apache-2.0
// core/group.h: the multiply core for GPUs. A work-group of WG_N × WG_M items holds one tile of TILE_M × TILE_N in
// registers, MICRO_M × MICRO_N an item, and reads both operands from local memory, TILE_K deep.
//
// An item has rows and columns in runs of VEC, so that a run is one load from local memory; neighbours read neighbouring
// runs. Any wave width works: barriers alone order the items, and every item reaches each of them. One fma chain an
// entry, ascending, as in core/panel.h, so the bits are the same.
// Tuned: TILE_M, TILE_N, TILE_K, VEC, WG_M, WG_N.   Reference: src/ref/exact.c.
#include "common/math.h"

#if !defined(TILE_M) || !defined(TILE_N) || !defined(TILE_K) || !defined(VEC) || !defined(WG_M) || !defined(WG_N)
#error "core/group.h needs TILE_M, TILE_N, TILE_K, VEC, WG_M and WG_N"
#endif

#define ITEMS   (WG_M * WG_N)
#define MICRO_M (TILE_M / WG_M)
#define MICRO_N (TILE_N / WG_N)
#define LEFT_LD  (TILE_M + VEC) // padded: rows of a power of two would share banks
#define RIGHT_LD (TILE_N + VEC)
#define LEFT_SIZE  (TILE_K * LEFT_LD)
#define RIGHT_SIZE (TILE_K * RIGHT_LD)

#define GROUP_KERNEL kernel __attribute__((reqd_work_group_size(WG_N, WG_M, 1)))
// A local array whose rows start at whole runs.
#define LOCAL_FLOATS(name, count) local float name[count] __attribute__((aligned(4 * VEC)))
#define LOCAL_OPERANDS(left, right) \
    LOCAL_FLOATS(left, LEFT_SIZE);  \
    LOCAL_FLOATS(right, RIGHT_SIZE)

#if VEC > 1
typedef CHI_JOIN(float, VEC) run;
#define put_run(v, to) CHI_JOIN(vstore, VEC)(v, 0, to)
#define get_run(from)  CHI_JOIN(vload, VEC)(0, from)
#else
typedef float run;
#define put_run(v, to) (*(to) = (v))
#define get_run(from)  (*(from))
#endif

// Where an item stands in its group.
typedef struct places { uint x, y, item; } places;

// `row` is below 2^31, so what is added is zero, but no compiler knows it: places that depend on a row (or column) of this
// tile are found anew for each tile. Taken out of the loop over tiles, as compilers love to, they fill the registers
// that the product needs (224 instead of 115 in tiles/statistics_group.cl on gfx906).
inline places places_at(const uint row)
{
    const uint zero = row >> 31;
    places p = { (uint)get_local_id(0) + zero, (uint)get_local_id(1) + zero, (uint)get_local_id(1) * WG_N + (uint)get_local_id(0) + zero };
    return p;
}

inline uint item(void) { return (uint)get_local_id(1) * WG_N + (uint)get_local_id(0); }

// Row r and column c of an item's micro-tile within the tile.
#define ROW(p, r)    (((uint)(r) / VEC * WG_M + (p).y) * VEC + (uint)(r) % VEC)
#define COLUMN(p, c) (((uint)(c) / VEC * WG_N + (p).x) * VEC + (uint)(c) % VEC)
#define EACH_ENTRY(r, c)                         \
    CHI_UNROLL for (int r = 0; r < MICRO_M; r++) \
    CHI_UNROLL for (int c = 0; c < MICRO_N; c++)

inline void clear(float acc[MICRO_M][MICRO_N])
{
    EACH_ENTRY(r, c) acc[r][c] = 0.0f;
}

// Rows of `width` floats, a constant, that lie one after the other, the first at a whole run, into rows of width + VEC.
#define LOAD_ROWS(from, to, width, rows)                                                             \
    for (uint t = item(); t < (rows) * ((width) / VEC); t += ITEMS)                                  \
        *(local run *)((to) + t / ((width) / VEC) * ((width) + VEC) + t % ((width) / VEC) * VEC) = \
            ((global const run *)(from))[t];

inline void multiply_step(const places p, local const float *a, local const float *b, float acc[MICRO_M][MICRO_N])
{
    float row[MICRO_M], column[MICRO_N];
    CHI_UNROLL for (int r = 0; r < MICRO_M; r += VEC)
        put_run(*(local const run *)(a + ROW(p, r)), row + r);
    CHI_UNROLL for (int c = 0; c < MICRO_N; c += VEC)
        put_run(*(local const run *)(b + COLUMN(p, c)), column + c);
    EACH_ENTRY(r, c) acc[r][c] = fma(row[r], column[c], acc[r][c]);
}

// acc += A B over steps ≤ TILE_K of k, a is [k][LEFT_LD] and b [k][RIGHT_LD].
inline void multiply(local const float *a, local const float *b, float acc[MICRO_M][MICRO_N], const uint steps)
{
    const places p = places_at(0);
    if (steps == TILE_K) {
        CHI_UNROLL_4 for (uint k = 0; k < TILE_K; k++)
            multiply_step(p, a + k * LEFT_LD, b + k * RIGHT_LD, acc);
        return;
    }
    CHI_ROLLED for (uint k = 0; k < steps; k++)
        multiply_step(p, a + k * LEFT_LD, b + k * RIGHT_LD, acc);
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
