// SPDX-License-Identifier: Apache-2.0
// curvature.h: what the objective of the linear probe looks like near some weights: the
// preconditioner of its minimiser. Host: curvature.c.
#ifndef CHI_TRAIN_CURVATURE_H
#define CHI_TRAIN_CURVATURE_H

#include "../device/device.h"

// The Hessian's block of class c is  B_c = 1/n Σ_i p_ic (1 − p_ic) x_i x_iᵀ + 2 λ I, x with a 1 at
// its end for the bias; here from a sample of the rows. Weights that all classes share change no
// probability, so the blocks are used inside the space where they sum to zero: P B⁻¹ P, P the
// projection on it.
typedef struct chi__curvature chi__curvature;
typedef struct chi__curvature_options {
    size_t width, classes, padded; // width: features and the bias; weights lie [width][padded]
    size_t samples;                // rows of the sample
    const float *rows;             // [samples][width], the last column 1; kept, not copied
    double penalty;                // λ
    // p_ic of the sample's rows at weights x, to [samples][padded].
    chi_status (*probabilities)(void *user, const double *x, float *to);
    void *user;
} chi__curvature_options;

// Rows of n that make a sample good enough; 0: there are too many weights for any, and it is done
// without.
size_t chi__curvature_samples(size_t n, size_t width);
chi_status chi__curvature_create(chi_device *dev, const chi__curvature_options *options,
                                 chi__curvature **out);
void chi__curvature_destroy(chi__curvature **curvature);
// Factors the blocks at weights x [width][padded].
chi_status chi__curvature_update(chi__curvature *curvature, const double *x);
// to = P B⁻¹ P g, both [width][padded], of zeros in the padding.
void chi__curvature_solve(chi__curvature *curvature, const double *g, double *to);

#endif
