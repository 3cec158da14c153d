// SPDX-License-Identifier: Apache-2.0
// metrics.h: what features are worth, and how sure that is. Host files: src/train/metrics.c (kNN),
// probe.c, bootstrap.c. References: src/ref/metrics.c.
#ifndef CHIARO_METRICS_H
#define CHIARO_METRICS_H

#include "similarity.h"

#ifdef __cplusplus
extern "C" {
#endif

// Rows and the class of each. Features must be finite; a row without a class is left out before.
typedef struct chi_labelled {
    chi_matrix x;          // [rows][dim], at least one of each
    const int32_t *labels; // [rows] in host memory, each in 0 … classes − 1
} chi_labelled;

// Hears how far a call has come: `done` of at most `of` blocks or steps. A probe may need fewer.
typedef void (*chi_metrics_progress)(void *user, size_t done, size_t of);

// ---- k nearest neighbours ------------------------------------------------------------------------
// A query row gets the class that has the most votes among the k base rows most similar to it, the
// lower class of equals; equally similar rows count in the order of the base. One walk serves every
// k of a list. Plain: a neighbour has one vote. Weighted: neighbour j of query i has w_ij votes,
//   cosine     w = exp(s / τ)                    Wu et al. 2018, equation 6
//   dot        w = exp((s − s_best) / (τ ‖query_i‖ r)),  r² = mean ‖base row‖²
//              The cosine's weights where all rows have length 1, and the same at any scale.
//   Euclidean  w = 1 / distance; where some distances are 0 these have one vote each and the others
//              none, as in scikit-learn (weights="distance")
typedef struct chi_knn_args {
    chi_labelled base, query; // as many columns in both
    size_t classes;           // at least 1
    chi_metric metric;        // zero is dot products; CHI_METRIC_COSINE is the usual choice
    const size_t *k;          // [ks] in any order, each 1 … 1024 and at most the base's rows;
    size_t ks;                // NULL and 0: 20 alone
    double temperature;       // τ; default: 0.07
    int32_t *predicted;          // [ks][query rows] receive each query's class by plain votes
    int32_t *predicted_weighted; // and by weighted ones; NULL: not wanted
    chi_metrics_progress progress; // NULL: none
    void *user;
} chi_knn_args;
typedef struct chi_knn_report {
    size_t k;
    double accuracy, weighted; // shares of the query rows that got their own class
} chi_knn_report;

// reports [ks], or one. Features of any size: where squares would leave float32, copies of base and
// query times a power of two are searched. Waits.
chi_status chi_knn(chi_device *dev, const chi_knn_args *args, chi_knn_report *reports);

// ---- linear probe --------------------------------------------------------------------------------
// Multinomial logistic regression on standardised features: with x̂_ik = (x_ik − mean_k) /
// deviation_k, both of the base and of n rows,
//   minimise  1/n Σ_i −log softmax(Wᵀ x̂_i + b)_label_i + λ ‖W‖²
// It is scikit-learn's StandardScaler and LogisticRegression, whose objective is C times the sum of
// the same terms and ½ ‖W‖²: C = 1 / (2 λ n). For two classes that has the one vector w = w_1 − w_0,
// ‖w‖² = 2 ‖W‖² at the optimum: C = 1 / (λ n). Deviations divide by n; a column whose variance is
// v ≤ n ε v + (n ε mean)², ε = 2⁻⁵², counts as constant and is divided by 1. Nothing depends on the
// scale of a column. A class without a base row is never predicted; of equal logits the lower class
// is. Found by L-BFGS, preconditioned, until the objective is within about 1e-7 of its least.
typedef struct chi_probe_args {
    chi_labelled base, query; // as many columns in both
    size_t classes;           // at least 1; at most 1024 of them with a row in base
    double penalty;           // λ; default: 1e-4
    int32_t *predicted;       // [query rows] receives each query's class; NULL: not wanted
    chi_metrics_progress progress; // NULL: none
    void *user;
} chi_probe_args;
typedef struct chi_probe_report {
    double accuracy;   // share of the query rows that got their own class
    double loss;       // the objective where the search ended
    double gradient;   // largest entry of its gradient there
    size_t iterations; // steps taken, at most 1000
} chi_probe_report;

// Waits.
chi_status chi_linear_probe(chi_device *dev, const chi_probe_args *args, chi_probe_report *report);

// ---- intervals -----------------------------------------------------------------------------------
// Percentile bootstrap (Efron 1979): `draws` times, m query rows are drawn with replacement, which
// gives an accuracy
//   a* = 1/m Σ_i [predicted_i* = label_i*]
// and the interval spans the sorted a* but for the ⌊draws (1 − level) / 2⌋ lowest and as many
// highest. The number of right rows in a draw is binomial, and is drawn as such; of two predictions
// on the same rows, those that only the first has right and those that only the other has are
// multinomial. A function of the seed alone: the same on every machine.
typedef struct chi_bootstrap_options {
    uint64_t seed; // default: 0
    double level;  // in (0, 1); default: 0.95
    size_t draws;  // up to 10,000,000; default: 2000
} chi_bootstrap_options;
typedef struct chi_interval { double low, high; } chi_interval;

// Of the accuracy. predicted and labels [m], m at least 1; they are compared and may be any numbers.
chi_status chi_bootstrap(const int32_t *predicted, const int32_t *labels, size_t m,
                         const chi_bootstrap_options *options, chi_interval *interval);
// Of the accuracy of `predicted` less that of `other`, both on the same rows (paired): the first is
// better where the interval is above 0.
chi_status chi_bootstrap_difference(const int32_t *predicted, const int32_t *other,
                                    const int32_t *labels, size_t m,
                                    const chi_bootstrap_options *options, chi_interval *interval);

#ifdef __cplusplus
}
#endif
#endif
