// SPDX-License-Identifier: Apache-2.0
// tiles/weights_group.h: G of one pair out of a kept tile, for the group family: formed on the way (tiles/gradient_group.cl) or
// beforehand (tiles/weights_group.cl). What WEIGHTS means: tiles/gradient_panel.cl.
#include "tiles/kept.h"

typedef struct pair_terms {
    global const float *kept;
    global const float *a, *b, *w;         // coefficients of rows and columns
    global const float *row_shift, *col_shift;
    global const int *labels;
    global const float *positive;
    float kappa;
    uint blocks, e0, c0;                   // kept_stride of the tiles read, first kept row and column
    int partner;                           // column of a row's positive: row + partner or row − partner; −1: labels or none
} pair_terms;

// For tiles in rows of superblock `own`, counted from the first kept: `all` has kept and blocks of everything.
inline pair_terms terms_of_rows(const pair_terms *all, const uint own, const uint sb)
{
    pair_terms t = *all;
    t.kept += kept_start(own, sb) * BLOCK * BLOCK;
    t.blocks = kept_stride(own, t.blocks, sb);
    return t;
}

// G of one kept entry, positives by labels among them.
inline float pair_weight(const pair_terms *t, const float kept, const uint i, const uint j, const bool to_y)
{
    float e = kept, weight;
    if (WEIGHTS == 3)
        return kept;
    if (SHIFTED) {
        if (kept == -INFINITY)
            return 0.0f;
        const exp_parts parts = exp_split(kept, t->kappa);
        const float row = parts.n - t->row_shift[i];
        e = parts.p;
        if (WEIGHTS == 2) {
            weight = scale_or_zero(e, row);
            return to_y ? weight * t->a[i] : weight;
        }
        weight = scale_or_zero(t->a[i], row) + scale_or_zero(t->b[j], parts.n - t->col_shift[j]);
    } else {
        if (WEIGHTS == 2)
            return to_y ? e * t->a[i] : e;
        weight = t->a[i] + t->b[j];
    }
    if (WEIGHTS == 1 && t->labels[i] == t->labels[j])
        return fma(e, weight, -(t->w[i] + t->w[j]));
    return e * weight;
}

// G of row i and column j: single positives and a row with itself have values of their own.
inline float pair_gradient(const pair_terms *t, const uint i, const uint j, const bool to_y)
{
    if (WEIGHTS == 1 && i == j)
        return 0.0f;
    if (WEIGHTS == 0 || (WEIGHTS == 2 && to_y)) {
        const uint partner = (uint)t->partner;
        if (j == (partner == 0 ? i : i >= partner ? i - partner : i + partner))
            return t->positive[i];
    }
    const uint row = i - t->e0, column = j - t->c0;
    const float kept = t->kept[((size_t)(row / BLOCK) * t->blocks + column / BLOCK) * BLOCK * BLOCK + (row % BLOCK) * BLOCK + column % BLOCK];
    return pair_weight(t, kept, i, j, to_y);
}
