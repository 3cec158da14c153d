// SPDX-License-Identifier: Apache-2.0
// loss.c: what all losses share: checks, plan, and the order of an evaluation. Kinds: clip.c, infonce.c, ntxent.c, supcon.c.
// Kernels: kernels/loss/value.cl, kernels/tiles/. Header: include/chiaro/loss.h.
#include "loss.h"

#include <math.h>
#include <stdio.h>

#include "../base/memory.h"
#include "../base/text.h"

enum { NORM_ROWS = 8 };
static const float DEFAULT_TEMPERATURE = 0.07f;
static const double MOST_BINADES = 100.0;        // logits that one shift can serve
static const uint64_t MOST_KEPT_BYTES = 512u << 20; // tiles kept without being asked to save memory

static const chi__loss_rules *rules_of(chi_loss_kind kind)
{
    static const chi__loss_rules *const all[] = { &chi__loss_clip, &chi__loss_infonce, &chi__loss_ntxent, &chi__loss_supcon };
    return (size_t)kind < sizeof all / sizeof *all ? all[kind] : NULL;
}

// ---- plan ------------------------------------------------------------------------------------------
static chi_status resolve(chi_device *dev, size_t n, size_t dim, const chi_loss_options *options, chi_loss *loss)
{
    loss->dev = dev;
    loss->n = n;
    loss->dim = dim;
    if (options)
        loss->options = *options;
    chi_loss_options *o = &loss->options;
    loss->rules = rules_of(o->kind);
    if (!loss->rules)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "loss: kind %d is not one of CHI_LOSS_CLIP … CHI_LOSS_SUPCON", (int)o->kind);
    if (o->temperature == 0.0f)
        o->temperature = DEFAULT_TEMPERATURE;
    if (!(o->temperature > 0x1p-126f) || !isfinite(o->temperature))
        return chi__fail(dev, CHI_ERR_ARGUMENT, "%s: temperature is %g, it must be a positive number", loss->rules->name, (double)o->temperature);
    if (o->empty_rows != CHI_EMPTY_ROWS_SKIP && o->empty_rows != CHI_EMPTY_ROWS_ZERO)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "%s: empty_rows is %d, it must be 0 (skip) or 1 (zero)", loss->rules->name, (int)o->empty_rows);
    if (dim == 0)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "%s: dim is 0, a row needs at least 1 feature", loss->rules->name);
    if (n > UINT32_MAX / 4 || dim > UINT32_MAX / 4 / (n ? n : 1))
        return chi__fail(dev, CHI_ERR_SHAPE, "%s: %zu × %zu floats are more than 2^30, the most in one matrix", loss->rules->name, n, dim);
    if (loss->rules->even && n % 2)
        return chi__fail(dev, CHI_ERR_SHAPE, "%s: n is %zu, it must be even: row i + n/2 is the positive of row i", loss->rules->name, n);
    return CHI_OK;
}

static chi__pairs pairs_of(const chi_loss *loss, size_t n)
{
    const double kappa = 1.4426950408889634 / (double)loss->options.temperature;
    const bool shifted = loss->options.learnt_temperature || 2.0 * kappa > MOST_BINADES;
    return (chi__pairs){
        .n = n, .m = n, .dim = loss->dim, .symmetric = !loss->rules->two_inputs, .columns = loss->rules->columns,
        .positives = loss->rules->positives, .weights = loss->rules->weights, .shifted = shifted,
        .shift = shifted ? 0 : (int)ceil(kappa) + 1, .gradient = !loss->options.no_gradient,
    };
}

static int x_layouts(const chi_loss *loss)
{
    const int columns = loss->options.no_gradient ? 0 : CHI__COLUMNS;
    return CHI__LEFT | columns | (loss->rules->two_inputs ? 0 : CHI__RIGHT);
}
static int y_layouts(const chi_loss *loss) { return CHI__RIGHT | (loss->options.no_gradient ? 0 : CHI__COLUMNS); }

// Scratch with nothing kept; *kept: what keeping all tiles adds.
static uint64_t least_bytes(const chi_loss *loss, const chi__tile *tile, size_t n, uint64_t *kept)
{
    const chi__pairs pairs = pairs_of(loss, n);
    uint64_t bytes = chi__passes_bytes(tile, &pairs, kept) + 16ull * n + 64;
    bytes += chi__operand_bytes(tile, n, loss->dim, x_layouts(loss));
    if (loss->rules->two_inputs)
        bytes += chi__operand_bytes(tile, n, loss->dim, y_layouts(loss));
    return bytes;
}

// Bytes for kept tiles; refuses, before anything is allocated, what cannot fit.
static chi_status plan_memory(const chi_loss *loss, const chi__tile *tile, uint64_t *keep)
{
    uint64_t kept, ignored;
    const uint64_t least = least_bytes(loss, tile, loss->n, &kept), left = chi__memory_left(loss->dev);
    if (least > left) {
        size_t low = 0, high = loss->n;
        while (high - low > 1) {
            const size_t middle = low + (high - low) / 2;
            *(least_bytes(loss, tile, middle, &ignored) <= left ? &low : &high) = middle;
        }
        char need[24], have[24];
        return chi__fail(loss->dev, CHI_ERR_DEVICE_MEMORY, "%s: n = %zu, dim = %zu needs %s of scratch beside its inputs, %s are left; the largest n that fits is %zu",
                         loss->rules->name, loss->n, loss->dim, chi__bytes_text(least, need), chi__bytes_text(left, have),
                         loss->rules->even ? low & ~(size_t)1 : low);
    }
    *keep = kept > MOST_KEPT_BYTES ? 0 : left - least;
    if (*keep > chi__max_alloc(loss->dev))
        *keep = chi__max_alloc(loss->dev);
    return CHI_OK;
}

static chi_status get_kernels(chi_loss *loss)
{
    chi_device *dev = loss->dev;
    CHI_TRY(chi__kernel_get(dev, loss->rules->file, loss->rules->kernel, loss->passes.pairs.shifted ? "SHIFTED=1" : "SHIFTED=0", &loss->row));
    CHI_TRY(chi__kernel_get(dev, "loss/value.cl", "loss_sum", "", &loss->sum));
    CHI_TRY(chi__kernel_get(dev, "loss/value.cl", "loss_scalars", "", &loss->scalars));
    CHI_TRY(chi__kernel_get(dev, "tiles/norms.cl", "tiles_project", "", &loss->project));
    if (!loss->rules->labels)
        return CHI_OK;
    const char *shifted = loss->passes.pairs.shifted ? "SHIFTED=1" : "SHIFTED=0";
    CHI_TRY(chi__kernel_get(dev, loss->rules->file, "loss_labels", shifted, &loss->copy_labels));
    CHI_TRY(chi__kernel_get(dev, loss->rules->file, "loss_counts", shifted, &loss->count));
    return chi__kernel_get(dev, loss->rules->file, "loss_weights", shifted, &loss->weigh);
}

static chi_status get_memory(chi_loss *loss, const chi__tile *tile)
{
    uint64_t keep = 0, before = 0, after = 0;
    const chi__pairs pairs = pairs_of(loss, loss->n);
    CHI_TRY(plan_memory(loss, tile, &keep));
    chi_device_memory(loss->dev, &before, NULL);
    CHI_TRY(chi__operand_create(loss->dev, tile, loss->n, loss->dim, x_layouts(loss), &loss->x));
    if (loss->rules->two_inputs)
        CHI_TRY(chi__operand_create(loss->dev, tile, loss->n, loss->dim, y_layouts(loss), &loss->y));
    CHI_TRY(chi__passes_create(loss->dev, tile, &pairs, keep, &loss->passes));
    CHI_TRY(chi__scratch_create(loss->dev, 4ull * loss->n, &loss->values));
    CHI_TRY(chi__scratch_create(loss->dev, 4ull * loss->n, &loss->dots));
    if (loss->rules->labels)
        CHI_TRY(chi__scratch_create(loss->dev, 4ull * loss->n, &loss->counts));
    CHI_TRY(chi_buffer_create(loss->dev, 4, &loss->empty));
    CHI_TRY(chi_buffer_create(loss->dev, 4, &loss->value));
    chi_device_memory(loss->dev, &after, NULL);
    loss->scratch_bytes = after - before;
    return CHI_OK;
}

// κ, scale and weights; enqueued once here, or at each evaluation where the temperature is learnt.
static chi_status run_scalars(chi_loss *loss, chi_matrix log_scale)
{
    const double tau = (double)loss->options.temperature;
    return chi__run(loss->dev, &(chi__launch){
        .kernel = loss->scalars, .global = { 1 }, .local = { 1 },
        .args = { U32(log_scale.buffer != NULL), F32((float)(1.4426950408889634 / tau)), F32((float)(1.0 / tau)),
                  F32((float)(loss->rules->weight / (double)loss->n)), U64(log_scale.offset), BUF(log_scale.buffer),
                  BUF(loss->passes.scalars) },
    });
}

chi_status chi_loss_create(chi_device *dev, size_t n, size_t dim, const chi_loss_options *options, chi_loss **out)
{
    *out = NULL;
    const chi__tile *tile = NULL;
    chi_loss *loss = chi__alloc(1, sizeof *loss);
    if (!loss)
        return chi__fail(dev, CHI_ERR_MEMORY, "loss: no memory for %zu bytes", sizeof *loss);
    chi_status st = resolve(dev, n, dim, options, loss);
    if (st == CHI_OK && n > 0)
        st = chi__core_tile(dev, loss->options.no_gradient ? CHI__FAMILY_LOGSUMEXP : CHI__FAMILY_LOSS, dim, &tile);
    if (st == CHI_OK && n > 0)
        st = get_memory(loss, tile);
    if (st == CHI_OK && n > 0)
        st = get_kernels(loss);
    if (st == CHI_OK && n > 0)
        st = run_scalars(loss, (chi_matrix){ 0 });
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
    chi__passes_destroy(&l->passes);
    chi_buffer **all[] = { &l->values, &l->dots, &l->counts, &l->empty, &l->value };
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

static chi_status check(chi_loss *loss, const chi_loss_args *args)
{
    const chi__loss_rules *rules = loss->rules;
    const size_t n = loss->n, dim = loss->dim;
    const bool gradient = args->grad_x.buffer || args->grad_y.buffer || args->grad_log_scale.buffer;
    if (gradient && loss->options.no_gradient)
        return chi__fail(loss->dev, CHI_ERR_ARGUMENT, "%s: a gradient is asked for, but the loss was created with no_gradient", rules->name);
    if (args->grad_log_scale.buffer && !args->grad_x.buffer)
        return chi__fail(loss->dev, CHI_ERR_ARGUMENT, "%s: grad_log_scale is made from grad_x; ask for both", rules->name);
    if (!rules->two_inputs && (args->y.buffer || args->grad_y.buffer))
        return chi__fail(loss->dev, CHI_ERR_ARGUMENT, "%s: takes x alone, y or grad_y was given", rules->name);
    if (loss->options.learnt_temperature != (args->log_scale.buffer != NULL))
        return chi__fail(loss->dev, CHI_ERR_ARGUMENT, "%s: log_scale is %s, but learnt_temperature is %s", rules->name,
                         args->log_scale.buffer ? "given" : "missing", loss->options.learnt_temperature ? "set" : "not set");
    if (rules->labels != (args->labels != NULL))
        return chi__fail(loss->dev, CHI_ERR_ARGUMENT, "%s: labels are %s", rules->name, rules->labels ? "missing" : "given, but it has no use for them");
    if (args->labels && (chi__buffer_device(args->labels) != loss->dev || chi_buffer_bytes(args->labels) < 4 * n))
        return chi__fail(loss->dev, CHI_ERR_SHAPE, "%s: labels hold %llu bytes, %zu int32 on this device are needed", rules->name,
                         (unsigned long long)chi_buffer_bytes(args->labels), n);
    CHI_TRY(check_required(loss, args->x, n, dim, "x"));
    if (rules->two_inputs)
        CHI_TRY(check_required(loss, args->y, n, dim, "y"));
    CHI_TRY(check_optional(loss, args->grad_x, n, dim, "grad_x"));
    CHI_TRY(check_optional(loss, args->grad_y, n, dim, "grad_y"));
    CHI_TRY(check_optional(loss, args->log_scale, 1, 1, "log_scale"));
    CHI_TRY(check_optional(loss, args->grad_log_scale, 1, 1, "grad_log_scale"));
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
        .kernel = loss->project, .global = { chi__div_up(loss->n, NORM_ROWS) }, .local = { 1 },
        .args = { U32(loss->n), U32(loss->dim), U32(!loss->options.unit_rows), U64(x.offset), U32(chi__stride(x)),
                  U64(grad.offset), U32(chi__stride(grad)), BUF(x.buffer), BUF(rows->factors), BUF(rows->inverse),
                  BUF(grad.buffer), BUF(loss->dots) },
    });
}

static chi_status run_gradients(chi_loss *loss, const chi_loss_args *args, const chi__operand *y)
{
    CHI_TRY(chi__passes_backward(&loss->passes, &loss->x, y, args->grad_x, args->grad_y));
    if (args->grad_y.buffer && !loss->options.unit_rows)
        CHI_TRY(run_project(loss, y, args->grad_y));
    if (args->grad_x.buffer && (!loss->options.unit_rows || args->grad_log_scale.buffer))
        CHI_TRY(run_project(loss, &loss->x, args->grad_x));
    if (args->grad_log_scale.buffer)
        CHI_TRY(run_sum(loss, loss->dots, false, loss->rules->log_scale_factor, args->grad_log_scale.buffer, args->grad_log_scale.offset));
    return CHI_OK;
}

static chi_status enqueue(chi_loss *loss, const chi_loss_args *args, bool host_value)
{
    const chi__operand *y = loss->rules->two_inputs ? &loss->y : &loss->x;
    const chi__rows_are are = loss->options.unit_rows ? CHI__ROWS_UNIT : CHI__ROWS_RAW;
    if (args->log_scale.buffer)
        CHI_TRY(run_scalars(loss, args->log_scale));
    CHI_TRY(chi__operand_pack(&loss->x, args->x, are));
    if (loss->rules->two_inputs)
        CHI_TRY(chi__operand_pack(&loss->y, args->y, are));
    if (loss->rules->labels)
        CHI_TRY(prepare_labels(loss, args->labels));
    CHI_TRY(chi__passes_forward(&loss->passes, &loss->x, y));
    CHI_TRY(loss->rules->rows(loss));
    if (host_value)
        CHI_TRY(run_sum(loss, loss->values, true, 1.0f, loss->value, 0));
    if (args->value.buffer)
        CHI_TRY(run_sum(loss, loss->values, true, 1.0f, args->value.buffer, args->value.offset));
    return args->grad_x.buffer || args->grad_y.buffer ? run_gradients(loss, args, y) : CHI_OK;
}

chi_status chi_loss_eval(chi_loss *loss, const chi_loss_args *args, float *value)
{
    if (loss->n == 0) {
        if (args->value.buffer)
            CHI_TRY(chi__fill(args->value.buffer, 4ull * args->value.offset, 4, 0));
        if (args->grad_log_scale.buffer)
            CHI_TRY(chi__fill(args->grad_log_scale.buffer, 4ull * args->grad_log_scale.offset, 4, 0));
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

void chi_loss_describe(const chi_loss *loss, chi_loss_report *report)
{
    const double product = 2.0 * (double)loss->n * (double)loss->n * (double)loss->dim;
    const double minimum = loss->rules->two_inputs ? 3.0 : 1.5, forward = loss->rules->two_inputs ? 1.0 : 0.5;
    const chi__passes *p = &loss->passes;
    report->scratch_bytes = loss->scratch_bytes;
    report->flop_minimum = product * (loss->options.no_gradient ? forward : minimum);
    report->flop = loss->n ? chi__passes_flop(p) : 0.0;
    report->scheme = p->kept_rows == loss->n ? "kept" : p->kept_rows ? "hybrid" : "recomputed";
}
