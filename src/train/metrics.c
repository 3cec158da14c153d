// SPDX-License-Identifier: Apache-2.0
// metrics.c: k nearest neighbours. The linear probe: probe.c. Reference: src/ref/metrics.c. Header:
// include/chiaro/metrics.h.
#include <chiaro/metrics.h>

#include <math.h>
#include <string.h>

#include "../base/memory.h"
#include "features.h"

enum { NEIGHBOURS = 20, MOST_NEIGHBOURS = 1024, MOST_QUERIES = 1024 }; // queries of one walk
// Powers of two between which the largest feature may lie for squares and their sums to stay within
// float32, and small rows to count; beyond, a scaled copy is searched.
enum { LOW_EXPONENT = -10, HIGH_EXPONENT = 40 };
static const double TEMPERATURE = 0.07;
static const char *const WHO = "knn";

// Votes of one query. touched: the classes that have some.
typedef struct votes {
    double *plain, *weighted;
    size_t *touched, count;
} votes;

typedef struct knn {
    chi_device *dev;
    const chi_knn_args *args;
    const size_t *k;
    size_t ks, most, step;      // most: the largest k; step: queries of a walk
    double temperature;
    chi_matrix base, query;     // what is searched: the caller's, or scaled copies
    chi_buffer *copies[2];      // of base, of query; NULL: none was needed
    double radius, *lengths;    // root mean square length of base rows, and each query's: of what is
                                // searched, for dot products alone
    chi_similarity *sim, *tail;
    chi_buffer *values, *indices;
    float *host_values;
    int32_t *host_indices;
    int32_t *plain, *weighted; // [ks][m] predictions
    votes votes;
} knn;

// ---- votes --------------------------------------------------------------------------------------
static double weight_of(const knn *q, size_t row, double score, double best)
{
    switch (q->args->metric) {
    case CHI_METRIC_DOT:
        if (score == best)
            return 1.0; // where a length is 0, too
        return exp((score - best) / (q->temperature * q->lengths[row] * q->radius));
    case CHI_METRIC_SQUARED_EUCLIDEAN: // 1 / distance, times the least distance
        return best == 0.0 ? score == 0.0 : sqrt(best / score);
    case CHI_METRIC_COSINE:
        break;
    }
    return exp(score / q->temperature);
}

static void add_vote(votes *v, size_t label, double weight)
{
    if (v->plain[label] == 0.0)
        v->touched[v->count++] = label;
    v->plain[label] += 1.0;
    v->weighted[label] += weight;
}

static int32_t winner(const votes *v, const double *counts)
{
    size_t best = v->touched[0];
    for (size_t t = 1; t < v->count; t++) {
        const size_t c = v->touched[t];
        if (counts[c] > counts[best] || (counts[c] == counts[best] && c < best))
            best = c;
    }
    return (int32_t)best;
}

static void clear(votes *v)
{
    for (; v->count; v->count--)
        v->plain[v->touched[v->count - 1]] = v->weighted[v->touched[v->count - 1]] = 0.0;
}

// One query's neighbours, best first, to its predictions for every k of the list.
static chi_status vote(knn *q, size_t row, const float *scores, const int32_t *neighbours)
{
    const size_t m = q->args->query.x.rows;
    clear(&q->votes);
    for (size_t j = 0; j < q->most; j++) {
        if (neighbours[j] < 0 || !isfinite(scores[j]))
            return chi__fail(q->dev, CHI_ERR_INTERNAL,
                             "knn: the score of query row %zu and base row %d is %g", row,
                             neighbours[j], (double)scores[j]);
        add_vote(&q->votes, (size_t)q->args->base.labels[neighbours[j]],
                 weight_of(q, row, (double)scores[j], (double)scores[0]));
        for (size_t i = 0; i < q->ks; i++) {
            if (q->k[i] != j + 1)
                continue;
            q->plain[i * m + row] = winner(&q->votes, q->votes.plain);
            q->weighted[i * m + row] = winner(&q->votes, q->votes.weighted);
        }
    }
    return CHI_OK;
}

// ---- size of the features -----------------------------------------------------------------------
typedef struct sizes {
    knn *q;
    const char *side;
    double largest, squares, *each; // of entries; of all rows; lengths of rows, NULL: not wanted
} sizes;

static chi_status measure_block(void *user, const chi__block *block)
{
    sizes *s = user;
    CHI_TRY(chi__check_finite(s->q->dev, WHO, s->side, block));
    for (size_t i = 0; i < block->rows; i++) {
        const float *row = block->at + i * block->stride;
        float largest = 0.0f;
        double square = 0.0;
        for (size_t k = 0; k < block->cols; k++)
            largest = fabsf(row[k]) > largest ? fabsf(row[k]) : largest;
        for (size_t k = 0; s->q->args->metric == CHI_METRIC_DOT && k < block->cols; k++)
            square += (double)row[k] * (double)row[k];
        s->largest = fmax(s->largest, (double)largest);
        s->squares += square;
        if (s->each)
            s->each[block->first + i] = sqrt(square);
    }
    return CHI_OK;
}

// The power of two that brings features of this size to 1 … 2; 0 where they are fine.
static int exponent_for(double largest)
{
    int exponent = 0;
    if (largest > 0.0)
        frexp(largest, &exponent);
    return exponent < LOW_EXPONENT || exponent > HIGH_EXPONENT ? 1 - exponent : 0;
}

// Scores of any features: a power of two changes no digit of them, and votes do not depend on it.
// Distances need the same for both sides.
static chi_status fit_sizes(knn *q)
{
    const chi_knn_args *a = q->args;
    double *lengths = a->metric == CHI_METRIC_DOT ? q->lengths : NULL;
    sizes base = { .q = q, .side = "base" }, query = { .q = q, .side = "query", .each = lengths };
    CHI_TRY(chi__visit_rows(q->dev, a->base.x, measure_block, &base));
    CHI_TRY(chi__visit_rows(q->dev, a->query.x, measure_block, &query));
    if (a->metric == CHI_METRIC_SQUARED_EUCLIDEAN)
        base.largest = query.largest = fmax(base.largest, query.largest);
    const int by_base = exponent_for(base.largest), by_query = exponent_for(query.largest);
    q->base = a->base.x;
    q->query = a->query.x;
    if (by_base)
        CHI_TRY(chi__scaled_copy(q->dev, a->base.x, by_base, &q->copies[0], &q->base));
    if (by_query)
        CHI_TRY(chi__scaled_copy(q->dev, a->query.x, by_query, &q->copies[1], &q->query));
    q->radius = ldexp(sqrt(base.squares / (double)a->base.x.rows), by_base);
    for (size_t i = 0; lengths && i < a->query.x.rows; i++)
        lengths[i] = ldexp(lengths[i], by_query);
    return CHI_OK;
}

// ---- the walk -----------------------------------------------------------------------------------
static chi_status check_knn(knn *q)
{
    const chi_knn_args *a = q->args;
    CHI_TRY(chi__check_labelled(q->dev, WHO, &a->base, &a->query, a->classes));
    if (!(q->temperature > 0.0) || !isfinite(q->temperature))
        return chi__fail(q->dev, CHI_ERR_ARGUMENT, "knn: temperature %g; it must be above 0",
                         q->temperature);
    if (!a->k != !a->ks)
        return chi__fail(q->dev, CHI_ERR_ARGUMENT, "knn: a list of %zu k %s", a->ks,
                         a->k ? "" : "that is NULL");
    for (size_t i = 0; i < q->ks; i++) {
        if (q->k[i] == 0 || q->k[i] > MOST_NEIGHBOURS || q->k[i] > a->base.x.rows)
            return chi__fail(
                q->dev, CHI_ERR_ARGUMENT,
                "knn: k = %zu of %zu base rows; it must be 1 … %d and at most the rows", q->k[i],
                a->base.x.rows, MOST_NEIGHBOURS);
        q->most = q->k[i] > q->most ? q->k[i] : q->most;
    }
    return CHI_OK;
}

static chi_status get_memory(knn *q)
{
    const chi_knn_args *a = q->args;
    size_t classes = 0; // that have a row
    for (size_t i = 0; i < a->base.x.rows; i++)
        classes = (size_t)a->base.labels[i] >= classes ? (size_t)a->base.labels[i] + 1 : classes;
    q->host_values = chi__alloc(q->step * q->most, sizeof *q->host_values);
    q->host_indices = chi__alloc(q->step * q->most, sizeof *q->host_indices);
    q->plain = chi__alloc(q->ks, a->query.x.rows * sizeof *q->plain);
    q->weighted = chi__alloc(q->ks, a->query.x.rows * sizeof *q->weighted);
    q->lengths = chi__alloc(a->metric == CHI_METRIC_DOT ? a->query.x.rows : 0, sizeof *q->lengths);
    q->votes = (votes){ chi__alloc(classes, sizeof(double)), chi__alloc(classes, sizeof(double)),
                        chi__alloc(q->most, sizeof(size_t)), 0 };
    if (!q->host_values || !q->host_indices || !q->plain || !q->weighted || !q->lengths ||
        !q->votes.plain || !q->votes.weighted || !q->votes.touched)
        return chi__fail(q->dev, CHI_ERR_MEMORY,
                         "knn: no memory for %zu neighbours of %zu rows and %zu classes", q->most,
                         q->step, classes);
    return CHI_OK;
}

static chi_status plan_walks(knn *q)
{
    const chi_matrix base = q->base, query = q->query;
    const chi_similarity_options options = { .metric = q->args->metric,
                                             .topk = q->most,
                                             .uses = CHI_SIMILARITY_TOPK };
    CHI_TRY(chi_similarity_create(q->dev, q->step, base.rows, base.cols, &options, &q->sim));
    if (query.rows % q->step)
        CHI_TRY(chi_similarity_create(q->dev, query.rows % q->step, base.rows, base.cols, &options,
                                      &q->tail));
    CHI_TRY(chi_buffer_create(q->dev, 4ull * q->step * q->most, &q->values));
    return chi_buffer_create(q->dev, 4ull * q->step * q->most, &q->indices);
}

static chi_status walk(knn *q, size_t first, size_t rows)
{
    CHI_TRY(chi_similarity_topk(rows == q->step ? q->sim : q->tail,
                                chi_matrix_rows(q->query, first, rows), q->base, q->most,
                                chi_matrix_view(q->values, rows, q->most), q->indices));
    CHI_TRY(chi_buffer_download(q->values, 0, q->host_values, 4 * rows * q->most));
    CHI_TRY(chi_buffer_download(q->indices, 0, q->host_indices, 4 * rows * q->most));
    for (size_t i = 0; i < rows; i++)
        CHI_TRY(vote(q, first + i, q->host_values + i * q->most, q->host_indices + i * q->most));
    return CHI_OK;
}

static chi_status find(knn *q)
{
    const size_t m = q->args->query.x.rows;
    CHI_TRY(get_memory(q));
    CHI_TRY(fit_sizes(q));
    CHI_TRY(plan_walks(q));
    for (size_t first = 0; first < m; first += q->step) {
        CHI_TRY(walk(q, first, m - first < q->step ? m - first : q->step));
        if (q->args->progress)
            q->args->progress(q->args->user, first / q->step + 1, chi__div_up(m, q->step));
    }
    return CHI_OK;
}

static double share(const int32_t *predicted, const int32_t *labels, size_t m)
{
    size_t right = 0;
    for (size_t i = 0; i < m; i++)
        right += predicted[i] == labels[i];
    return (double)right / (double)m;
}

static void report(const knn *q, chi_knn_report *reports)
{
    const chi_knn_args *a = q->args;
    const size_t m = a->query.x.rows, bytes = q->ks * m * sizeof(int32_t);
    for (size_t i = 0; i < q->ks; i++)
        reports[i] = (chi_knn_report){ q->k[i], share(q->plain + i * m, a->query.labels, m),
                                       share(q->weighted + i * m, a->query.labels, m) };
    if (a->predicted)
        memcpy(a->predicted, q->plain, bytes);
    if (a->predicted_weighted)
        memcpy(a->predicted_weighted, q->weighted, bytes);
}

static void release(knn *q)
{
    chi_similarity_destroy(&q->sim);
    chi_similarity_destroy(&q->tail);
    chi_buffer_destroy(&q->values);
    chi_buffer_destroy(&q->indices);
    chi_buffer_destroy(&q->copies[0]);
    chi_buffer_destroy(&q->copies[1]);
    void *all[] = { q->host_values, q->host_indices, q->plain,          q->weighted,
                    q->lengths,     q->votes.plain,  q->votes.weighted, q->votes.touched };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        chi__free(all[i]);
}

chi_status chi_knn(chi_device *dev, const chi_knn_args *args, chi_knn_report *reports)
{
    static const size_t usual[] = { NEIGHBOURS };
    knn q = {
        .dev = dev, .args = args, .k = args->k ? args->k : usual, .ks = args->k ? args->ks : 1
    };
    q.temperature = args->temperature == 0.0 ? TEMPERATURE : args->temperature;
    CHI_TRY(check_knn(&q));
    q.step = args->query.x.rows < MOST_QUERIES ? args->query.x.rows : MOST_QUERIES;
    const chi_status st = find(&q);
    if (st == CHI_OK)
        report(&q, reports);
    release(&q);
    return st;
}
