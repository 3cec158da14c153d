// SPDX-License-Identifier: Apache-2.0
// columns.c: columns to mean 0 and deviation 1, in double on the host: squares of any float32 fit,
// and no device flushes them. The blocks of rows: features.c. See features.h.
#include "features.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "../base/memory.h"

// A standardised query far outside the base: products with it must stay finite.
static const double MOST = 1e18;

typedef struct measure {
    chi_device *dev;
    chi__columns *columns;
    double *first, *sum, *square; // the base's first row; Σ and Σ² of what is left of the columns
} measure;

// Differences from the first row: a constant column's mean is exact, and a common offset costs no
// digits.
static chi_status add_differences(void *user, const chi__block *block)
{
    measure *m = user;
    CHI_TRY(chi__check_finite(m->dev, "probe", "base", block));
    for (size_t k = 0; block->first == 0 && k < block->cols; k++)
        m->first[k] = (double)block->at[k];
    for (size_t i = 0; i < block->rows; i++) {
        const float *row = block->at + i * block->stride;
        for (size_t k = 0; k < block->cols; k++)
            m->sum[k] += (double)row[k] - m->first[k];
    }
    return CHI_OK;
}

static chi_status add_squares(void *user, const chi__block *block)
{
    measure *m = user;
    for (size_t i = 0; i < block->rows; i++) {
        const float *row = block->at + i * block->stride;
        for (size_t k = 0; k < block->cols; k++) {
            const double d = (double)row[k] - m->columns->mean[k];
            m->sum[k] += d;
            m->square[k] += d * d;
        }
    }
    return CHI_OK;
}

// scikit-learn's test of a column whose variance is rounding alone (its _is_constant_feature).
static bool is_constant(double variance, double mean, double n)
{
    const double error = n * mean * DBL_EPSILON;
    return variance <= n * DBL_EPSILON * variance + error * error;
}

static chi_status measure_columns(measure *m, chi_matrix base)
{
    chi__columns *c = m->columns;
    const double n = (double)base.rows;
    CHI_TRY(chi__visit_rows(m->dev, base, add_differences, m));
    for (size_t k = 0; k < c->count; k++)
        c->mean[k] = m->first[k] + m->sum[k] / n;
    memset(m->sum, 0, c->count * sizeof *m->sum);
    CHI_TRY(chi__visit_rows(m->dev, base, add_squares, m));
    for (size_t k = 0; k < c->count; k++) {
        const double variance = fmax(m->square[k] - m->sum[k] * m->sum[k] / n, 0.0) / n;
        c->by[k] = is_constant(variance, c->mean[k], n) ? 1.0 : sqrt(variance);
    }
    return CHI_OK;
}

chi_status chi__columns_measure(chi_device *dev, chi_matrix base, chi__columns *out)
{
    const size_t n = base.cols;
    double *room = chi__alloc(n, 3 * sizeof *room);
    *out = (chi__columns){ n, chi__alloc(n, sizeof *room), chi__alloc(n, sizeof *room) };
    measure m = { .dev = dev, .columns = out, .first = room };
    chi_status st = CHI_OK;
    if (!room || !out->mean || !out->by) {
        st = chi__fail(dev, CHI_ERR_MEMORY,
                       "probe: no memory for mean and deviation of %zu columns", n);
    } else {
        m.sum = room + n;
        m.square = room + 2 * n;
        st = measure_columns(&m, base);
    }
    chi__free(room);
    if (st != CHI_OK)
        chi__columns_finish(out);
    return st;
}

void chi__columns_finish(chi__columns *columns)
{
    chi__free(columns->mean);
    chi__free(columns->by);
    *columns = (chi__columns){ 0 };
}

chi_status chi__columns_standardise(chi_device *dev, const chi__columns *columns, const char *side,
                                    const chi__block *block, float *to)
{
    CHI_TRY(chi__check_finite(dev, "probe", side, block));
    for (size_t i = 0; i < block->rows; i++) {
        const float *row = block->at + i * block->stride;
        for (size_t k = 0; k < columns->count; k++) {
            const double x = ((double)row[k] - columns->mean[k]) / columns->by[k];
            to[i * columns->count + k] = (float)fmin(fmax(x, -MOST), MOST);
        }
    }
    return CHI_OK;
}
