// SPDX-License-Identifier: Apache-2.0
// check_metrics.c: kNN and linear probe against src/ref/metrics.c, and the irises against
// scikit-learn's figures at all scales. CHIARO_SMALL=1: tiny shapes, for slow devices. Larger sets:
// cli_probe.py. Intervals: unit_bootstrap.c.
#include <chiaro/chiaro.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/ref/exact.h"
#include "../src/ref/metrics.h"
#include "harness/buffer.h"
#include "harness/verdict.h"
#include "iris.h"

enum { KS = 4 };
static const char *const metric_names[] = { "dot", "cosine", "squared Euclidean" };

typedef struct side {
    size_t rows;
    float *x;
    int32_t *labels;
    chi_labelled at; // on the device
} side;

static uint32_t mix(uint32_t i) { return (i * 2654435761u ^ (i * 2246822519u >> 13)) >> 8; }

// Small integers have exact products and distances, many of them equal; unit rows are for cosines,
// some of them twice.
static side make_side(chi_metric metric, uint32_t seed, size_t rows, size_t dim, size_t classes)
{
    side s = { .rows = rows, .x = malloc(4 * rows * dim), .labels = malloc(4 * rows) };
    if (metric == CHI_METRIC_COSINE)
        chi_random_unit_rows(seed, rows, dim, s.x);
    for (size_t i = 0; i < rows * dim && metric != CHI_METRIC_COSINE; i++)
        s.x[i] = (float)(mix((uint32_t)i + seed * 7919) % 5) - 2.0f;
    for (size_t i = 3; i < rows && metric == CHI_METRIC_COSINE; i += 3)
        memcpy(s.x + i * dim, s.x + (i - 2) * dim, 4 * dim);
    for (size_t i = 0; i < rows; i++)
        s.labels[i] = (int32_t)(mix((uint32_t)i + seed * 104729) % classes);
    return s;
}

static void put_side(chi_device *dev, side *s, size_t dim)
{
    s->at =
        (chi_labelled){ chi_matrix_view(test_buffer(dev, s->x, 4 * s->rows * dim), s->rows, dim),
                        s->labels };
}

static void free_side(side *s)
{
    chi_buffer_destroy(&s->at.x.buffer);
    free(s->x);
    free(s->labels);
}

// ---- k nearest neighbours -----------------------------------------------------------------------
typedef struct neighbours {
    chi_metric metric;
    size_t n, m, dim, classes, k[KS];
} neighbours;

static void exact_scores(const neighbours *p, const side *base, const side *query, float *scores)
{
    float *unit = malloc(4 * (p->n + p->m) * (p->dim + 1)),
          *inverse = unit + (p->n + p->m) * p->dim;
    const float *x = query->x, *y = base->x;
    if (p->metric == CHI_METRIC_COSINE) {
        chi__exact_normalize(p->m, p->dim, x, unit, inverse);
        chi__exact_normalize(p->n, p->dim, y, unit + p->m * p->dim, inverse);
        x = unit;
        y = unit + p->m * p->dim;
    }
    chi__exact_similarity(p->metric, 1.0f, p->m, p->n, p->dim, x, y, scores);
    free(unit);
}

static double length_of(const float *x, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

// The class has the most votes but for the rounding of 1024 sums of exponentials, and the lower of
// equals where they are exact.
static bool is_winner(const double *votes, size_t classes, int32_t got, bool exact)
{
    size_t best = 0;
    for (size_t c = 1; c < classes; c++)
        best = votes[c] > votes[best] ? c : best;
    return got >= 0 && (size_t)got < classes &&
           (exact ? (size_t)got == best : votes[got] >= votes[best] * (1.0 - 1024 * 0x1p-52));
}

static size_t count_wrong(const neighbours *p, const side *base, const side *query,
                          const int32_t *plain, const int32_t *weighted)
{
    float *scores = malloc(4 * p->n * p->m);
    double *votes = malloc(2 * p->classes * sizeof *votes), *by_weight = votes + p->classes;
    const double radius = length_of(base->x, p->n * p->dim) / sqrt((double)p->n);
    size_t wrong = 0;
    exact_scores(p, base, query, scores);
    for (size_t q = 0; q < KS; q++)
        for (size_t i = 0; i < p->m; i++) {
            const double length = length_of(query->x + i * p->dim, p->dim) * radius;
            if (!chi__ref_votes(p->metric, 0.07, length, p->n, scores + i * p->n, base->labels,
                                p->classes, p->k[q], votes, by_weight))
                wrong++;
            wrong += !is_winner(votes, p->classes, plain[q * p->m + i], true);
            wrong += !is_winner(by_weight, p->classes, weighted[q * p->m + i], false);
        }
    free(scores);
    free(votes);
    return wrong;
}

static void count_calls(void *user, size_t done, size_t of)
{
    size_t *seen = user; // calls in order, and of those done the last
    seen[0] += done == seen[1] + 1;
    seen[1] = done;
    seen[2] = of;
}

static bool reports_fit(const neighbours *p, const side *query, const int32_t *plain,
                        const int32_t *weighted, const chi_knn_report *reports)
{
    bool good = true;
    for (size_t q = 0; q < KS; q++) {
        size_t right = 0, by_weight = 0;
        for (size_t i = 0; i < p->m; i++) {
            right += plain[q * p->m + i] == query->labels[i];
            by_weight += weighted[q * p->m + i] == query->labels[i];
        }
        good = good && reports[q].k == p->k[q] &&
               reports[q].accuracy == (double)right / (double)p->m &&
               reports[q].weighted == (double)by_weight / (double)p->m;
    }
    return good;
}

static void check_neighbours(chi_device *dev, const char *tile, const neighbours *p)
{
    char what[160];
    snprintf(what, sizeof what, "knn, %s, %zu x %zu x %zu, %zu classes, tile %s",
             metric_names[p->metric], p->n, p->m, p->dim, p->classes, tile);
    side base = make_side(p->metric, 1, p->n, p->dim, p->classes),
         query = make_side(p->metric, 2, p->m, p->dim, p->classes);
    put_side(dev, &base, p->dim);
    put_side(dev, &query, p->dim);
    int32_t *plain = malloc(4 * KS * p->m), *weighted = malloc(4 * KS * p->m);
    chi_knn_report reports[KS];
    size_t seen[3] = { 0 };
    const chi_knn_args args = { .base = base.at,
                                .query = query.at,
                                .classes = p->classes,
                                .metric = p->metric,
                                .k = p->k,
                                .ks = KS,
                                .predicted = plain,
                                .predicted_weighted = weighted,
                                .progress = count_calls,
                                .user = seen };
    const bool good = chi_knn(dev, &args, reports) == CHI_OK;
    test_verdict(good, what, "call", chi_error_text());
    test_verdict(good && count_wrong(p, &base, &query, plain, weighted) == 0, what, "reference",
                 "other classes");
    test_verdict(good && reports_fit(p, &query, plain, weighted, reports), what, "accuracies",
                 "not those of the predictions");
    test_verdict(good && seen[0] == seen[2] && seen[1] == seen[2] && seen[2] > 0, what, "progress",
                 "not one call a block");
    free(plain);
    free(weighted);
    free_side(&base);
    free_side(&query);
}

// No weight depends on the scale of the features; powers of two change no bit of a score.
static void check_scale(chi_device *dev, const char *tile, chi_metric metric)
{
    enum { N = 90, M = 40, DIM = 6, CLASSES = 5 };
    static const size_t k = 7;
    static const float scales[] = { 1.0f, 0x1p-110f, 0x1p110f };
    int32_t predicted[3][M];
    bool good = true;
    for (int s = 0; s < 3; s++) {
        side base = make_side(metric, 5, N, DIM, CLASSES),
             query = make_side(metric, 6, M, DIM, CLASSES);
        for (size_t i = 0; i < N * DIM; i++)
            base.x[i] *= scales[s];
        for (size_t i = 0; i < M * DIM; i++)
            query.x[i] *= scales[s];
        put_side(dev, &base, DIM);
        put_side(dev, &query, DIM);
        chi_knn_report report;
        good = good && chi_knn(dev,
                               &(chi_knn_args){ .base = base.at,
                                                .query = query.at,
                                                .classes = CLASSES,
                                                .metric = metric,
                                                .k = &k,
                                                .ks = 1,
                                                .predicted_weighted = predicted[s] },
                               &report) == CHI_OK;
        free_side(&base);
        free_side(&query);
    }
    test_verdict(good && memcmp(predicted[0], predicted[1], sizeof *predicted) == 0 &&
                     memcmp(predicted[0], predicted[2], sizeof *predicted) == 0,
                 metric_names[metric], tile,
                 good ? "weighted votes depend on the scale" : chi_error_text());
}

// ---- linear probe -------------------------------------------------------------------------------
typedef struct regression {
    size_t n, m, dim, classes;
    double penalty; // 0: the default
} regression;

// Overlapping classes: rows about a centre of each; columns of several scales and offsets, one of
// them constant.
static void fill_classes(side *s, size_t dim)
{
    for (size_t i = 0; i < s->rows; i++)
        for (size_t k = 0; k < dim; k++) {
            const double centre =
                (double)(mix((uint32_t)((size_t)s->labels[i] * dim + k)) % 9) / 8.0;
            const double noise = (double)s->x[i * dim + k] * sqrt((double)dim);
            s->x[i * dim + k] =
                k == 2
                    ? 7.25f
                    : (float)(ldexp(centre + noise, (int)(k % 5) * 20 - 40) + (k == 1 ? 3.0 : 0.0));
        }
}

// Where classes of the optimum differ by less than its distance can explain, either is right. The
// objective is 2 λ strongly convex in W: a loss that is `gap` above the least is within ‖ΔW‖² ≤ gap
// / λ, so a logit within ‖ΔW‖ ‖x̂‖; biases follow.
static size_t count_other(const regression *p, const double *weights, const double *x, double reach,
                          const int32_t *predicted)
{
    const size_t width = p->dim + 1;
    size_t other = 0;
    for (size_t i = 0; i < p->m; i++) {
        double best = -INFINITY, got = 0.0, length = 0.0;
        for (size_t k = 0; k < width; k++)
            length += x[i * width + k] * x[i * width + k];
        for (size_t c = 0; c < p->classes; c++) {
            double l = 0.0;
            for (size_t k = 0; k < width; k++)
                l += x[i * width + k] * weights[k * p->classes + c];
            best = fmax(best, l);
            got = (size_t)predicted[i] == c ? l : got;
        }
        other += !(got >= best - 2.0 * reach * sqrt(length));
    }
    return other;
}

static void check_regression(chi_device *dev, const char *tile, const regression *p,
                             chi_probe_report *first)
{
    char what[160];
    snprintf(what, sizeof what, "probe, %zu x %zu x %zu, %zu classes, penalty %g, tile %s", p->n,
             p->m, p->dim, p->classes, p->penalty, tile);
    side base = make_side(CHI_METRIC_COSINE, 11, p->n, p->dim, p->classes),
         query = make_side(CHI_METRIC_COSINE, 12, p->m, p->dim, p->classes);
    for (size_t i = 0; i < p->classes && i < p->n; i++)
        base.labels[i] = (int32_t)i;
    fill_classes(&base, p->dim);
    fill_classes(&query, p->dim);
    put_side(dev, &base, p->dim);
    put_side(dev, &query, p->dim);
    const size_t width = p->dim + 1;
    const double lambda = p->penalty == 0.0 ? 1e-4 : p->penalty;
    int32_t *predicted = malloc(4 * p->m);
    double *xb = malloc(p->n * width * sizeof *xb), *xq = malloc(p->m * width * sizeof *xq),
           *weights = malloc(width * p->classes * sizeof *weights);
    chi_probe_report report = { 0 };
    chi__ref_standardise(p->n, p->dim, base.x, p->n, base.x, xb);
    chi__ref_standardise(p->n, p->dim, base.x, p->m, query.x, xq);
    const double rest =
        chi__ref_logistic_optimum(p->n, width, p->classes, xb, base.labels, lambda, weights);
    const double least =
        chi__ref_logistic(p->n, width, p->classes, xb, base.labels, lambda, weights, NULL);
    const bool good = chi_linear_probe(dev,
                                       &(chi_probe_args){ .base = base.at,
                                                          .query = query.at,
                                                          .classes = p->classes,
                                                          .penalty = p->penalty,
                                                          .predicted = predicted },
                                       &report) == CHI_OK;
    test_verdict(good, what, "call", chi_error_text());
    test_verdict(rest < 1e-9, what, "reference", "its gradient does not vanish");
    // float32's rounding of a logit, dim · 2⁻²⁴ of a few units, is in every value: the same in the
    // mean.
    test_verdict(good && fabs(report.loss - least) <= 1e-6 * least + 1e-7, what, "reference",
                 "another optimum");
    test_verdict(
        good && count_other(p, weights, xq, sqrt((1e-6 * least + 1e-7) / lambda), predicted) == 0,
        what, "reference", "other classes");
    if (first->iterations == 0)
        *first = report;
    test_verdict(good && memcmp(first, &report, sizeof report) == 0, what, "first tile",
                 "other bits");
    free(predicted);
    free(xb);
    free(xq);
    free(weights);
    free_side(&base);
    free_side(&query);
}

// Rows with i % 2 = 0, or i % 5 < 2, are the base, the others the query. Right rows and least loss
// by scikit-learn 1.9.1 in double: StandardScaler, LogisticRegression(C=1/(2e-4 n), tol=1e-12), for
// the two classes C=1/(1e-4 n).
typedef struct split {
    int every, below, from;
    size_t right;
    double loss;
} split;
static const split splits[] = { { 2, 1, 0, 73, 0.050807506 },
                                { 5, 2, 0, 85, 0.029357518 },
                                { 2, 1, 50, 48, 0.032828039 } };

static void check_irises(chi_device *dev, const char *tile, const split *s, double scale)
{
    side base = { .x = malloc(sizeof(float) * 4 * 150), .labels = malloc(4 * 150) },
         query = { .x = malloc(sizeof(float) * 4 * 150), .labels = malloc(4 * 150) };
    char what[96];
    snprintf(what, sizeof what, "irises x %g, %d of %d from %d, tile %s", scale, s->below, s->every,
             s->from, tile);
    for (int i = s->from; i < 150; i++) {
        side *to = i % s->every < s->below ? &base : &query;
        for (int k = 0; k < 4; k++)
            to->x[to->rows * 4 + (size_t)k] = (float)(iris[i][k] * scale / 10.0);
        to->labels[to->rows++] = i / 50;
    }
    put_side(dev, &base, 4);
    put_side(dev, &query, 4);
    chi_probe_report report = { 0 };
    const bool good =
        chi_linear_probe(dev, &(chi_probe_args){ .base = base.at, .query = query.at, .classes = 3 },
                         &report) == CHI_OK;
    const double right = report.accuracy * (double)query.rows;
    test_verdict(good && fabs(right - (double)s->right) < 0.5, what, "scikit-learn",
                 good ? "another accuracy" : chi_error_text());
    test_verdict(good && fabs(report.loss - s->loss) <= 2e-6 * s->loss, what, "scikit-learn",
                 "another loss");
    free_side(&base);
    free_side(&query);
}

// ---- edges --------------------------------------------------------------------------------------
// Both calls on 3 rows of base and 2 of query, changed by a case.
typedef struct small {
    float x[3][2], y[2][2];
    int32_t labels[3], query_labels[2];
    size_t classes, k;
    double number;
} small;

static chi_status run_small(chi_device *dev, const small *s, bool probe, int32_t *predicted)
{
    chi_buffer *bx = test_buffer(dev, s->x, sizeof s->x), *by = test_buffer(dev, s->y, sizeof s->y);
    const chi_labelled base = { chi_matrix_view(bx, 3, 2), s->labels },
                       query = { chi_matrix_view(by, 2, 2), s->query_labels };
    chi_knn_report near = { .accuracy = -1.0 };
    chi_probe_report report = { .accuracy = -1.0 };
    const chi_status st = probe ? chi_linear_probe(dev,
                                                   &(chi_probe_args){ .base = base,
                                                                      .query = query,
                                                                      .classes = s->classes,
                                                                      .penalty = s->number,
                                                                      .predicted = predicted },
                                                   &report)
                                : chi_knn(dev,
                                          &(chi_knn_args){ .base = base,
                                                           .query = query,
                                                           .classes = s->classes,
                                                           .metric = CHI_METRIC_DOT,
                                                           .k = &s->k,
                                                           .ks = 1,
                                                           .temperature = s->number,
                                                           .predicted = predicted },
                                          &near);
    if (st != CHI_OK)
        test_verdict(near.accuracy == -1.0 && report.accuracy == -1.0 && predicted[0] == -9,
                     "a failure", "outputs", "are touched");
    chi_buffer_destroy(&bx);
    chi_buffer_destroy(&by);
    return st;
}

static void refuse(chi_device *dev, const small *s, bool probe, chi_status want,
                   const char *sentence)
{
    int32_t predicted[2] = { -9, -9 };
    const chi_status got = run_small(dev, s, probe, predicted);
    test_verdict(got == want && strstr(chi_error_text(), sentence),
                 probe ? "probe refuses" : "knn refuses", sentence,
                 got == CHI_OK ? "it was taken" : chi_error_text());
}

static void check_edges(chi_device *dev)
{
    const small usual = {
        { { 0, 0 }, { 1, 0 }, { 0, 2 } }, { { 1, 0 }, { 0, 1 } }, { 0, 1, 1 }, { 1, 1 }, 2, 1, 0.0
    };
    for (int probe = 0; probe < 2; probe++) {
        const bool p = probe;
        small s = usual;
        int32_t predicted[2] = { -9, -9 };
        test_verdict(run_small(dev, &s, p, predicted) == CHI_OK && predicted[0] == 1 &&
                         predicted[1] >= 0,
                     "three rows", "call", chi_error_text());
        s.labels[2] = -1;
        refuse(dev, &s, p, CHI_ERR_ARGUMENT, "label -1 of base row 2 of 3 is not in 0 … 1");
        s = usual;
        s.query_labels[1] = 2;
        refuse(dev, &s, p, CHI_ERR_ARGUMENT, "label 2 of query row 1 of 2 is not in 0 … 1");
        s = usual;
        s.x[1][1] = NAN;
        refuse(dev, &s, p, CHI_ERR_DATA, "base row 1, column 1 is nan");
        s = usual;
        s.y[1][0] = -INFINITY;
        refuse(dev, &s, p, CHI_ERR_DATA, "query row 1, column 0 is -inf");
        s = usual;
        s.number = NAN;
        refuse(dev, &s, p, CHI_ERR_ARGUMENT, "nan; it must be above 0");
        s = usual;
        s.classes = 0;
        refuse(dev, &s, p, CHI_ERR_ARGUMENT, "0 classes");
        s = usual;
        memset(s.labels, 0, sizeof s.labels);
        test_verdict(run_small(dev, &s, p, predicted) == CHI_OK && predicted[0] == 0 &&
                         predicted[1] == 0,
                     "one class", "call", chi_error_text());
    }
    small s = usual;
    s.k = 4;
    refuse(dev, &s, false, CHI_ERR_ARGUMENT, "k = 4 of 3 base rows");
}

static void check_class_limit(chi_device *dev)
{
    enum { N = 1025 };
    side base = make_side(CHI_METRIC_COSINE, 21, N, 2, 1);
    for (int32_t i = 0; i < N; i++)
        base.labels[i] = 3 * i;
    put_side(dev, &base, 2);
    chi_probe_report report;
    chi_knn_report near;
    const chi_status st = chi_linear_probe(
        dev, &(chi_probe_args){ .base = base.at, .query = base.at, .classes = 3 * N }, &report);
    test_verdict(st == CHI_ERR_ARGUMENT && strstr(chi_error_text(), "1025 classes"),
                 "probe refuses", "1025 classes", "it was taken");
    static const size_t one = 1;
    test_verdict(chi_knn(dev,
                         &(chi_knn_args){ .base = base.at,
                                          .query = base.at,
                                          .classes = 3 * N,
                                          .metric = CHI_METRIC_SQUARED_EUCLIDEAN,
                                          .k = &one,
                                          .ks = 1 },
                         &near) == CHI_OK &&
                     near.accuracy > 0.5,
                 "knn", "1025 classes", chi_error_text());
    free_side(&base);
}

int main(void)
{
    static const neighbours near[] = {
        { 0, 1, 1, 1, 1, { 1, 1, 1, 1 } },
        { 0, 13, 7, 3, 2, { 13, 1, 5, 2 } },
        { 0, 300, 129, 17, 4, { 20, 1, 200, 300 } },
        { 0, 1100, 1025, 5, 40, { 1024, 20, 3, 3 } },
    };
    static const regression far[] = { { 30, 20, 1, 2, 0 },
                                      { 129, 57, 4, 3, 0 },
                                      { 300, 100, 13, 5, 1e-2 },
                                      { 700, 257, 6, 11, 0 },
                                      { 40, 40, 60, 2, 1e-3 } };
    static const double scales[] = { 1e-36, 1e-9, 1e-3, 1.0, 1e3, 1e9, 1e30 };
    chi_probe_report first[5] = { 0 };
    const char *tiles[] = { "p8x32v16", "g32x32k16v4d2", "p4x16v4", "g64x64k16v4" };
    const bool tiny = getenv("CHIARO_SMALL") != NULL;
    const size_t count = test_tiles(tiles, sizeof tiles / sizeof *tiles);
    for (size_t t = 0; t < count; t++) {
        chi_device *dev = NULL;
        if (chi_device_open(&(chi_device_options){ .tile = tiles[t] }, &dev) != CHI_OK) {
            test_verdict(false, "open", tiles[t], chi_error_text());
            continue;
        }
        for (int metric = CHI_METRIC_DOT; metric <= CHI_METRIC_SQUARED_EUCLIDEAN; metric++) {
            for (size_t i = 0; i < (tiny ? 2
                                    : t  ? 3
                                         : sizeof near / sizeof *near);
                 i++) { // the largest once
                neighbours p = near[i];
                p.metric = (chi_metric)metric;
                check_neighbours(dev, tiles[t], &p);
            }
            check_scale(dev, tiles[t], (chi_metric)metric);
        }
        for (size_t i = 0; i < (tiny ? 2 : sizeof far / sizeof *far); i++)
            check_regression(dev, tiles[t], &far[i], &first[i]);
        for (size_t i = 0; i < sizeof splits / sizeof *splits; i++)
            for (size_t s = 0; s < (t == 0 && !tiny ? sizeof scales / sizeof *scales : 1); s++)
                check_irises(dev, tiles[t], &splits[i], scales[s]);
        check_edges(dev);
        check_class_limit(dev);
        chi_device_close(&dev);
    }
    return test_summary();
}
