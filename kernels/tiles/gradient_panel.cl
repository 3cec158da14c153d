// SPDX-License-Identifier: Apache-2.0
// tiles/gradient_panel.cl: dX = G Y and dY = Gᵀ X from kept tiles, G formed on the way and never stored.
// The other family: tiles/gradient_group.cl. Host: src/tiles/passes.c. Reference: src/ref/loss.c.
//
// A group owns rows of dX, or rows of dY, and walks the superblocks upwards: one fma chain a superblock, added to the
// total that lies in the output. Nothing is shared between groups and no sum is kept twice.
// Kept tiles hold e (SHIFTED: s, and e relative to a row's shift c_i, a column's d_j); what did not count is 0 (−inf).
//
//   WEIGHTS 0  G_ij = e_ij (a_i + b_j), single positives: positive[i]                      (two-sided, symmetric with b = a)
//   WEIGHTS 1  the same, by labels: fma(e_ij, a_i + a_j, −(w_i + w_j)) on positives         (symmetric)
//   WEIGHTS 2  dX: G_ij = e_ij without the positive, then dX_i = a_i · fma(−q_i, y_i, Σ);
//              dY: G_ij = e_ij a_i, on the positive positive[i]                            (one-sided)
//   WEIGHTS 3  G_ij is what was kept                                                      (normaliser known)
// A launch is given the tiles of superblocks s0 … s1 − 1 of rows and w0 … w1 − 1 of columns, and adds what they give:
// x groups own rows of s0 … s1 − 1, y groups columns of the window. A total starts with superblock 0 and is scaled after the last.
// SYMMETRIC: y is x, and of the tiles only those of superblock pairs I ≤ J exist. x groups read mirrored tiles before
// their own superblock; y groups own rows of dX from s1 on, whose later superblocks come with their own rows.
// Tuned: TILE_M, TILE_N, VEC, BLOCK.
#include "core/panel.h"
#include "common/vendor.h"

#if !defined(BLOCK) || !defined(SYMMETRIC) || !defined(SHIFTED) || !defined(WEIGHTS)
#error "tiles/gradient_panel.cl: a macro is missing"
#endif
#include "tiles/kept.h"

#define MAX_SB 256
#define LD_X   (MAX_SB + 16) // padded rows: a power of two would use a few sets of L1 only
#define LD_Y   (BLOCK + 16)
#define SPARE  (TILE_M * LD_X) // a last register tile may read rows past the block
#define G_SIZE (BLOCK * LD_X > MAX_SB * LD_Y ? BLOCK * LD_X + SPARE : MAX_SB * LD_Y + SPARE)

typedef struct pair_terms {
    global const float *a, *b, *w;         // coefficients of rows and columns
    global const float *row_shift, *col_shift;
    global const int *labels;
    global const float *positive;
    float kappa;
    uint n;                                // rows of x
    int partner;                           // column of a row's positive: row + partner or row − partner; −1: labels or none
} pair_terms;

// G of rows i … of one kept tile × VEC columns from j.
inline floatv pair_weight(const pair_terms *t, const floatv kept, const uint i, const uint j, const bool to_y)
{
    floatv e = kept, weight;
    if (WEIGHTS == 3)
        return kept;
    if (SHIFTED) {
        floatv whole;
        exp_split_v(kept, t->kappa, &whole, &e);
        const floatv row = whole - (floatv)(t->row_shift[i]);
        if (WEIGHTS == 2) {
            weight = scale_by_power_v(e, row);
            weight = to_y ? weight * (floatv)(t->a[i]) : weight;
            return select(weight, (floatv)(0.0f), kept == (floatv)(-INFINITY));
        }
        weight = scale_by_power_v((floatv)(t->a[i]), row) +
                 scale_by_power_v(vloadv(0, t->b + j), whole - vloadv(0, t->col_shift + j));
    } else {
        if (WEIGHTS == 2)
            return to_y ? e * (floatv)(t->a[i]) : e;
        weight = (floatv)(t->a[i]) + vloadv(0, t->b + j);
    }
    floatv g = e * weight;
    if (WEIGHTS == 1) {
        const intv same = vload_intv(0, t->labels + j) == (intv)(t->labels[i]);
        g = select(g, fma(e, weight, -((floatv)(t->w[i]) + vloadv(0, t->w + j))), same);
    }
    return SHIFTED ? select(g, (floatv)(0.0f), kept == (floatv)(-INFINITY)) : g;
}

// Rows i0 … i0 + rows − 1 × columns j0 … j0 + BLOCK − 1 of G from one kept tile, into g.
CHI_OUTLINED void form(const pair_terms *of, global const float *tile, const uint i0, const uint rows, const uint j0,
                       float *g, const uint ld, const bool to_y)
{
    const pair_terms t = *of; // stores to g could change *of for all a compiler knows
    CHI_ROLLED for (uint r = 0; r < rows; r++)
        CHI_ROLLED for (uint q = 0; q < BLOCK; q += VEC)
            vstorev(pair_weight(&t, vloadv(0, tile + r * BLOCK + q), i0 + r, j0 + q, to_y), 0, g + r * ld + q);
    CHI_ROLLED for (uint r = 0; r < rows && WEIGHTS != 3; r++) { // single entries with a value of their own
        const uint i = i0 + r;
        if (WEIGHTS == 1) {
            if (i >= j0 && i < j0 + BLOCK)
                g[r * ld + i - j0] = 0.0f;
            continue;
        }
        if (WEIGHTS == 2 && !to_y)
            continue;
        const uint j = t.partner == 0 ? i : i >= (uint)t.partner ? i - t.partner : i + t.partner;
        if (i < t.n && j >= j0 && j < j0 + BLOCK)
            g[r * ld + j - j0] = t.positive[i];
    }
}

// What becomes of a finished chain.
typedef struct sink {
    global float *out;   // [rows][stride], holds the totals
    uint stride, dim;
    float scale;         // after the last superblock
    bool first, last;
    global const float *a, *q, *own; // WEIGHTS 2, dX: a_i · fma(−q_i, own_i, Σ); own in column panels
    uint own_rows;
} sink;

inline void put_row(const sink *to, const floatv *chain, const uint row, const uint d)
{
    global float *at = to->out + (size_t)row * to->stride + d;
    const uint columns = min((uint)TILE_N, to->dim - d);
    floatv total[TILE_V];
    if (columns == TILE_N) {
        CHI_UNROLL for (int v = 0; v < TILE_V; v++)
            total[v] = to->first ? chain[v] : vloadv(v, at) + chain[v];
    } else {
        float old[TILE_N];
        CHI_ROLLED for (uint q = 0; q < TILE_N; q++)
            old[q] = q < columns && !to->first ? at[q] : 0.0f;
        CHI_UNROLL for (int v = 0; v < TILE_V; v++)
            total[v] = to->first ? chain[v] : vloadv(v, old) + chain[v];
    }
    if (to->last)
        CHI_UNROLL for (int v = 0; v < TILE_V; v++) {
            if (WEIGHTS == 2 && to->q) {
                global const float *own = to->own + ((size_t)(d / TILE_N) * to->own_rows + row) * TILE_N;
                total[v] = (floatv)(to->a[row]) * fma((floatv)(-to->q[row]), vloadv(v, own), total[v]);
            }
            total[v] = total[v] * (floatv)(to->scale);
        }
    if (columns == TILE_N) {
        CHI_UNROLL for (int v = 0; v < TILE_V; v++)
            vstorev(total[v], v, at);
    } else {
        float all[TILE_N];
        row_to_array(total, all);
        CHI_ROLLED for (uint q = 0; q < columns; q++)
            at[q] = all[q];
    }
}

// Totals may have left the caches since the last superblock: they come while the chains are made.
inline void ask_for_totals(const sink *to, const uint row, const uint rows, const uint d)
{
    for (uint r = 0; r < rows && !to->first; r++)
        for (uint q = 0; q < TILE_N; q += LINE)
            PREFETCH(to->out + (size_t)(row + r) * to->stride + d + q);
}

#define HALF_V ((TILE_V + 1) / 2) // vectors that a last, short panel of features may need at most half of

// rows of the output × all features: chains over `steps` terms. LEFT(r, k) is the left operand from `left` on, a register tile's
// share of g; row k of the right one lies in column panels of `right_rows` rows, from row k0.
#define CHAINS(LEFT, ld)                                                                           \
    for (uint d = 0; d < to->dim; d += TILE_N)                                                     \
        for (uint r0 = 0; r0 < rows; r0 += TILE_M) {                                               \
            global const float *panel = right + ((size_t)(d / TILE_N) * right_rows + k0) * TILE_N; \
            const float *left = g + r0 * ld;                                                       \
            floatv acc[TILE_M][TILE_V];                                                            \
            EACH_ENTRY(r, v) acc[r][v] = (floatv)(0.0f);                                           \
            ask_for_totals(to, row0 + r0, min((uint)TILE_M, rows - r0), d);                        \
            if (HALF_V < TILE_V && to->dim - d <= HALF_V * VEC) {                                  \
                PANEL_MULTIPLY_SOME(acc, LEFT, panel, TILE_N, steps, HALF_V, NOTHING)              \
            } else {                                                                               \
                PANEL_MULTIPLY(acc, LEFT, panel, TILE_N, steps)                                    \
            }                                                                                      \
            floatv done[TILE_M * TILE_V]; /* through memory, so that put_row is compiled once */   \
            EACH_ENTRY(r, v) done[r * TILE_V + v] = acc[r][v];                                     \
            CHI_ROLLED for (uint r = 0; r < min((uint)TILE_M, rows - r0); r++)                     \
                put_row(to, done + r * TILE_V, row0 + r0 + r, d);                                  \
        }
#define G_ROWS(r, k)    left[(r)*LD_X + (size_t)(k)]
#define G_COLUMNS(r, k) left[(size_t)(k)*LD_Y + (r)]

CHI_OUTLINED void chains_of_rows(const float *g, const sink *to, const uint row0, const uint rows, global const float *right, const uint right_rows,
                                 const uint k0, const uint steps)
{
    CHAINS(G_ROWS, LD_X)
}

CHI_OUTLINED void chains_of_columns(const float *g, const sink *to, const uint row0, const uint rows, global const float *right, const uint right_rows,
                                    const uint k0, const uint steps)
{
    CHAINS(G_COLUMNS, 1)
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void tiles_gradient(const uint first, const uint n, const uint m, const uint dim,
                    const uint s0, const uint s1, const uint w0, const uint w1,
                    const uint x_groups, const uint x_rows,            // groups that own rows of dX, and how many rows
                    const uint y_groups, const uint y_rows,            // groups that own columns, and how many: BLOCK
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
    // dX groups are spread evenly among the dY groups: PoCL hands a thread half of what is left, so unequal groups in a
    // row would leave one thread waiting.
    const uint u = first + (uint)get_group_id(0), all = x_groups + y_groups;
    const uint before = (uint)((ulong)u * x_groups / all);
    const bool owns_x = (uint)(((ulong)u + 1) * x_groups / all) > before;
    const uint sb_n = superblock(n), sb_m = superblock(m), e0 = s0 * sb_n, c0 = w0 * sb_m;
    const uint count_n = (n + sb_n - 1) / sb_n, count_m = (m + sb_m - 1) / sb_m, blocks = (min(m, w1 * sb_m) - c0 + BLOCK - 1) / BLOCK;
    const pair_terms t = { a, b, w, row_shift, col_shift, labels, positive, scalars[0], n, partner };
    float g[G_SIZE];
    if (owns_x) {
        const uint group = SYMMETRIC ? (before & 1 ? x_groups - 1 - before / 2 : before / 2) : before; // long and short ones in turn
        const uint own = e0 + group * x_rows, rows = min(x_rows, n - own);
        sink to = { grad_x + gx_offset, gx_stride, dim, scalars[2], true, false, a, WEIGHTS == 2 ? q : 0, own_y, n };
        for (uint s = SYMMETRIC ? s0 : w0; s < w1; s++) {
            const uint k0 = s * sb_m, steps = min(sb_m, m - k0);
            to.first = s == 0;
            to.last = s + 1 == count_m;
            if (!SYMMETRIC || s >= own / sb_n) {
                for (uint j = k0; j < k0 + steps; j += BLOCK)
                    form(&t, kept + kept_at(own - e0, j - c0, blocks, sb_n), own, rows, j, g + (j - k0), LD_X, false);
                chains_of_rows(g, &to, own, rows, yd, m, k0, steps);
            } else {
                for (uint i = k0; i < k0 + steps; i += BLOCK)
                    form(&t, kept + kept_at(i - e0, own - c0, blocks, sb_n), i, BLOCK, own, g + (i - k0) * LD_Y, LD_Y, false);
                chains_of_columns(g, &to, own, rows, yd, m, k0, steps);
            }
        }
    } else {
        const uint own = (SYMMETRIC ? s1 * sb_n : c0) + (u - before) * BLOCK, rows = min((uint)BLOCK, m - own);
        sink to = { SYMMETRIC ? grad_x + gx_offset : grad_y + gy_offset, SYMMETRIC ? gx_stride : gy_stride, dim, scalars[2], true, false, 0, 0, 0, 0 };
        for (uint s = s0; s < s1; s++) {
            const uint k0 = s * sb_n, steps = min(sb_n, n - k0);
            to.first = s == 0;
            to.last = s + 1 == count_n;
            for (uint i = k0; i < k0 + steps; i += BLOCK)
                form(&t, kept + kept_at(i - e0, own - c0, blocks, sb_n), i, min((uint)BLOCK, n - i), own, g + (i - k0) * LD_Y, LD_Y, !SYMMETRIC);
            chains_of_columns(g, &to, own, rows, xd, n, k0, steps);
        }
    }
}
