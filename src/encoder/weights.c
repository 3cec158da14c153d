// SPDX-License-Identifier: Apache-2.0
// weights.c: initial weights, and tensors between device order and torch's order. Random numbers: src/base/random.c.
#include "encoder.h"

#include <math.h>
#include <string.h>

#include "../base/memory.h"
#include "../base/random.h"

// A convolution's weights lie [out][kh][kw][in] on the device, [out][in][kh][kw] in files. Other tensors lie alike.
static size_t device_place(const chi_parameter *p, size_t i)
{
    if (p->dims != 4)
        return i;
    const size_t inputs = p->shape[1], taps = p->shape[2] * p->shape[3];
    const size_t tap = i % taps, input = i / taps % inputs, output = i / taps / inputs;
    return (output * taps + tap) * inputs + input;
}

static chi_status check_index(chi_encoder *enc, size_t parameter, int which)
{
    if (parameter >= enc->parameter_count)
        return chi__fail(enc->dev, CHI_ERR_ARGUMENT, "encoder: parameter %zu of %zu", parameter, enc->parameter_count);
    if (which != 0 && (which != 1 || !enc->parameters[parameter].trained))
        return chi__fail(enc->dev, CHI_ERR_ARGUMENT, "encoder: %s has no tensor %d", enc->parameters[parameter].name, which);
    return CHI_OK;
}

chi_status chi_encoder_read(chi_encoder *enc, size_t parameter, int which, float *to)
{
    CHI_TRY(check_index(enc, parameter, which));
    const chi_parameter *p = &enc->parameters[parameter];
    float *device = chi__alloc(p->count, sizeof *device);
    if (!device)
        return chi__fail(enc->dev, CHI_ERR_MEMORY, "encoder: no memory for %zu floats", p->count);
    const chi_status st = chi_buffer_download(which ? p->grad.buffer : p->value.buffer, 0, device, 4ull * p->count);
    for (size_t i = 0; st == CHI_OK && i < p->count; i++)
        to[i] = device[device_place(p, i)];
    chi__free(device);
    return st;
}

chi_status chi_encoder_write(chi_encoder *enc, size_t parameter, const float *from)
{
    CHI_TRY(check_index(enc, parameter, 0));
    const chi_parameter *p = &enc->parameters[parameter];
    float *device = chi__alloc(p->count, sizeof *device);
    if (!device)
        return chi__fail(enc->dev, CHI_ERR_MEMORY, "encoder: no memory for %zu floats", p->count);
    for (size_t i = 0; i < p->count; i++)
        device[device_place(p, i)] = from[i];
    const chi_status st = chi_buffer_upload(p->value.buffer, 0, device, 4ull * p->count);
    chi__free(device);
    return st;
}

// Uniform in ±bound, in torch's element order, from (seed, number of the tensor, element).
static void draw(float *to, size_t count, float bound, uint64_t seed, size_t tensor)
{
    for (size_t i = 0; i < count; i += 4) {
        const chi__random r = chi__random_at(seed, CHI__STREAM_WEIGHTS, (uint32_t)tensor, i / 4);
        for (size_t k = 0; k < 4 && i + k < count; k++)
            to[i + k] = (2.0f * chi__uniform(r.word[k]) - 1.0f) * bound;
    }
}

// torch's defaults: weights and biases of linear and conv2d ± 1/√fan_in; batch norm 1 and 0.
static void initial(const chi_encoder *enc, size_t index, uint64_t seed, float *to)
{
    const chi_parameter *p = &enc->parameters[index], *weight = p;
    const char *name = strrchr(p->name, '.') + 1;
    const bool ones = strcmp(name, "running_var") == 0 || (p->dims == 1 && strcmp(name, "weight") == 0);
    if (p->dims == 1 && strcmp(name, "bias") == 0)
        weight = &enc->parameters[index - 1];
    if (weight->dims == 1) {
        for (size_t i = 0; i < p->count; i++)
            to[i] = ones ? 1.0f : 0.0f;
        return;
    }
    const size_t fan_in = weight->count / weight->shape[0];
    draw(to, p->count, (float)(1.0 / sqrt((double)fan_in)), seed, index);
}

chi_status chi__encoder_draw(chi_encoder *enc, uint64_t seed)
{
    for (size_t i = 0; i < enc->parameter_count; i++) {
        float *values = chi__alloc(enc->parameters[i].count, sizeof *values);
        if (!values)
            return chi__fail(enc->dev, CHI_ERR_MEMORY, "encoder: no memory for %zu floats", enc->parameters[i].count);
        initial(enc, i, seed, values);
        const chi_status st = chi_encoder_write(enc, i, values);
        chi__free(values);
        CHI_TRY(st);
    }
    return CHI_OK;
}
