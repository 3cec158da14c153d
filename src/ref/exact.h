// SPDX-License-Identifier: Apache-2.0
// exact.h: the float32 rules of the kernels (DESIGN: numbers) in plain C, without tiles, lanes of vectors or shifts shared
// by rows: what every device must give, bit for bit. Written from the rules, not from the kernels.
#ifndef CHI_REF_EXACT_H
#define CHI_REF_EXACT_H

#include <chiaro/loss.h>
#include <chiaro/similarity.h>

// Arithmetic of kernels/common/math.h.
float chi__exact_exp(float x);                      // 0 below −87.336, ∞ above 88.722
float chi__exact_log(float x, float k);             // log(x · 2^k)
float chi__exact_log1p(float q, float k);           // log(1 + q · 2^k)
float chi__exact_reciprocal(float r);
float chi__exact_rsqrt(float x);
// Sum of n terms: superblocks of 16 lanes, halving tree; `counts` NULL or which terms are not skipped.
float chi__exact_lanes(const float *terms, const bool *counts, size_t n);
// One entry of a product over rows: Σ g[i · g_step] · y[i · y_step], a chain a superblock; skips i where skip == i.
float chi__exact_chains(const float *g, size_t g_step, const float *y, size_t y_step, size_t n, size_t skip);

// unit [n][dim] and inverse [n]: rows of length 1, and the way back through the normalisation.
void chi__exact_normalize(size_t n, size_t dim, const float *x, float *unit, float *inverse);

// out [n][m]: scale · metric.
void chi__exact_similarity(chi_metric metric, float scale, size_t n, size_t m, size_t dim, const float *x, const float *y, float *out);
void chi__exact_logsumexp(chi_metric metric, float scale, size_t n, size_t m, size_t dim, const float *x, const float *y, float *out);

typedef struct chi__exact_loss_options {
    chi_loss_kind kind;
    size_t n, dim;
    float temperature;      // ignored where log_scale is given
    const float *log_scale; // NULL: not learnt
    bool unit_rows, empty_as_zero;
} chi__exact_loss_options;
// Gradients [n][dim], grad_y for two inputs alone. false: no memory.
bool chi__exact_loss(const chi__exact_loss_options *o, const float *x, const float *y, const int32_t *labels, float *value,
                     float *grad_x, float *grad_y, float *grad_log_scale);

#endif
