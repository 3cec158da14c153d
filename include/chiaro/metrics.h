// SPDX-License-Identifier: Apache-2.0
// metrics.h: what features are worth. Host file: src/train/metrics.c.
#ifndef CHIARO_METRICS_H
#define CHIARO_METRICS_H

#include "matrix.h"

#ifdef __cplusplus
extern "C" {
#endif

// Cosine k nearest neighbours. base [n][dim] with labels, query [m][dim] with labels; host labels in [0, classes).
// accuracy: one neighbour one vote; weighted: votes weighted by exp(s / 0.07). Ties to the lower class.
chi_status chi_knn(chi_device *dev, chi_matrix base, const int32_t *base_labels, chi_matrix query,
                   const int32_t *query_labels, size_t classes, size_t k, double *accuracy, double *weighted);

// Linear probe: multinomial logistic regression on standardised features (mean and deviation of base),
// penalty 1e-4 ‖W‖², L-BFGS with strong Wolfe line search, 100 iterations, history 10.
chi_status chi_linear_probe(chi_device *dev, chi_matrix base, const int32_t *base_labels, chi_matrix query,
                            const int32_t *query_labels, size_t classes, double *accuracy);

#ifdef __cplusplus
}
#endif
#endif
