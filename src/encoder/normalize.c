// SPDX-License-Identifier: Apache-2.0
// normalize.c: rows of length 1, as a layer. Kernels: kernels/encoder/normalize.cl, kernels/tiles/norms.cl.
#include "encoder.h"

#include <stdio.h>

#include "../base/memory.h"

enum { FACTORS, INVERSE };
enum { NORMS, APPLY, GRADIENT };

static uint64_t bytes(const chi_encoder *enc, const chi__op *op, size_t batch)
{
    (void)enc;
    (void)op;
    return 12ull * batch;
}

static chi_status setup(chi_encoder *enc, chi__op *op)
{
    char wg[16];
    snprintf(wg, sizeof wg, "WG=%u", chi__items(enc->tile));
    CHI_TRY(chi__kernel_get(enc->dev, "tiles/norms.cl", "tiles_norms", wg, &op->kernels[NORMS]));
    CHI_TRY(chi__kernel_get(enc->dev, "encoder/normalize.cl", "encoder_normalize", "", &op->kernels[APPLY]));
    CHI_TRY(chi__kernel_get(enc->dev, "encoder/normalize.cl", "encoder_normalize_grad", "", &op->kernels[GRADIENT]));
    CHI_TRY(chi__scratch_create(enc->dev, 8ull * enc->batch, &op->buffers[FACTORS]));
    return chi__scratch_create(enc->dev, 4ull * enc->batch, &op->buffers[INVERSE]);
}

static chi_status forward(chi_encoder *enc, chi__op *op, size_t rows)
{
    const chi__activation *in = &enc->acts[op->in];
    const size_t dim = in->shape.channels;
    CHI_TRY(chi__run(enc->dev, &(chi__launch){
        .kernel = op->kernels[NORMS], .global = { chi__div_up(rows, chi__item_rows(enc->tile)) }, .local = { chi__row_items(enc->tile) },
        .args = { U32(rows), U32(dim), U64(0), U32(dim), U32(CHI__ROWS_RAW), BUF(in->value), BUF(op->buffers[FACTORS]),
                  BUF(op->buffers[INVERSE]), BUF(chi__faults(enc->dev)) },
    }));
    return chi__run(enc->dev, &(chi__launch){
        .kernel = op->kernels[APPLY], .global = { rows }, .local = { chi__row_items(enc->tile) },
        .args = { U32(rows), U32(dim), BUF(in->value), BUF(op->buffers[FACTORS]), BUF(enc->acts[op->out].value) },
    });
}

static chi_status backward(chi_encoder *enc, chi__op *op, size_t rows, bool grad_in)
{
    const chi__activation *out = &enc->acts[op->out];
    if (!grad_in)
        return CHI_OK;
    return chi__run(enc->dev, &(chi__launch){
        .kernel = op->kernels[GRADIENT], .global = { rows }, .local = { chi__row_items(enc->tile) },
        .args = { U32(rows), U32(out->shape.channels), BUF(out->value), BUF(out->grad), BUF(op->buffers[INVERSE]), BUF(enc->acts[op->in].grad) },
    });
}

const chi__op_rules chi__op_normalize = { bytes, setup, forward, backward };
