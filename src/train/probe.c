// SPDX-License-Identifier: Apache-2.0
// probe.c: the linear probe: logistic regression on standardised features (columns.c), its gradient
// on the device, the minimiser (lbfgs.c) and its preconditioner (curvature.c) on the host. Kernel:
// kernels/train/probe.cl. Reference: src/ref/metrics.c. Header: include/chiaro/metrics.h.
#include <chiaro/metrics.h>

#include <math.h>
#include <string.h>

#include "../base/memory.h"
#include "../tiles/tiles.h"
#include "curvature.h"
#include "features.h"
#include "lbfgs.h"

enum { MOST_CLASSES = 1024, ROWS = 8, ITERATIONS = 1000, FIRST_UPDATE = 10 };
enum { MOST_PARTIAL = 1 << 24, MOST_QUERIES = 1 << 22 }; // in floats
static const double PENALTY = 1e-4;
static const char *const WHO = "probe";

typedef struct probe {
    chi_device *dev;
    const chi_probe_args *args;
    const chi__tile *tile; // for the number of work-items alone
    double penalty;
    size_t n, dim, padded, entries; // entries: weights and biases, padded
    size_t parts, chunk;            // superblocks of rows, and how many of them one launch takes
    size_t classes;                 // that have a row in base: the others are left out
    int32_t *number, *class_of;     // number of a class among them, −1 for the others, and back
    chi__columns columns;
    chi_buffer *base, *labels, *weights, *partial, *total, *values, *scratch;
    chi__kernel *gradient, *reduce, *predict, *probabilities;
    float *host, *host_values; // [entries], [n]
    size_t samples, sampled;   // rows of the preconditioner, and how many of them are in `sample`
    float *sample;             // [samples][dim + 1], ones at the end
    chi_buffer *sample_rows, *sample_probabilities;
    chi__curvature *curvature; // NULL: none
    size_t next_update;        // step
} probe;

// ---- classes and memory -------------------------------------------------------------------------
// Classes that have a row in base get the numbers 0 … classes − 1, in order.
static chi_status number_classes(probe *p, const int32_t *labels)
{
    size_t most = 0;
    for (size_t i = 0; i < p->n; i++)
        most = (size_t)labels[i] >= most ? (size_t)labels[i] + 1 : most;
    p->number = chi__alloc(most, sizeof *p->number);
    if (!p->number)
        return chi__fail(p->dev, CHI_ERR_MEMORY, "probe: no memory for %zu classes", most);
    for (size_t i = 0; i < p->n; i++)
        p->number[labels[i]] = 1;
    for (size_t c = 0; c < most; c++)
        p->number[c] = p->number[c] ? (int32_t)p->classes++ : -1;
    if (p->classes > MOST_CLASSES)
        return chi__fail(p->dev, CHI_ERR_ARGUMENT,
                         "probe: base has rows of %zu classes; it takes at most %d", p->classes,
                         MOST_CLASSES);
    p->class_of = chi__alloc(p->classes, sizeof *p->class_of);
    if (!p->class_of)
        return chi__fail(p->dev, CHI_ERR_MEMORY, "probe: no memory for %zu classes", p->classes);
    for (size_t c = 0; c < most; c++)
        if (p->number[c] >= 0)
            p->class_of[p->number[c]] = (int32_t)c;
    return CHI_OK;
}

static chi_status get_memory(probe *p)
{
    const struct { chi_buffer **buffer; uint64_t floats; } all[] = {
        { &p->base, (uint64_t)p->n * p->dim },
        { &p->labels, p->n },
        { &p->weights, p->entries },
        { &p->partial, (uint64_t)p->chunk * p->entries },
        { &p->total, p->entries },
        { &p->values, p->n },
        { &p->scratch, (uint64_t)p->chunk * ROWS * p->padded },
    };
    static const char *const file = "train/probe.cl";
    char items[32];
    chi__items_define(p->tile, items);
    CHI_TRY(chi__kernel_get(p->dev, file, "probe_gradient", items, &p->gradient));
    CHI_TRY(chi__kernel_get(p->dev, file, "probe_predict", items, &p->predict));
    CHI_TRY(chi__kernel_get(p->dev, file, "probe_probabilities", items, &p->probabilities));
    CHI_TRY(chi__kernel_get(p->dev, "encoder/reduce.cl", "encoder_reduce", "", &p->reduce));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        CHI_TRY(chi_buffer_create(p->dev, 4 * all[i].floats, all[i].buffer));
    p->host = chi__alloc(p->entries, sizeof *p->host);
    p->host_values = chi__alloc(p->n, sizeof *p->host_values);
    p->sample = chi__alloc(p->samples, (p->dim + 1) * sizeof *p->sample);
    if (!p->host || !p->host_values || !p->sample)
        return chi__fail(p->dev, CHI_ERR_MEMORY, "probe: no memory for %zu weights and %zu rows",
                         p->entries, p->n);
    return CHI_OK;
}

static chi_status plan(probe *p)
{
    CHI_TRY(number_classes(p, p->args->base.labels));
    p->padded = chi__round_up(p->classes, 16);
    p->entries = (p->dim + 1) * p->padded;
    if (p->entries > INT32_MAX)
        return chi__fail(p->dev, CHI_ERR_SHAPE,
                         "probe: %zu columns and %zu classes are more than 2^31 weights", p->dim,
                         p->classes);
    p->parts = chi__div_up(p->n, chi__superblock(p->n));
    const size_t fit = MOST_PARTIAL / p->entries;
    p->chunk = fit < 1 ? 1 : fit < p->parts ? fit : p->parts;
    p->samples = chi__curvature_samples(p->n, p->dim + 1);
    return get_memory(p);
}

static void release(probe *p)
{
    chi_buffer **all[] = { &p->base,  &p->labels, &p->weights, &p->partial,
                           &p->total, &p->values, &p->scratch, &p->sample_rows,
                           &p->sample_probabilities };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        chi_buffer_destroy(all[i]);
    chi__columns_finish(&p->columns);
    chi__curvature_destroy(&p->curvature);
    chi__free(p->sample);
    chi__free(p->number);
    chi__free(p->class_of);
    chi__free(p->host);
    chi__free(p->host_values);
}

// ---- base ---------------------------------------------------------------------------------------
// Rows at equal distances make the sample: of sorted classes each gives its share.
static void take_samples(probe *p, const chi__block *block, const float *rows)
{
    for (; p->sampled < p->samples; p->sampled++) {
        const size_t row = (size_t)((uint64_t)p->sampled * p->n / p->samples);
        if (row >= block->first + block->rows)
            return;
        float *to = p->sample + p->sampled * (p->dim + 1);
        memcpy(to, rows + (row - block->first) * p->dim, p->dim * sizeof *rows);
        to[p->dim] = 1.0f;
    }
}

static chi_status upload_block(void *user, const chi__block *block)
{
    probe *p = user;
    float *rows = chi__alloc(block->rows * p->dim, sizeof *rows);
    if (!rows)
        return chi__fail(p->dev, CHI_ERR_MEMORY, "probe: no memory for %zu rows", block->rows);
    chi_status st = chi__columns_standardise(p->dev, &p->columns, "base", block, rows);
    if (st == CHI_OK)
        st = chi_buffer_upload(p->base, 4ull * block->first * p->dim, rows,
                               4ull * block->rows * p->dim);
    if (st == CHI_OK)
        take_samples(p, block, rows);
    chi__free(rows);
    return st;
}

static chi_status upload_base(probe *p)
{
    const chi_labelled *base = &p->args->base;
    CHI_TRY(chi__columns_measure(p->dev, base->x, &p->columns));
    CHI_TRY(chi__visit_rows(p->dev, base->x, upload_block, p));
    int32_t *labels = chi__alloc(p->n, sizeof *labels);
    if (!labels)
        return chi__fail(p->dev, CHI_ERR_MEMORY, "probe: no memory for %zu labels", p->n);
    for (size_t i = 0; i < p->n; i++)
        labels[i] = p->number[base->labels[i]];
    const chi_status st = chi_buffer_upload(p->labels, 0, labels, 4ull * p->n);
    chi__free(labels);
    return st;
}

// ---- objective ----------------------------------------------------------------------------------
static chi_status upload_weights(probe *p, const double *x)
{
    for (size_t e = 0; e < p->entries; e++)
        p->host[e] = (float)x[e];
    return chi_buffer_upload(p->weights, 0, p->host, 4ull * p->entries);
}

// Value of each row and sum of the gradients, superblocks ascending, as many at a time as partial
// holds.
static chi_status run_rows(probe *p)
{
    for (size_t before = 0; before < p->parts; before += p->chunk) {
        const size_t parts = p->parts - before < p->chunk ? p->parts - before : p->chunk;
        const bool starts = before == 0, ends = before + parts == p->parts;
        CHI_TRY(chi__run_groups(p->dev, &(chi__launch){
            .kernel = p->gradient, .local = { chi__items(p->tile) },
            .args = { U32(0), U32(before), U32(p->n), U32(p->dim), U32(p->classes), U32(p->padded),
                      BUF(p->base), BUF(p->labels), BUF(p->weights), BUF(p->scratch),
                      BUF(p->partial), BUF(p->values) },
        }, parts, 4.0 * (double)(parts * chi__superblock(p->n)) * (double)p->entries));
        CHI_TRY(chi__run(p->dev, &(chi__launch){
            .kernel = p->reduce,
            .global = { chi__div_up(p->entries, 8) },
            .local = { chi__row_items(p->tile) },
            .args = { U32(p->entries), U32(parts), U32(starts), U32(ends), U32(0), U32(1),
                      U32(p->entries), BUF(p->partial), BUF(p->total), BUF(p->total) },
        }));
    }
    return CHI_OK;
}

static chi_status objective(void *user, const double *x, double *value, double *gradient)
{
    probe *p = user;
    CHI_TRY(upload_weights(p, x));
    CHI_TRY(run_rows(p));
    CHI_TRY(chi_buffer_download(p->total, 0, p->host, 4ull * p->entries));
    CHI_TRY(chi_buffer_download(p->values, 0, p->host_values, 4ull * p->n));
    double sum = 0.0;
    for (size_t i = 0; i < p->n; i++)
        sum += (double)p->host_values[i];
    *value = sum / (double)p->n;
    for (size_t e = 0; e < p->entries; e++) {
        const bool weight = e < p->dim * p->padded, padding = e % p->padded >= p->classes;
        const double penalty = weight && !padding ? p->penalty : 0.0;
        *value += penalty * x[e] * x[e];
        gradient[e] = padding ? 0.0 : (double)p->host[e] / (double)p->n + 2.0 * penalty * x[e];
    }
    return CHI_OK;
}

// ---- preconditioner -----------------------------------------------------------------------------
static chi_status probabilities(void *user, const double *x, float *to)
{
    probe *p = user;
    CHI_TRY(upload_weights(p, x));
    CHI_TRY(chi__run(p->dev, &(chi__launch){
        .kernel = p->probabilities,
        .global = { chi__div_up(p->samples, chi__item_rows(p->tile)) },
        .local = { chi__row_items(p->tile) },
        .args = { U32(p->samples), U32(p->dim), U32(p->classes), U32(p->padded),
                  BUF(p->sample_rows), BUF(p->weights), BUF(p->sample_probabilities) },
    }));
    return chi_buffer_download(p->sample_probabilities, 0, to, 4ull * p->samples * p->padded);
}

static chi_status create_curvature(probe *p)
{
    CHI_TRY(chi_buffer_create(p->dev, 4ull * p->samples * p->dim, &p->sample_rows));
    CHI_TRY(chi_buffer_create(p->dev, 4ull * p->samples * p->padded, &p->sample_probabilities));
    for (size_t i = 0; i < p->samples; i++)
        CHI_TRY(chi_buffer_upload(p->sample_rows, 4ull * i * p->dim, p->sample + i * (p->dim + 1),
                                  4ull * p->dim));
    const chi__curvature_options options = {
        .width = p->dim + 1, .classes = p->classes, .padded = p->padded, .samples = p->samples,
        .rows = p->sample, .penalty = p->penalty, .probabilities = probabilities, .user = p,
    };
    return chi__curvature_create(p->dev, &options, &p->curvature);
}

// Near the start and, less and less often, on the way: weights soon change by less than the blocks
// notice.
static chi_status update(void *user, size_t iteration, const double *x)
{
    probe *p = user;
    if (iteration < p->next_update)
        return CHI_OK;
    p->next_update = iteration ? 3 * iteration : FIRST_UPDATE;
    return chi__curvature_update(p->curvature, x);
}

static void apply(void *user, const double *g, double *to)
{
    const probe *p = user;
    chi__curvature_solve(p->curvature, g, to);
}

static void progress(void *user, size_t iteration)
{
    const probe *p = user;
    if (p->args->progress)
        p->args->progress(p->args->user, iteration, ITERATIONS);
}

// ---- queries ------------------------------------------------------------------------------------
typedef struct answers {
    probe *p;
    float *rows;          // standardised, of one block
    size_t most;          // rows of a block
    chi_buffer *query, *predicted;
    int32_t *host;        // [m]
} answers;

static chi_status predict_rows(const answers *a, size_t first, size_t rows)
{
    const probe *p = a->p;
    CHI_TRY(chi_buffer_upload(a->query, 0, a->rows, 4ull * rows * p->dim));
    CHI_TRY(chi__run(p->dev, &(chi__launch){
        .kernel = p->predict,
        .global = { chi__div_up(rows, chi__item_rows(p->tile)) },
        .local = { chi__row_items(p->tile) },
        .args = { U32(rows), U32(p->dim), U32(p->classes), U32(p->padded), BUF(a->query),
                  BUF(p->weights), BUF(a->predicted) },
    }));
    CHI_TRY(chi_buffer_download(a->predicted, 0, a->host + first, 4ull * rows));
    for (size_t i = first; i < first + rows; i++)
        a->host[i] = p->class_of[a->host[i]];
    return CHI_OK;
}

static chi_status predict_block(void *user, const chi__block *block)
{
    answers *a = user;
    for (size_t first = 0; first < block->rows; first += a->most) {
        chi__block piece = *block;
        piece.first += first;
        piece.rows = block->rows - first < a->most ? block->rows - first : a->most;
        piece.at += first * block->stride;
        CHI_TRY(chi__columns_standardise(a->p->dev, &a->p->columns, "query", &piece, a->rows));
        CHI_TRY(predict_rows(a, piece.first, piece.rows));
    }
    return CHI_OK;
}

static chi_status predict(answers *a, chi_matrix query)
{
    const probe *p = a->p;
    const size_t fit = MOST_QUERIES / p->dim, most = fit ? fit : 1;
    a->most = query.rows < most ? query.rows : most;
    a->rows = chi__alloc(a->most * p->dim, sizeof *a->rows);
    a->host = chi__alloc(query.rows, sizeof *a->host);
    if (!a->rows || !a->host)
        return chi__fail(p->dev, CHI_ERR_MEMORY, "probe: no memory for %zu of %zu query rows",
                         a->most, query.rows);
    CHI_TRY(chi_buffer_create(p->dev, 4ull * a->most * p->dim, &a->query));
    CHI_TRY(chi_buffer_create(p->dev, 4ull * a->most, &a->predicted));
    return chi__visit_rows(p->dev, query, predict_block, a);
}

static chi_status score(probe *p, const double *x, chi_probe_report *report)
{
    const chi_labelled *query = &p->args->query;
    answers a = { .p = p };
    chi_status st = upload_weights(p, x);
    if (st == CHI_OK)
        st = predict(&a, query->x);
    size_t right = 0;
    for (size_t i = 0; st == CHI_OK && i < query->x.rows; i++)
        right += a.host[i] == query->labels[i];
    report->accuracy = (double)right / (double)query->x.rows;
    if (st == CHI_OK && p->args->predicted)
        memcpy(p->args->predicted, a.host, query->x.rows * sizeof *a.host);
    chi_buffer_destroy(&a.query);
    chi_buffer_destroy(&a.predicted);
    chi__free(a.rows);
    chi__free(a.host);
    return st;
}

static chi_status fit(probe *p, chi_probe_report *report)
{
    CHI_TRY(plan(p));
    CHI_TRY(upload_base(p));
    if (p->samples && p->classes > 1)
        CHI_TRY(create_curvature(p));
    double *x = chi__alloc(p->entries, sizeof *x);
    if (!x)
        return chi__fail(p->dev, CHI_ERR_MEMORY, "probe: no memory for %zu weights", p->entries);
    chi__lbfgs_options options = {
        .iterations = ITERATIONS, .objective = objective, .progress = progress, .user = p,
    };
    chi__lbfgs_report end = { 0 };
    if (p->curvature) {
        options.update = update;
        options.apply = apply;
    }
    chi_status st = chi__lbfgs(p->entries, x, &options, &end);
    *report = (chi_probe_report){
        .loss = end.value, .gradient = end.gradient, .iterations = end.iterations,
    };
    if (st == CHI_OK)
        st = score(p, x, report);
    chi__free(x);
    return st;
}

chi_status chi_linear_probe(chi_device *dev, const chi_probe_args *args, chi_probe_report *report)
{
    probe p = {
        .dev = dev, .args = args, .tile = chi__device_tile(dev), .n = args->base.x.rows,
        .dim = args->base.x.cols, .penalty = args->penalty == 0.0 ? PENALTY : args->penalty,
    };
    chi_probe_report end = { 0 };
    CHI_TRY(chi__check_labelled(dev, WHO, &args->base, &args->query, args->classes));
    if (!(p.penalty > 0.0) || !isfinite(p.penalty))
        return chi__fail(dev, CHI_ERR_ARGUMENT, "probe: penalty %g; it must be above 0", p.penalty);
    const chi_status st = fit(&p, &end);
    release(&p);
    if (st == CHI_OK)
        *report = end;
    return st;
}
