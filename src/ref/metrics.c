// SPDX-License-Identifier: Apache-2.0
// metrics.c (reference): neighbours by sorting, logistic regression by Newton's method. Host:
// src/train/metrics.c, probe.c.
#include "metrics.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- votes --------------------------------------------------------------------------------------
typedef struct neighbour {
    double score;
    size_t row;
} neighbour; // score: larger is nearer

static int nearest_first(const void *a, const void *b)
{
    const neighbour *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

bool chi__ref_votes(chi_metric metric, double temperature, double length, size_t n,
                    const float *scores, const int32_t *labels, size_t classes, size_t k,
                    double *plain, double *weighted)
{
    neighbour *all = malloc(n * sizeof *all);
    if (!all)
        return false;
    for (size_t j = 0; j < n; j++)
        all[j] = (neighbour){ metric == CHI_METRIC_SQUARED_EUCLIDEAN ? -(double)scores[j]
                                                                     : (double)scores[j],
                              j };
    qsort(all, n, sizeof *all, nearest_first);
    for (size_t c = 0; c < classes; c++)
        plain[c] = weighted[c] = 0.0;
    for (size_t j = 0; j < k; j++) {
        const double s = all[j].score, best = all[0].score;
        double w = exp(s / temperature);
        if (metric == CHI_METRIC_DOT)
            w = s == best ? 1.0 : exp((s - best) / (temperature * length));
        if (metric == CHI_METRIC_SQUARED_EUCLIDEAN)
            w = best == 0.0 ? (s == 0.0 ? 1.0 : 0.0) : 1.0 / sqrt(-s);
        plain[labels[all[j].row]] += 1.0;
        weighted[labels[all[j].row]] += w;
    }
    free(all);
    return true;
}

// ---- logistic regression ------------------------------------------------------------------------
void chi__ref_standardise(size_t n, size_t dim, const float *base, size_t rows, const float *x,
                          double *to)
{
    for (size_t k = 0; k < dim; k++) {
        long double mean = 0.0L, variance = 0.0L;
        for (size_t i = 0; i < n; i++)
            mean += (long double)base[i * dim + k] / (long double)n;
        for (size_t i = 0; i < n; i++)
            variance += ((long double)base[i * dim + k] - mean) *
                        ((long double)base[i * dim + k] - mean) / (long double)n;
        const double v = (double)variance, error = (double)n * (double)mean * DBL_EPSILON;
        const bool constant = v <= (double)n * DBL_EPSILON * v + error * error;
        for (size_t i = 0; i < rows; i++)
            to[i * (dim + 1) + k] = (double)(((long double)x[i * dim + k] - mean) /
                                             (constant ? 1.0L : sqrtl(variance)));
    }
    for (size_t i = 0; i < rows; i++)
        to[i * (dim + 1) + dim] = 1.0;
}

// Probabilities of one row; returns −log of its label's.
static double softmax(size_t width, size_t classes, const double *x, const double *weights,
                      size_t label, double *p)
{
    double most = -INFINITY, sum = 0.0;
    for (size_t c = 0; c < classes; c++) {
        p[c] = 0.0;
        for (size_t k = 0; k < width; k++)
            p[c] += x[k] * weights[k * classes + c];
        most = fmax(most, p[c]);
    }
    for (size_t c = 0; c < classes; c++)
        sum += exp(p[c] - most);
    const double loss = log(sum) - (p[label] - most);
    for (size_t c = 0; c < classes; c++)
        p[c] = exp(p[c] - most) / sum;
    return loss;
}

double chi__ref_logistic(size_t n, size_t width, size_t classes, const double *x,
                         const int32_t *labels, double penalty, const double *weights,
                         double *gradient)
{
    double *p = malloc(classes * sizeof *p), value = 0.0;
    if (!p)
        return INFINITY;
    for (size_t e = 0; e < (width - 1) * classes; e++)
        value += penalty * weights[e] * weights[e];
    for (size_t e = 0; gradient && e < width * classes; e++)
        gradient[e] = e < (width - 1) * classes ? 2.0 * penalty * weights[e] : 0.0;
    for (size_t i = 0; i < n; i++) {
        value += softmax(width, classes, x + i * width, weights, (size_t)labels[i], p) / (double)n;
        p[labels[i]] -= 1.0;
        for (size_t e = 0; gradient && e < width * classes; e++)
            gradient[e] += p[e % classes] * x[i * width + e / classes] / (double)n;
    }
    free(p);
    return value;
}

// Upper half of the Hessian, and a little on its diagonal: a bias common to all classes changes
// nothing.
static void hessian_of(size_t n, size_t width, size_t classes, const double *x,
                       const int32_t *labels, double penalty, const double *weights, double *p,
                       double *hessian)
{
    const size_t all = width * classes;
    memset(hessian, 0, all * all * sizeof *hessian);
    for (size_t e = 0; e < all; e++)
        hessian[e * all + e] = 1e-12 + (e < (width - 1) * classes ? 2.0 * penalty : 0.0);
    for (size_t i = 0; i < n; i++) {
        const double *row = x + i * width;
        softmax(width, classes, row, weights, (size_t)labels[i], p);
        for (size_t a = 0; a < all; a++)
            for (size_t b = a; b < all; b++) {
                const double same = a % classes == b % classes ? p[a % classes] : 0.0;
                hessian[a * all + b] += (same - p[a % classes] * p[b % classes]) *
                                        row[a / classes] * row[b / classes] / (double)n;
            }
    }
}

// z ← H⁻¹ z by elimination, H positive definite, its upper half given and used up.
static void solve(size_t n, double *h, double *z)
{
    for (size_t k = 0; k < n; k++)
        for (size_t i = k + 1; i < n; i++) {
            const double by = h[k * n + i] / h[k * n + k];
            z[i] -= by * z[k];
            for (size_t j = i; j < n; j++)
                h[i * n + j] -= by * h[k * n + j];
        }
    for (size_t k = n; k-- > 0;) {
        for (size_t j = k + 1; j < n; j++)
            z[k] -= h[k * n + j] * z[j];
        z[k] /= h[k * n + k];
    }
}

double chi__ref_logistic_optimum(size_t n, size_t width, size_t classes, const double *x,
                                 const int32_t *labels, double penalty, double *weights)
{
    const size_t all = width * classes;
    double *room = malloc((all * all + 2 * all + classes) * sizeof *room), most = INFINITY;
    if (!room)
        return most;
    double *hessian = room, *step = room + all * all, *trial = step + all, *p = trial + all;
    memset(weights, 0, all * sizeof *weights);
    for (size_t newton = 0; newton < 100 && most > 1e-13; newton++) {
        const double value =
            chi__ref_logistic(n, width, classes, x, labels, penalty, weights, step);
        hessian_of(n, width, classes, x, labels, penalty, weights, p, hessian);
        solve(all, hessian, step);
        for (double t = 1.0; t > 1e-6; t /= 2.0) {
            for (size_t e = 0; e < all; e++)
                trial[e] = weights[e] - t * step[e];
            if (chi__ref_logistic(n, width, classes, x, labels, penalty, trial, NULL) <= value)
                break;
        }
        memcpy(weights, trial, all * sizeof *weights);
        chi__ref_logistic(n, width, classes, x, labels, penalty, weights, step);
        most = 0.0;
        for (size_t e = 0; e < all; e++)
            most = fmax(most, fabs(step[e]));
    }
    free(room);
    return most;
}
