// SPDX-License-Identifier: Apache-2.0
// pool.c: maximum, average and global pooling. Kernel: kernels/encoder/pool.cl. Reference: src/ref/layers.c.
#include "encoder.h"

enum { FORWARD, BACKWARD };
enum { WINNERS };

// Work-items of a position, as the kernel says.
static bool shared(const chi_encoder *enc) { return chi__items(enc->tile) > 1; }
static size_t split(const chi_encoder *enc) { return shared(enc) ? 16 : 1; }

// ---- windows ---------------------------------------------------------------------------------------
static uint64_t bytes(const chi_encoder *enc, const chi__op *op, size_t batch)
{
    const chi_shape s = enc->acts[op->out].shape;
    return op->layer.kind == CHI_LAYER_MAX_POOL ? 4ull * chi__positions(s, batch) * s.channels : 64;
}

static chi_status setup(chi_encoder *enc, chi__op *op)
{
    char items[32];
    CHI_TRY(chi__kernel_get(enc->dev, "encoder/pool.cl", "encoder_pool", chi__items_define(enc->tile, items), &op->kernels[FORWARD]));
    CHI_TRY(chi__kernel_get(enc->dev, "encoder/pool.cl", "encoder_pool_grad", chi__items_define(enc->tile, items), &op->kernels[BACKWARD]));
    return chi__scratch_create(enc->dev, bytes(enc, op, enc->batch), &op->buffers[WINNERS]);
}

static float by_window(const chi_layer *l) { return (float)(1.0 / (double)(l->kernel * l->kernel)); }

static chi_status forward(chi_encoder *enc, chi__op *op, size_t rows)
{
    const chi__activation *in = &enc->acts[op->in], *out = &enc->acts[op->out];
    const chi_layer *l = &op->layer;
    const chi_shape a = in->shape, b = out->shape;
    const size_t positions = chi__positions(b, rows);
    const chi__strides x = chi__strides_of(a, in->border), y = chi__strides_of(b, out->border);
    return chi__run(enc->dev, &(chi__launch){
        .kernel = op->kernels[FORWARD], .global = { positions * split(enc) }, .local = { shared(enc) ? 64 : 16 },
        .args = { U32(positions), U32(l->kind == CHI_LAYER_MAX_POOL), U32(l->kernel), U32(l->stride), U32(l->padding), U32(a.height),
                  U32(a.width), U32(b.height), U32(b.width), U32(a.channels), LAYOUT(x), LAYOUT(y), F32(by_window(l)), BUF(in->value),
                  BUF(out->value), BUF(op->buffers[WINNERS]) },
    });
}

static chi_status backward(chi_encoder *enc, chi__op *op, size_t rows, bool grad_in)
{
    const chi__activation *in = &enc->acts[op->in], *out = &enc->acts[op->out];
    const chi_layer *l = &op->layer;
    const chi_shape a = in->shape, b = out->shape;
    const size_t positions = chi__positions(a, rows);
    const chi__strides d = chi__strides_of(a, in->grad_border), g = chi__strides_of(b, out->grad_border);
    if (!grad_in)
        return CHI_OK;
    return chi__run(enc->dev, &(chi__launch){
        .kernel = op->kernels[BACKWARD], .global = { positions * split(enc) }, .local = { shared(enc) ? 64 : 16 },
        .args = { U32(positions), U32(l->kind == CHI_LAYER_MAX_POOL), U32(l->kernel), U32(l->stride), U32(l->padding), U32(a.height),
                  U32(a.width), U32(b.height), U32(b.width), U32(a.channels), LAYOUT(d), LAYOUT(g), F32(by_window(l)), BUF(out->grad),
                  BUF(op->buffers[WINNERS]), BUF(in->grad) },
    });
}

const chi__op_rules chi__op_pool = { bytes, setup, forward, backward };

// ---- the whole image ---------------------------------------------------------------------------------
static chi_status global_setup(chi_encoder *enc, chi__op *op)
{
    char items[32];
    CHI_TRY(chi__kernel_get(enc->dev, "encoder/pool.cl", "encoder_global_pool", chi__items_define(enc->tile, items), &op->kernels[FORWARD]));
    return chi__kernel_get(enc->dev, "encoder/pool.cl", "encoder_global_pool_grad", chi__items_define(enc->tile, items), &op->kernels[BACKWARD]);
}

static float by_positions(chi_shape s) { return (float)(1.0 / (double)(s.height * s.width)); }

static chi_status global_forward(chi_encoder *enc, chi__op *op, size_t rows)
{
    const chi__activation *in = &enc->acts[op->in];
    const chi_shape s = in->shape;
    const chi__strides x = chi__strides_of(s, in->border);
    return chi__run(enc->dev, &(chi__launch){
        .kernel = op->kernels[FORWARD], .global = { rows * chi__items(enc->tile) }, .local = { chi__items(enc->tile) },
        .args = { U32(rows), U32(s.height), U32(s.width), U32(s.channels), LAYOUT(x), F32(by_positions(s)), BUF(in->value),
                  BUF(enc->acts[op->out].value) },
    });
}

static chi_status global_backward(chi_encoder *enc, chi__op *op, size_t rows, bool grad_in)
{
    const chi__activation *in = &enc->acts[op->in];
    const chi_shape s = in->shape;
    const chi__strides d = chi__strides_of(s, in->grad_border);
    const size_t positions = chi__positions(s, rows);
    if (!grad_in)
        return CHI_OK;
    return chi__run(enc->dev, &(chi__launch){
        .kernel = op->kernels[BACKWARD], .global = { positions * split(enc) }, .local = { shared(enc) ? 64 : 16 },
        .args = { U32(positions), U32(s.height), U32(s.width), U32(s.channels), LAYOUT(d), F32(by_positions(s)),
                  BUF(enc->acts[op->out].grad), BUF(in->grad) },
    });
}

const chi__op_rules chi__op_global_pool = { NULL, global_setup, global_forward, global_backward };
