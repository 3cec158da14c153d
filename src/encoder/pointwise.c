// SPDX-License-Identifier: Apache-2.0
// pointwise.c: ReLU, GELU, sums and branches of residuals, flatten. Kernel: kernels/encoder/pointwise.cl.
// Reference: src/ref/layers.c.
#include "encoder.h"

#include "../base/memory.h"

enum { RELU = 0, RELU_GRAD, GELU, GELU_GRAD, ADD, COPY }; // as the kernel says
enum { POSITIONS = 64 };

// y = kind(x, z) over all positions; a value or a gradient each, with its border.
typedef struct side { const chi_buffer *buffer; size_t border; } side;
static chi_status run(chi_encoder *enc, chi__op *op, size_t rows, uint32_t kind, chi_shape s, side x, side z, side y)
{
    const chi__strides x_at = chi__strides_of(s, x.border), z_at = chi__strides_of(s, z.border), y_at = chi__strides_of(s, y.border);
    const size_t positions = chi__positions(s, rows);
    return chi__run_groups(enc->dev, &(chi__launch){
        .kernel = op->kernels[0], .local = { chi__items(enc->tile) },
        .args = { U32(0), U32(positions), U32(kind), U32(s.height), U32(s.width), U32(s.channels), LAYOUT(x_at), LAYOUT(z_at), LAYOUT(y_at),
                  BUF(x.buffer), BUF(z.buffer), BUF(y.buffer) },
    }, chi__div_up(positions, POSITIONS), 16.0 * (double)positions * (double)s.channels);
}

static side value_of(const chi__activation *a) { return (side){ a->value, a->border }; }
static side grad_of(const chi__activation *a) { return (side){ a->grad, a->grad_border }; }

static chi_status setup(chi_encoder *enc, chi__op *op)
{
    char items[32];
    return chi__kernel_get(enc->dev, "encoder/pointwise.cl", "encoder_pointwise", chi__items_define(enc->tile, items), &op->kernels[0]);
}

// ---- ReLU, GELU ------------------------------------------------------------------------------------
static chi_status forward(chi_encoder *enc, chi__op *op, size_t rows)
{
    const chi__activation *in = &enc->acts[op->in], *out = &enc->acts[op->out];
    return run(enc, op, rows, op->kind, in->shape, value_of(in), value_of(in), value_of(out));
}

static chi_status backward(chi_encoder *enc, chi__op *op, size_t rows, bool grad_in)
{
    const chi__activation *in = &enc->acts[op->in], *out = &enc->acts[op->out];
    return grad_in ? run(enc, op, rows, op->kind + 1, in->shape, value_of(in), grad_of(out), grad_of(in)) : CHI_OK;
}

const chi__op_rules chi__op_pointwise = { NULL, setup, forward, backward };

// ---- x + z -----------------------------------------------------------------------------------------
static chi_status add_forward(chi_encoder *enc, chi__op *op, size_t rows)
{
    const chi__activation *out = &enc->acts[op->out];
    return run(enc, op, rows, ADD, out->shape, value_of(&enc->acts[op->in]), value_of(&enc->acts[op->in2]), value_of(out));
}

static chi_status add_backward(chi_encoder *enc, chi__op *op, size_t rows, bool grad_in)
{
    (void)grad_in; // both summands are inside the network
    const chi__activation *out = &enc->acts[op->out];
    CHI_TRY(run(enc, op, rows, COPY, out->shape, grad_of(out), grad_of(out), grad_of(&enc->acts[op->in])));
    return run(enc, op, rows, COPY, out->shape, grad_of(out), grad_of(out), grad_of(&enc->acts[op->in2]));
}

const chi__op_rules chi__op_add = { NULL, setup, add_forward, add_backward };

// ---- one value, two gradients ------------------------------------------------------------------------
static chi_status split_backward(chi_encoder *enc, chi__op *op, size_t rows, bool grad_in)
{
    const chi__activation *in = &enc->acts[op->in];
    return grad_in ? run(enc, op, rows, ADD, in->shape, grad_of(&enc->acts[op->out]), grad_of(&enc->acts[op->in2]), grad_of(in)) : CHI_OK;
}

const chi__op_rules chi__op_split = { NULL, setup, NULL, split_backward };

// ---- flatten: to a vector in torch's order -----------------------------------------------------------
static chi_status flatten_run(chi_encoder *enc, size_t rows, bool load, chi_shape s, side inside, const chi_buffer *outside)
{
    const chi__strides at = chi__strides_of(s, inside.border);
    return chi__run_groups(enc->dev, &(chi__launch){
        .kernel = enc->permute, .local = { chi__items(enc->tile) },
        .args = { U32(0), U32(load), U32(s.height), U32(s.width), U32(s.channels), LAYOUT(at), U64(0),
                  U32(s.channels * s.height * s.width), BUF(outside), BUF(inside.buffer) },
    }, rows, 4.0 * (double)chi__positions(s, rows) * (double)s.channels);
}

// A vector's border is zero unless a convolution reads it, which then wants it padded: no such layer can follow.
static chi_status flatten_forward(chi_encoder *enc, chi__op *op, size_t rows)
{
    const chi__activation *in = &enc->acts[op->in];
    return flatten_run(enc, rows, false, in->shape, value_of(in), enc->acts[op->out].value);
}

static chi_status flatten_backward(chi_encoder *enc, chi__op *op, size_t rows, bool grad_in)
{
    const chi__activation *in = &enc->acts[op->in];
    return grad_in ? flatten_run(enc, rows, true, in->shape, grad_of(in), enc->acts[op->out].grad) : CHI_OK;
}

const chi__op_rules chi__op_flatten = { NULL, NULL, flatten_forward, flatten_backward };
