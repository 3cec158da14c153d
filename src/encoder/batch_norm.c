// SPDX-License-Identifier: Apache-2.0
// batch_norm.c: batch norm and the ReLU behind it. Kernels: kernels/encoder/batch_norm_panel.cl,
// batch_norm_group.cl, batch_statistics.cl. Reference: src/ref/layers.c.
#include "encoder.h"

#include "../base/memory.h"

enum { MEAN, INVERSE, SUMS, PRODUCTS, GRAD_BETA, GRAD_GAMMA }; // buffers
enum { CHANNEL_SUMS, STATISTICS, APPLY, GRADIENT, REDUCE };     // kernels
enum { GAMMA, BETA, RUNNING_MEAN, RUNNING_VAR };                // parameters
enum { POSITIONS = 64 };                                        // of one group

static size_t parts_of(const chi_encoder *enc, const chi__op *op, size_t rows)
{
    const size_t positions = chi__positions(enc->acts[op->out].shape, rows);
    return chi__div_up(positions, chi__superblock(positions));
}

static uint64_t bytes(const chi_encoder *enc, const chi__op *op, size_t batch)
{
    return 4ull * enc->acts[op->out].shape.channels * (4 + 2 * parts_of(enc, op, batch));
}

static chi_status setup(chi_encoder *enc, chi__op *op)
{
    static const char *const names[] = { "encoder_channel_sums", "encoder_batch_statistics", "encoder_batch_norm", "encoder_batch_norm_grad" };
    const size_t channels = enc->acts[op->out].shape.channels;
    char file[64], items[32];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        CHI_TRY(chi__kernel_get(enc->dev, i == STATISTICS ? "encoder/batch_statistics.cl" : chi__core_file("encoder/batch_norm", enc->tile, file),
                                names[i], i == STATISTICS ? "" : chi__items_define(enc->tile, items), &op->kernels[i]));
    CHI_TRY(chi__kernel_get(enc->dev, "encoder/reduce.cl", "encoder_reduce", "", &op->kernels[REDUCE]));
    for (size_t i = MEAN; i <= GRAD_GAMMA; i++) {
        const bool partial = i == SUMS || i == PRODUCTS;
        CHI_TRY(chi__scratch_create(enc->dev, 4ull * channels * (partial ? parts_of(enc, op, enc->batch) : 1), &op->buffers[i]));
    }
    return CHI_OK;
}

static const chi_buffer *parameter(const chi_encoder *enc, const chi__op *op, size_t which)
{
    return enc->parameters[op->parameter + which].value.buffer;
}

static chi_status sum(chi_encoder *enc, chi__op *op, size_t rows, uint32_t kind)
{
    const chi__activation *in = &enc->acts[op->in], *out = &enc->acts[op->out];
    const chi_shape s = in->shape;
    const size_t positions = chi__positions(s, rows);
    const chi__strides x = chi__strides_of(s, in->border), g = chi__strides_of(s, out->grad_border);
    return chi__run_groups(enc->dev, &(chi__launch){
        .kernel = op->kernels[CHANNEL_SUMS], .local = { chi__items(enc->tile) },
        .args = { U32(0), U32(positions), U32(kind), U32(op->relu), U32(s.height), U32(s.width), U32(s.channels), LAYOUT(x), LAYOUT(g),
                  BUF(in->value), BUF(out->grad), BUF(op->buffers[MEAN]), BUF(op->buffers[INVERSE]), BUF(parameter(enc, op, GAMMA)),
                  BUF(parameter(enc, op, BETA)), BUF(op->buffers[SUMS]), BUF(op->buffers[PRODUCTS]) },
    }, parts_of(enc, op, rows), 8.0 * (double)positions * (double)s.channels);
}

static chi_status statistics(chi_encoder *enc, chi__op *op, size_t rows, uint32_t step)
{
    const chi_shape s = enc->acts[op->in].shape;
    const size_t n = chi__positions(s, rows);
    const float correction = n > 1 ? (float)((double)n / (double)(n - 1)) : 1.0f;
    return chi__run(enc->dev, &(chi__launch){
        .kernel = op->kernels[STATISTICS], .global = { s.channels }, .local = { chi__row_items(enc->tile) },
        .args = { U32(s.channels), U32(parts_of(enc, op, rows)), U32(step), F32((float)(1.0 / (double)n)), F32(op->layer.epsilon),
                  F32(op->layer.momentum), F32(correction), BUF(op->buffers[SUMS]), BUF(op->buffers[MEAN]), BUF(op->buffers[INVERSE]),
                  BUF(parameter(enc, op, RUNNING_MEAN)), BUF(parameter(enc, op, RUNNING_VAR)) },
    });
}

static chi_status forward(chi_encoder *enc, chi__op *op, size_t rows)
{
    const chi__activation *in = &enc->acts[op->in], *out = &enc->acts[op->out];
    const chi_shape s = in->shape;
    const size_t positions = chi__positions(s, rows);
    const chi__strides x = chi__strides_of(s, in->border), y = chi__strides_of(s, out->border);
    if (enc->mode == CHI_ENCODER_EVAL) {
        CHI_TRY(statistics(enc, op, rows, 2));
    } else {
        CHI_TRY(sum(enc, op, rows, 0));
        CHI_TRY(statistics(enc, op, rows, 0));
        CHI_TRY(sum(enc, op, rows, 1));
        CHI_TRY(statistics(enc, op, rows, 1));
    }
    return chi__run_groups(enc->dev, &(chi__launch){
        .kernel = op->kernels[APPLY], .local = { chi__items(enc->tile) },
        .args = { U32(0), U32(positions), U32(op->relu), U32(s.height), U32(s.width), U32(s.channels), LAYOUT(x), LAYOUT(y),
                  BUF(in->value), BUF(op->buffers[MEAN]), BUF(op->buffers[INVERSE]), BUF(parameter(enc, op, GAMMA)),
                  BUF(parameter(enc, op, BETA)), BUF(out->value) },
    }, chi__div_up(positions, POSITIONS), 8.0 * (double)positions * (double)s.channels);
}

static chi_status backward(chi_encoder *enc, chi__op *op, size_t rows, bool grad_in)
{
    const chi__activation *in = &enc->acts[op->in], *out = &enc->acts[op->out];
    const chi_shape s = in->shape;
    const size_t positions = chi__positions(s, rows), parts = parts_of(enc, op, rows);
    const chi__strides x = chi__strides_of(s, in->border), g = chi__strides_of(s, out->grad_border), d = chi__strides_of(s, in->grad_border);
    CHI_TRY(sum(enc, op, rows, 2));
    CHI_TRY(chi__encoder_reduce(enc, op->kernels[REDUCE], s.channels, parts, true, true, 1, s.channels, op->buffers[SUMS],
                                op->buffers[GRAD_BETA], &enc->parameters[op->parameter + BETA].grad));
    CHI_TRY(chi__encoder_reduce(enc, op->kernels[REDUCE], s.channels, parts, true, true, 1, s.channels, op->buffers[PRODUCTS],
                                op->buffers[GRAD_GAMMA], &enc->parameters[op->parameter + GAMMA].grad));
    if (!grad_in)
        return CHI_OK;
    return chi__run_groups(enc->dev, &(chi__launch){
        .kernel = op->kernels[GRADIENT], .local = { chi__items(enc->tile) },
        .args = { U32(0), U32(positions), U32(op->relu), U32(enc->mode == CHI_ENCODER_EVAL), F32((float)(1.0 / (double)positions)),
                  U32(s.height), U32(s.width), U32(s.channels), LAYOUT(x), LAYOUT(g), LAYOUT(d), BUF(in->value), BUF(out->grad),
                  BUF(op->buffers[MEAN]), BUF(op->buffers[INVERSE]), BUF(parameter(enc, op, GAMMA)), BUF(parameter(enc, op, BETA)),
                  BUF(op->buffers[GRAD_BETA]), BUF(op->buffers[GRAD_GAMMA]), BUF(in->grad) },
    }, chi__div_up(positions, POSITIONS), 8.0 * (double)positions * (double)s.channels);
}

const chi__op_rules chi__op_batch_norm = { bytes, setup, forward, backward };
