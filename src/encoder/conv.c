// SPDX-License-Identifier: Apache-2.0
// conv.c: convolutions, and linear layers as convolutions of one position. Kernels: kernels/encoder/conv_panel.cl,
// conv_weights_panel.cl, reduce.cl, batch_norm.cl (the bias). Reference: src/ref/layers.c.
#include "encoder.h"

#include <stdio.h>

#include "../base/memory.h"

enum { FORWARD_WEIGHTS, BACKWARD_WEIGHTS, TABLE, PARTIAL, TOTAL }; // buffers
enum { CONV, PACK, WEIGHTS, REDUCE, SUMS };                        // kernels
enum { TILES_OF_A_GROUP = 8, OUTPUTS_OF_A_GROUP = 64 };            // as the kernels say
static const uint64_t MOST_PARTIAL_BYTES = 32u << 20, TABLE_BYTES = 24; // the latter a tap

// One convolution's numbers.
typedef struct numbers {
    chi_shape in, out;
    size_t side, stride, padding, groups, inputs, outputs; // inputs, outputs: of one group
    size_t taps, columns;                                  // columns: of a weight row
    chi__strides in_at, out_at, in_grad, out_grad;
    size_t in_border, out_grad_border;
} numbers;

static numbers numbers_of(const chi_encoder *enc, const chi__op *op)
{
    const chi__activation *in = &enc->acts[op->in], *out = &enc->acts[op->out];
    const chi_layer *l = &op->layer;
    return (numbers){
        .in = in->shape, .out = out->shape, .side = l->kernel, .stride = l->stride, .padding = l->padding, .groups = l->groups,
        .inputs = in->shape.channels / l->groups, .outputs = l->width / l->groups, .taps = l->kernel * l->kernel,
        .columns = l->kernel * l->kernel * (in->shape.channels / l->groups),
        .in_at = chi__strides_of(in->shape, in->border), .out_at = chi__strides_of(out->shape, out->border),
        .in_grad = chi__strides_of(in->shape, in->grad_border), .out_grad = chi__strides_of(out->shape, out->grad_border),
        .in_border = in->border, .out_grad_border = out->grad_border,
    };
}

static size_t superblocks(size_t positions) { return chi__div_up(positions, chi__superblock(positions)); }

// Superblocks whose partial results are held at once.
static size_t chunk_of(const numbers *c, size_t positions)
{
    const uint64_t one = 4ull * c->groups * c->outputs * c->columns, most = MOST_PARTIAL_BYTES / one;
    const size_t all = superblocks(positions);
    return most == 0 ? 1 : most < all ? (size_t)most : all;
}

static uint64_t partial_bytes(const numbers *c, size_t positions)
{
    const uint64_t weights = 4ull * c->groups * c->outputs * c->columns * chunk_of(c, positions);
    const uint64_t bias = 4ull * c->groups * c->outputs * superblocks(positions);
    return weights > bias ? weights : bias;
}

static uint64_t packed_bytes(const chi_encoder *enc, const numbers *c, bool turned)
{
    const size_t width = turned ? c->inputs : c->outputs, depth = turned ? c->outputs : c->inputs;
    return 4ull * c->groups * chi__round_up(width, enc->tile->tile_n) * c->taps * depth;
}

static uint64_t bytes(const chi_encoder *enc, const chi__op *op, size_t batch)
{
    const numbers c = numbers_of(enc, op);
    return packed_bytes(enc, &c, false) + packed_bytes(enc, &c, true) + TABLE_BYTES * c.taps + partial_bytes(&c, chi__positions(c.out, batch)) +
           4ull * c.groups * c.outputs * c.columns;
}

// ---- taps ----------------------------------------------------------------------------------------
// Step in the input and place in the weights of each tap; then of each run of taps, for the forward pass; then, for each class of input positions that the same
// taps reach (row and column modulo the stride), their steps in the output's gradient, ascending in (kh, kw).
static size_t class_taps(const numbers *c, size_t phase) // first tap of a class along one side
{
    return (phase + c->padding) % c->stride;
}

// Without channel groups, one row of a window is one run of memory: its taps count as one of side · inputs channels.
static size_t run_of(const numbers *c) { return c->groups == 1 ? c->side : 1; }

static void fill_table(const numbers *c, int32_t *table)
{
    int32_t *at = table;
    for (size_t t = 0; t < c->taps; t++) {
        *at++ = (int32_t)(t / c->side * c->in_at.row + t % c->side * c->in.channels);
        *at++ = (int32_t)t;
    }
    for (size_t t = 0; t < c->taps; t += run_of(c)) {
        *at++ = table[2 * t];
        *at++ = (int32_t)(t / run_of(c));
    }
    for (size_t y = 0; y < c->stride; y++)
        for (size_t x = 0; x < c->stride; x++)
            for (size_t kh = class_taps(c, y); kh < c->side; kh += c->stride)
                for (size_t kw = class_taps(c, x); kw < c->side; kw += c->stride) {
                    const size_t down = kh / c->stride, right = kw / c->stride;
                    *at++ = -(int32_t)(down * c->out_grad.row + right * c->out.channels);
                    *at++ = (int32_t)(kh * c->side + kw);
                }
}

static chi_status setup(chi_encoder *enc, chi__op *op)
{
    const numbers c = numbers_of(enc, op);
    CHI_TRY(chi__encoder_kernel(enc, "encoder/conv_panel.cl", "encoder_conv", &op->kernels[CONV]));
    CHI_TRY(chi__encoder_kernel(enc, "encoder/conv_panel.cl", "encoder_pack_weights", &op->kernels[PACK]));
    CHI_TRY(chi__encoder_kernel(enc, "encoder/conv_weights_panel.cl", "encoder_conv_weights", &op->kernels[WEIGHTS]));
    CHI_TRY(chi__kernel_get(enc->dev, "encoder/reduce.cl", "encoder_reduce", "", &op->kernels[REDUCE]));
    CHI_TRY(chi__kernel_get(enc->dev, "encoder/batch_norm.cl", "encoder_channel_sums", "", &op->kernels[SUMS]));
    CHI_TRY(chi__scratch_create(enc->dev, packed_bytes(enc, &c, false), &op->buffers[FORWARD_WEIGHTS]));
    CHI_TRY(chi__scratch_create(enc->dev, packed_bytes(enc, &c, true), &op->buffers[BACKWARD_WEIGHTS]));
    CHI_TRY(chi__scratch_create(enc->dev, partial_bytes(&c, chi__positions(c.out, enc->batch)), &op->buffers[PARTIAL]));
    CHI_TRY(chi__scratch_create(enc->dev, 4ull * c.groups * c.outputs * c.columns, &op->buffers[TOTAL]));
    CHI_TRY(chi__scratch_create(enc->dev, TABLE_BYTES * c.taps, &op->buffers[TABLE]));
    int32_t *table = chi__alloc(6 * c.taps, sizeof *table);
    if (!table)
        return chi__fail(enc->dev, CHI_ERR_MEMORY, "encoder: no memory for %zu taps", c.taps);
    fill_table(&c, table);
    const chi_status st = chi_buffer_upload(op->buffers[TABLE], 0, table, TABLE_BYTES * c.taps);
    chi__free(table);
    return st;
}

// ---- launches --------------------------------------------------------------------------------------
static chi_status pack(chi_encoder *enc, chi__op *op, const numbers *c, bool turned)
{
    const size_t rows = packed_bytes(enc, c, turned) / 4 / enc->tile->tile_n;
    return chi__run(enc->dev, &(chi__launch){
        .kernel = op->kernels[PACK], .global = { rows }, .local = { 16 },
        .args = { U32(rows), U32(c->taps), U32(c->outputs), U32(c->inputs), U32(turned), BUF(enc->parameters[op->parameter].value.buffer),
                  BUF(op->buffers[turned ? BACKWARD_WEIGHTS : FORWARD_WEIGHTS]) },
    });
}

static size_t groups_of(const chi_encoder *enc, const numbers *c, size_t positions)
{
    return chi__div_up(positions, (size_t)enc->tile->tile_m * TILES_OF_A_GROUP) * c->groups;
}

static chi_status forward(chi_encoder *enc, chi__op *op, size_t rows)
{
    const numbers c = numbers_of(enc, op);
    const size_t positions = chi__positions(c.out, rows), inset = c.in_border - c.padding, runs = c.taps / run_of(&c);
    const uint32_t start = (uint32_t)(inset * c.in_at.row + inset * c.in.channels);
    const chi_buffer *weights = enc->parameters[op->parameter].value.buffer;
    const chi_buffer *bias = op->layer.no_bias ? weights : enc->parameters[op->parameter + 1].value.buffer;
    CHI_TRY(pack(enc, op, &c, false));
    return chi__run_groups(enc->dev, &(chi__launch){
        .kernel = op->kernels[CONV], .local = { 1 },
        .args = { U32(0), U32(positions), U32(c.out.height), U32(c.out.width), U32(c.in_at.image), U32(c.stride * c.in_at.row),
                  U32(c.stride * c.in.channels), U32(start), U32(c.out_at.image), U32(c.out_at.row), U32(c.out.channels),
                  U32(c.out_at.base), U32(c.inputs * run_of(&c)), U32(runs), U32(runs), U32(c.taps), U32(c.outputs), U32(c.groups),
                  U32(!op->layer.no_bias), BUF(op->buffers[TABLE]), BUF(enc->acts[op->in].value), BUF(op->buffers[FORWARD_WEIGHTS]),
                  BUF(bias), BUF(enc->acts[op->out].value) },
    }, groups_of(enc, &c, positions), 2.0 * (double)positions * (double)c.columns * (double)c.out.channels);
}

// dX at input positions (y + stride · a, x + stride · b): the taps that reach them.
static chi_status input_class(chi_encoder *enc, chi__op *op, const numbers *c, size_t rows, size_t y, size_t x, size_t *tap)
{
    const size_t kh = class_taps(c, y), kw = class_taps(c, x);
    const size_t down = kh < c->side ? (c->side - kh - 1) / c->stride + 1 : 0, across = kw < c->side ? (c->side - kw - 1) / c->stride + 1 : 0;
    const size_t height = (c->in.height - y + c->stride - 1) / c->stride, width = (c->in.width - x + c->stride - 1) / c->stride;
    const size_t positions = rows * height * width, taps = down * across;
    // Output row of tap kh at a = 0 is (y + padding − kh) / stride; the table's steps start from kh / stride = 0.
    const size_t top = c->out_grad_border + (y + c->padding - kh) / c->stride, left = c->out_grad_border + (x + c->padding - kw) / c->stride;
    const uint32_t source = (uint32_t)(top * c->out_grad.row + left * c->out.channels);
    const uint32_t target = (uint32_t)(c->in_grad.base + y * c->in_grad.row + x * c->in.channels);
    const chi_buffer *weights = op->buffers[BACKWARD_WEIGHTS];
    const size_t first = *tap;
    *tap += taps;
    return chi__run_groups(enc->dev, &(chi__launch){
        .kernel = op->kernels[CONV], .local = { 1 },
        .args = { U32(0), U32(positions), U32(height), U32(width), U32(c->out_grad.image), U32(c->out_grad.row), U32(c->out.channels),
                  U32(source), U32(c->in_grad.image), U32(c->stride * c->in_grad.row), U32(c->stride * c->in.channels), U32(target),
                  U32(c->outputs), U32(taps), U32(c->taps), U32(first), U32(c->inputs), U32(c->groups), U32(0),
                  BUF(op->buffers[TABLE]), BUF(enc->acts[op->out].grad), BUF(weights), BUF(weights), BUF(enc->acts[op->in].grad) },
    }, groups_of(enc, c, positions), 2.0 * (double)positions * (double)(taps * c->outputs) * (double)c->in.channels);
}

static chi_status input_gradient(chi_encoder *enc, chi__op *op, const numbers *c, size_t rows)
{
    size_t tap = c->taps + c->taps / run_of(c); // behind the forward taps and runs
    CHI_TRY(pack(enc, op, c, true));
    for (size_t y = 0; y < c->stride; y++)
        for (size_t x = 0; x < c->stride; x++) {
            if (y < c->in.height && x < c->in.width) {
                CHI_TRY(input_class(enc, op, c, rows, y, x, &tap));
                continue;
            }
            for (size_t kh = class_taps(c, y); kh < c->side; kh += c->stride)
                for (size_t kw = class_taps(c, x); kw < c->side; kw += c->stride)
                    tap++;
        }
    return CHI_OK;
}

static chi_status weight_gradient(chi_encoder *enc, chi__op *op, const numbers *c, size_t rows)
{
    const size_t positions = chi__positions(c->out, rows), blocks = superblocks(positions), chunk = chunk_of(c, positions);
    const size_t inset = c->in_border - c->padding, outputs_tile = chi__round_up(OUTPUTS_OF_A_GROUP, enc->tile->tile_m);
    const size_t entries = c->groups * c->outputs * c->columns, per_block = chi__div_up(c->outputs, outputs_tile) * c->groups;
    const uint32_t start = (uint32_t)(inset * c->in_at.row + inset * c->in.channels);
    for (size_t first = 0; first < blocks; first += chunk) {
        const size_t count = blocks - first < chunk ? blocks - first : chunk;
        CHI_TRY(chi__run_groups(enc->dev, &(chi__launch){
            .kernel = op->kernels[WEIGHTS], .local = { 1 },
            .args = { U32(0), U32(first), U32(positions), U32(c->out.height), U32(c->out.width), U32(c->in_at.image),
                      U32(c->stride * c->in_at.row), U32(c->stride * c->in.channels), U32(start), U32(c->out_grad.image),
                      U32(c->out_grad.row), U32(c->out_grad.base), U32(c->inputs), U32(c->taps), U32(c->outputs), U32(c->groups),
                      BUF(op->buffers[TABLE]), BUF(enc->acts[op->in].value), BUF(enc->acts[op->out].grad), BUF(op->buffers[PARTIAL]) },
        }, count * per_block, 2.0 * (double)positions * (double)entries * (double)count / (double)blocks));
        CHI_TRY(chi__encoder_reduce(enc, op->kernels[REDUCE], entries, count, first == 0, first + count == blocks, op->buffers[PARTIAL],
                                    op->buffers[TOTAL], &enc->parameters[op->parameter].grad));
    }
    return CHI_OK;
}

static chi_status bias_gradient(chi_encoder *enc, chi__op *op, const numbers *c, size_t rows)
{
    const size_t positions = chi__positions(c->out, rows), parts = superblocks(positions);
    const chi_buffer *grad = enc->acts[op->out].grad, *partial = op->buffers[PARTIAL];
    CHI_TRY(chi__run_groups(enc->dev, &(chi__launch){
        .kernel = op->kernels[SUMS], .local = { 1 },
        .args = { U32(0), U32(positions), U32(0), U32(0), U32(c->out.height), U32(c->out.width), U32(c->out.channels),
                  LAYOUT(c->out_grad), LAYOUT(c->out_grad), BUF(grad), BUF(grad), BUF(grad), BUF(grad), BUF(grad), BUF(grad),
                  BUF(partial), BUF(partial) },
    }, parts, 4.0 * (double)positions * (double)c->out.channels));
    return chi__encoder_reduce(enc, op->kernels[REDUCE], c->out.channels, parts, true, true, partial, op->buffers[TOTAL],
                               &enc->parameters[op->parameter + 1].grad);
}

static chi_status backward(chi_encoder *enc, chi__op *op, size_t rows, bool grad_in)
{
    const numbers c = numbers_of(enc, op);
    CHI_TRY(weight_gradient(enc, op, &c, rows));
    if (!op->layer.no_bias)
        CHI_TRY(bias_gradient(enc, op, &c, rows));
    return grad_in ? input_gradient(enc, op, &c, rows) : CHI_OK;
}

const chi__op_rules chi__op_conv = { bytes, setup, forward, backward };
