// SPDX-License-Identifier: Apache-2.0
// features.c: checks of labelled rows and their way to the host. Mean and deviation of columns:
// columns.c. See features.h.
#include "features.h"

#include <math.h>
#include <stdio.h>

#include "../base/memory.h"

enum { BLOCK_FLOATS = 1 << 22 };

static chi_status check_side(chi_device *dev, const char *who, const char *side,
                             const chi_labelled *rows, size_t classes)
{
    const chi_matrix x = rows->x;
    char what[32];
    snprintf(what, sizeof what, "%s: %s", who, side);
    if (x.rows == 0 || x.cols == 0)
        return chi__fail(dev, CHI_ERR_SHAPE, "%s is %zu × %zu; rows and columns must be at least 1",
                         what, x.rows, x.cols);
    CHI_TRY(chi__check_matrix(dev, x, x.rows, x.cols, what));
    if (!rows->labels)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "%s: %s has no labels, %zu are needed", who, side,
                         x.rows);
    for (size_t i = 0; i < x.rows; i++)
        if (rows->labels[i] < 0 || (size_t)rows->labels[i] >= classes)
            return chi__fail(dev, CHI_ERR_ARGUMENT,
                             "%s: label %d of %s row %zu of %zu is not in 0 … %zu", who,
                             rows->labels[i], side, i, x.rows, classes - 1);
    return CHI_OK;
}

chi_status chi__check_labelled(chi_device *dev, const char *who, const chi_labelled *base,
                               const chi_labelled *query, size_t classes)
{
    if (classes == 0)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "%s: 0 classes; at least 1 is needed", who);
    if (base->x.cols != query->x.cols)
        return chi__fail(dev, CHI_ERR_SHAPE, "%s: base has %zu columns, query %zu", who,
                         base->x.cols, query->x.cols);
    CHI_TRY(check_side(dev, who, "base", base, classes));
    return check_side(dev, who, "query", query, classes);
}

chi_status chi__visit_rows(chi_device *dev, chi_matrix m, chi__visit visit, void *user)
{
    const size_t stride = chi__stride(m), fit = BLOCK_FLOATS / stride, most = fit ? fit : 1,
                 step = m.rows < most ? m.rows : most;
    float *room = chi__alloc(step * stride, sizeof *room);
    if (!room)
        return chi__fail(dev, CHI_ERR_MEMORY, "metrics: no memory for %zu rows of %zu numbers",
                         step, stride);
    chi_status st = CHI_OK;
    for (size_t first = 0; st == CHI_OK && first < m.rows; first += step) {
        const size_t rows = m.rows - first < step ? m.rows - first : step;
        st = chi_buffer_download(m.buffer, 4ull * (m.offset + first * stride), room,
                                 4ull * ((rows - 1) * stride + m.cols));
        if (st == CHI_OK)
            st = visit(user, &(chi__block){ first, rows, m.cols, stride, room });
    }
    chi__free(room);
    return st;
}

chi_status chi__check_finite(chi_device *dev, const char *who, const char *side,
                             const chi__block *block)
{
    for (size_t i = 0; i < block->rows; i++) {
        const float *row = block->at + i * block->stride;
        float zero = 0.0f; // stays 0 unless an entry is infinite or NaN
        for (size_t k = 0; k < block->cols; k++)
            zero += row[k] * 0.0f;
        for (size_t k = 0; zero != 0.0f && k < block->cols; k++)
            if (!isfinite(row[k]))
                return chi__fail(
                    dev, CHI_ERR_DATA,
                    "%s: %s row %zu, column %zu is %g; features must be finite numbers", who, side,
                    block->first + i, k, (double)row[k]);
    }
    return CHI_OK;
}

typedef struct copy {
    chi_device *dev;
    chi_buffer *to;
    double by;
} copy;

static chi_status copy_block(void *user, const chi__block *block)
{
    const copy *c = user;
    float *rows = chi__alloc(block->rows * block->cols, sizeof *rows);
    if (!rows)
        return chi__fail(c->dev, CHI_ERR_MEMORY, "metrics: no memory for %zu rows", block->rows);
    for (size_t i = 0; i < block->rows; i++)
        for (size_t k = 0; k < block->cols; k++)
            rows[i * block->cols + k] = (float)((double)block->at[i * block->stride + k] * c->by);
    const chi_status st = chi_buffer_upload(c->to, 4ull * block->first * block->cols, rows,
                                            4ull * block->rows * block->cols);
    chi__free(rows);
    return st;
}

chi_status chi__scaled_copy(chi_device *dev, chi_matrix m, int exponent, chi_buffer **buffer,
                            chi_matrix *to)
{
    CHI_TRY(chi_buffer_create(dev, 4ull * m.rows * m.cols, buffer));
    *to = chi_matrix_view(*buffer, m.rows, m.cols);
    return chi__visit_rows(dev, m, copy_block, &(copy){ dev, *buffer, ldexp(1.0, exponent) });
}
