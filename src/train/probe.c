// SPDX-License-Identifier: Apache-2.0
// probe.c: the linear probe: logistic regression on standardised features, its value and gradient on the device, the
// minimiser (lbfgs.c) on the host. Kernel: kernels/train/probe.cl. Header: include/chiaro/metrics.h.
#include <chiaro/metrics.h>

#include <math.h>

#include "../base/memory.h"
#include "../tiles/tiles.h"
#include "lbfgs.h"

enum { MOST_CLASSES = 1024, ROWS = 8, ITERATIONS = 100 };
static const double PENALTY = 1e-4;

typedef struct probe {
    chi_device *dev;
    const chi__tile *tile; // for the number of work-items alone
    size_t n, m, dim, classes, padded, entries, parts; // entries: weights and biases, padded
    chi_buffer *mean, *by_deviation, *base, *query, *labels, *weights, *partial, *total, *values, *value, *scalars, *predicted, *scratch;
    chi__kernel *standardise, *gradient, *reduce, *sum, *predict;
    float *host;
} probe;

// Mean and 1 / (unbiased deviation + 1e-6) of each column, rows added ascending in double.
static chi_status measure_columns(probe *p, chi_matrix base)
{
    float *rows = chi__alloc(base.rows * p->dim, sizeof *rows), *mean = chi__alloc(p->dim, sizeof *mean), *by = chi__alloc(p->dim, sizeof *by);
    chi_status st = CHI_OK;
    if (!rows || !mean || !by)
        st = chi__fail(p->dev, CHI_ERR_MEMORY, "probe: no memory for %zu × %zu features", base.rows, p->dim);
    for (size_t i = 0; st == CHI_OK && i < base.rows; i++)
        st = chi_buffer_download(base.buffer, 4ull * (base.offset + i * chi__stride(base)), rows + i * p->dim, 4ull * p->dim);
    for (size_t k = 0; st == CHI_OK && k < p->dim; k++) {
        double sum = 0.0, square = 0.0;
        for (size_t i = 0; i < base.rows; i++)
            sum += (double)rows[i * p->dim + k];
        sum /= (double)base.rows;
        for (size_t i = 0; i < base.rows; i++)
            square += ((double)rows[i * p->dim + k] - sum) * ((double)rows[i * p->dim + k] - sum);
        mean[k] = (float)sum;
        by[k] = (float)(1.0 / (sqrt(square / (double)(base.rows > 1 ? base.rows - 1 : 1)) + 1e-6));
    }
    if (st == CHI_OK)
        st = chi_buffer_upload(p->mean, 0, mean, 4ull * p->dim);
    if (st == CHI_OK)
        st = chi_buffer_upload(p->by_deviation, 0, by, 4ull * p->dim);
    chi__free(rows);
    chi__free(mean);
    chi__free(by);
    return st;
}

static chi_status standardise(probe *p, chi_matrix from, const chi_buffer *to)
{
    return chi__run(p->dev, &(chi__launch){
        .kernel = p->standardise, .global = { from.rows }, .local = { 16 },
        .args = { U32(from.rows), U32(p->dim), U64(from.offset), U32(chi__stride(from)), BUF(from.buffer), BUF(p->mean), BUF(p->by_deviation), BUF(to) },
    });
}

static chi_status get(probe *p)
{
    const struct { chi_buffer **buffer; uint64_t bytes; } all[] = {
        { &p->mean, p->dim }, { &p->by_deviation, p->dim }, { &p->base, (uint64_t)p->n * p->dim }, { &p->query, (uint64_t)p->m * p->dim },
        { &p->labels, p->n }, { &p->weights, p->entries }, { &p->partial, (uint64_t)p->parts * p->entries }, { &p->total, p->entries },
        { &p->values, p->n }, { &p->value, 1 }, { &p->scalars, 4 }, { &p->predicted, p->m },
        { &p->scratch, (uint64_t)p->parts * ROWS * p->padded },
    };
    char items[32];
    chi__items_define(p->tile, items);
    CHI_TRY(chi__kernel_get(p->dev, "train/probe.cl", "probe_standardise", items, &p->standardise));
    CHI_TRY(chi__kernel_get(p->dev, "train/probe.cl", "probe_gradient", items, &p->gradient));
    CHI_TRY(chi__kernel_get(p->dev, "train/probe.cl", "probe_predict", items, &p->predict));
    CHI_TRY(chi__kernel_get(p->dev, "encoder/reduce.cl", "encoder_reduce", "", &p->reduce));
    CHI_TRY(chi__kernel_get(p->dev, "loss/value.cl", "loss_sum", "", &p->sum));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        CHI_TRY(chi_buffer_create(p->dev, 4 * all[i].bytes, all[i].buffer));
    p->host = chi__alloc(p->entries, sizeof *p->host);
    return p->host ? CHI_OK : chi__fail(p->dev, CHI_ERR_MEMORY, "probe: no memory for %zu weights", p->entries);
}

static void release(probe *p)
{
    chi_buffer **all[] = { &p->mean, &p->by_deviation, &p->base, &p->query, &p->labels, &p->weights, &p->partial, &p->total, &p->values,
                           &p->value, &p->scalars, &p->predicted, &p->scratch };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        chi_buffer_destroy(all[i]);
    chi__free(p->host);
}

static chi_status upload_weights(probe *p, const double *x)
{
    for (size_t e = 0; e < p->entries; e++)
        p->host[e] = (float)x[e];
    return chi_buffer_upload(p->weights, 0, p->host, 4ull * p->entries);
}

static chi_status objective(void *user, const double *x, double *value, double *gradient)
{
    probe *p = user;
    float loss = 0.0f;
    CHI_TRY(upload_weights(p, x));
    CHI_TRY(chi__run_groups(p->dev, &(chi__launch){
        .kernel = p->gradient, .local = { chi__items(p->tile) },
        .args = { U32(0), U32(p->n), U32(p->dim), U32(p->classes), U32(p->padded), BUF(p->base), BUF(p->labels), BUF(p->weights),
                  BUF(p->scratch), BUF(p->partial), BUF(p->values) },
    }, p->parts, 4.0 * (double)p->n * (double)p->entries));
    CHI_TRY(chi__run(p->dev, &(chi__launch){
        .kernel = p->reduce, .global = { chi__div_up(p->entries, 8) }, .local = { chi__row_items(p->tile) },
        .args = { U32(p->entries), U32(p->parts), U32(1), U32(0), U32(0), U32(1), U32(p->entries), BUF(p->partial), BUF(p->total), BUF(p->total) },
    }));
    CHI_TRY(chi__run(p->dev, &(chi__launch){
        .kernel = p->sum, .global = { 1 }, .local = { 1 },
        .args = { U32(p->n), U32(0), F32(1.0f), U64(0), BUF(p->values), BUF(p->scalars), BUF(p->value) },
    }));
    CHI_TRY(chi_buffer_download(p->total, 0, p->host, 4ull * p->entries));
    CHI_TRY(chi_buffer_download(p->value, 0, &loss, sizeof loss));
    *value = (double)loss / (double)p->n;
    for (size_t e = 0; e < p->entries; e++) {
        const bool weight = e < p->dim * p->padded, padding = e % p->padded >= p->classes;
        const double penalty = weight && !padding ? PENALTY : 0.0;
        *value += penalty * x[e] * x[e];
        gradient[e] = padding ? 0.0 : (double)p->host[e] / (double)p->n + 2.0 * penalty * x[e];
    }
    return CHI_OK;
}

static chi_status score(probe *p, const double *x, const int32_t *labels, double *accuracy)
{
    int32_t *predicted = chi__alloc(p->m, sizeof *predicted);
    size_t right = 0;
    if (!predicted)
        return chi__fail(p->dev, CHI_ERR_MEMORY, "probe: no memory for %zu labels", p->m);
    chi_status st = upload_weights(p, x);
    if (st == CHI_OK)
        st = chi__run(p->dev, &(chi__launch){
            .kernel = p->predict, .global = { chi__div_up(p->m, chi__items(p->tile) > 1 ? 1 : ROWS) }, .local = { chi__row_items(p->tile) },
            .args = { U32(p->m), U32(p->dim), U32(p->classes), U32(p->padded), BUF(p->query), BUF(p->weights), BUF(p->predicted) },
        });
    if (st == CHI_OK)
        st = chi_buffer_download(p->predicted, 0, predicted, 4ull * p->m);
    for (size_t i = 0; st == CHI_OK && i < p->m; i++)
        right += predicted[i] == labels[i];
    if (st == CHI_OK)
        *accuracy = (double)right / (double)p->m;
    chi__free(predicted);
    return st;
}

static chi_status fit(probe *p, chi_matrix base, const int32_t *base_labels, chi_matrix query, const int32_t *query_labels, double *accuracy)
{
    CHI_TRY(get(p));
    CHI_TRY(measure_columns(p, base));
    CHI_TRY(standardise(p, base, p->base));
    CHI_TRY(standardise(p, query, p->query));
    CHI_TRY(chi_buffer_upload(p->labels, 0, base_labels, 4ull * p->n));
    double *x = chi__alloc(p->entries, sizeof *x);
    if (!x)
        return chi__fail(p->dev, CHI_ERR_MEMORY, "probe: no memory for %zu weights", p->entries);
    chi_status st = chi__lbfgs(p->entries, x, ITERATIONS, objective, p);
    if (st == CHI_OK)
        st = score(p, x, query_labels, accuracy);
    chi__free(x);
    return st;
}

chi_status chi_linear_probe(chi_device *dev, chi_matrix base, const int32_t *base_labels, chi_matrix query, const int32_t *query_labels,
                            size_t classes, double *accuracy)
{
    if (base.rows == 0 || query.rows == 0 || base.cols == 0 || base.cols != query.cols || classes == 0 || classes > MOST_CLASSES)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "probe: base %zu × %zu, query %zu × %zu, %zu classes; rows and columns must be at least 1, columns equal, classes 1 … %d",
                         base.rows, base.cols, query.rows, query.cols, classes, MOST_CLASSES);
    CHI_TRY(chi__check_matrix(dev, base, base.rows, base.cols, "probe: base"));
    CHI_TRY(chi__check_matrix(dev, query, query.rows, query.cols, "probe: query"));
    for (size_t i = 0; i < base.rows; i++)
        if (base_labels[i] < 0 || (size_t)base_labels[i] >= classes)
            return chi__fail(dev, CHI_ERR_ARGUMENT, "probe: label %d of row %zu is not in 0 … %zu", base_labels[i], i, classes - 1);
    probe p = { .dev = dev, .tile = chi__device_tile(dev), .n = base.rows, .m = query.rows, .dim = base.cols, .classes = classes, .padded = chi__round_up(classes, 16) };
    p.entries = (p.dim + 1) * p.padded;
    p.parts = chi__div_up(p.n, chi__superblock(p.n));
    const chi_status st = fit(&p, base, base_labels, query, query_labels, accuracy);
    release(&p);
    return st;
}
