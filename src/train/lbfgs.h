// SPDX-License-Identifier: Apache-2.0
// lbfgs.h: limited-memory BFGS with a strong Wolfe line search, on the host (Nocedal & Wright, algorithms 7.4, 3.5, 3.6).
#ifndef CHI_TRAIN_LBFGS_H
#define CHI_TRAIN_LBFGS_H

#include "../base/fail.h"

// Value and gradient at x.
typedef chi_status (*chi__objective)(void *user, const double *x, double *value, double *gradient);

// Minimises from x, in place: at most `iterations` steps and 5/4 as many evaluations, until the gradient's largest entry
// is below 1e-7 or the value no longer changes by 1e-9.
typedef struct chi__lbfgs_report {
    double value, gradient; // at the end: the objective and the largest entry of its gradient
    size_t iterations;
} chi__lbfgs_report;
chi_status chi__lbfgs(size_t n, double *x, size_t iterations, chi__objective objective, void *user, chi__lbfgs_report *report);

#endif
