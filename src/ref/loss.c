// SPDX-License-Identifier: Apache-2.0
// loss.c (reference): CLIP, InfoNCE, NT-Xent and SupCon by their definitions, in double. Host: src/loss/. Kernels:
// kernels/loss/, kernels/tiles/.
#include "loss.h"

#include <math.h>
#include <stdlib.h>

typedef struct pairs {
    chi_loss_kind kind;
    size_t n, dim;
    const int32_t *labels;
    const double *s; // [n][n] scores
    double *g;       // [n][n] dL/ds · τ
    double tau;
} pairs;

static bool two_sided(chi_loss_kind kind) { return kind == CHI_LOSS_CLIP || kind == CHI_LOSS_INFONCE; }

static bool counts(const pairs *p, size_t i, size_t j) { return two_sided(p->kind) || i != j; }

static bool positive(const pairs *p, size_t i, size_t j)
{
    if (two_sided(p->kind))
        return i == j;
    if (p->kind == CHI_LOSS_NTXENT)
        return j == (i + p->n / 2) % p->n;
    return i != j && p->labels[i] == p->labels[j];
}

// Row i's log Σ e^l − mean of its positives' l, and its share of the gradient; columns: the same down column i.
static double row(const pairs *p, size_t i, bool column, double weight)
{
    double most = -INFINITY, sum = 0.0, others = 0.0, positives = 0.0, scores = 0.0;
#define S(j) (column ? p->s[(j)*p->n + i] : p->s[i * p->n + (j)])
    for (size_t j = 0; j < p->n; j++)
        if (counts(p, i, j))
            most = fmax(most, S(j) / p->tau);
    for (size_t j = 0; j < p->n; j++) {
        sum += counts(p, i, j) ? exp(S(j) / p->tau - most) : 0.0;
        others += counts(p, i, j) && !positive(p, i, j) ? exp(S(j) / p->tau - most) : 0.0;
        positives += positive(p, i, j);
        scores += positive(p, i, j) ? S(j) / p->tau : 0.0;
    }
    if (positives == 0.0)
        return 0.0;
    for (size_t j = 0; j < p->n; j++) {
        const double soft = counts(p, i, j) ? exp(S(j) / p->tau - most) / sum : 0.0;
        const double single = -others / sum; // soft − 1, which would cancel where the row is saturated
        p->g[column ? j * p->n + i : i * p->n + j] += weight * (!positive(p, i, j) ? soft : positives == 1.0 ? single : soft - 1.0 / positives);
    }
#undef S
    return positives == 1.0 ? log1p(others / exp(scores - most)) : most + log(sum) - scores / positives;
}

static size_t rows_with_positive(const pairs *p)
{
    size_t rows = 0;
    for (size_t i = 0; i < p->n; i++) {
        bool any = false;
        for (size_t j = 0; j < p->n; j++)
            any |= positive(p, i, j);
        rows += any;
    }
    return rows;
}

void chi__ref_normalise(const float *x, size_t n, size_t dim, bool unit, double *to, double *inverse)
{
    for (size_t i = 0; i < n; i++) {
        double square = 0.0;
        for (size_t k = 0; k < dim; k++)
            square += (double)x[i * dim + k] * (double)x[i * dim + k];
        inverse[i] = unit ? 1.0 : 1.0 / fmax(sqrt(square), 1e-12);
        for (size_t k = 0; k < dim; k++)
            to[i * dim + k] = (double)x[i * dim + k] * inverse[i];
        inverse[i] = unit || sqrt(square) >= 1e-12 ? inverse[i] : 0.0;
    }
}

void chi__ref_project(const double *x, const double *inverse, size_t n, size_t dim, double *grad)
{
    for (size_t i = 0; i < n; i++) {
        double dot = 0.0;
        for (size_t k = 0; k < dim; k++)
            dot += x[i * dim + k] * grad[i * dim + k];
        for (size_t k = 0; k < dim; k++)
            grad[i * dim + k] = inverse[i] * (grad[i * dim + k] - x[i * dim + k] * dot);
    }
}

void chi__ref_loss(chi_loss_kind kind, size_t n, size_t dim, double tau, bool unit, const float *x, const float *y,
                   const int32_t *labels, double *value, double *grad_x, double *grad_y, double *grad_log_scale)
{
    double *a = calloc(n * dim + 1, sizeof *a), *b = calloc(n * dim + 1, sizeof *b), *by_a = calloc(n + 1, sizeof *by_a), *by_b = calloc(n + 1, sizeof *by_b);
    double *s = calloc(n * n + 1, sizeof *s), *g = calloc(n * n + 1, sizeof *g);
    const bool two = two_sided(kind);
    pairs p = { kind, n, dim, labels, s, g, tau };
    chi__ref_normalise(x, n, dim, unit, a, by_a);
    chi__ref_normalise(two ? y : x, n, dim, unit, b, by_b);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            for (size_t k = 0; k < dim; k++)
                s[i * n + j] += a[i * dim + k] * b[j * dim + k];
    const size_t rows = rows_with_positive(&p);
    const double weight = rows ? (kind == CHI_LOSS_CLIP ? 0.5 : 1.0) / (double)rows : 0.0;
    *value = *grad_log_scale = 0.0;
    for (size_t i = 0; i < n; i++)
        *value += weight * (row(&p, i, false, weight) + (kind == CHI_LOSS_CLIP ? row(&p, i, true, weight) : 0.0));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            *grad_log_scale += g[i * n + j] * s[i * n + j] / tau;
            for (size_t k = 0; k < dim; k++) {
                grad_x[i * dim + k] += (g[i * n + j] + (two ? 0.0 : g[j * n + i])) * b[j * dim + k] / tau;
                if (two)
                    grad_y[j * dim + k] += g[i * n + j] * a[i * dim + k] / tau;
            }
        }
    if (!unit) {
        chi__ref_project(a, by_a, n, dim, grad_x);
        if (two)
            chi__ref_project(b, by_b, n, dim, grad_y);
    }
    free(a);
    free(b);
    free(by_a);
    free(by_b);
    free(s);
    free(g);
}
