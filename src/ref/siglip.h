// SPDX-License-Identifier: Apache-2.0
// siglip.h (reference): CHI_LOSS_SIGLIP of include/chiaro/loss.h, twice: by definition and by the float32 rules.
#ifndef CHI_REF_SIGLIP_H
#define CHI_REF_SIGLIP_H

#include "exact.h"

// What comes out: the value, gradients [n][dim] with respect to the rows as given, and those of log(1/τ) and of the bias.
void chi__ref_siglip(size_t n, size_t dim, double tau, double bias, bool unit, const float *x, const float *y, double *value,
                     double *grad_x, double *grad_y, double *grad_log_scale, double *grad_bias);
// Bit for bit what every device gives; options.kind is not read. false: no memory.
bool chi__exact_siglip(const chi__exact_loss_options *o, float bias, const float *x, const float *y, float *value, float *grad_x,
                       float *grad_y, float *grad_log_scale, float *grad_bias);
// log(1 + e), 0 ≤ e ≤ 1; 1 / d, 1 ≤ d ≤ 2; e^x, x ≤ 0.
float chi__exact_log1p_unit(float e);
float chi__exact_recip_unit(float d);
float chi__exact_exp_minus(float x);

#endif
