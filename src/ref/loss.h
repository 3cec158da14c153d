// SPDX-License-Identifier: Apache-2.0
// loss.h (reference): the definitions of include/chiaro/loss.h, in double, without cleverness.
#ifndef CHI_REF_LOSS_H
#define CHI_REF_LOSS_H

#include <chiaro/loss.h>

// x, y [n][dim] (y unused where x meets itself), labels [n] or NULL; unit: rows are taken as they are. Gradients with
// respect to the rows as given; grad_log_scale is dL/dlog(1/τ). Rows without a positive are left out of the mean.
void chi__ref_loss(chi_loss_kind kind, size_t n, size_t dim, double tau, bool unit, const float *x, const float *y,
                   const int32_t *labels, double *value, double *grad_x, double *grad_y, double *grad_log_scale);

// Unit rows (as they are where `unit`) and 1 / ‖row‖; and a gradient's way back: inverse · (g − x̂ (x̂ · g)).
void chi__ref_normalise(const float *x, size_t n, size_t dim, bool unit, double *to, double *inverse);
void chi__ref_project(const double *x, const double *inverse, size_t n, size_t dim, double *grad);

#endif
