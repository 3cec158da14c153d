// SPDX-License-Identifier: Apache-2.0
// plan.c: a list of layers to operations: shapes, borders, names, memory. Text form: parse.c. Header: encoder.h.
#include "encoder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../base/memory.h"
#include "../base/text.h"

enum { MOST_DEPTH = 8 };
static const size_t MOST_SIDE = 1u << 20;

chi__strides chi__strides_of(chi_shape s, size_t border)
{
    const size_t row = (s.width + 2 * border) * s.channels;
    return (chi__strides){ .image = (uint32_t)(row * (s.height + 2 * border)), .row = (uint32_t)row,
                          .base = (uint32_t)(row * border + s.channels * border) };
}

// ---- growing lists -------------------------------------------------------------------------------
static chi_status grow(chi_encoder *enc, void **list, size_t *room, size_t count, size_t size)
{
    if (count < *room)
        return CHI_OK;
    const size_t wanted = *room ? 2 * *room : 16;
    char *bigger = chi__realloc(*list, wanted, size);
    if (!bigger)
        return chi__fail(enc->dev, CHI_ERR_MEMORY, "encoder: no memory for %zu entries", wanted);
    memset(bigger + *room * size, 0, (wanted - *room) * size);
    *list = bigger;
    *room = wanted;
    return CHI_OK;
}

static chi_status add_activation(chi_encoder *enc, chi_shape shape, size_t *index)
{
    CHI_TRY(grow(enc, (void **)&enc->acts, &enc->act_room, enc->act_count, sizeof *enc->acts));
    enc->acts[enc->act_count].shape = shape;
    *index = enc->act_count++;
    return CHI_OK;
}

// An operation from activation `in` to a new one of this shape.
static chi_status add_op(chi_encoder *enc, const chi__op_rules *rules, const chi_layer *layer, size_t in, chi_shape shape, size_t *out)
{
    CHI_TRY(add_activation(enc, shape, out));
    CHI_TRY(grow(enc, (void **)&enc->ops, &enc->op_room, enc->op_count, sizeof *enc->ops));
    enc->ops[enc->op_count++] = (chi__op){ .rules = rules, .layer = *layer, .in = in, .out = *out, .parameter = enc->parameter_count };
    return CHI_OK;
}

static chi__op *last_op(chi_encoder *enc) { return &enc->ops[enc->op_count - 1]; }

static chi_status add_parameter(chi_encoder *enc, const char *prefix, const char *name, const size_t *shape, size_t dims, bool decay, bool trained)
{
    CHI_TRY(grow(enc, (void **)&enc->parameters, &enc->parameter_room, enc->parameter_count, sizeof *enc->parameters));
    chi_parameter *p = &enc->parameters[enc->parameter_count++];
    snprintf(p->name, sizeof p->name, "%s%s", prefix, name);
    p->dims = dims;
    p->count = 1;
    for (size_t i = 0; i < dims; i++) {
        p->shape[i] = shape[i];
        p->count *= shape[i];
    }
    p->decay = decay;
    p->trained = trained;
    return CHI_OK;
}

// ---- layers --------------------------------------------------------------------------------------
static chi_status check_window(chi_encoder *enc, const char *where, const chi_layer *l, chi_shape in)
{
    if (l->kernel == 0 || l->kernel > MOST_SIDE || l->stride > MOST_SIDE)
        return chi__fail(enc->dev, CHI_ERR_ARGUMENT, "encoder: layer %s has kernel %zu and stride %zu; both must be 1 … %zu", where, l->kernel, l->stride, MOST_SIDE);
    if (l->padding >= l->kernel)
        return chi__fail(enc->dev, CHI_ERR_ARGUMENT, "encoder: layer %s has padding %zu, it must be below the kernel's %zu", where, l->padding, l->kernel);
    if (in.height + 2 * l->padding < l->kernel || in.width + 2 * l->padding < l->kernel)
        return chi__fail(enc->dev, CHI_ERR_SHAPE, "encoder: layer %s: a window of %zu does not fit %zu × %zu with padding %zu", where, l->kernel, in.height, in.width, l->padding);
    return CHI_OK;
}

static chi_shape windowed(const chi_layer *l, chi_shape in, size_t channels)
{
    return (chi_shape){ channels, (in.height + 2 * l->padding - l->kernel) / l->stride + 1, (in.width + 2 * l->padding - l->kernel) / l->stride + 1 };
}

static chi_status add_conv(chi_encoder *enc, const char *where, chi_layer l, size_t in, size_t *out)
{
    const chi_shape shape = enc->acts[in].shape;
    const bool linear = l.kind == CHI_LAYER_LINEAR;
    char prefix[80];
    snprintf(prefix, sizeof prefix, "%s.", where);
    l.stride = l.stride ? l.stride : 1;
    l.groups = l.groups ? l.groups : 1;
    if (linear)
        l.kernel = l.stride = l.groups = 1, l.padding = 0;
    if (linear && shape.height * shape.width != 1)
        return chi__fail(enc->dev, CHI_ERR_SHAPE, "encoder: layer %s is linear, its input is %zu × %zu × %zu; put flatten before it", where, shape.channels, shape.height, shape.width);
    if (l.padding && shape.height * shape.width == 1)
        return chi__fail(enc->dev, CHI_ERR_UNSUPPORTED, "encoder: layer %s pads a vector of %zu features; a convolution over one position needs no padding", where, shape.channels);
    if (l.width == 0 || l.width > MOST_SIDE)
        return chi__fail(enc->dev, CHI_ERR_ARGUMENT, "encoder: layer %s has width %zu, it must be 1 … %zu", where, l.width, MOST_SIDE);
    if (shape.channels % l.groups || l.width % l.groups)
        return chi__fail(enc->dev, CHI_ERR_SHAPE, "encoder: layer %s: %zu groups do not divide %zu input and %zu output channels", where, l.groups, shape.channels, l.width);
    CHI_TRY(check_window(enc, where, &l, shape));
    CHI_TRY(add_op(enc, &chi__op_conv, &l, in, windowed(&l, shape, l.width), out));
    const size_t weights[] = { l.width, shape.channels / l.groups, l.kernel, l.kernel };
    CHI_TRY(add_parameter(enc, prefix, "weight", weights, linear ? 2 : 4, true, true));
    return l.no_bias ? CHI_OK : add_parameter(enc, prefix, "bias", weights, 1, false, true);
}

static chi_status add_batch_norm(chi_encoder *enc, const char *where, chi_layer l, size_t in, size_t *out)
{
    const size_t channels = enc->acts[in].shape.channels;
    char prefix[80];
    snprintf(prefix, sizeof prefix, "%s.", where);
    l.epsilon = l.epsilon == 0.0f ? 1e-5f : l.epsilon;
    l.momentum = l.momentum == 0.0f ? 0.1f : l.momentum;
    if (!(l.epsilon > 0.0f) || !isfinite(l.epsilon) || !(l.momentum > 0.0f && l.momentum <= 1.0f))
        return chi__fail(enc->dev, CHI_ERR_ARGUMENT, "encoder: layer %s has epsilon %g and momentum %g; epsilon must be above 0, momentum in (0, 1]", where,
                         (double)l.epsilon, (double)l.momentum);
    CHI_TRY(add_op(enc, &chi__op_batch_norm, &l, in, enc->acts[in].shape, out));
    CHI_TRY(add_parameter(enc, prefix, "weight", &channels, 1, false, true));
    CHI_TRY(add_parameter(enc, prefix, "bias", &channels, 1, false, true));
    CHI_TRY(add_parameter(enc, prefix, "running_mean", &channels, 1, false, false));
    return add_parameter(enc, prefix, "running_var", &channels, 1, false, false);
}

static chi_status add_pool(chi_encoder *enc, const char *where, chi_layer l, size_t in, size_t *out)
{
    l.stride = l.stride ? l.stride : l.kernel;
    CHI_TRY(check_window(enc, where, &l, enc->acts[in].shape));
    if (l.padding > l.kernel / 2)
        return chi__fail(enc->dev, CHI_ERR_ARGUMENT, "encoder: layer %s has padding %zu, a pool's is at most half its kernel of %zu", where, l.padding, l.kernel);
    return add_op(enc, &chi__op_pool, &l, in, windowed(&l, enc->acts[in].shape, enc->acts[in].shape.channels), out);
}

static chi_status add_pointwise(chi_encoder *enc, const chi_layer *l, size_t in, size_t *out)
{
    const bool relu = l->kind == CHI_LAYER_RELU;
    if (relu && enc->op_count && last_op(enc)->out == in && last_op(enc)->rules == &chi__op_batch_norm && !last_op(enc)->relu) {
        last_op(enc)->relu = true; // one walk over memory instead of two
        *out = in;
        return CHI_OK;
    }
    CHI_TRY(add_op(enc, &chi__op_pointwise, l, in, enc->acts[in].shape, out));
    last_op(enc)->kind = relu ? 0 : 2; // kernels/encoder/pointwise.cl
    return CHI_OK;
}

static chi_status add_layers(chi_encoder *enc, const chi_layer *layers, const char *prefix, size_t depth, size_t in, size_t *out);

// x → split → body(x), shortcut(x) → sum. The branches share x's memory, each has a gradient of its own.
static chi_status add_residual(chi_encoder *enc, const char *where, const chi_layer *l, size_t depth, size_t in, size_t *out)
{
    char prefix[96];
    size_t body, other, left, right;
    if (depth >= MOST_DEPTH || !l->body)
        return chi__fail(enc->dev, CHI_ERR_ARGUMENT, "encoder: layer %s is a residual %s", where, l->body ? "nested more than 8 deep" : "without a body");
    CHI_TRY(add_op(enc, &chi__op_split, l, in, enc->acts[in].shape, &body));
    const size_t split = enc->op_count - 1;
    CHI_TRY(add_activation(enc, enc->acts[in].shape, &other));
    enc->ops[split].in2 = other;
    enc->acts[body].shared = enc->acts[other].shared = true;
    snprintf(prefix, sizeof prefix, "%s.body.", where);
    CHI_TRY(add_layers(enc, l->body, prefix, depth + 1, body, &left));
    snprintf(prefix, sizeof prefix, "%s.shortcut.", where);
    right = other;
    if (l->shortcut)
        CHI_TRY(add_layers(enc, l->shortcut, prefix, depth + 1, other, &right));
    const chi_shape a = enc->acts[left].shape, b = enc->acts[right].shape;
    if (a.channels != b.channels || a.height != b.height || a.width != b.width)
        return chi__fail(enc->dev, CHI_ERR_SHAPE, "encoder: layer %s: the body gives %zu × %zu × %zu, the shortcut %zu × %zu × %zu", where, a.channels,
                         a.height, a.width, b.channels, b.height, b.width);
    CHI_TRY(add_op(enc, &chi__op_add, l, left, a, out));
    last_op(enc)->in2 = right;
    return CHI_OK;
}

static chi_status add_layer(chi_encoder *enc, const chi_layer *l, const char *where, size_t depth, size_t in, size_t *out)
{
    const chi_shape shape = enc->acts[in].shape;
    const chi_shape vector = { shape.channels * shape.height * shape.width, 1, 1 };
    switch (l->kind) {
    case CHI_LAYER_LINEAR:
    case CHI_LAYER_CONV2D:
        return add_conv(enc, where, *l, in, out);
    case CHI_LAYER_BATCH_NORM:
        return add_batch_norm(enc, where, *l, in, out);
    case CHI_LAYER_RELU:
    case CHI_LAYER_GELU:
        return add_pointwise(enc, l, in, out);
    case CHI_LAYER_MAX_POOL:
    case CHI_LAYER_AVERAGE_POOL:
        return add_pool(enc, where, *l, in, out);
    case CHI_LAYER_GLOBAL_POOL:
        return add_op(enc, &chi__op_global_pool, l, in, (chi_shape){ shape.channels, 1, 1 }, out);
    case CHI_LAYER_FLATTEN:
        *out = in; // a vector already
        return vector.channels == shape.channels ? CHI_OK : add_op(enc, &chi__op_flatten, l, in, vector, out);
    case CHI_LAYER_RESIDUAL:
        return add_residual(enc, where, l, depth, in, out);
    case CHI_LAYER_NORMALIZE:
        if (vector.channels != shape.channels)
            return chi__fail(enc->dev, CHI_ERR_SHAPE, "encoder: layer %s normalises rows, its input is %zu × %zu × %zu; put flatten before it", where,
                             shape.channels, shape.height, shape.width);
        return add_op(enc, &chi__op_normalize, l, in, shape, out);
    default:
        return chi__fail(enc->dev, CHI_ERR_ARGUMENT, "encoder: layer %s has kind %d, which is none", where, (int)l->kind);
    }
}

static chi_status add_layers(chi_encoder *enc, const chi_layer *layers, const char *prefix, size_t depth, size_t in, size_t *out)
{
    *out = in;
    for (size_t i = 0; layers[i].kind != CHI_LAYER_END; i++) {
        char where[72]; // of a name of 96 bytes, with "running_mean" behind it
        if (snprintf(where, sizeof where, "%s%zu", prefix, i) >= (int)sizeof where)
            return chi__fail(enc->dev, CHI_ERR_ARGUMENT, "encoder: layer %s…: its name is longer than %zu bytes", prefix, sizeof where - 1);
        CHI_TRY(add_layer(enc, &layers[i], where, depth, *out, out));
    }
    return CHI_OK;
}

// ---- borders and memory ----------------------------------------------------------------------------
static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

// Zeros that the gradient of a convolution's output needs around it, so that taps past the edge read zero.
static size_t grad_border(const chi_layer *l, chi_shape in, chi_shape out)
{
    const size_t below = (l->kernel - 1 - l->padding) / l->stride;
    const size_t high = (in.height - 1 + l->padding) / l->stride, wide = (in.width - 1 + l->padding) / l->stride;
    return larger(below, larger(high > out.height - 1 ? high - (out.height - 1) : 0, wide > out.width - 1 ? wide - (out.width - 1) : 0));
}

static void set_borders(chi_encoder *enc)
{
    for (size_t i = enc->op_count; i-- > 0;) {
        const chi__op *op = &enc->ops[i];
        chi__activation *in = &enc->acts[op->in], *out = &enc->acts[op->out];
        if (op->rules == &chi__op_conv) {
            in->border = larger(in->border, op->layer.padding);
            out->grad_border = larger(out->grad_border, grad_border(&op->layer, in->shape, out->shape));
        }
        if (op->rules == &chi__op_split)
            in->border = larger(in->border, larger(out->border, enc->acts[op->in2].border));
    }
    for (size_t i = 0; i < enc->op_count; i++) { // branches see the memory of their origin
        const chi__op *op = &enc->ops[i];
        if (op->rules == &chi__op_split)
            enc->acts[op->out].border = enc->acts[op->in2].border = enc->acts[op->in].border;
    }
}

static uint64_t bytes_for(const chi_encoder *enc, size_t batch)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < enc->act_count; i++) {
        const chi__activation *a = &enc->acts[i];
        bytes += chi__activation_bytes(a->shape, a->grad_border, batch) + (a->shared ? 0 : chi__activation_bytes(a->shape, a->border, batch));
    }
    for (size_t i = 0; i < enc->parameter_count; i++)
        bytes += 4ull * enc->parameters[i].count * (enc->parameters[i].trained ? 2 : 1);
    for (size_t i = 0; i < enc->op_count; i++)
        bytes += enc->ops[i].rules->bytes ? enc->ops[i].rules->bytes(enc, &enc->ops[i], batch) : 0;
    return bytes;
}

// The largest activation of one row: offsets are 32 bits wide.
static uint64_t largest_row(const chi_encoder *enc)
{
    uint64_t most = 0;
    for (size_t i = 0; i < enc->act_count; i++) {
        const chi__activation *a = &enc->acts[i];
        const uint64_t bytes = chi__activation_bytes(a->shape, larger(a->border, a->grad_border), 1);
        most = bytes > most ? bytes : most;
    }
    return most;
}

// The largest batch of at most `most` rows that takes no more than `bytes`; 0: not one row fits.
static size_t largest_batch(const chi_encoder *enc, size_t most, uint64_t bytes)
{
    const uint64_t rows = UINT32_MAX / largest_row(enc);
    size_t low = 0, high = (most < rows ? most : (size_t)rows) + 1;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        *(bytes_for(enc, middle) <= bytes ? &low : &high) = middle;
    }
    return low;
}

static chi_status check_budget(chi_encoder *enc)
{
    const uint64_t left = chi__memory_left(enc->dev), row = largest_row(enc), need = bytes_for(enc, enc->batch);
    if (row > UINT32_MAX / enc->batch)
        return chi__fail(enc->dev, CHI_ERR_SHAPE, "encoder: %zu rows of an activation of %llu bytes are more than 4 GiB; the largest batch is %llu",
                         enc->batch, (unsigned long long)row, (unsigned long long)(UINT32_MAX / row));
    if (need <= left)
        return CHI_OK;
    char need_text[24], left_text[24];
    return chi__fail(enc->dev, CHI_ERR_DEVICE_MEMORY, "encoder: a batch of %zu needs %s, %s are left; the largest batch that fits is %zu", enc->batch,
                     chi__bytes_text(need, need_text), chi__bytes_text(left, left_text), largest_batch(enc, enc->batch, left));
}

static chi_status lay_out(chi_encoder *enc, chi_shape input, const chi_layer *layers)
{
    if (!layers || input.channels == 0 || input.height == 0 || input.width == 0 || enc->batch == 0)
        return chi__fail(enc->dev, CHI_ERR_ARGUMENT, "encoder: a batch of %zu rows of %zu × %zu × %zu; all must be at least 1, and layers given", enc->batch,
                         input.channels, input.height, input.width);
    if (input.channels > MOST_SIDE || input.height > MOST_SIDE || input.width > MOST_SIDE || enc->batch > UINT32_MAX / 4)
        return chi__fail(enc->dev, CHI_ERR_SHAPE, "encoder: a batch of %zu rows of %zu × %zu × %zu is too large", enc->batch, input.channels, input.height, input.width);
    CHI_TRY(add_activation(enc, input, &enc->input));
    CHI_TRY(add_layers(enc, layers, "", 0, enc->input, &enc->output));
    set_borders(enc);
    return CHI_OK;
}

chi_status chi__encoder_plan(chi_encoder *enc, chi_shape input, const chi_layer *layers)
{
    CHI_TRY(lay_out(enc, input, layers));
    return check_budget(enc);
}

chi_status chi__encoder_needs(chi_encoder *enc, chi_shape input, const chi_layer *layers, uint64_t spare_bytes, chi_encoder_needs *out)
{
    CHI_TRY(lay_out(enc, input, layers));
    const uint64_t left = chi__memory_left(enc->dev);
    *out = (chi_encoder_needs){ .output = enc->acts[enc->output].shape, .bytes = bytes_for(enc, enc->batch) };
    out->largest = largest_batch(enc, enc->batch, left > spare_bytes ? left - spare_bytes : 0);
    for (size_t i = 0; i < enc->parameter_count; i++)
        out->parameters += enc->parameters[i].trained ? enc->parameters[i].count : 0;
    return CHI_OK;
}

chi_status chi__encoder_allocate(chi_encoder *enc)
{
    for (size_t i = 0; i < enc->act_count; i++) {
        chi__activation *a = &enc->acts[i];
        if (!a->shared)
            CHI_TRY(chi_buffer_create(enc->dev, chi__activation_bytes(a->shape, a->border, enc->batch), &a->value));
        CHI_TRY(chi_buffer_create(enc->dev, chi__activation_bytes(a->shape, a->grad_border, enc->batch), &a->grad));
    }
    for (size_t i = 0; i < enc->op_count; i++) // origins come before their branches
        if (enc->ops[i].rules == &chi__op_split)
            enc->acts[enc->ops[i].out].value = enc->acts[enc->ops[i].in2].value = enc->acts[enc->ops[i].in].value;
    for (size_t i = 0; i < enc->parameter_count; i++) {
        chi_parameter *p = &enc->parameters[i];
        CHI_TRY(chi_buffer_create(enc->dev, 4ull * p->count, &p->value.buffer));
        p->value = chi_matrix_view(p->value.buffer, 1, p->count);
        if (p->trained) {
            CHI_TRY(chi_buffer_create(enc->dev, 4ull * p->count, &p->grad.buffer));
            p->grad = chi_matrix_view(p->grad.buffer, 1, p->count);
        }
    }
    for (size_t i = 0; i < enc->op_count; i++)
        if (enc->ops[i].rules->setup)
            CHI_TRY(enc->ops[i].rules->setup(enc, &enc->ops[i]));
    return CHI_OK;
}
