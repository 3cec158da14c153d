// SPDX-License-Identifier: Apache-2.0
// optimizer.c: SGD and AdamW over the parameters of an encoder. Kernel: kernels/train/optimizer.cl.
// Reference: src/ref/optimizer.c. Header: include/chiaro/optimizer.h.
#include <chiaro/optimizer.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../base/memory.h"
#include "../device/device.h"

enum { NUMBERS_OF_AN_ITEM = 4 };

struct chi_optimizer {
    chi_device *dev;
    chi_optimizer_options options; // resolved
    chi_parameter *parameters;     // the trained ones; their buffers stay the encoder's
    chi_parameter *state;          // one or two moments a parameter
    size_t count, moments;
    uint64_t steps;
    chi__kernel *kernel;
};

static bool in_unit(float x) { return x >= 0.0f && x < 1.0f; }

static chi_status resolve(chi_device *dev, const chi_optimizer_options *options, chi_optimizer *opt)
{
    if (options)
        opt->options = *options;
    chi_optimizer_options *o = &opt->options;
    o->beta1 = o->beta1 == 0.0f ? 0.9f : o->beta1;
    o->beta2 = o->beta2 == 0.0f ? 0.999f : o->beta2;
    o->epsilon = o->epsilon == 0.0f ? 1e-8f : o->epsilon;
    if (o->kind != CHI_OPTIMIZER_SGD && o->kind != CHI_OPTIMIZER_ADAMW)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "optimizer: kind %d is neither SGD (0) nor AdamW (1)", (int)o->kind);
    if (!in_unit(o->momentum) || !in_unit(o->beta1) || !in_unit(o->beta2) || !(o->dampening >= 0.0f && o->dampening <= 1.0f))
        return chi__fail(dev, CHI_ERR_ARGUMENT, "optimizer: momentum %g, dampening %g, beta %g and %g must lie in [0, 1)", (double)o->momentum,
                         (double)o->dampening, (double)o->beta1, (double)o->beta2);
    if (!(o->weight_decay >= 0.0f) || !isfinite(o->weight_decay) || !(o->epsilon > 0.0f) || !isfinite(o->epsilon))
        return chi__fail(dev, CHI_ERR_ARGUMENT, "optimizer: weight decay %g must be at least 0, epsilon %g above 0", (double)o->weight_decay, (double)o->epsilon);
    if (o->nesterov && (o->momentum == 0.0f || o->dampening != 0.0f))
        return chi__fail(dev, CHI_ERR_ARGUMENT, "optimizer: nesterov needs momentum above 0 and dampening 0, they are %g and %g", (double)o->momentum,
                         (double)o->dampening);
    const bool adam = o->kind == CHI_OPTIMIZER_ADAMW;
    opt->moments = adam ? 2 : o->momentum != 0.0f ? 1 : 0;
    return chi__kernel_get(dev, "train/optimizer.cl", adam ? "train_adamw" : "train_sgd", "", &opt->kernel);
}

static chi_status add_state(chi_optimizer *opt, size_t parameter, size_t moment)
{
    static const char *const names[2][2] = { { "momentum", "" }, { "exp_avg", "exp_avg_sq" } };
    const chi_parameter *p = &opt->parameters[parameter];
    chi_parameter *s = &opt->state[parameter * opt->moments + moment];
    *s = *p;
    s->grad = (chi_matrix){ 0 };
    s->value.buffer = NULL;
    snprintf(s->name, sizeof s->name, "%.76s.%s", p->name, names[opt->options.kind == CHI_OPTIMIZER_ADAMW][moment]);
    CHI_TRY(chi_buffer_create(opt->dev, 4ull * p->count, &s->value.buffer));
    s->value = chi_matrix_view(s->value.buffer, 1, p->count);
    return CHI_OK;
}

static chi_status take_parameters(chi_optimizer *opt, chi_parameters parameters)
{
    for (size_t i = 0; i < parameters.count; i++)
        opt->count += parameters.items[i].trained;
    opt->parameters = chi__alloc(opt->count, sizeof *opt->parameters);
    opt->state = chi__alloc(opt->count * opt->moments, sizeof *opt->state);
    if (!opt->parameters || !opt->state)
        return chi__fail(opt->dev, CHI_ERR_MEMORY, "optimizer: no memory for %zu parameters", opt->count);
    for (size_t i = 0, at = 0; i < parameters.count; i++)
        if (parameters.items[i].trained)
            opt->parameters[at++] = parameters.items[i];
    for (size_t i = 0; i < opt->count; i++)
        for (size_t m = 0; m < opt->moments; m++)
            CHI_TRY(add_state(opt, i, m));
    return CHI_OK;
}

chi_status chi_optimizer_create(chi_device *dev, chi_parameters parameters, const chi_optimizer_options *options, chi_optimizer **out)
{
    *out = NULL;
    chi_optimizer *opt = chi__alloc(1, sizeof *opt);
    if (!opt)
        return chi__fail(dev, CHI_ERR_MEMORY, "optimizer: no memory for %zu bytes", sizeof *opt);
    opt->dev = dev;
    chi_status st = resolve(dev, options, opt);
    if (st == CHI_OK)
        st = take_parameters(opt, parameters);
    if (st == CHI_OK)
        *out = opt;
    else
        chi_optimizer_destroy(&opt);
    return st;
}

void chi_optimizer_destroy(chi_optimizer **optimizer)
{
    if (!optimizer || !*optimizer)
        return;
    chi_optimizer *opt = *optimizer;
    for (size_t i = 0; opt->state && i < opt->count * opt->moments; i++)
        chi_buffer_destroy(&opt->state[i].value.buffer);
    chi__free(opt->state);
    chi__free(opt->parameters);
    chi__free(opt);
    *optimizer = NULL;
}

static chi_status step_sgd(chi_optimizer *opt, size_t i, float rate)
{
    const chi_optimizer_options *o = &opt->options;
    const chi_parameter *p = &opt->parameters[i];
    const float fresh = opt->steps == 0 ? 1.0f : 1.0f - o->dampening;
    const chi_buffer *velocity = opt->moments ? opt->state[i].value.buffer : p->grad.buffer; // not touched without momentum
    return chi__run(opt->dev, &(chi__launch){
        .kernel = opt->kernel, .global = { chi__div_up(p->count, NUMBERS_OF_AN_ITEM) }, .local = { 16 },
        .args = { U32(p->count), F32(rate), F32(p->decay || o->decay_all ? o->weight_decay : 0.0f), F32(o->momentum), F32(fresh),
                  U32(o->nesterov), BUF(p->value.buffer), BUF(p->grad.buffer), BUF(velocity) },
    });
}

static chi_status step_adamw(chi_optimizer *opt, size_t i, float rate)
{
    const chi_optimizer_options *o = &opt->options;
    const chi_parameter *p = &opt->parameters[i];
    const double t = (double)(opt->steps + 1), decay = p->decay || o->decay_all ? (double)o->weight_decay : 0.0;
    const double step = (double)rate / (1.0 - pow((double)o->beta1, t)), by_bias = 1.0 / sqrt(1.0 - pow((double)o->beta2, t));
    return chi__run(opt->dev, &(chi__launch){
        .kernel = opt->kernel, .global = { chi__div_up(p->count, NUMBERS_OF_AN_ITEM) }, .local = { 16 },
        .args = { U32(p->count), F32((float)(1.0 - (double)rate * decay)), F32((float)step), F32((float)by_bias), F32(o->beta1),
                  F32(o->beta2), F32(o->epsilon), BUF(p->value.buffer), BUF(p->grad.buffer), BUF(opt->state[2 * i].value.buffer),
                  BUF(opt->state[2 * i + 1].value.buffer) },
    });
}

chi_status chi_optimizer_step(chi_optimizer *opt, float rate)
{
    if (!(rate >= 0.0f) || !isfinite(rate))
        return chi__fail(opt->dev, CHI_ERR_ARGUMENT, "optimizer: the rate is %g, it must be a number of at least 0", (double)rate);
    for (size_t i = 0; i < opt->count; i++)
        CHI_TRY(opt->options.kind == CHI_OPTIMIZER_ADAMW ? step_adamw(opt, i, rate) : step_sgd(opt, i, rate));
    opt->steps++;
    return CHI_OK;
}

chi_optimizer_state chi_optimizer_get_state(const chi_optimizer *opt)
{
    return (chi_optimizer_state){ .items = opt->state, .count = opt->count * opt->moments, .steps = opt->steps };
}

void chi_optimizer_set_steps(chi_optimizer *opt, uint64_t steps) { opt->steps = steps; }
