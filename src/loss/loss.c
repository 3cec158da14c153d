// SPDX-License-Identifier: Apache-2.0
// loss.c: what all losses share: creation, checks, and the order of an evaluation. What it takes: plan.c. Kinds: clip.c,
// infonce.c, ntxent.c, supcon.c, moco.c, siglip.c. Kernels: kernels/loss/value.h, kernels/tiles/. Header: include/chiaro/loss.h.
#include "loss.h"

#include <stdio.h>

#include "../base/memory.h"

// ---- creation ----------------------------------------------------------------------------------------
static chi_status get_kernels(chi_loss *loss)
{
    chi_device *dev = loss->dev;
    const char *shifted = loss->passes.pairs.shifted ? "SHIFTED=1" : "SHIFTED=0";
    CHI_TRY(chi__kernel_get(dev, loss->rules->file, loss->rules->kernel, shifted, &loss->row));
    CHI_TRY(chi__kernel_get(dev, loss->rules->file, "loss_sum", shifted, &loss->sum));
    if (loss->options.learnt_temperature || loss->options.learnt_bias)
        CHI_TRY(chi__kernel_get(dev, loss->rules->file, "loss_scalars", shifted, &loss->scalars));
    CHI_TRY(chi__operand_kernel(&loss->x, "tiles_project", &loss->project));
    if (loss->rules->queue)
        CHI_TRY(chi__operand_kernel(&loss->x, "tiles_row_dots", &loss->dots_of));
    if (!loss->rules->labels)
        return CHI_OK;
    CHI_TRY(chi__kernel_get(dev, loss->rules->file, "loss_labels", shifted, &loss->copy_labels));
    CHI_TRY(chi__kernel_get(dev, loss->rules->file, "loss_counts", shifted, &loss->count));
    return chi__kernel_get(dev, loss->rules->file, "loss_weights", shifted, &loss->weigh);
}

static chi_status build(chi_loss *loss)
{
    chi__needs needs;
    CHI_TRY(chi__loss_plan(loss, &needs));
    CHI_TRY(chi__needs_create(loss->dev, &needs));
    CHI_TRY(chi__passes_build(&loss->passes));
    chi__operand *const operands[] = { &loss->x, &loss->y, &loss->queue };
    for (size_t i = 0; i < 3; i++)
        if (operands[i]->rows)
            CHI_TRY(chi__operand_build(operands[i], chi__passes_program(&loss->passes)));
    return get_kernels(loss);
}

// κ, scale, weights and bias, as loss_scalars makes them at each evaluation where temperature or bias is learnt.
static chi_status upload_scalars(chi_loss *loss)
{
    const double tau = (double)loss->options.temperature;
    const float kappa = (float)(1.4426950408889634 / tau), scale = (float)(1.0 / tau), weight = (float)(loss->rules->weight / (double)loss->n);
    const float scalars[] = { kappa, scale, weight * scale, weight, loss->options.bias };
    return chi_buffer_upload(loss->passes.scalars, 0, scalars, sizeof scalars);
}

static chi_status run_scalars(chi_loss *loss, chi_matrix log_scale, chi_matrix bias)
{
    const double tau = (double)loss->options.temperature;
    return chi__run(loss->dev, &(chi__launch){
        .kernel = loss->scalars, .global = { 1 }, .local = { 1 },
        .args = { U32(log_scale.buffer != NULL), F32((float)(1.4426950408889634 / tau)), F32((float)(1.0 / tau)),
                  F32((float)(loss->rules->weight / (double)loss->n)), F32(loss->options.bias), U64(log_scale.offset),
                  U64(bias.offset), BUF(log_scale.buffer), BUF(bias.buffer), BUF(loss->passes.scalars) },
    });
}

chi_status chi_loss_create(chi_device *dev, size_t n, size_t dim, const chi_loss_options *options, chi_loss **out)
{
    *out = NULL;
    chi_loss *loss = chi__alloc(1, sizeof *loss);
    if (!loss)
        return chi__fail(dev, CHI_ERR_MEMORY, "loss: no memory for %zu bytes", sizeof *loss);
    chi_status st = chi__loss_resolve(dev, n, dim, options, loss);
    if (st == CHI_OK && n > 0)
        st = build(loss);
    if (st == CHI_OK && n > 0)
        st = upload_scalars(loss);
    if (st == CHI_OK)
        *out = loss;
    else
        chi_loss_destroy(&loss);
    return st;
}

void chi_loss_destroy(chi_loss **loss)
{
    if (!loss || !*loss)
        return;
    chi_loss *l = *loss;
    chi__operand_destroy(&l->x);
    chi__operand_destroy(&l->y);
    chi__operand_destroy(&l->queue);
    chi__passes_destroy(&l->passes);
    chi_buffer **all[] = { &l->values, &l->dots, &l->slopes, &l->counts, &l->empty, &l->value };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        chi_buffer_destroy(all[i]);
    chi__free(l);
    *loss = NULL;
}

// ---- evaluation ------------------------------------------------------------------------------------
static chi_status check_optional(chi_loss *loss, chi_matrix m, size_t rows, size_t cols, const char *role)
{
    char what[48];
    snprintf(what, sizeof what, "%s: %s", loss->rules->name, role);
    return m.buffer ? chi__check_matrix(loss->dev, m, rows, cols, what) : CHI_OK;
}

static chi_status check_required(chi_loss *loss, chi_matrix m, size_t rows, size_t cols, const char *role)
{
    if (!m.buffer)
        return chi__fail(loss->dev, CHI_ERR_ARGUMENT, "%s: %s is missing", loss->rules->name, role);
    return check_optional(loss, m, rows, cols, role);
}

// Which arguments a kind and its options take.
static chi_status check_roles(chi_loss *loss, const chi_loss_args *args)
{
    const chi__loss_rules *rules = loss->rules;
    const chi_loss_options *o = &loss->options;
    const bool gradient = args->grad_x.buffer || args->grad_y.buffer || args->grad_log_scale.buffer || args->grad_bias.buffer;
    if (gradient && o->no_gradient)
        return chi__fail(loss->dev, CHI_ERR_ARGUMENT, "%s: a gradient is asked for, but the loss was created with no_gradient", rules->name);
    if (args->grad_log_scale.buffer && !args->grad_x.buffer)
        return chi__fail(loss->dev, CHI_ERR_ARGUMENT, "%s: grad_log_scale is made from grad_x; ask for both", rules->name);
    if (!rules->two_inputs && (args->y.buffer || args->grad_y.buffer))
        return chi__fail(loss->dev, CHI_ERR_ARGUMENT, "%s: takes x alone, y or grad_y was given", rules->name);
    if (rules->queue && args->grad_y.buffer)
        return chi__fail(loss->dev, CHI_ERR_ARGUMENT, "%s: y and queue are constants, grad_y was given", rules->name);
    if (!rules->queue && args->queue.buffer)
        return chi__fail(loss->dev, CHI_ERR_ARGUMENT, "%s: has no queue, one was given", rules->name);
    if (!rules->pointwise && args->grad_bias.buffer)
        return chi__fail(loss->dev, CHI_ERR_ARGUMENT, "%s: has no bias, grad_bias was given", rules->name);
    if (o->learnt_temperature != (args->log_scale.buffer != NULL))
        return chi__fail(loss->dev, CHI_ERR_ARGUMENT, "%s: log_scale is %s, but learnt_temperature is %s", rules->name,
                         args->log_scale.buffer ? "given" : "missing", o->learnt_temperature ? "set" : "not set");
    if (o->learnt_bias != (args->bias.buffer != NULL))
        return chi__fail(loss->dev, CHI_ERR_ARGUMENT, "%s: bias is %s, but learnt_bias is %s", rules->name,
                         args->bias.buffer ? "given" : "missing", o->learnt_bias ? "set" : "not set");
    if (rules->labels != (args->labels != NULL))
        return chi__fail(loss->dev, CHI_ERR_ARGUMENT, "%s: labels are %s", rules->name, rules->labels ? "missing" : "given, but it has no use for them");
    return CHI_OK;
}

static chi_status check(chi_loss *loss, const chi_loss_args *args)
{
    const size_t n = loss->n, dim = loss->dim;
    CHI_TRY(check_roles(loss, args));
    if (args->labels && (chi__buffer_device(args->labels) != loss->dev || chi_buffer_bytes(args->labels) < 4 * n))
        return chi__fail(loss->dev, CHI_ERR_SHAPE, "%s: labels hold %llu bytes, %zu int32 on this device are needed", loss->rules->name,
                         (unsigned long long)chi_buffer_bytes(args->labels), n);
    CHI_TRY(check_required(loss, args->x, n, dim, "x"));
    if (loss->rules->two_inputs)
        CHI_TRY(check_required(loss, args->y, n, dim, "y"));
    if (loss->rules->queue)
        CHI_TRY(check_required(loss, args->queue, loss->options.queue_rows, dim, "queue"));
    CHI_TRY(check_optional(loss, args->grad_x, n, dim, "grad_x"));
    CHI_TRY(check_optional(loss, args->grad_y, n, dim, "grad_y"));
    CHI_TRY(check_optional(loss, args->log_scale, 1, 1, "log_scale"));
    CHI_TRY(check_optional(loss, args->grad_log_scale, 1, 1, "grad_log_scale"));
    CHI_TRY(check_optional(loss, args->bias, 1, 1, "bias"));
    CHI_TRY(check_optional(loss, args->grad_bias, 1, 1, "grad_bias"));
    return check_optional(loss, args->value, 1, 1, "value");
}

static chi_status prepare_labels(chi_loss *loss, const chi_buffer *labels)
{
    const size_t padded = chi__padded(loss->n);
    CHI_TRY(chi__run(loss->dev, &(chi__launch){
        .kernel = loss->copy_labels, .global = { padded }, .local = { 16 },
        .args = { U32(loss->n), U32(padded), BUF(labels), BUF(loss->passes.labels), BUF(chi__faults(loss->dev)) },
    }));
    CHI_TRY(chi__run(loss->dev, &(chi__launch){
        .kernel = loss->count, .global = { loss->n }, .local = { 16 },
        .args = { U32(loss->n), U32(padded), BUF(loss->passes.labels), BUF(loss->counts) },
    }));
    return chi__run(loss->dev, &(chi__launch){
        .kernel = loss->weigh, .global = { 1 }, .local = { 1 },
        .args = { U32(loss->n), U32(loss->options.empty_rows == CHI_EMPTY_ROWS_SKIP), BUF(loss->counts),
                  BUF(loss->passes.scalars), BUF(loss->empty) },
    });
}

static chi_status run_sum(chi_loss *loss, const chi_buffer *terms, bool scaled, float factor, const chi_buffer *to, size_t offset)
{
    return chi__run(loss->dev, &(chi__launch){
        .kernel = loss->sum, .global = { 1 }, .local = { 1 },
        .args = { U32(loss->n), U32(scaled), F32(factor), U64(offset), BUF(terms), BUF(loss->passes.scalars), BUF(to) },
    });
}

// The gradient of unit rows to that of the rows as given; leaves x_i · dX_i in loss->dots.
static chi_status run_project(chi_loss *loss, const chi__operand *rows, chi_matrix grad)
{
    const chi_matrix x = rows->from;
    return chi__run(loss->dev, &(chi__launch){
        .kernel = loss->project, .global = { chi__div_up(loss->n, chi__item_rows(loss->x.tile)) }, .local = { chi__row_items(loss->x.tile) },
        .args = { U32(loss->n), U32(loss->dim), U32(!loss->options.unit_rows), U64(x.offset), U32(chi__stride(x)),
                  U64(grad.offset), U32(chi__stride(grad)), BUF(x.buffer), BUF(rows->factors), BUF(rows->inverse),
                  BUF(grad.buffer), BUF(loss->dots) },
    });
}

// The scores of positives that are no columns, before any walk.
static chi_status run_own_scores(chi_loss *loss)
{
    const chi__operand *x = &loss->x, *y = &loss->y;
    return chi__run(loss->dev, &(chi__launch){
        .kernel = loss->dots_of, .global = { chi__div_up(loss->n, chi__item_rows(loss->x.tile)) }, .local = { chi__row_items(loss->x.tile) },
        .args = { U32(loss->n), U32(loss->dim), U64(x->from.offset), U32(chi__stride(x->from)), U64(y->from.offset),
                  U32(chi__stride(y->from)), BUF(x->from.buffer), BUF(x->factors), BUF(y->from.buffer), BUF(y->factors),
                  BUF(loss->passes.scores) },
    });
}

static chi_status run_rows(void *user)
{
    chi_loss *loss = user;
    return loss->rules->rows(loss);
}

static chi_status pack(chi_loss *loss, const chi_loss_args *args)
{
    const chi__rows_are are = loss->options.unit_rows ? CHI__ROWS_UNIT : CHI__ROWS_RAW;
    CHI_TRY(chi__operand_pack(&loss->x, args->x, are));
    if (loss->rules->two_inputs)
        CHI_TRY(chi__operand_pack(&loss->y, args->y, are));
    if (loss->rules->queue) {
        CHI_TRY(chi__operand_pack(&loss->queue, args->queue, are));
        CHI_TRY(run_own_scores(loss));
    }
    return loss->rules->labels ? prepare_labels(loss, args->labels) : CHI_OK;
}

// Through the normalisation, and the gradients of scalars.
static chi_status finish_gradients(chi_loss *loss, const chi_loss_args *args)
{
    if (args->grad_y.buffer && !loss->options.unit_rows)
        CHI_TRY(run_project(loss, &loss->y, args->grad_y));
    if (args->grad_x.buffer && (!loss->options.unit_rows || args->grad_log_scale.buffer))
        CHI_TRY(run_project(loss, &loss->x, args->grad_x));
    if (args->grad_log_scale.buffer)
        CHI_TRY(run_sum(loss, loss->dots, false, loss->rules->log_scale_factor, args->grad_log_scale.buffer, args->grad_log_scale.offset));
    if (args->grad_bias.buffer)
        CHI_TRY(run_sum(loss, loss->slopes, true, 1.0f, args->grad_bias.buffer, args->grad_bias.offset));
    return CHI_OK;
}

static chi_status enqueue(chi_loss *loss, const chi_loss_args *args, bool host_value)
{
    if (args->log_scale.buffer || args->bias.buffer)
        CHI_TRY(run_scalars(loss, args->log_scale, args->bias));
    CHI_TRY(pack(loss, args));
    CHI_TRY(chi__passes_walk(&loss->passes, &(chi__walk){
        .x = &loss->x, .y = chi__loss_columns(loss), .own = loss->rules->queue ? &loss->y : NULL, .gx = args->grad_x,
        .gy = args->grad_y, .rows = run_rows, .user = loss,
    }));
    if (host_value)
        CHI_TRY(run_sum(loss, loss->values, true, 1.0f, loss->value, 0));
    if (args->value.buffer)
        CHI_TRY(run_sum(loss, loss->values, true, 1.0f, args->value.buffer, args->value.offset));
    return finish_gradients(loss, args);
}

chi_status chi_loss_eval(chi_loss *loss, const chi_loss_args *args, float *value)
{
    if (loss->n == 0) {
        if (args->value.buffer)
            CHI_TRY(chi__fill(args->value.buffer, 4ull * args->value.offset, 4, 0));
        if (args->grad_log_scale.buffer)
            CHI_TRY(chi__fill(args->grad_log_scale.buffer, 4ull * args->grad_log_scale.offset, 4, 0));
        if (args->grad_bias.buffer)
            CHI_TRY(chi__fill(args->grad_bias.buffer, 4ull * args->grad_bias.offset, 4, 0));
        if (value)
            *value = 0.0f;
        return CHI_OK;
    }
    CHI_TRY(check(loss, args));
    CHI_TRY(enqueue(loss, args, value != NULL));
    if (!value)
        return CHI_OK;
    float result;
    CHI_TRY(chi_buffer_download(loss->value, 0, &result, sizeof result));
    *value = result;
    return CHI_OK;
}

chi_status chi_loss_empty_rows(chi_loss *loss, size_t *count)
{
    uint32_t rows = 0;
    if (loss->n > 0)
        CHI_TRY(chi_buffer_download(loss->empty, 0, &rows, sizeof rows));
    *count = rows;
    return CHI_OK;
}
