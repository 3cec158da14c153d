// SPDX-License-Identifier: Apache-2.0
// exact.c: arithmetic, sums, normalisation and similarities in float32, bit for bit. Losses: exact_loss.c.
// Kernels: kernels/common/math.h, kernels/tiles/norms.cl, kernels/similarity/.
#include "exact.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exact_parts.h"

enum { LANES = 16 };

static int32_t bits_of(float x)
{
    int32_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

static float float_of(int32_t b)
{
    float x;
    memcpy(&x, &b, sizeof x);
    return x;
}

float chi__exact_scale(float x, float k)
{
    if (isnan(x) || isnan(k))
        return NAN;
    return k < -126.0f ? 0.0f : ldexpf(x, (int)k);
}

float chi__exact_power(float r)
{
    static const float c[] = { 0x1.3f906cp-13f, 0x1.5f0a66p-10f, 0x1.3b30bp-7f, 0x1.c6af78p-5f, 0x1.ebfbd8p-3f, 0x1.62e43p-1f, 0x1p+0f };
    float p = c[0];
    for (int i = 1; i < 7; i++)
        p = fmaf(p, r, c[i]);
    return p;
}

chi__exact_parts chi__exact_split(float s, float kappa)
{
    const float z = s * kappa;
    chi__exact_parts e;
    float r;
    if (fabsf(z) < 4194304.0f) {
        e.n = fmaf(s, kappa, 12582912.0f) - 12582912.0f;
        r = fmaf(s, kappa, -e.n);
    } else {
        e.n = rintf(z);
        r = fmaf(s, kappa, -e.n);
        r = isnan(r) ? r : fmaxf(-0.5f, fminf(0.5f, r));
    }
    e.p = chi__exact_power(r);
    return e;
}

float chi__exact_exp(float x)
{
    const float high = 0x1.715476p+0f, low = 0x1.4ae0cp-26f; // log2(e)
    if (isnan(x) || x < -0x1.5d589ep+6f)
        return isnan(x) ? x : 0.0f;
    if (x > 0x1.62e42ep+6f)
        return INFINITY;
    const float n = fmaf(x, high, 12582912.0f) - 12582912.0f;
    return ldexpf(chi__exact_power(fmaf(x, low, fmaf(x, high, -n))), (int)n);
}

float chi__exact_reciprocal(float r)
{
    float y = float_of(0x7ef311c7 - bits_of(r));
    for (int k = 0; k < 4; k++)
        y = fmaf(y, fmaf(-r, y, 1.0f), y);
    return y;
}

float chi__exact_rsqrt(float x)
{
    const float h = 0.5f * x;
    float y = float_of(0x5f3759df - (bits_of(x) >> 1));
    for (int k = 0; k < 4; k++)
        y = fmaf(y, fmaf(-(h * y), y, 0.5f), y);
    return y;
}

float chi__exact_log(float x, float k)
{
    static const float c[] = { -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f,
                               -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f };
    if (x == 0.0f)
        return -INFINITY;
    if (!isfinite(x))
        return x;
    const int32_t b = bits_of(x) - 0x3f3504f3, exponent = b >> 23;
    const float f = float_of((b & 0x7fffff) + 0x3f3504f3) - 1.0f, z = f * f, e = (float)exponent + k;
    float p = 7.0376836292e-2f;
    for (int i = 0; i < 8; i++)
        p = fmaf(p, f, c[i]);
    p = p * f;
    p = p * z;
    p = fmaf(e, -2.12194440e-4f, p);
    p = fmaf(z, -0.5f, p);
    return fmaf(e, 0.693359375f, f + p);
}

float chi__exact_log1p(float q, float k)
{
    if (q == 0.0f || !isfinite(q))
        return q;
    if ((float)((bits_of(q) >> 23) - 127) + k > 64.0f)
        return chi__exact_log(q, k);
    const float v = chi__exact_scale(q, k), u = 1.0f + v;
    return u == 1.0f ? v : fmaf(v - (u - 1.0f), chi__exact_reciprocal(u), chi__exact_log(u, 0.0f));
}

// ---- sums ------------------------------------------------------------------------------------------
static size_t superblock(size_t n) { return n < 4096 ? 128 : 256; }

float chi__exact_lanes(const float *terms, const bool *counts, size_t n)
{
    float total = 0.0f;
    for (size_t first = 0; first < n; first += superblock(n)) {
        float lane[LANES] = { 0 };
        for (size_t i = first; i < n && i < first + superblock(n); i++)
            if (!counts || counts[i])
                lane[i % LANES] += terms[i];
        for (size_t w = LANES / 2; w; w /= 2)
            for (size_t l = 0; l < w; l++)
                lane[l] = lane[l] + lane[l + w];
        total = first == 0 ? lane[0] : total + lane[0];
    }
    return total;
}

float chi__exact_chains(const float *g, size_t g_step, const float *y, size_t y_step, size_t n, size_t skip)
{
    float total = 0.0f;
    for (size_t first = 0; first < n; first += superblock(n)) {
        float chain = 0.0f;
        for (size_t i = first; i < n && i < first + superblock(n); i++)
            chain = i == skip ? chain : fmaf(g[i * g_step], y[i * y_step], chain);
        total = first == 0 ? chain : total + chain;
    }
    return total;
}

float chi__exact_dot(const float *x, const float *y, size_t dim)
{
    float chain = 0.0f;
    for (size_t k = 0; k < dim; k++)
        chain = fmaf(x[k], y[k], chain);
    return chain;
}

// ---- rows ------------------------------------------------------------------------------------------
static void normalize_row(size_t dim, const float *x, float *unit, float *inverse)
{
    float most = 0.0f, ss = 0.0f;
    bool finite = true;
    for (size_t k = 0; k < dim; k++) {
        finite = finite && isfinite(x[k]);
        most = fmaxf(most, fabsf(x[k]));
    }
    if (!finite || most == 0.0f) {
        for (size_t k = 0; k < dim; k++)
            unit[k] = finite ? x[k] : NAN;
        *inverse = finite ? 0.0f : NAN;
        return;
    }
    int exponent = (bits_of(most) >> 23) - 127;
    exponent = exponent < -126 ? -126 : exponent > 126 ? 126 : exponent;
    const float f = ldexpf(1.0f, -exponent);
    for (size_t k = 0; k < dim; k++)
        ss = fmaf(x[k] * f, x[k] * f, ss);
    const float g = chi__exact_rsqrt(ss), length = ldexpf(ss * g, exponent);
    for (size_t k = 0; k < dim; k++)
        unit[k] = length < 1e-12f ? x[k] * 1e12f : x[k] * f * g;
    *inverse = length < 1e-12f ? 0.0f : g * f;
}

void chi__exact_normalize(size_t n, size_t dim, const float *x, float *unit, float *inverse)
{
    for (size_t i = 0; i < n; i++)
        normalize_row(dim, x + i * dim, unit + i * dim, inverse + i);
}

// ---- similarities ------------------------------------------------------------------------------------
static float metric_of(chi_metric metric, const float *x, const float *y, size_t dim)
{
    const float s = chi__exact_dot(x, y, dim);
    if (metric != CHI_METRIC_SQUARED_EUCLIDEAN)
        return s;
    const float d = fmaf(-2.0f, s, chi__exact_dot(x, x, dim) + chi__exact_dot(y, y, dim));
    return d < 0.0f ? 0.0f : d;
}

void chi__exact_similarity(chi_metric metric, float scale, size_t n, size_t m, size_t dim, const float *x, const float *y, float *out)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++)
            out[i * m + j] = metric_of(metric, x + i * dim, y + j * dim, dim) * scale;
}

// s = ±metric with the sign of scale, κ = log2(e) |scale|.
void chi__exact_logsumexp(chi_metric metric, float scale, size_t n, size_t m, size_t dim, const float *x, const float *y, float *out)
{
    const float kappa = (float)(1.4426950408889634 * fabs((double)scale)), sign = scale < 0.0f ? -1.0f : 1.0f;
    float *terms = malloc(sizeof *terms * (m + 1));
    if (!terms)
        return;
    for (size_t i = 0; i < n; i++) {
        float most = -INFINITY;
        for (size_t j = 0; j < m; j++)
            most = fmaxf(most, sign * metric_of(metric, x + i * dim, y + j * dim, dim));
        const float c = m == 0 ? 0.0f : chi__exact_split(most, kappa).n;
        for (size_t j = 0; j < m; j++) {
            const chi__exact_parts e = chi__exact_split(sign * metric_of(metric, x + i * dim, y + j * dim, dim), kappa);
            terms[j] = chi__exact_scale(e.p, e.n - c);
        }
        out[i] = chi__exact_log(chi__exact_lanes(terms, NULL, m), c);
    }
    free(terms);
}

void chi__exact_project(size_t n, size_t dim, const float *unit, const float *inverse, float *grad, float *dots)
{
    for (size_t i = 0; i < n; i++) {
        const float *row = unit + i * dim;
        float *to = grad + i * dim;
        dots[i] = chi__exact_dot(row, to, dim);
        for (size_t k = 0; k < dim && inverse; k++)
            to[k] = inverse[i] == 0.0f ? 0.0f : inverse[i] * fmaf(-dots[i], row[k], to[k]);
    }
}
