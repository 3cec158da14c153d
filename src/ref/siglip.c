// SPDX-License-Identifier: Apache-2.0
// siglip.c (reference): SigLIP by definition in double and by the float32 rules. Host: src/loss/siglip.c. Kernels:
// kernels/loss/siglip.cl, kernels/tiles/pointwise_*.cl.
#include "siglip.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "exact_parts.h"
#include "loss.h"

void chi__ref_siglip(size_t n, size_t dim, double tau, double bias, bool unit, const float *x, const float *y, double *value,
                     double *grad_x, double *grad_y, double *grad_log_scale, double *grad_bias)
{
    double *a = calloc(2 * n * (dim + 1) + 1, sizeof *a), *b = a + n * dim, *by_a = b + n * dim, *by_b = by_a + n;
    chi__ref_normalise(x, n, dim, unit, a, by_a);
    chi__ref_normalise(y, n, dim, unit, b, by_b);
    *value = *grad_log_scale = *grad_bias = 0.0;
    for (size_t e = 0; e < n * dim; e++)
        grad_x[e] = grad_y[e] = 0.0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double s = 0.0;
            for (size_t k = 0; k < dim; k++)
                s += a[i * dim + k] * b[j * dim + k];
            const double sign = i == j ? -1.0 : 1.0, z = sign * (s / tau + bias);
            const double g = sign / (1.0 + exp(-z)) / (double)n;
            *value += (fmax(z, 0.0) + log1p(exp(-fabs(z)))) / (double)n;
            *grad_bias += g;
            *grad_log_scale += g * s / tau;
            for (size_t k = 0; k < dim; k++) {
                grad_x[i * dim + k] += g / tau * b[j * dim + k];
                grad_y[j * dim + k] += g / tau * a[i * dim + k];
            }
        }
    if (!unit) {
        chi__ref_project(a, by_a, n, dim, grad_x);
        chi__ref_project(b, by_b, n, dim, grad_y);
    }
    free(a);
}

float chi__exact_exp_minus(float x)
{
    const float t = fmaf(x, 0x1.715476p+0f, 12582912.0f), n = t - 12582912.0f;
    if (t < 12582912.0f - 126.0f)
        return 0.0f;
    return chi__exact_scale(chi__exact_power(fmaf(x, 0x1.4ae0cp-26f, fmaf(x, 0x1.715476p+0f, -n))), n);
}

float chi__exact_log1p_unit(float e)
{
    static const float c[] = { -0x1.a93368p-9f, 0x1.453f12p-6f, -0x1.d29cdp-5f, 0x1.b25364p-4f, -0x1.397564p-3f,
                               0x1.92f698p-3f, -0x1.ff0f88p-3f, 0x1.554c8p-2f, -0x1.ffffbep-2f };
    float p = c[0];
    for (size_t i = 1; i < sizeof c / sizeof *c; i++)
        p = fmaf(p, e, c[i]);
    return fmaf(e * e, p, e);
}

float chi__exact_recip_unit(float d)
{
    float y = fmaf(fmaf(32.0f / 99.0f, d, -144.0f / 99.0f), d, 210.0f / 99.0f);
    for (int k = 0; k < 2; k++)
        y = fmaf(y, fmaf(-d, y, 1.0f), y);
    return y;
}

// Value and slope of a pair.
static float pair(float s, float scale, float bias, bool own, float *slope)
{
    const float l = fmaf(s, scale, bias), z = own ? -l : l, e = chi__exact_exp_minus(-fabsf(l)), r = chi__exact_recip_unit(1.0f + e);
    const float sigma = z >= 0.0f ? r : e * r;
    *slope = own ? -sigma : sigma;
    return (z >= 0.0f ? z : 0.0f) + chi__exact_log1p_unit(e);
}

bool chi__exact_siglip(const chi__exact_loss_options *o, float bias, const float *x, const float *y, float *value, float *grad_x,
                       float *grad_y, float *grad_log_scale, float *grad_bias)
{
    const size_t n = o->n, dim = o->dim;
    float *all = calloc(2 * n * dim + n * n + 6 * n, sizeof *all);
    if (!all)
        return false;
    float *ux = all, *uy = ux + n * dim, *g = uy + n * dim, *by_x = g + n * n, *by_y = by_x + n, *terms = by_y + n;
    float *values = terms + n, *slopes = values + n, *dots = slopes + n;
    if (!o->unit_rows) {
        chi__exact_normalize(n, dim, x, ux, by_x);
        chi__exact_normalize(n, dim, y, uy, by_y);
    }
    const float *const rx = o->unit_rows ? x : ux, *const ry = o->unit_rows ? y : uy;
    const float scale = o->log_scale ? chi__exact_exp(*o->log_scale) : (float)(1.0 / (double)o->temperature);
    const float weight = (float)(1.0 / (double)n);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++)
            terms[j] = pair(chi__exact_dot(rx + i * dim, ry + j * dim, dim), scale, bias, i == j, &g[i * n + j]);
        values[i] = chi__exact_lanes(terms, NULL, n);
        slopes[i] = chi__exact_lanes(g + i * n, NULL, n);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < dim; k++) {
            grad_x[i * dim + k] = chi__exact_chains(g + i * n, 1, ry + k, dim, n, SIZE_MAX) * (weight * scale);
            grad_y[i * dim + k] = chi__exact_chains(g + i, n, rx + k, dim, n, SIZE_MAX) * (weight * scale);
        }
    *value = chi__exact_lanes(values, NULL, n) * weight;
    *grad_bias = chi__exact_lanes(slopes, NULL, n) * weight;
    chi__exact_project(n, dim, ry, o->unit_rows ? NULL : by_y, grad_y, dots);
    chi__exact_project(n, dim, rx, o->unit_rows ? NULL : by_x, grad_x, dots);
    *grad_log_scale = chi__exact_lanes(dots, NULL, n);
    free(all);
    return true;
}
