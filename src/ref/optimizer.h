// SPDX-License-Identifier: Apache-2.0
// optimizer.h (reference): one step of an optimiser by the formulas of include/chiaro/optimizer.h, in double.
#ifndef CHI_REF_OPTIMIZER_H
#define CHI_REF_OPTIMIZER_H

#include <chiaro/optimizer.h>

// weights, first and second moment [count], updated in place; step counts from 1; decay: λ applies to this tensor.
void chi__ref_optimizer_step(const chi_optimizer_options *o, uint64_t step, double rate, bool decay, size_t count, const float *grad,
                             double *weights, double *first, double *second);
double chi__ref_schedule(const chi_schedule *s, uint64_t step);

#endif
