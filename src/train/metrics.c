// SPDX-License-Identifier: Apache-2.0
// metrics.c: k nearest neighbours. The linear probe: probe.c. Header: include/chiaro/metrics.h.
#include <chiaro/metrics.h>
#include <chiaro/similarity.h>

#include <math.h>

#include "../base/memory.h"
#include "../device/device.h"

enum { MOST_QUERIES = 4096 }; // rows of one walk: the rest of the plan's memory grows with it
static const double WEIGHT_TEMPERATURE = 0.07;

typedef struct votes { double *plain, *weighted; size_t classes; } votes;

static size_t winner(const double *v, size_t classes)
{
    size_t best = 0;
    for (size_t c = 1; c < classes; c++)
        best = v[c] > v[best] ? c : best;
    return best;
}

// One query's neighbours to its two answers.
static void count_votes(const votes *v, const float *values, const int32_t *indices, size_t k, const int32_t *labels)
{
    for (size_t c = 0; c < v->classes; c++)
        v->plain[c] = v->weighted[c] = 0.0;
    for (size_t i = 0; i < k && indices[i] >= 0; i++) {
        const size_t label = (size_t)labels[indices[i]];
        v->plain[label] += 1.0;
        v->weighted[label] += exp((double)values[i] / WEIGHT_TEMPERATURE);
    }
}

static chi_status check_labels(chi_device *dev, const int32_t *labels, size_t n, size_t classes, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (labels[i] < 0 || (size_t)labels[i] >= classes)
            return chi__fail(dev, CHI_ERR_ARGUMENT, "knn: label %d of %s row %zu is not in 0 … %zu", labels[i], what, i, classes - 1);
    return CHI_OK;
}

static chi_status walk(chi_similarity *sim, chi_matrix base, const int32_t *base_labels, chi_matrix query, const int32_t *query_labels,
                       size_t k, chi_buffer *values, chi_buffer *indices, float *host_values, int32_t *host_indices, const votes *v, size_t *right)
{
    const size_t rows = query.rows;
    CHI_TRY(chi_similarity_topk(sim, query, base, k, chi_matrix_view(values, rows, k), indices));
    CHI_TRY(chi_buffer_download(values, 0, host_values, 4 * rows * k));
    CHI_TRY(chi_buffer_download(indices, 0, host_indices, 4 * rows * k));
    for (size_t i = 0; i < rows; i++) {
        count_votes(v, host_values + i * k, host_indices + i * k, k, base_labels);
        right[0] += winner(v->plain, v->classes) == (size_t)query_labels[i];
        right[1] += winner(v->weighted, v->classes) == (size_t)query_labels[i];
    }
    return CHI_OK;
}

chi_status chi_knn(chi_device *dev, chi_matrix base, const int32_t *base_labels, chi_matrix query, const int32_t *query_labels,
                   size_t classes, size_t k, double *accuracy, double *weighted)
{
    if (base.rows == 0 || query.rows == 0 || classes == 0 || k == 0 || base.cols != query.cols)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "knn: base %zu × %zu, query %zu × %zu, %zu classes, k = %zu; all must be at least 1 and the columns equal",
                         base.rows, base.cols, query.rows, query.cols, classes, k);
    CHI_TRY(check_labels(dev, base_labels, base.rows, classes, "base"));
    CHI_TRY(check_labels(dev, query_labels, query.rows, classes, "query"));
    const size_t step = query.rows < MOST_QUERIES ? query.rows : MOST_QUERIES;
    chi_similarity *sim = NULL, *tail = NULL;
    chi_buffer *values = NULL, *indices = NULL;
    float *host_values = chi__alloc(step * k, sizeof *host_values);
    int32_t *host_indices = chi__alloc(step * k, sizeof *host_indices);
    votes v = { chi__alloc(classes, sizeof(double)), chi__alloc(classes, sizeof(double)), classes };
    size_t right[2] = { 0, 0 };
    const chi_similarity_options options = { .metric = CHI_METRIC_COSINE, .topk = k, .uses = CHI_SIMILARITY_TOPK };
    chi_status st = CHI_OK;
    if (!host_values || !host_indices || !v.plain || !v.weighted)
        st = chi__fail(dev, CHI_ERR_MEMORY, "knn: no memory for %zu × %zu neighbours", step, k);
    if (st == CHI_OK)
        st = chi_similarity_create(dev, step, base.rows, base.cols, &options, &sim);
    if (st == CHI_OK && query.rows % step)
        st = chi_similarity_create(dev, query.rows % step, base.rows, base.cols, &options, &tail);
    if (st == CHI_OK)
        st = chi_buffer_create(dev, 4ull * step * k, &values);
    if (st == CHI_OK)
        st = chi_buffer_create(dev, 4ull * step * k, &indices);
    for (size_t first = 0; st == CHI_OK && first < query.rows; first += step) {
        const size_t rows = query.rows - first < step ? query.rows - first : step;
        st = walk(rows == step ? sim : tail, base, base_labels, chi_matrix_rows(query, first, rows), query_labels + first, k, values,
                  indices, host_values, host_indices, &v, right);
    }
    if (st == CHI_OK) {
        *accuracy = (double)right[0] / (double)query.rows;
        *weighted = (double)right[1] / (double)query.rows;
    }
    chi_similarity_destroy(&sim);
    chi_similarity_destroy(&tail);
    chi_buffer_destroy(&values);
    chi_buffer_destroy(&indices);
    chi__free(host_values);
    chi__free(host_indices);
    chi__free(v.plain);
    chi__free(v.weighted);
    return st;
}
