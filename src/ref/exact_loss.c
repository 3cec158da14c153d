// SPDX-License-Identifier: Apache-2.0
// exact_loss.c: losses and gradients in float32, bit for bit. Header: exact.h. Kernels: kernels/loss/, kernels/tiles/.
#include "exact.h"

#include <math.h>
#include <stdlib.h>

#include "exact_parts.h"

static const size_t NOBODY = SIZE_MAX;

typedef struct work {
    const chi__exact_loss_options *o;
    size_t n, dim;
    bool two;               // x against y; else x against itself
    const int32_t *labels;
    const float *x, *y;     // rows of length 1
    float kappa, scale, weight;
    float *s, *g;           // [n][n]
    float *c, *d;           // shifts of rows and columns
    float *a, *b, *q, *qq;  // 1 / R and Q of rows and columns
    float *w, *v, *terms;
    bool *counts;
} work;

static size_t partner(const work *t, size_t i) { return t->two ? i : t->labels ? NOBODY : (i + t->n / 2) % t->n; }
static bool candidate(const work *t, size_t i, size_t j) { return t->two || i != j; }
static bool positive(const work *t, size_t i, size_t j)
{
    return t->labels ? i != j && t->labels[i] == t->labels[j] : j == partner(t, i);
}
// Row i's score with j; down: column i's score with row j.
static float score(const work *t, size_t i, size_t j, bool down) { return t->s[down ? j * t->n + i : i * t->n + j]; }

// The integer shift of a row: n of its largest candidate.
static float shift_of(const work *t, size_t i, bool down)
{
    float most = -INFINITY;
    for (size_t j = 0; j < t->n; j++)
        if (candidate(t, i, j))
            most = fmaxf(most, score(t, i, j, down));
    return most == -INFINITY ? 0.0f : chi__exact_split(most, t->kappa).n;
}

// Σ e over the candidates, without a single positive.
static float sum_of(const work *t, size_t i, bool down, float c)
{
    for (size_t j = 0; j < t->n; j++) {
        t->counts[j] = candidate(t, i, j) && j != partner(t, i);
        const chi__exact_parts e = chi__exact_split(score(t, i, j, down), t->kappa);
        t->terms[j] = chi__exact_scale(e.p, e.n - c);
    }
    return chi__exact_lanes(t->terms, t->counts, t->n);
}

// Q, 1 / R and the value of a row with a single positive.
static float single_positive(const work *t, size_t i, bool down, float *c, float *q, float *a)
{
    const chi__exact_parts e = chi__exact_split(score(t, i, partner(t, i), down), t->kappa);
    *c = shift_of(t, i, down);
    *q = sum_of(t, i, down, *c);
    *a = chi__exact_reciprocal(*q + chi__exact_scale(e.p, e.n - *c));
    return chi__exact_log1p(*q * chi__exact_reciprocal(e.p), *c - e.n);
}

static float labelled(const work *t, size_t i)
{
    size_t count = 0;
    t->c[i] = shift_of(t, i, false);
    for (size_t j = 0; j < t->n; j++) {
        t->counts[j] = positive(t, i, j);
        count += t->counts[j];
    }
    if (count == 0)
        return 0.0f;
    const float scores = chi__exact_lanes(t->s + i * t->n, t->counts, t->n), r = sum_of(t, i, false, t->c[i]);
    t->a[i] = chi__exact_reciprocal(r);
    t->w[i] = chi__exact_reciprocal((float)count);
    return chi__exact_log(r, t->c[i]) - t->scale * (scores * t->w[i]);
}

static float clip_weight(const work *t, size_t i, size_t j, chi__exact_parts e)
{
    if (i == j)
        return -fmaf(t->q[i], t->a[i], t->qq[i] * t->b[i]);
    return e.p * (chi__exact_scale(t->a[i], e.n - t->c[i]) + chi__exact_scale(t->b[j], e.n - t->d[j]));
}

// Rows i and j of the same side.
static float self_weight(const work *t, size_t i, size_t j, chi__exact_parts e)
{
    const float both = chi__exact_scale(t->a[i], e.n - t->c[i]) + chi__exact_scale(t->a[j], e.n - t->c[j]);
    if (!t->labels && j == partner(t, i)) {
        const size_t low = i < j ? i : j, high = i < j ? j : i;
        return -fmaf(t->q[low], t->a[low], t->q[high] * t->a[high]);
    }
    return t->labels && positive(t, i, j) ? fmaf(e.p, both, -(t->w[i] + t->w[j])) : e.p * both;
}

static void weights(const work *t)
{
    for (size_t i = 0; i < t->n; i++)
        for (size_t j = 0; j < t->n; j++) {
            const chi__exact_parts e = chi__exact_split(t->s[i * t->n + j], t->kappa);
            const float own = chi__exact_scale(e.p, e.n - t->c[i]);
            t->g[i * t->n + j] = !t->two ? self_weight(t, i, j, e) : t->o->kind == CHI_LOSS_CLIP ? clip_weight(t, i, j, e)
                               : i == j ? -(t->q[i] * t->a[i]) : own * t->a[i];
        }
}

// dX_i of one-sided InfoNCE: scaled once a row, the positive outside the chain.
static void infonce_rows(const work *t, float scale, float *grad)
{
    for (size_t i = 0; i < t->n; i++) {
        for (size_t j = 0; j < t->n; j++) {
            const chi__exact_parts e = chi__exact_split(t->s[i * t->n + j], t->kappa);
            t->terms[j] = chi__exact_scale(e.p, e.n - t->c[i]);
        }
        for (size_t k = 0; k < t->dim; k++) {
            const float sum = chi__exact_chains(t->terms, 1, t->y + k, t->dim, t->n, i);
            grad[i * t->dim + k] = t->a[i] * fmaf(-t->q[i], t->y[i * t->dim + k], sum) * scale;
        }
    }
}

static void rows_times(const work *t, bool down, const float *right, float scale, float *grad)
{
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < t->dim; k++)
            grad[i * t->dim + k] = chi__exact_chains(down ? t->g + i : t->g + i * t->n, down ? t->n : 1, right + k, t->dim, t->n,
                                                     t->two ? NOBODY : i) * scale;
}

static float value_of(work *t)
{
    const bool clip = t->o->kind == CHI_LOSS_CLIP;
    size_t filled = 0;
    for (size_t i = 0; i < t->n; i++) {
        t->v[i] = t->labels ? labelled(t, i) : single_positive(t, i, false, &t->c[i], &t->q[i], &t->a[i]);
        if (clip)
            t->v[i] = t->v[i] + single_positive(t, i, true, &t->d[i], &t->qq[i], &t->b[i]);
        filled += t->w[i] != 0.0f;
    }
    const size_t rows = t->o->empty_as_zero ? t->n : filled;
    t->weight = t->labels ? (rows ? chi__exact_reciprocal((float)rows) : 0.0f) : (float)((clip ? 0.5 : 1.0) / (double)t->n);
    return chi__exact_lanes(t->v, NULL, t->n) * t->weight;
}

static void gradients(work *t, float *inverse, float *grad_x, float *grad_y, float *grad_log_scale)
{
    const float scale = t->weight * t->scale;
    weights(t);
    if (t->o->kind == CHI_LOSS_INFONCE)
        infonce_rows(t, scale, grad_x);
    else
        rows_times(t, false, t->y, scale, grad_x);
    if (t->two) {
        rows_times(t, true, t->x, scale, grad_y);
        chi__exact_project(t->n, t->dim, t->y, t->o->unit_rows ? NULL : inverse + t->n, grad_y, t->terms);
    }
    chi__exact_project(t->n, t->dim, t->x, t->o->unit_rows ? NULL : inverse, grad_x, t->terms);
    *grad_log_scale = chi__exact_lanes(t->terms, NULL, t->n) * (t->two ? 1.0f : 0.5f);
}

bool chi__exact_loss(const chi__exact_loss_options *o, const float *x, const float *y, const int32_t *labels, float *value,
                     float *grad_x, float *grad_y, float *grad_log_scale)
{
    const size_t n = o->n, dim = o->dim;
    work t = { .o = o, .n = n, .dim = dim, .two = o->kind == CHI_LOSS_CLIP || o->kind == CHI_LOSS_INFONCE,
               .labels = o->kind == CHI_LOSS_SUPCON ? labels : NULL };
    float *all = calloc(2 * n * n + 2 * n * dim + 11 * n, sizeof *all);
    t.counts = calloc(n, sizeof *t.counts);
    if (!all || !t.counts) {
        free(all);
        free(t.counts);
        return false;
    }
    float *unit_x = all, *unit_y = unit_x + n * dim, *inverse = unit_y + n * dim;
    float **const rows[] = { &t.c, &t.d, &t.a, &t.b, &t.q, &t.qq, &t.w, &t.v, &t.terms };
    t.s = inverse + 2 * n;
    t.g = t.s + n * n;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        *rows[r] = t.g + n * n + r * n;
    t.scale = o->log_scale ? chi__exact_exp(*o->log_scale) : (float)(1.0 / (double)o->temperature);
    t.kappa = o->log_scale ? t.scale * 1.44269504f : (float)(1.4426950408889634 / (double)o->temperature);
    if (!o->unit_rows) {
        chi__exact_normalize(n, dim, x, unit_x, inverse);
        if (t.two)
            chi__exact_normalize(n, dim, y, unit_y, inverse + n);
    }
    t.x = o->unit_rows ? x : unit_x;
    t.y = !t.two ? t.x : o->unit_rows ? y : unit_y;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            t.s[i * n + j] = chi__exact_dot(t.x + i * dim, t.y + j * dim, dim);
    *value = value_of(&t);
    gradients(&t, inverse, grad_x, grad_y, grad_log_scale);
    free(all);
    free(t.counts);
    return true;
}
