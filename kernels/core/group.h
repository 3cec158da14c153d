// SPDX-License-Identifier: Apache-2.0
// core/group.h: the multiply core for GPUs. A work-group of WG_N × WG_M items holds one tile of TILE_M × TILE_N in
// registers, MICRO_M × MICRO_N an item, and reads both operands from local memory, TILE_K deep.
//
// An item has rows and columns in runs of VEC, so that a run is one load from local memory; neighbours read neighbouring
// runs. Any wave width works: barriers alone order the items, and every item reaches each of them. One fma chain an
// entry, ascending, as in core/panel.h, so the bits are the same.
//
// STAGES 1: a block of TILE_K steps is loaded, then multiplied, with a barrier after each. STAGES 2: local memory holds two
// blocks; one is on its way through registers while the one before is multiplied, and there is one barrier a block.
//
// SUB_GROUPS 1: a row of WG_N items is a sub-group, whose items have the same rows of the tile. Each holds their entries at one
// step out of WG_N, and the others read them from its registers; packed operands are read where they lie, without local
// memory and barriers. Where that pays: common/vendor.h.
// Tuned: TILE_M, TILE_N, TILE_K, VEC, WG_M, WG_N, STAGES, SUB_GROUPS.   Reference: src/ref/exact.c.
#include "common/math.h"

#if !defined(TILE_M) || !defined(TILE_N) || !defined(TILE_K) || !defined(VEC) || !defined(WG_M) || !defined(WG_N)
#error "core/group.h needs TILE_M, TILE_N, TILE_K, VEC, WG_M and WG_N"
#endif
#if !defined(STAGES) || !defined(SUB_GROUPS)
#error "core/group.h needs STAGES and SUB_GROUPS"
#endif
#if STAGES == 2 && SUB_GROUPS
#error "core/group.h: sub-groups read operands where they lie, in one stage"
#endif
#include "common/vendor.h"

#define ITEMS   (WG_M * WG_N)
#define MICRO_M (TILE_M / WG_M)
#define MICRO_N (TILE_N / WG_N)
#define LEFT_LD  (TILE_M + VEC) // padded: rows of a power of two would share banks
#define RIGHT_LD (TILE_N + VEC)
#define LEFT_STAGE  (TILE_K * LEFT_LD)
#define RIGHT_STAGE (TILE_K * RIGHT_LD)
#define LEFT_SIZE   (STAGES * LEFT_STAGE)
#define RIGHT_SIZE  (STAGES * RIGHT_STAGE)

#if SUB_GROUPS
#define GROUP_KERNEL kernel __attribute__((reqd_work_group_size(WG_N, WG_M, 1))) SUB_GROUP_OF(WG_N)
#define ITEM_X SUB_GROUP_ITEM // however the driver makes sub-groups out of a group
#define ITEM_Y SUB_GROUP_NUMBER
#else
#define GROUP_KERNEL kernel __attribute__((reqd_work_group_size(WG_N, WG_M, 1)))
#define ITEM_X ((uint)get_local_id(0))
#define ITEM_Y ((uint)get_local_id(1))
#endif
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
    places p = { ITEM_X + zero, ITEM_Y + zero, ITEM_Y * WG_N + ITEM_X + zero };
    return p;
}

inline uint item(void) { return ITEM_Y * WG_N + ITEM_X; }

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

// What an item has of a block's entries, or runs, `count` out of at most `most`: every ITEMS-th. With two stages their values
// are taken to registers, number s of them, and given to local memory later; with one they go there at once.
#define SHARE(most) (STAGES == 2 ? ((most) + ITEMS - 1) / ITEMS : 1)
#if STAGES == 2
#define EACH_SHARE(s, t, most, count)                                         \
    CHI_UNROLL for (uint s = 0, t = item(); s < SHARE(most); s++, t += ITEMS) \
    if (t < (count))
#define TAKE(s, t, most, count, values, value) EACH_SHARE(s, t, most, count) (values)[s] = (value);
#define TAKEN(values, s, value)                (values)[s]
#else
#define EACH_SHARE(s, t, most, count) for (uint s = 0, t = item(); t < (count); t += ITEMS)
#define TAKE(s, t, most, count, values, value)
#define TAKEN(values, s, value) (value)
#endif
#define LEFT_RUNS  (TILE_K * TILE_M / VEC)
#define RIGHT_RUNS (TILE_K * TILE_N / VEC)

// Rows of `width` floats, a constant, that lie one after the other, the first at a whole run, into rows of width + VEC.
inline void take_rows(global const float *from, const uint width, const uint rows, run *runs)
{
    TAKE(s, t, TILE_K * width / VEC, rows * (width / VEC), runs, ((global const run *)from)[t])
}
inline void give_rows(global const float *from, const run *runs, const uint width, const uint rows, local float *to)
{
    EACH_SHARE(s, t, TILE_K * width / VEC, rows * (width / VEC))
        *(local run *)(to + t / (width / VEC) * (width + VEC) + t % (width / VEC) * VEC) =
            TAKEN(runs, s, ((global const run *)from)[t]);
}

#if SUB_GROUPS
// acc += A B over step k of WG_N: an item has its rows' entries at one of them, `own`, and reads those of the others.
#define SHARED_STEP(p, own, k, where, columns, acc)                                        \
    {                                                                                      \
        float column[MICRO_N];                                                             \
        CHI_UNROLL for (int c = 0; c < MICRO_N; c += VEC)                                  \
            put_run(*(where const run *)((columns) + COLUMN(p, c)), column + c);           \
        EACH_ENTRY(r, c) acc[r][c] = fma(SUB_GROUP_READ(own[r], k), column[c], acc[r][c]); \
    }
// acc += A B over `steps`, a is [k][lda] and b [k][ldb], both global or both local.
#define MULTIPLY_SHARED(where, a, lda, b, ldb, acc, steps)                                                                  \
    {                                                                                                                       \
        const places p = places_at(0);                                                                                      \
        for (uint k0 = 0; k0 < (steps); k0 += WG_N) {                                                                       \
            const uint here = min((uint)WG_N, (steps) - k0);                                                                \
            where const float *rows = (a) + (size_t)(k0 + min(p.x, here - 1)) * (lda), *columns = (b) + (size_t)k0 * (ldb); \
            float own[MICRO_M];                                                                                             \
            CHI_UNROLL for (int r = 0; r < MICRO_M; r += VEC)                                                               \
                put_run(*(where const run *)(rows + ROW(p, r)), own + r);                                                   \
            if (here == WG_N) {                                                                                             \
                CHI_UNROLL for (uint k = 0; k < WG_N; k++) SHARED_STEP(p, own, k, where, columns + k * (ldb), acc)          \
            } else {                                                                                                        \
                CHI_ROLLED for (uint k = 0; k < here; k++) SHARED_STEP(p, own, k, where, columns + k * (ldb), acc)          \
            }                                                                                                               \
        }                                                                                                                   \
    }
#else
inline void multiply_step(const places p, local const float *a, local const float *b, float acc[MICRO_M][MICRO_N])
{
    float row[MICRO_M], column[MICRO_N];
    CHI_UNROLL for (int r = 0; r < MICRO_M; r += VEC)
        put_run(*(local const run *)(a + ROW(p, r)), row + r);
    CHI_UNROLL for (int c = 0; c < MICRO_N; c += VEC)
        put_run(*(local const run *)(b + COLUMN(p, c)), column + c);
    EACH_ENTRY(r, c) acc[r][c] = fma(row[r], column[c], acc[r][c]);
}
#endif

// acc += A B over steps ≤ TILE_K of k, a is [k][LEFT_LD] and b [k][RIGHT_LD].
inline void multiply(local const float *a, local const float *b, float acc[MICRO_M][MICRO_N], const uint steps)
{
#if SUB_GROUPS
    MULTIPLY_SHARED(local, a, LEFT_LD, b, RIGHT_LD, acc, steps)
#else
    const places p = places_at(0);
    if (steps == TILE_K) {
        CHI_UNROLL_4 for (uint k = 0; k < TILE_K; k++)
            multiply_step(p, a + k * LEFT_LD, b + k * RIGHT_LD, acc);
        return;
    }
    CHI_ROLLED for (uint k = 0; k < steps; k++)
        multiply_step(p, a + k * LEFT_LD, b + k * RIGHT_LD, acc);
#endif
}

// A walk over `dim` steps in blocks of TILE_K. Each turn takes a block to registers, multiplies the block before where there
// are two stages, gives its own to local memory at a + HERE_LEFT, b + HERE_RIGHT, and ends: with the product where there is
// one stage. Two stages have a turn more, of no steps, for the last product. a and b are free before and afterwards.
#define HERE(k0)       ((k0) / TILE_K % STAGES)
#define HERE_LEFT(k0)  (HERE(k0) * LEFT_STAGE)
#define HERE_RIGHT(k0) (HERE(k0) * RIGHT_STAGE)
#if STAGES == 2
#define EACH_BLOCK(k0, dim) for (uint k0 = 0, before = 0; k0 < (dim) + TILE_K; k0 += TILE_K)
#define STEPS_OF(k0, dim)   ((k0) < (dim) ? min((uint)TILE_K, (dim) - (k0)) : 0)
#define MULTIPLY_BEFORE(k0, a, b, acc) \
    multiply((a) + HERE_LEFT((k0) + TILE_K), (b) + HERE_RIGHT((k0) + TILE_K), acc, before);
#define MULTIPLY_NOW(a, b, acc, steps) \
    before = steps;                    \
    barrier(CLK_LOCAL_MEM_FENCE);
#else
#define EACH_BLOCK(k0, dim) for (uint k0 = 0; k0 < (dim); k0 += TILE_K)
#define STEPS_OF(k0, dim)   min((uint)TILE_K, (dim) - (k0))
#define MULTIPLY_BEFORE(k0, a, b, acc)
#define MULTIPLY_NOW(a, b, acc, steps) \
    barrier(CLK_LOCAL_MEM_FENCE);      \
    multiply(a, b, acc, steps);        \
    barrier(CLK_LOCAL_MEM_FENCE);
#endif

// acc += A B over all of `dim`, from row panels k-major: left [dim][TILE_M], right [dim][TILE_N]. All items call it; it need
// not hold a barrier.
inline void add_panels(global const float *left, global const float *right, const uint dim, local float *a, local float *b,
                       float acc[MICRO_M][MICRO_N])
{
#if SUB_GROUPS
    MULTIPLY_SHARED(global, left, TILE_M, right, TILE_N, acc, dim)
#else
    run rows[SHARE(LEFT_RUNS)], columns[SHARE(RIGHT_RUNS)];
    EACH_BLOCK(k0, dim) {
        const uint steps = STEPS_OF(k0, dim);
        global const float *left_from = left + (size_t)k0 * TILE_M, *right_from = right + (size_t)k0 * TILE_N;
        take_rows(left_from, TILE_M, steps, rows);
        take_rows(right_from, TILE_N, steps, columns);
        MULTIPLY_BEFORE(k0, a, b, acc)
        give_rows(left_from, rows, TILE_M, steps, a + HERE_LEFT(k0));
        give_rows(right_from, columns, TILE_N, steps, b + HERE_RIGHT(k0));
        MULTIPLY_NOW(a, b, acc, steps)
    }
#endif
}

inline void multiply_panels(global const float *left, global const float *right, const uint dim, local float *a,
                            local float *b, float acc[MICRO_M][MICRO_N])
{
    clear(acc);
    add_panels(left, right, dim, a, b, acc);
}
