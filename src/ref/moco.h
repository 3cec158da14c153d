// SPDX-License-Identifier: Apache-2.0
// moco.h (reference): CHI_LOSS_MOCO of include/chiaro/loss.h, twice: by definition and by the float32 rules.
#ifndef CHI_REF_MOCO_H
#define CHI_REF_MOCO_H

#include "exact.h"

// x, y [n][dim], queue [m][dim]; grad_x with respect to the rows as given, overwritten.
void chi__ref_moco(size_t n, size_t m, size_t dim, double tau, bool unit, const float *x, const float *y, const float *queue,
                   double *value, double *grad_x, double *grad_log_scale);
// Bit for bit what every device gives; options.kind is not read. false: no memory.
bool chi__exact_moco(const chi__exact_loss_options *o, size_t m, const float *x, const float *y, const float *queue, float *value,
                     float *grad_x, float *grad_log_scale);

#endif
