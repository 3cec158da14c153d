// SPDX-License-Identifier: Apache-2.0
// exact_parts.h: what exact.c and exact_loss.c share.
#ifndef CHI_REF_EXACT_PARTS_H
#define CHI_REF_EXACT_PARTS_H

#include <stddef.h>

// e^l = 2^n · p with n an integer.
typedef struct chi__exact_parts { float n, p; } chi__exact_parts;
chi__exact_parts chi__exact_split(float s, float kappa); // l log2(e) = s κ
float chi__exact_scale(float x, float k);                // x · 2^k, zero for k < −126
float chi__exact_dot(const float *x, const float *y, size_t dim);
float chi__exact_power(float r); // 2^r, |r| ≤ ½
// dots[i] = x̂_i · dX̂_i; then grad through the normalisation, unless inverse is NULL.
void chi__exact_project(size_t n, size_t dim, const float *unit, const float *inverse, float *grad, float *dots);

#endif
