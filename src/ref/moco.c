// SPDX-License-Identifier: Apache-2.0
// moco.c (reference): MoCo's loss against a queue, by definition in double and by the float32 rules. Host: src/loss/moco.c.
// Kernels: kernels/loss/infonce.cl, kernels/tiles/statistics_*.cl, gradient_*.cl.
#include "moco.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "exact_parts.h"
#include "loss.h"

static double dot(const double *a, const double *b, size_t dim)
{
    double sum = 0.0;
    for (size_t k = 0; k < dim; k++)
        sum += a[k] * b[k];
    return sum;
}

void chi__ref_moco(size_t n, size_t m, size_t dim, double tau, bool unit, const float *x, const float *y, const float *queue,
                   double *value, double *grad_x, double *grad_log_scale)
{
    double *a = calloc((2 * n + m) * dim + 2 * (n + m), sizeof *a), *b = a + n * dim, *q = b + n * dim;
    double *l = q + m * dim, *inverse = l + m, *unused = inverse + n;
    chi__ref_normalise(x, n, dim, unit, a, inverse);
    chi__ref_normalise(y, n, dim, unit, b, unused);
    chi__ref_normalise(queue, m, dim, unit, q, l);
    *value = *grad_log_scale = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double own = dot(a + i * dim, b + i * dim, dim) / tau, weight = 1.0 / (double)n;
        double most = own, others = 0.0;
        for (size_t j = 0; j < m; j++) {
            l[j] = dot(a + i * dim, q + j * dim, dim) / tau;
            most = fmax(most, l[j]);
        }
        for (size_t j = 0; j < m; j++)
            others += exp(l[j] - most);
        const double sum = others + exp(own - most);
        *value += weight * log1p(others / exp(own - most));
        *grad_log_scale -= weight * others / sum * own;
        for (size_t k = 0; k < dim; k++)
            grad_x[i * dim + k] = -weight * others / sum * b[i * dim + k] / tau;
        for (size_t j = 0; j < m; j++) {
            *grad_log_scale += weight * exp(l[j] - most) / sum * l[j];
            for (size_t k = 0; k < dim; k++)
                grad_x[i * dim + k] += weight * exp(l[j] - most) / sum * q[j * dim + k] / tau;
        }
    }
    if (!unit)
        chi__ref_project(a, inverse, n, dim, grad_x);
    free(a);
}

// One row: its largest exponent as shift, Q over the queue, and dX_i = a_i · fma(−Q_i, y_i, Σ e_ij q_j) · scale.
static float row(const chi__exact_loss_options *o, size_t m, float kappa, float scale, const float *x, const float *y,
                 const float *queue, float *terms, float *s, float *grad)
{
    const float own = chi__exact_dot(x, y, o->dim);
    float most = own;
    for (size_t j = 0; j < m; j++) {
        s[j] = chi__exact_dot(x, queue + j * o->dim, o->dim);
        most = fmaxf(most, s[j]);
    }
    const chi__exact_parts e = chi__exact_split(own, kappa);
    const float c = chi__exact_split(most, kappa).n;
    for (size_t j = 0; j < m; j++) {
        const chi__exact_parts t = chi__exact_split(s[j], kappa);
        terms[j] = chi__exact_scale(t.p, t.n - c);
    }
    const float q = chi__exact_lanes(terms, NULL, m), a = chi__exact_reciprocal(q + chi__exact_scale(e.p, e.n - c));
    for (size_t k = 0; k < o->dim; k++)
        grad[k] = a * fmaf(-q, y[k], chi__exact_chains(terms, 1, queue + k, o->dim, m, SIZE_MAX)) * scale;
    return chi__exact_log1p(q * chi__exact_reciprocal(e.p), c - e.n);
}

bool chi__exact_moco(const chi__exact_loss_options *o, size_t m, const float *x, const float *y, const float *queue, float *value,
                     float *grad_x, float *grad_log_scale)
{
    const size_t n = o->n, dim = o->dim;
    float *all = calloc((2 * n + m) * dim + 4 * n + 3 * m, sizeof *all);
    if (!all)
        return false;
    float *ux = all, *uy = ux + n * dim, *uq = uy + n * dim, *inverse = uq + m * dim, *unused = inverse + n;
    float *values = unused + n + m, *dots = values + n, *terms = dots + n, *s = terms + m;
    if (!o->unit_rows) {
        chi__exact_normalize(n, dim, x, ux, inverse);
        chi__exact_normalize(n, dim, y, uy, unused);
        chi__exact_normalize(m, dim, queue, uq, unused);
    }
    const float scale = o->log_scale ? chi__exact_exp(*o->log_scale) : (float)(1.0 / (double)o->temperature);
    const float kappa = o->log_scale ? scale * 1.44269504f : (float)(1.4426950408889634 / (double)o->temperature);
    const float weight = (float)(1.0 / (double)n), *const rx = o->unit_rows ? x : ux, *const ry = o->unit_rows ? y : uy;
    for (size_t i = 0; i < n; i++)
        values[i] = row(o, m, kappa, weight * scale, rx + i * dim, ry + i * dim, o->unit_rows ? queue : uq, terms, s, grad_x + i * dim);
    *value = chi__exact_lanes(values, NULL, n) * weight;
    chi__exact_project(n, dim, rx, o->unit_rows ? NULL : inverse, grad_x, dots);
    *grad_log_scale = chi__exact_lanes(dots, NULL, n);
    free(all);
    return true;
}
