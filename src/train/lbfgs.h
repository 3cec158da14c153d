// SPDX-License-Identifier: Apache-2.0
// lbfgs.h: limited-memory BFGS on the host (Nocedal & Wright, algorithms 7.4, 3.5, 3.6), with a
// preconditioner where the caller has one, for objectives whose values are rounded.
#ifndef CHI_TRAIN_LBFGS_H
#define CHI_TRAIN_LBFGS_H

#include "../base/fail.h"

typedef struct chi__lbfgs_options {
    size_t iterations; // at most
    // Its value must be positive.
    chi_status (*objective)(void *user, const double *x, double *value, double *gradient);
    // NULL, or an approximation of the inverse Hessian: called with the number of steps taken and
    // the point before each step; and applied, to = H g. Positive definite wherever gradients lie.
    chi_status (*update)(void *user, size_t iteration, const double *x);
    void (*apply)(void *user, const double *g, double *to);
    void (*progress)(void *user, size_t iteration); // after each step; NULL: none
    void *user;
} chi__lbfgs_options;
typedef struct chi__lbfgs_report {
    double value, gradient; // at the end: the objective and the largest entry of its gradient
    size_t iterations, evaluations;
} chi__lbfgs_report;

// Minimises from x, in place, until half of gᵀHg, what a quadratic model still promises, is below
// 5e-9 of the value, or until no step along the direction lowers the value by more than its
// rounding.
chi_status chi__lbfgs(size_t n, double *x, const chi__lbfgs_options *options,
                      chi__lbfgs_report *report);

#endif
