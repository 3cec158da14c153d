// SPDX-License-Identifier: Apache-2.0
// tiles/gradient_group.cl: dX = G Y and dY = Gᵀ X from kept tiles, G formed on the way to local memory.
// The other family: tiles/gradient_panel.cl, which says what G is and what the macros and arguments mean.
// Host: src/tiles/passes.c. Reference: src/ref/loss.c.
//
// A group owns rows of dX or of dY and TILE_N features of them: GPUs want many groups, and G is formed anew for each tile of
// features anyway. For each tile of its rows it walks the superblocks upwards: one chain a superblock, added to the total.
#include "core/group.h"

#if !defined(BLOCK) || !defined(SYMMETRIC) || !defined(SHIFTED) || !defined(WEIGHTS)
#error "tiles/gradient_group.cl: a macro is missing"
#endif
#include "tiles/weights_group.h"

// What a group sums: rows own … own_end − 1 of the output, superblocks s0 … s1 − 1 of `terms` terms each.
typedef struct walk {
    uint own, own_end;
    uint s0, s1, terms, sb;
    bool to_y;                     // rows of the output are columns of G
    global const float *right;     // column panels, `terms` rows
    global float *out;
    uint stride, dim;
    float scale;                   // after the last superblock
    global const float *a, *q, *own_y; // WEIGHTS 2, dX: a_i · fma(−q_i, own_i, Σ); own in column panels
    uint own_rows;
} walk;

// Entry e of a block of the left operand, at [WEIGHT_STEP][WEIGHT_ROW]: neighbours read neighbouring entries of a kept tile.
#define WEIGHT_ROW(e)  (across ? (e) % TILE_M : (e) / TILE_K)
#define WEIGHT_STEP(e) (across ? (e) / TILE_M : (e) % TILE_K)
inline float weight_at(const pair_terms *t, const walk *w, const bool across, const uint own, const uint term)
{
    return own >= w->own_end ? 0.0f : pair_gradient(t, across ? term : own, across ? own : term, w->to_y);
}

// Terms k0 … of rows i0 … of the left operand to a [k][LEFT_LD].
inline void take_weights(const pair_terms *t, const walk *w, const bool across, const uint i0, const uint k0,
                         const uint steps, float *values)
{
    TAKE(s, e, TILE_M * TILE_K, WEIGHT_STEP(e) < steps ? TILE_M * TILE_K : 0, values, weight_at(t, w, across, i0 + WEIGHT_ROW(e), k0 + WEIGHT_STEP(e)))
}
inline void give_weights(const pair_terms *t, const walk *w, const bool across, const uint i0, const uint k0,
                         const uint steps, const float *values, local float *a)
{
    EACH_SHARE(s, e, TILE_M * TILE_K, TILE_M * TILE_K)
        if (WEIGHT_STEP(e) < steps)
            a[WEIGHT_STEP(e) * LEFT_LD + WEIGHT_ROW(e)] = TAKEN(values, s, weight_at(t, w, across, i0 + WEIGHT_ROW(e), k0 + WEIGHT_STEP(e)));
}

// The chains of superblock s.
inline void chains(const pair_terms *t, const walk *w, const uint s, const uint i0, const uint d, local float *a,
                   local float *b, float acc[MICRO_M][MICRO_N])
{
    const uint first = s * w->sb, terms = min(w->terms - first, w->sb);
    const bool across = w->to_y || (SYMMETRIC && s < w->own / w->sb);
    float weights[SHARE(TILE_M * TILE_K)];
    run columns[SHARE(RIGHT_RUNS)];
    clear(acc);
    EACH_BLOCK(k0, terms) {
        const uint steps = STEPS_OF(k0, terms);
        global const float *right = w->right + ((size_t)(d / TILE_N) * w->terms + first + k0) * TILE_N;
        take_weights(t, w, across, i0, first + k0, steps, weights);
        take_rows(right, TILE_N, steps, columns);
        MULTIPLY_BEFORE(k0, a, b, acc)
        give_weights(t, w, across, i0, first + k0, steps, weights, a + HERE_LEFT(k0));
        give_rows(right, columns, TILE_N, steps, b + HERE_RIGHT(k0));
        MULTIPLY_NOW(a, b, acc, steps)
    }
}

// One tile of the output. Totals stay in memory, read and written once a superblock: in registers, they would halve the waves.
inline void sum_tile(const pair_terms *t, const walk *w, const uint i0, const uint d, local float *a, local float *b)
{
    const uint last = (w->terms + w->sb - 1) / w->sb - 1;
    for (uint s = w->s0; s < w->s1; s++) {
        float acc[MICRO_M][MICRO_N];
#if SYMMETRIC
        const uint own = w->own / w->sb;
        const pair_terms rows = terms_of_rows(t, (w->to_y || s < own ? s : own) - t->e0 / w->sb, w->sb);
        chains(&rows, w, s, i0, d, a, b, acc);
#else
        chains(t, w, s, i0, d, a, b, acc);
#endif
        const places p = places_at(s);
        EACH_ENTRY(r, c)
        {
            const uint row = i0 + ROW(p, r), column = d + COLUMN(p, c);
            if (row >= w->own_end || column >= w->dim)
                continue;
            global float *to = w->out + (size_t)row * w->stride + column;
            float g = s ? *to + acc[r][c] : acc[r][c];
            if (s == last && WEIGHTS == 2 && w->q)
                g = w->a[row] * fma(-w->q[row], w->own_y[((size_t)(d / TILE_N) * w->own_rows + row) * TILE_N + COLUMN(p, c)], g);
            *to = s == last ? g * w->scale : g;
        }
    }
}

GROUP_KERNEL
void tiles_gradient(const uint first, const uint n, const uint m, const uint dim,
                    const uint s0, const uint s1, const uint w0, const uint w1,
                    const uint x_groups, const uint x_rows,            // groups that own rows of dX, and how many rows
                    const uint y_groups, const uint y_rows,            // groups that own columns, and how many
                    const int partner,
                    global const float *restrict scalars,              // κ, scale, scale of the gradient
                    global const float *restrict kept,
                    global const float *restrict xd, global const float *restrict yd, global const float *restrict own_y, // column panels
                    global const float *restrict a, global const float *restrict b, global const float *restrict w,
                    global const float *restrict q, global const float *restrict positive,
                    global const float *restrict row_shift, global const float *restrict col_shift,
                    global const int *restrict labels,
                    const ulong gx_offset, const uint gx_stride, const ulong gy_offset, const uint gy_stride,
                    global float *grad_x, global float *grad_y)
{
    LOCAL_OPERANDS(left, right);
    // As in the panel version: dX groups are spread evenly among the dY groups.
    const uint group = first + (uint)get_group_id(0), across = (dim + TILE_N - 1) / TILE_N, u = group / across, all = x_groups + y_groups;
    const uint before = (uint)((ulong)u * x_groups / all);
    const bool owns_x = (uint)(((ulong)u + 1) * x_groups / all) > before;
    const uint sb_n = superblock(n), sb_m = superblock(m), e0 = s0 * sb_n, c0 = w0 * sb_m;
    const uint blocks = (min(m, w1 * sb_m) - c0 + BLOCK - 1) / BLOCK;
    const pair_terms t = { kept, a, b, w, row_shift, col_shift, labels, positive, scalars[0], blocks, e0, c0, partner };
    // Both walks' values first, then one choice each: at phis of an if with else, PoCL 6 with LLVM 18 ended the process
    // ("Instruction Combining did not reach a fixpoint", 2026-11).
    const uint x_own = e0 + before * x_rows, x_end = min(n, x_own + x_rows), x_first = SYMMETRIC ? s0 : w0;
    const uint y_own = (SYMMETRIC ? s1 * sb_n : c0) + (u - before) * y_rows, y_end = min(m, y_own + y_rows);
    const uint y_stride = SYMMETRIC ? gx_stride : gy_stride;
    global const float *no_q = 0, *x_q = WEIGHTS == 2 ? q : no_q;
    global float *x_out = grad_x + gx_offset, *y_out = SYMMETRIC ? x_out : grad_y + gy_offset;
    const walk to = { owns_x ? x_own : y_own, owns_x ? x_end : y_end, owns_x ? x_first : s0, owns_x ? w1 : s1, owns_x ? m : n,
                      owns_x ? sb_m : sb_n, !owns_x, owns_x ? yd : xd, owns_x ? x_out : y_out, owns_x ? gx_stride : y_stride,
                      dim, scalars[2], a, owns_x ? x_q : no_q, own_y, n };
    for (uint i0 = to.own; i0 < to.own_end; i0 += TILE_M)
        sum_tile(&t, &to, i0, group % across * TILE_N, left, right);
}
