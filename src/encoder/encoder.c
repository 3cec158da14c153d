// SPDX-License-Identifier: Apache-2.0
// encoder.c: the public calls. Plan: plan.c. Weights: weights.c. Header: include/chiaro/encoder.h.
#include "encoder.h"

#include <string.h>

#include "../base/memory.h"

chi_status chi__encoder_kernel(chi_encoder *enc, const char *file, const char *name, chi__kernel **out)
{
    char defines[160];
    return chi__kernel_get(enc->dev, file, name, chi__tile_defines(enc->tile, defines), out);
}

chi_status chi__encoder_reduce(chi_encoder *enc, chi__kernel *kernel, size_t entries, size_t parts, bool starts, bool ends, size_t rows,
                               size_t columns, const chi_buffer *partial, const chi_buffer *total, const chi_matrix *to)
{
    return chi__run(enc->dev, &(chi__launch){
        .kernel = kernel, .global = { chi__div_up(entries, 8) }, .local = { chi__row_items(enc->tile) },
        .args = { U32(entries), U32(parts), U32(starts), U32(ends), U32(enc->accumulate), U32(rows), U32(columns), BUF(partial), BUF(total), BUF(to->buffer) },
    });
}

static chi_status begin(chi_device *dev, size_t batch, chi_shape input, chi_encoder **out)
{
    chi_encoder *enc = chi__alloc(1, sizeof *enc);
    if (!enc)
        return chi__fail(dev, CHI_ERR_MEMORY, "encoder: no memory for %zu bytes", sizeof *enc);
    enc->dev = dev;
    enc->batch = batch;
    *out = enc;
    return chi__core_tile(dev, CHI__FAMILY_CONV, input.channels, &enc->tile);
}

chi_status chi_encoder_create(chi_device *dev, size_t batch, chi_shape input, const chi_layer *layers, uint64_t seed, chi_encoder **out)
{
    chi_encoder *enc = NULL;
    char items[32];
    *out = NULL;
    chi_status st = begin(dev, batch, input, &enc);
    if (st == CHI_OK)
        st = chi__encoder_plan(enc, input, layers);
    if (st == CHI_OK)
        st = chi__kernel_get(dev, "encoder/pointwise.cl", "encoder_permute", chi__items_define(enc->tile, items), &enc->permute);
    if (st == CHI_OK)
        st = chi__encoder_allocate(enc);
    if (st == CHI_OK)
        st = chi__encoder_draw(enc, seed);
    if (st == CHI_OK)
        *out = enc;
    else
        chi_encoder_destroy(&enc);
    return st;
}

chi_status chi_encoder_describe(chi_device *dev, size_t batch, chi_shape input, const chi_layer *layers, uint64_t spare_bytes, chi_encoder_needs *needs)
{
    chi_encoder *enc = NULL;
    chi_status st = begin(dev, batch, input, &enc);
    if (st == CHI_OK)
        st = chi__encoder_needs(enc, input, layers, spare_bytes, needs);
    chi_encoder_destroy(&enc);
    return st;
}

void chi_encoder_destroy(chi_encoder **encoder)
{
    if (!encoder || !*encoder)
        return;
    chi_encoder *enc = *encoder;
    for (size_t i = 0; i < enc->act_count; i++) {
        if (!enc->acts[i].shared)
            chi_buffer_destroy(&enc->acts[i].value);
        chi_buffer_destroy(&enc->acts[i].grad);
    }
    for (size_t i = 0; i < enc->op_count; i++)
        for (size_t b = 0; b < CHI__OP_BUFFERS; b++)
            chi_buffer_destroy(&enc->ops[i].buffers[b]);
    for (size_t i = 0; i < enc->parameter_count; i++) {
        chi_buffer_destroy(&enc->parameters[i].value.buffer);
        chi_buffer_destroy(&enc->parameters[i].grad.buffer);
    }
    chi__free(enc->acts);
    chi__free(enc->ops);
    chi__free(enc->parameters);
    chi__free(enc);
    *encoder = NULL;
}

chi_shape chi_encoder_output(const chi_encoder *enc) { return enc->acts[enc->output].shape; }

chi_status chi_encoder_set_mode(chi_encoder *enc, chi_encoder_mode mode)
{
    if (mode != CHI_ENCODER_TRAIN && mode != CHI_ENCODER_EVAL)
        return chi__fail(enc->dev, CHI_ERR_ARGUMENT, "encoder: mode %d is neither training (0) nor evaluation (1)", (int)mode);
    enc->mode = mode;
    return CHI_OK;
}

void chi_encoder_accumulate(chi_encoder *enc, bool on) { enc->accumulate = on; }

chi_parameters chi_encoder_parameters(const chi_encoder *enc)
{
    return (chi_parameters){ .items = enc->parameters, .count = enc->parameter_count };
}

// Between a matrix in torch's order and one activation's value or gradient.
static chi_status permute(chi_encoder *enc, bool load, size_t rows, chi_matrix m, chi_shape s, size_t border, const chi_buffer *inside)
{
    const chi__strides at = chi__strides_of(s, border);
    return chi__run_groups(enc->dev, &(chi__launch){
        .kernel = enc->permute, .local = { chi__items(enc->tile) },
        .args = { U32(0), U32(load), U32(s.height), U32(s.width), U32(s.channels), LAYOUT(at), U64(m.offset),
                  U32(chi__stride(m)), BUF(m.buffer), BUF(inside) },
    }, rows, 4.0 * (double)chi__positions(s, rows) * (double)s.channels);
}

static size_t floats_of(chi_shape s) { return s.channels * s.height * s.width; }

chi_status chi_encoder_forward(chi_encoder *enc, chi_matrix x, chi_matrix z)
{
    const chi__activation *in = &enc->acts[enc->input], *out = &enc->acts[enc->output];
    const size_t rows = x.rows;
    if (rows > enc->batch)
        return chi__fail(enc->dev, CHI_ERR_SHAPE, "encoder: x has %zu rows, the encoder was created for %zu", rows, enc->batch);
    CHI_TRY(chi__check_matrix(enc->dev, x, rows, floats_of(in->shape), "encoder: x"));
    CHI_TRY(chi__check_matrix(enc->dev, z, rows, floats_of(out->shape), "encoder: z"));
    enc->rows = rows;
    if (rows == 0)
        return CHI_OK;
    CHI_TRY(permute(enc, true, rows, x, in->shape, in->border, in->value));
    for (size_t i = 0; i < enc->op_count; i++)
        if (enc->ops[i].rules->forward)
            CHI_TRY(enc->ops[i].rules->forward(enc, &enc->ops[i], rows));
    return permute(enc, false, rows, z, out->shape, out->border, out->value);
}

// Gradients of no rows are zero.
static chi_status clear_gradients(chi_encoder *enc)
{
    for (size_t i = 0; i < enc->parameter_count && !enc->accumulate; i++)
        if (enc->parameters[i].trained)
            CHI_TRY(chi__fill(enc->parameters[i].grad.buffer, 0, 4ull * enc->parameters[i].count, 0));
    return CHI_OK;
}

chi_status chi_encoder_backward(chi_encoder *enc, chi_matrix grad_z, chi_matrix grad_x)
{
    const chi__activation *in = &enc->acts[enc->input], *out = &enc->acts[enc->output];
    const size_t rows = enc->rows;
    CHI_TRY(chi__check_matrix(enc->dev, grad_z, rows, floats_of(out->shape), "encoder: grad_z"));
    if (grad_x.buffer)
        CHI_TRY(chi__check_matrix(enc->dev, grad_x, rows, floats_of(in->shape), "encoder: grad_x"));
    if (rows == 0)
        return clear_gradients(enc);
    CHI_TRY(permute(enc, true, rows, grad_z, out->shape, out->grad_border, out->grad));
    for (size_t i = enc->op_count; i-- > 0;) {
        const bool grad_in = enc->ops[i].in != enc->input || grad_x.buffer;
        CHI_TRY(enc->ops[i].rules->backward(enc, &enc->ops[i], rows, grad_in));
    }
    return grad_x.buffer ? permute(enc, false, rows, grad_x, in->shape, in->grad_border, in->grad) : CHI_OK;
}
