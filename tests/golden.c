// SPDX-License-Identifier: Apache-2.0
// golden.c: values and gradients from public implementations (tests/golden/*.safetensors, made by their peers in float64)
// against ours. One table maps a peer's convention to our options; nothing is tuned per case. A case that no option can
// express is counted as skipped and named. Tolerances are those of tests/golden/README.md.
#include <chiaro/chiaro.h>

#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct golden {
    const char *name;
    chi_tensors file;
    json_t *options;
    chi_device *dev;
    double largest;     // of all gradients of the case
    bool failed;
    const char *cannot; // why no option expresses it
} golden;

static const float *floats(golden *g, const char *name, size_t *count)
{
    const chi_tensor *t = chi_tensors_find(&g->file, name);
    if (count)
        *count = t ? t->count : 0;
    return t && t->type == CHI_TYPE_F32 ? t->bytes : NULL;
}
static double meta(golden *g, const char *key) { const char *t = chi_tensors_metadata(&g->file, key); return t ? atof(t) : 0.0; }
static double option(golden *g, const char *key) { return json_number_value(json_object_get(g->options, key)); }
static bool peer_is(golden *g, const char *part) { const char *t = chi_tensors_metadata(&g->file, "peer"); return t && strstr(t, part); }

static void complain(golden *g, const char *what, double got, double want, double allowed)
{
    printf("%s: %s is %.9g, want %.9g within %.2g\n", g->name, what, got, want, allowed);
    g->failed = true;
}

static void check_value(golden *g, const char *what, double got, double want)
{
    const double allowed = fmax(1e-5 * fabs(want) + 1e-6, 4.0 * meta(g, "f32_value_err"));
    if (!(fabs(got - want) <= allowed))
        complain(g, what, got, want, allowed);
}

// The largest error against the largest entry.
static void check_gradient(golden *g, const char *what, const float *got, const float *want, size_t n, double factor)
{
    double most = 0.0, worst = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double e = fabs((double)got[i] * factor - (double)want[i]);
        most = fmax(most, fabs((double)want[i]));
        worst = e > worst || isnan(e) ? e : worst;
    }
    const double wide = fmin(4.0 * meta(g, "f32_grad_err") * most, 4e-3 * g->largest);
    const double allowed = fmax(fmax(2e-5 * most, wide), 1e-9);
    if (!(worst <= allowed))
        complain(g, what, worst, 0.0, allowed);
}

static chi_buffer *upload(golden *g, const void *from, size_t bytes)
{
    chi_buffer *b = NULL;
    if (chi_buffer_create(g->dev, bytes, &b) != CHI_OK || (from && chi_buffer_upload(b, 0, from, bytes) != CHI_OK)) {
        printf("%s: %s\n", g->name, chi_error_text());
        g->failed = true;
    }
    return b;
}

// ---- losses ------------------------------------------------------------------------------------------
// How a peer's loss reads in our options.
typedef struct loss_case {
    chi_loss_kind kind;
    bool unit, stacked;      // rows are unit; [x; y] is one matrix
    chi_empty_rows empty;
    double factor;           // peer's value = factor · ours
    float log_scale;
    double scale_factor;     // peer's gradient of its temperature = this · dL/dlog_scale
    const char *scale_name;  // that gradient's tensor, NULL: none
    const float *bias;       // learnt, its gradient in grad_logit_bias; NULL: none
    const float *queue;      // [queue_rows][dim], NULL: none
    size_t queue_rows;
} loss_case;

static void check_loss(golden *g, const loss_case *c, const float *x, const float *y, size_t n, size_t dim, const int32_t *labels,
                       const float *want_x, const float *want_y)
{
    const size_t rows = c->stacked ? 2 * n : n, bytes = 4 * rows * dim;
    const bool two = c->kind == CHI_LOSS_CLIP || c->kind == CHI_LOSS_SIGLIP, keys = c->kind == CHI_LOSS_MOCO;
    float *gx = malloc(bytes), *gy = malloc(bytes), value = NAN, scale[4] = { c->log_scale, NAN, c->bias ? c->bias[0] : 0.0f, NAN };
    chi_buffer *bx = upload(g, NULL, bytes), *by = two || keys ? upload(g, y, bytes) : NULL, *gbx = upload(g, NULL, bytes), *gby = two ? upload(g, NULL, bytes) : NULL;
    chi_buffer *bs = upload(g, scale, sizeof scale), *bl = labels ? upload(g, labels, 4 * rows) : NULL;
    chi_buffer *bq = c->queue ? upload(g, c->queue, 4 * c->queue_rows * dim) : NULL;
    chi_buffer_upload(bx, 0, x, 4 * n * dim);
    if (c->stacked)
        chi_buffer_upload(bx, 4 * n * dim, y, 4 * n * dim);
    chi_loss *loss = NULL;
    const bool learnt = c->scale_name != NULL;
    chi_status st = chi_loss_create(g->dev, rows, dim, &(chi_loss_options){ .kind = c->kind, .temperature = expf(-c->log_scale), .unit_rows = c->unit,
                                    .learnt_temperature = learnt, .learnt_bias = c->bias != NULL, .queue_rows = c->queue_rows, .empty_rows = c->empty }, &loss);
    chi_loss_args args = { .x = chi_matrix_view(bx, rows, dim), .grad_x = chi_matrix_view(gbx, rows, dim), .labels = bl };
    if (two || keys)
        args.y = chi_matrix_view(by, rows, dim);
    if (two)
        args.grad_y = chi_matrix_view(gby, rows, dim);
    if (keys)
        args.queue = chi_matrix_view(bq, c->queue_rows, dim);
    if (c->bias) {
        args.bias = args.grad_bias = chi_matrix_view(bs, 1, 1);
        args.bias.offset = 2;
        args.grad_bias.offset = 3;
    }
    if (learnt) {
        args.log_scale = chi_matrix_view(bs, 1, 1);
        args.grad_log_scale = chi_matrix_view(bs, 1, 1);
        args.grad_log_scale.offset = 1;
    }
    if (st == CHI_OK)
        st = chi_loss_eval(loss, &args, &value);
    if (st == CHI_OK)
        st = chi_buffer_download(gbx, 0, gx, bytes);
    if (st == CHI_OK && two)
        st = chi_buffer_download(gby, 0, gy, bytes);
    if (st == CHI_OK)
        st = chi_buffer_download(bs, 0, scale, sizeof scale);
    if (st != CHI_OK) {
        printf("%s: %s\n", g->name, chi_error_text());
        g->failed = true;
    } else {
        check_value(g, "value", (double)value * c->factor, meta(g, "loss_value"));
        check_gradient(g, "grad_x", gx, want_x, n * dim, c->factor);
        if (want_y)
            check_gradient(g, "grad_y", two ? gy : gx + n * dim, want_y, n * dim, c->factor);
        if (learnt)
            check_gradient(g, c->scale_name, scale + 1, floats(g, c->scale_name, NULL), 1, c->factor * c->scale_factor);
        if (c->bias)
            check_gradient(g, "grad_logit_bias", scale + 3, floats(g, "grad_logit_bias", NULL), 1, c->factor);
    }
    chi_loss_destroy(&loss);
    chi_buffer **all[] = { &bx, &by, &gbx, &gby, &bs, &bl, &bq };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        chi_buffer_destroy(all[i]);
    free(gx);
    free(gy);
}

static void golden_clip(golden *g)
{
    const chi_tensor *t = chi_tensors_find(&g->file, "x");
    const char *input = json_string_value(json_object_get(g->options, "input"));
    if (peer_is(g, "open_clip") && input && strcmp(input, "raw") == 0) {
        g->cannot = "rows that are neither unit nor to be normalised";
        return;
    }
    const bool siglip = strcmp(chi_tensors_metadata(&g->file, "loss"), "siglip") == 0;
    const loss_case c = { .kind = siglip ? CHI_LOSS_SIGLIP : CHI_LOSS_CLIP, .bias = siglip ? floats(g, "logit_bias", NULL) : NULL, .unit = peer_is(g, "open_clip"), .factor = 1.0, .log_scale = floats(g, "logit_scale", NULL)[0],
                          .scale_factor = 1.0, .scale_name = "grad_logit_scale" };
    check_loss(g, &c, floats(g, "x", NULL), floats(g, "y", NULL), t->shape[0], t->shape[1], NULL, floats(g, "grad_x", NULL), floats(g, "grad_y", NULL));
}

static void golden_moco(golden *g)
{
    const chi_tensor *t = chi_tensors_find(&g->file, "x"), *queue = chi_tensors_find(&g->file, "queue");
    const loss_case c = { .kind = CHI_LOSS_MOCO, .factor = 1.0, .log_scale = (float)-log((double)(float)option(g, "temperature")),
                          .queue = queue->bytes, .queue_rows = queue->shape[0] };
    check_loss(g, &c, floats(g, "x", NULL), floats(g, "y", NULL), t->shape[0], t->shape[1], NULL, floats(g, "grad_x", NULL), NULL);
}

// lightly: two views as two matrices, gradient of τ: dL/dτ = −dL/dlog_scale / τ.
static void golden_ntxent(golden *g)
{
    const chi_tensor *t = chi_tensors_find(&g->file, "x");
    const double tau = (double)(float)option(g, "temperature");
    const loss_case c = { .kind = CHI_LOSS_NTXENT, .stacked = true, .factor = 1.0, .log_scale = (float)-log(tau), .scale_factor = -1.0 / tau, .scale_name = "grad_temperature" };
    check_loss(g, &c, floats(g, "x", NULL), floats(g, "y", NULL), t->shape[0], t->shape[1], NULL, floats(g, "grad_x", NULL), floats(g, "grad_y", NULL));
}

static int32_t *labels_of(golden *g, size_t batch, size_t views)
{
    const chi_tensor *t = json_is_false(json_object_get(g->options, "labels")) ? NULL : chi_tensors_find(&g->file, "labels");
    int32_t *labels = malloc(4 * batch * views);
    for (size_t i = 0; i < batch * views; i++)
        labels[i] = t ? (int32_t)((const int64_t *)t->bytes)[i / views] : (int32_t)(i / views);
    return labels;
}

// SupContrast: [batch][views][dim], labels or the image itself as label, factor τ / τ_base, every row in the mean.
static void golden_supcontrast(golden *g)
{
    const chi_tensor *t = chi_tensors_find(&g->file, "x");
    const double tau = (double)(float)option(g, "temperature"), base = (double)(float)option(g, "base_temperature");
    if (strcmp(json_string_value(json_object_get(g->options, "mode")), "all") != 0) {
        g->cannot = "anchors of the first view alone";
        return;
    }
    int32_t *labels = labels_of(g, t->shape[0], t->shape[1]);
    const loss_case c = { .kind = CHI_LOSS_SUPCON, .empty = CHI_EMPTY_ROWS_ZERO, .factor = tau / base, .log_scale = (float)-log(tau) };
    check_loss(g, &c, floats(g, "x", NULL), NULL, t->shape[0] * t->shape[1], t->shape[2], labels, floats(g, "grad_x", NULL), NULL);
    free(labels);
}

static void golden_supcon(golden *g)
{
    if (peer_is(g, "SupContrast")) {
        golden_supcontrast(g);
        return;
    }
    const chi_tensor *t = chi_tensors_find(&g->file, "x");
    const double tau = (double)(float)option(g, "temperature");
    int32_t *labels = labels_of(g, t->shape[0], 1);
    const loss_case c = { .kind = CHI_LOSS_SUPCON, .factor = 1.0, .log_scale = (float)-log(tau), .scale_factor = -1.0 / tau, .scale_name = "grad_temperature" };
    bool negatives = false;
    for (size_t i = 1; i < t->shape[0]; i++)
        negatives |= labels[i] != labels[0];
    if (!negatives)
        g->cannot = "defined as 0 where there is no negative";
    else
        check_loss(g, &c, floats(g, "x", NULL), NULL, t->shape[0], t->shape[1], labels, floats(g, "grad_x", NULL), NULL);
    free(labels);
}

static void golden_pairs(golden *g) { peer_is(g, "SupContrast") ? golden_supcontrast(g) : golden_ntxent(g); }

// ---- layers ------------------------------------------------------------------------------------------
static void check_tensor(golden *g, chi_encoder *enc, const char *parameter, int which, const char *name)
{
    const chi_parameters p = chi_encoder_parameters(enc);
    size_t count = 0;
    const float *want = floats(g, name, &count);
    for (size_t i = 0; i < p.count && want; i++) {
        if (strcmp(p.items[i].name, parameter) != 0)
            continue;
        float *got = malloc(4 * count);
        if (p.items[i].count != count || chi_encoder_read(enc, i, which, got) != CHI_OK)
            complain(g, name, (double)p.items[i].count, (double)count, 0.0);
        else
            check_gradient(g, name, got, want, count, 1.0);
        free(got);
    }
}

static void write_tensor(golden *g, chi_encoder *enc, const char *parameter, const char *name)
{
    const chi_parameters p = chi_encoder_parameters(enc);
    const float *from = floats(g, name, NULL);
    for (size_t i = 0; i < p.count && from; i++)
        if (strcmp(p.items[i].name, parameter) == 0 && chi_encoder_write(enc, i, from) != CHI_OK)
            g->failed = true;
}

static void run_layer(golden *g, chi_encoder *enc, size_t rows, size_t in, size_t out)
{
    chi_buffer *x = upload(g, floats(g, "x", NULL), 4 * rows * in), *up = upload(g, floats(g, "upstream", NULL), 4 * rows * out);
    chi_buffer *z = upload(g, NULL, 4 * rows * out), *gx = upload(g, NULL, 4 * rows * in);
    float *got = malloc(4 * rows * (in > out ? in : out));
    chi_status st = chi_encoder_forward(enc, chi_matrix_view(x, rows, in), chi_matrix_view(z, rows, out));
    if (st == CHI_OK)
        st = chi_encoder_backward(enc, chi_matrix_view(up, rows, out), chi_matrix_view(gx, rows, in));
    if (st == CHI_OK)
        st = chi_buffer_download(z, 0, got, 4 * rows * out);
    if (st == CHI_OK)
        check_gradient(g, "output", got, floats(g, "output", NULL), rows * out, 1.0);
    if (st == CHI_OK)
        st = chi_buffer_download(gx, 0, got, 4 * rows * in);
    if (st == CHI_OK)
        check_gradient(g, "grad_x", got, floats(g, "grad_x", NULL), rows * in, 1.0);
    else
        printf("%s: %s\n", g->name, chi_error_text());
    g->failed |= st != CHI_OK;
    static const char *const names[][3] = { { "0.weight", "weight", "grad_weight" }, { "0.bias", "bias", "grad_bias" } };
    for (size_t i = 0; i < 2; i++)
        check_tensor(g, enc, names[i][0], 1, names[i][2]);
    check_tensor(g, enc, "0.running_mean", 0, "running_mean_after");
    check_tensor(g, enc, "0.running_var", 0, "running_var_after");
    chi_buffer_destroy(&x);
    chi_buffer_destroy(&up);
    chi_buffer_destroy(&z);
    chi_buffer_destroy(&gx);
    free(got);
}

static void check_layer(golden *g, chi_layer layer, bool eval)
{
    const chi_tensor *t = chi_tensors_find(&g->file, "x");
    const chi_layer list[] = { layer, { .kind = CHI_LAYER_END } };
    chi_shape shape = { t->dims > 1 ? t->shape[1] : t->shape[0], t->dims > 2 ? t->shape[2] : 1, t->dims > 3 ? t->shape[3] : 1 };
    const size_t rows = t->dims > 1 ? t->shape[0] : 1;
    chi_encoder *enc = NULL;
    if (chi_encoder_create(g->dev, rows, shape, list, 1, &enc) != CHI_OK) {
        printf("%s: %s\n", g->name, chi_error_text());
        g->failed = true;
        return;
    }
    static const char *const names[][2] = { { "0.weight", "weight" }, { "0.bias", "bias" }, { "0.running_mean", "running_mean" }, { "0.running_var", "running_var" } };
    for (size_t i = 0; i < 4; i++)
        write_tensor(g, enc, names[i][0], names[i][1]);
    chi_encoder_set_mode(enc, eval ? CHI_ENCODER_EVAL : CHI_ENCODER_TRAIN);
    const chi_shape out = chi_encoder_output(enc);
    run_layer(g, enc, rows, shape.channels * shape.height * shape.width, out.channels * out.height * out.width);
    chi_encoder_destroy(&enc);
}

static size_t size_option(golden *g, const char *key) { return (size_t)option(g, key); }

static void golden_linear(golden *g)
{
    const chi_tensor *w = chi_tensors_find(&g->file, "weight");
    check_layer(g, (chi_layer){ .kind = CHI_LAYER_LINEAR, .width = w->shape[0], .no_bias = !floats(g, "bias", NULL) }, false);
}
static void golden_conv(golden *g)
{
    const chi_tensor *w = chi_tensors_find(&g->file, "weight");
    if (option(g, "dilation") != 1.0 || w->shape[2] != w->shape[3] || !json_is_number(json_object_get(g->options, "stride")))
        g->cannot = "dilation, or a window that is not square";
    else
        check_layer(g, (chi_layer){ .kind = CHI_LAYER_CONV2D, .width = w->shape[0], .kernel = w->shape[2], .stride = size_option(g, "stride"),
                                    .padding = size_option(g, "padding"), .groups = size_option(g, "groups"), .no_bias = !floats(g, "bias", NULL) }, false);
}
static void golden_batch_norm(golden *g)
{
    check_layer(g, (chi_layer){ .kind = CHI_LAYER_BATCH_NORM, .epsilon = (float)option(g, "eps"), .momentum = (float)option(g, "momentum") },
                !json_is_true(json_object_get(g->options, "train")));
}
static void golden_relu(golden *g) { check_layer(g, (chi_layer){ .kind = CHI_LAYER_RELU }, false); }
static void golden_gelu(golden *g) { check_layer(g, (chi_layer){ .kind = CHI_LAYER_GELU }, false); }
static void golden_gelu_tanh(golden *g) { g->cannot = "the tanh form of GELU"; }
static void golden_normalize(golden *g) { check_layer(g, (chi_layer){ .kind = CHI_LAYER_NORMALIZE }, false); }
static void golden_pool_max(golden *g)
{
    check_layer(g, (chi_layer){ .kind = CHI_LAYER_MAX_POOL, .kernel = size_option(g, "kernel"), .stride = size_option(g, "stride"), .padding = size_option(g, "padding") }, false);
}
static void golden_pool_avg(golden *g)
{
    check_layer(g, (chi_layer){ .kind = CHI_LAYER_AVERAGE_POOL, .kernel = size_option(g, "kernel"), .stride = size_option(g, "stride"), .padding = size_option(g, "padding") }, false);
}
static void golden_pool_adaptive(golden *g)
{
    const json_t *out = json_object_get(g->options, "out");
    if (json_number_value(json_array_get(out, 0)) != 1.0 || json_number_value(json_array_get(out, 1)) != 1.0)
        g->cannot = "adaptive pooling to more than one position";
    else
        check_layer(g, (chi_layer){ .kind = CHI_LAYER_GLOBAL_POOL }, false);
}
static void golden_pool_adaptive_max(golden *g) { g->cannot = "adaptive maximum pooling"; }

// ---- optimisers and schedules ---------------------------------------------------------------------------
enum { TENSORS = 4 };

static void check_steps(golden *g, chi_optimizer *opt, chi_parameter *p, double rate)
{
    const chi_tensor *grads[TENSORS], *after[TENSORS];
    char name[32];
    for (size_t i = 0; i < TENSORS; i++) {
        snprintf(name, sizeof name, "grads%zu", i);
        grads[i] = chi_tensors_find(&g->file, name);
        snprintf(name, sizeof name, "after%zu", i);
        after[i] = chi_tensors_find(&g->file, name);
    }
    for (size_t s = 0; s < grads[0]->shape[0]; s++) {
        for (size_t i = 0; i < TENSORS; i++)
            chi_buffer_upload(p[i].grad.buffer, 0, (const float *)grads[i]->bytes + s * p[i].count, 4 * p[i].count);
        if (chi_optimizer_step(opt, (float)rate) != CHI_OK)
            g->failed = true;
        for (size_t i = 0; i < TENSORS; i++) {
            float got[64] = { 0 };
            chi_buffer_download(p[i].value.buffer, 0, got, 4 * p[i].count);
            for (size_t k = 0; k < p[i].count; k++) {
                const double want = (double)((const float *)after[i]->bytes)[s * p[i].count + k], allowed = 2e-6 * (double)(s + 1) * fmax(fabs(want), 0.05);
                if (!(fabs((double)got[k] - want) <= allowed))
                    complain(g, after[i]->name, (double)got[k], want, allowed);
            }
        }
    }
}

static void check_optimizer(golden *g, const chi_optimizer_options *options)
{
    chi_parameter p[TENSORS] = { 0 };
    chi_optimizer *opt = NULL;
    for (size_t i = 0; i < TENSORS; i++) {
        snprintf(p[i].name, sizeof p[i].name, "param%zu", i);
        const chi_tensor *t = chi_tensors_find(&g->file, p[i].name);
        p[i].count = p[i].shape[0] = t->count;
        p[i].dims = 1;
        p[i].decay = p[i].trained = true;
        p[i].value = chi_matrix_view(upload(g, t->bytes, 4 * t->count), 1, t->count);
        p[i].grad = chi_matrix_view(upload(g, NULL, 4 * t->count), 1, t->count);
    }
    if (chi_optimizer_create(g->dev, (chi_parameters){ p, TENSORS }, options, &opt) == CHI_OK)
        check_steps(g, opt, p, option(g, "lr"));
    else
        complain(g, chi_error_text(), 0, 0, 0);
    chi_optimizer_destroy(&opt);
    for (size_t i = 0; i < TENSORS; i++) {
        chi_buffer_destroy(&p[i].value.buffer);
        chi_buffer_destroy(&p[i].grad.buffer);
    }
}

static void golden_sgd(golden *g)
{
    check_optimizer(g, &(chi_optimizer_options){ .kind = CHI_OPTIMIZER_SGD, .momentum = (float)option(g, "momentum"), .dampening = (float)option(g, "dampening"),
                                                 .nesterov = json_is_true(json_object_get(g->options, "nesterov")), .weight_decay = (float)option(g, "weight_decay") });
}
static void golden_adamw(golden *g)
{
    const json_t *betas = json_object_get(g->options, "betas");
    if (json_is_true(json_object_get(g->options, "amsgrad")))
        g->cannot = "amsgrad";
    else
        check_optimizer(g, &(chi_optimizer_options){ .kind = CHI_OPTIMIZER_ADAMW, .beta1 = (float)json_number_value(json_array_get(betas, 0)),
                                                     .beta2 = (float)json_number_value(json_array_get(betas, 1)), .epsilon = (float)option(g, "eps"),
                                                     .weight_decay = (float)option(g, "weight_decay") });
}

// lightly reaches the end value at the last step: our `steps` is one less.
static void golden_schedule(golden *g)
{
    const chi_tensor *t = chi_tensors_find(&g->file, "values_f64");
    if (json_is_number(json_object_get(g->options, "period")) || option(g, "warmup_start") != 0.0 || option(g, "max_steps") < 2.0) {
        g->cannot = "a period, a warm-up that starts above 0, or a schedule of one step";
        return;
    }
    const chi_schedule s = { CHI_SCHEDULE_COSINE, option(g, "start"), option(g, "end"), (uint64_t)option(g, "warmup_steps"), (uint64_t)option(g, "max_steps") - 1 };
    for (size_t i = 0; i < t->count; i++) {
        const double want = ((const double *)t->bytes)[i], got = chi_schedule_rate(&s, i);
        if (!(fabs(got - want) <= 1e-7 * fabs(want) + 1e-12))
            complain(g, "rate", got, want, 1e-7);
    }
}

static const struct { const char *loss; void (*run)(golden *g); } table[] = {
    { "clip", golden_clip }, { "siglip", golden_clip }, { "moco", golden_moco }, { "nt_xent", golden_pairs }, { "supcon", golden_supcon }, { "layer_linear", golden_linear },
    { "layer_conv2d", golden_conv }, { "layer_batch_norm", golden_batch_norm }, { "layer_relu", golden_relu }, { "layer_gelu_erf", golden_gelu },
    { "layer_gelu_tanh", golden_gelu_tanh }, { "layer_normalize", golden_normalize }, { "layer_pool_max", golden_pool_max },
    { "layer_pool_avg", golden_pool_avg }, { "layer_pool_adaptive_avg", golden_pool_adaptive }, { "layer_pool_adaptive_max", golden_pool_adaptive_max },
    { "optimizer_sgd", golden_sgd }, { "optimizer_adamw", golden_adamw }, { "schedule_cosine", golden_schedule },
};

static double largest_gradient(golden *g)
{
    double most = 0.0;
    for (size_t i = 0; i < g->file.count; i++) {
        const chi_tensor *t = &g->file.items[i];
        for (size_t k = 0; strncmp(t->name, "grad_", 5) == 0 && t->type == CHI_TYPE_F32 && k < t->count; k++)
            most = fmax(most, fabs((double)((const float *)t->bytes)[k]));
    }
    return most;
}

int main(void)
{
    char folder[4096], path[4600];
    size_t passed = 0, failed = 0, skipped = 0, count = 0;
    snprintf(folder, sizeof folder, "%s/golden", getenv("CHIARO_TESTS") ? getenv("CHIARO_TESTS") : "tests");
    struct dirent **entries = NULL;
    const int found = scandir(folder, &entries, NULL, alphasort);
    golden g = { 0 };
    if (chi_device_open(NULL, &g.dev) != CHI_OK) {
        printf("%s\n", chi_error_text());
        return 77;
    }
    for (int i = 0; i < found; i++) {
        g.name = entries[i]->d_name;
        if (!strstr(g.name, ".safetensors"))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, g.name);
        g.failed = chi_safetensors_read(path, &g.file) != CHI_OK;
        g.cannot = NULL;
        const char *loss = chi_tensors_metadata(&g.file, "loss"), *options = chi_tensors_metadata(&g.file, "options");
        g.options = json_loads(options ? options : "{}", 0, NULL);
        g.largest = largest_gradient(&g);
        size_t row = 0;
        while (row < sizeof table / sizeof *table && loss && strcmp(table[row].loss, loss) != 0)
            row++;
        if (g.failed || !loss || row == sizeof table / sizeof *table)
            complain(&g, "no row of the table fits", 0, 0, 0);
        else
            table[row].run(&g);
        if (g.cannot)
            printf("%s: no option expresses %s\n", g.name, g.cannot);
        count++;
        skipped += g.cannot != NULL;
        failed += !g.cannot && g.failed;
        passed += !g.cannot && !g.failed;
        json_decref(g.options);
        chi_tensors_free(&g.file);
    }
    for (int i = 0; i < found; i++)
        free(entries[i]);
    free(entries);
    chi_device_close(&g.dev);
    printf("%zu passed, %zu failed, %zu skipped\n", passed, failed + (count == 0), skipped);
    return failed || count == 0;
}
