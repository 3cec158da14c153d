// SPDX-License-Identifier: Apache-2.0
// metrics.h (reference): both metrics by the definitions of include/chiaro/metrics.h, in double.
#ifndef CHI_REF_METRICS_H
#define CHI_REF_METRICS_H

#include <chiaro/metrics.h>

// Votes of one query for each class: plain[c] and weighted[c]. scores [n] are its similarities to
// all base rows, sorted here; length is that of ‖query‖ · r, for dot products alone. false: no
// memory.
bool chi__ref_votes(chi_metric metric, double temperature, double length, size_t n,
                    const float *scores, const int32_t *labels, size_t classes, size_t k,
                    double *plain, double *weighted);

// to [rows][dim + 1]: columns of x [rows][dim] to mean 0 and deviation 1 of base [n][dim], and a
// column of ones.
void chi__ref_standardise(size_t n, size_t dim, const float *base, size_t rows, const float *x,
                          double *to);

// Objective of the probe at weights [width][classes], the last row the biases; x [n][width]. Its
// gradient too, unless NULL.
double chi__ref_logistic(size_t n, size_t width, size_t classes, const double *x,
                         const int32_t *labels, double penalty, const double *weights,
                         double *gradient);
// Its minimum by Newton's method with the whole Hessian, from zero weights; returns the largest
// entry of the gradient there, infinity where there is no memory.
double chi__ref_logistic_optimum(size_t n, size_t width, size_t classes, const double *x,
                                 const int32_t *labels, double penalty, double *weights);

#endif
