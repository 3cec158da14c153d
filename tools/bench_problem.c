// SPDX-License-Identifier: Apache-2.0
// bench_problem.c: a problem's data and one run of it. Its word: bench_word.c. Header: bench.h.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { X, Y, GRAD_X, GRAD_Y, VALUE, OUT, INDICES, LABELS, FEATURES, GRAD_FEATURES, POOL, PICK, GRAD_OUT, GRAD_WEIGHTS, QUEUE }; // buffers
enum { TRAIN_POOL = 4096, TRAIN_SIDE = 28, TRAIN_FEATURES = 128, TRAIN_OUTPUTS = 64 };
static const float TEMPERATURE = 0.1f, SIGLIP_BIAS = -10.0f;

// ---- data --------------------------------------------------------------------------------------------
static chi_status add(problem *p, int place, uint64_t bytes, const void *from)
{
    chi_status st = chi_buffer_create(p->dev, bytes, &p->buffer[place]);
    return st == CHI_OK && from ? chi_buffer_upload(p->buffer[place], 0, from, bytes) : st;
}

static chi_status add_rows(problem *p, int place, uint64_t seed, uint64_t rows, uint64_t cols)
{
    float *x = malloc(4 * rows * cols);
    chi_status st = x ? chi_random_unit_rows(seed, rows, cols, x) : CHI_ERR_MEMORY;
    if (st == CHI_OK)
        st = add(p, place, 4 * rows * cols, x);
    free(x);
    return st;
}

static chi_matrix view(const problem *p, int place, uint64_t rows, uint64_t cols) { return chi_matrix_view(p->buffer[place], rows, cols); }

static chi_status create_similarity(problem *p)
{
    const uint64_t n = p->number[0], m = p->number[1], dim = p->number[2];
    const chi_similarity_options options = {
        .metric = p->kind == LOGSUMEXP || p->kind == STATS ? CHI_METRIC_COSINE : CHI_METRIC_DOT, .scale = p->kind == LOGSUMEXP ? 1.0f / TEMPERATURE : 1.0f, .topk = p->k,
        .uses = p->kind == GEMM ? CHI_SIMILARITY_STORE : p->kind == TOPK ? CHI_SIMILARITY_TOPK : p->kind == STATS ? CHI_SIMILARITY_STATS : CHI_SIMILARITY_LOGSUMEXP,
        .provider = !p->provider || p->provider[0] == 'a' ? CHI_PROVIDER_AUTO : strcmp(p->provider, "clblast") == 0 ? CHI_PROVIDER_CLBLAST : CHI_PROVIDER_CHIARO };
    const uint64_t outputs = p->kind == GEMM ? n * m : p->kind == TOPK ? n * p->k : p->kind == STATS ? 0 : n;
    chi_status st = add_rows(p, X, 1, n, dim);
    if (st == CHI_OK)
        st = add_rows(p, Y, 2, m, dim);
    if (st == CHI_OK && outputs)
        st = add(p, OUT, 4 * outputs, NULL);
    if (st == CHI_OK && (p->kind == TOPK || p->kind == STATS))
        st = add(p, INDICES, p->kind == TOPK ? 4 * n * p->k : sizeof p->stats, NULL);
    if (st == CHI_OK)
        st = chi_similarity_create(p->dev, n, m, dim, &options, &p->sim);
    p->flop = p->flop_minimum = 2.0 * (double)n * (double)m * (double)dim;
    p->bytes = 4.0 * ((double)(n + m) * (double)dim + (double)outputs * (p->kind == TOPK ? 2.0 : 1.0));
    p->scheme = st == CHI_OK && chi_similarity_provider(p->sim) == CHI_PROVIDER_CLBLAST ? "clblast" : "tiles";
    return st;
}

chi_loss_options problem_loss(const problem *p)
{
    static const chi_loss_kind kinds[] = { [CLIP] = CHI_LOSS_CLIP, [INFONCE] = CHI_LOSS_INFONCE, [NTXENT] = CHI_LOSS_NTXENT, [SUPCON] = CHI_LOSS_SUPCON,
                                           [MOCO] = CHI_LOSS_MOCO, [SIGLIP] = CHI_LOSS_SIGLIP };
    return (chi_loss_options){ .kind = kinds[p->kind], .temperature = TEMPERATURE, .unit_rows = true, .queue_rows = p->kind == MOCO ? p->number[1] : 0,
                               .bias = p->kind == SIGLIP ? SIGLIP_BIAS : 0.0f };
}

static chi_status create_loss(problem *p)
{
    const uint64_t n = p->number[0], m = p->number[1], dim = p->number[2];
    const bool two_inputs = p->kind != NTXENT && p->kind != SUPCON, two_gradients = two_inputs && p->kind != MOCO;
    const chi_loss_options options = problem_loss(p);
    chi_plan plan = { 0 };
    chi_status st = add_rows(p, X, 1, n, dim);
    if (st == CHI_OK)
        st = add(p, GRAD_X, 4 * n * dim, NULL);
    if (st == CHI_OK)
        st = add(p, VALUE, 4, NULL);
    if (st == CHI_OK && two_inputs)
        st = add_rows(p, Y, 2, n, dim);
    if (st == CHI_OK && p->kind == MOCO)
        st = add_rows(p, QUEUE, 3, m, dim);
    if (st == CHI_OK && two_gradients)
        st = add(p, GRAD_Y, 4 * n * dim, NULL);
    int32_t *labels = p->kind == SUPCON ? malloc(4 * n) : NULL;
    for (uint64_t i = 0; labels && i < n; i++)
        labels[i] = (int32_t)(i % p->classes);
    if (st == CHI_OK && labels)
        st = add(p, LABELS, 4 * n, labels);
    free(labels);
    if (st == CHI_OK)
        st = p->predict ? chi_plan_loss(p->dev, n, dim, &options, &plan) : CHI_OK;
    p->predicted = plan.seconds;
    if (st == CHI_OK)
        st = chi_loss_create(p->dev, n, dim, &options, &p->loss);
    if (st == CHI_OK)
        chi_loss_describe(p->loss, &plan);
    p->flop = plan.flop;
    p->flop_minimum = plan.flop_minimum;
    p->scheme = plan.scheme;
    p->bytes = 4.0 * (double)dim * ((two_gradients ? 4.0 : two_inputs ? 3.0 : 2.0) * (double)n + (p->kind == MOCO ? (double)m : 0.0));
    return st;
}

// One layer: forward, and with b = 1 its gradients by the output's, which are rows like the inputs.
static chi_status create_conv(problem *p)
{
    const uint64_t batch = p->number[0], cin = p->number[1], h = p->number[2], w = p->number[3], cout = p->number[4];
    const chi_layer layers[] = { { .kind = CHI_LAYER_CONV2D, .width = cout, .kernel = p->side, .stride = p->stride, .padding = p->padding, .no_bias = true }, { .kind = CHI_LAYER_END } };
    chi_status st = chi_encoder_create(p->dev, batch, (chi_shape){ cin, h, w }, layers, 1, &p->encoder);
    if (st != CHI_OK)
        return st;
    const chi_shape out = chi_encoder_output(p->encoder);
    const uint64_t inputs = cin * h * w, outputs = out.channels * out.height * out.width, weights = cout * cin * p->side * p->side;
    st = add_rows(p, X, 1, batch, inputs);
    if (st == CHI_OK)
        st = add(p, OUT, 4 * batch * outputs, NULL);
    if (st == CHI_OK && p->backward)
        st = add_rows(p, GRAD_OUT, 2, batch, outputs);
    if (st == CHI_OK && p->backward)
        st = add(p, GRAD_X, 4 * batch * inputs, NULL);
    if (st == CHI_OK && p->backward)
        st = add(p, GRAD_WEIGHTS, 4 * weights, NULL);
    const double passes = p->backward ? 2.0 : 1.0; // each matrix once more, as a gradient
    p->flop = p->flop_minimum = (p->backward ? 6.0 : 2.0) * (double)batch * (double)outputs * (double)(cin * p->side * p->side);
    p->bytes = 4.0 * passes * ((double)batch * (double)(inputs + outputs) + (double)weights);
    p->scheme = p->backward ? "forward, backward" : "forward";
    return st;
}

static chi_status run_conv(problem *p)
{
    const uint64_t n = p->number[0], inputs = p->number[1] * p->number[2] * p->number[3];
    const chi_shape out = chi_encoder_output(p->encoder);
    const uint64_t outputs = out.channels * out.height * out.width;
    const chi_status st = chi_encoder_forward(p->encoder, view(p, X, n, inputs), view(p, OUT, n, outputs));
    if (st != CHI_OK || !p->backward)
        return st;
    return chi_encoder_backward(p->encoder, view(p, GRAD_OUT, n, outputs), view(p, GRAD_X, n, inputs));
}

// One step of the baseline recipe: two views of each image, forward, NT-Xent, backward, AdamW.
static chi_status create_train_step(problem *p)
{
    const char *texts[2] = { "conv2d:32,k=3,s=2,p=1,bias=0 batch_norm relu conv2d:64,k=3,s=2,p=1,bias=0 batch_norm relu conv2d:128,k=3,s=2,p=1,bias=0 batch_norm relu global_pool flatten",
                             "linear:128 relu linear:64" };
    const uint64_t rows = 2 * p->number[0], pixels = TRAIN_SIDE * TRAIN_SIDE;
    chi_encoder **const networks[2] = { &p->encoder, &p->head };
    const chi_shape shapes[2] = { { 1, TRAIN_SIDE, TRAIN_SIDE }, { TRAIN_FEATURES, 1, 1 } };
    uint8_t *images = malloc(TRAIN_POOL * pixels);
    int32_t *pick = malloc(4 * p->number[0]);
    chi_status st = images && pick ? CHI_OK : CHI_ERR_MEMORY;
    for (uint64_t i = 0; st == CHI_OK && i < TRAIN_POOL * pixels; i++)
        images[i] = (uint8_t)(i * 2654435761u >> 24);
    for (uint64_t i = 0; st == CHI_OK && i < p->number[0]; i++)
        pick[i] = (int32_t)(i * 7 % TRAIN_POOL);
    if (st == CHI_OK)
        st = add(p, POOL, TRAIN_POOL * pixels, images);
    if (st == CHI_OK)
        st = add(p, PICK, 4 * p->number[0], pick);
    free(images);
    free(pick);
    for (int i = 0; i < 2 && st == CHI_OK; i++) {
        chi_layer *layers = NULL;
        st = chi_layers_parse(texts[i], &layers);
        if (st == CHI_OK)
            st = chi_encoder_create(p->dev, rows, shapes[i], layers, 1, networks[i]);
        chi_layers_free(&layers);
        if (st == CHI_OK)
            st = chi_optimizer_create(p->dev, chi_encoder_parameters(*networks[i]), &(chi_optimizer_options){ .kind = CHI_OPTIMIZER_ADAMW }, &p->optimizers[i]);
    }
    if (st == CHI_OK)
        st = chi_augment_create(p->dev, &(chi_augment_options){ .channels = 1, .height = TRAIN_SIDE, .width = TRAIN_SIDE, .shift = 4, .flip = 0.5f, .jitter = 0.8f,
                                .contrast = 0.4f, .brightness = 0.4f, .erase = 0.5f, .erase_low = 8, .erase_high = 14 }, 1, &p->augment);
    if (st == CHI_OK)
        st = chi_loss_create(p->dev, rows, TRAIN_OUTPUTS, &(chi_loss_options){ .kind = CHI_LOSS_NTXENT, .temperature = 0.2f }, &p->loss);
    const struct { int place; uint64_t floats; } all[] = { { X, rows * pixels }, { FEATURES, rows * TRAIN_FEATURES }, { GRAD_FEATURES, rows * TRAIN_FEATURES },
                                                           { OUT, rows * TRAIN_OUTPUTS }, { GRAD_X, rows * TRAIN_OUTPUTS }, { VALUE, 1 } };
    for (size_t i = 0; i < sizeof all / sizeof *all && st == CHI_OK; i++)
        st = add(p, all[i].place, 4 * all[i].floats, NULL);
    const double forward = (double)rows * 2.0 * (196.0 * 9 * 32 + 49.0 * 288 * 64 + 16.0 * 576 * 128 + 128.0 * 128 + 128.0 * 64);
    p->flop = p->flop_minimum = 3.0 * forward;
    p->bytes = 4.0 * (double)(rows * pixels);
    p->scheme = "step";
    return st;
}

chi_status problem_create(problem *p)
{
    return p->kind == CONV ? create_conv(p) : p->kind == TRAIN_STEP ? create_train_step(p) : problem_forms[p->kind].loss ? create_loss(p) : create_similarity(p);
}

// ---- one run -----------------------------------------------------------------------------------------
static chi_status run_train_step(problem *p)
{
    const uint64_t rows = 2 * p->number[0], pixels = TRAIN_SIDE * TRAIN_SIDE;
    const chi_matrix views = view(p, X, rows, pixels), features = view(p, FEATURES, rows, TRAIN_FEATURES), z = view(p, OUT, rows, TRAIN_OUTPUTS);
    const chi_matrix grad_features = view(p, GRAD_FEATURES, rows, TRAIN_FEATURES), grad_z = view(p, GRAD_X, rows, TRAIN_OUTPUTS);
    chi_status st = chi_augment_eval(p->augment, p->buffer[POOL], p->buffer[PICK], p->number[0], 2, p->step++, views);
    if (st == CHI_OK)
        st = chi_encoder_forward(p->encoder, views, features);
    if (st == CHI_OK)
        st = chi_encoder_forward(p->head, features, z);
    if (st == CHI_OK)
        st = chi_loss_eval(p->loss, &(chi_loss_args){ .x = z, .grad_x = grad_z, .value = view(p, VALUE, 1, 1) }, NULL);
    if (st == CHI_OK)
        st = chi_encoder_backward(p->head, grad_z, grad_features);
    if (st == CHI_OK)
        st = chi_encoder_backward(p->encoder, grad_features, (chi_matrix){ 0 });
    for (int i = 0; i < 2 && st == CHI_OK; i++)
        st = chi_optimizer_step(p->optimizers[i], 1e-3f);
    return st;
}

chi_status problem_run(problem *p)
{
    const uint64_t n = p->number[0], m = p->number[1], dim = p->number[2];
    switch (p->kind) {
    case GEMM:
        return chi_similarity_store(p->sim, view(p, X, n, dim), view(p, Y, m, dim), view(p, OUT, n, m));
    case LOGSUMEXP:
        return chi_similarity_logsumexp(p->sim, view(p, X, n, dim), view(p, Y, m, dim), view(p, OUT, n, 1));
    case TOPK:
        return chi_similarity_topk(p->sim, view(p, X, n, dim), view(p, Y, m, dim), p->k, view(p, OUT, n, p->k), p->buffer[INDICES]);
    case STATS:
        return chi_similarity_stats(p->sim, view(p, X, n, dim), view(p, Y, m, dim), -1.0f, 1.0f, STATS_BINS, p->stats.histogram, &p->stats.pairs);
    case CONV:
        return run_conv(p);
    case TRAIN_STEP:
        return run_train_step(p);
    default:
        break;
    }
    chi_loss_args args = { .x = view(p, X, n, dim), .grad_x = view(p, GRAD_X, n, dim), .value = view(p, VALUE, 1, 1), .labels = p->buffer[LABELS] };
    if (p->buffer[Y])
        args.y = view(p, Y, n, dim);
    if (p->buffer[GRAD_Y])
        args.grad_y = view(p, GRAD_Y, n, dim);
    if (p->kind == MOCO)
        args.queue = view(p, QUEUE, m, dim);
    return chi_loss_eval(p->loss, &args, NULL);
}

// ---- results -----------------------------------------------------------------------------------------
// A new tensor with room for its floats or integers; NULL: no memory.
static chi_tensor *add_tensor(chi_tensors *all, const char *prefix, const char *name, bool integers, uint64_t count)
{
    chi_tensor *t = &all->items[all->count];
    memset(t, 0, sizeof *t);
    snprintf(t->name, sizeof t->name, "%s%s", prefix, name);
    t->type = integers ? CHI_TYPE_I32 : CHI_TYPE_F32;
    t->dims = 1;
    t->count = t->shape[0] = count;
    t->bytes = malloc(4 * count);
    all->count += t->bytes != NULL;
    return t->bytes ? t : NULL;
}

static chi_status fetch(chi_tensors *all, const char *name, bool integers, const chi_buffer *from, uint64_t count)
{
    chi_tensor *t = add_tensor(all, "", name, integers, count);
    return t ? chi_buffer_download(from, 0, t->bytes, 4 * count) : CHI_ERR_MEMORY;
}

// In torch's shapes and order.
static chi_status fetch_weights(chi_tensors *all, const char *prefix, chi_encoder *network)
{
    const chi_parameters parameters = chi_encoder_parameters(network);
    chi_status st = CHI_OK;
    for (size_t i = 0; i < parameters.count && st == CHI_OK; i++) {
        const chi_parameter *parameter = &parameters.items[i];
        chi_tensor *t = add_tensor(all, prefix, parameter->name, false, parameter->count);
        if (!t)
            return CHI_ERR_MEMORY;
        t->dims = parameter->dims;
        memcpy(t->shape, parameter->shape, parameter->dims * sizeof *parameter->shape);
        st = chi_encoder_read(network, i, 0, (float *)t->bytes);
    }
    return st;
}

// value, then gradients in the order of their arguments; or the one output; after training steps the weights. Then what
// went in, which is not hashed.
static chi_status fetch_all(problem *p, chi_tensors *all)
{
    static const struct { int place; const char *name; } parts[] = { { VALUE, "value" }, { GRAD_X, "grad_x" }, { GRAD_Y, "grad_y" }, { GRAD_WEIGHTS, "grad_weight" }, { OUT, "output" },
                                                                     { INDICES, "indices" }, { X, "x" }, { Y, "y" }, { QUEUE, "queue" }, { GRAD_OUT, "grad_output" }, { LABELS, "labels" } };
    chi_status st = CHI_OK;
    p->hash = CHI_HASH_START;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && st == CHI_OK; i++) {
        const chi_buffer *from = p->buffer[parts[i].place];
        if (parts[i].place == X) {
            if (p->encoder && p->head)
                st = fetch_weights(all, "encoder.", p->encoder);
            if (p->encoder && p->head && st == CHI_OK)
                st = fetch_weights(all, "head.", p->head);
            for (size_t t = 0; t < all->count && st == CHI_OK; t++)
                p->hash = chi_hash(p->hash, all->items[t].bytes, 4 * all->items[t].count);
        }
        if (from && st == CHI_OK)
            st = fetch(all, parts[i].name, parts[i].place == INDICES || parts[i].place == LABELS, from,
                       parts[i].place == VALUE ? 1 : chi_buffer_bytes(from) / 4);
    }
    return st;
}

// What is not in a buffer yet.
static chi_status gather(problem *p)
{
    if (p->kind == STATS)
        return chi_buffer_upload(p->buffer[INDICES], 0, &p->stats, sizeof p->stats);
    if (!p->buffer[GRAD_WEIGHTS])
        return CHI_OK;
    float *weights = malloc(chi_buffer_bytes(p->buffer[GRAD_WEIGHTS]));
    chi_status st = weights ? chi_encoder_read(p->encoder, 0, 1, weights) : CHI_ERR_MEMORY;
    if (st == CHI_OK)
        st = chi_buffer_upload(p->buffer[GRAD_WEIGHTS], 0, weights, chi_buffer_bytes(p->buffer[GRAD_WEIGHTS]));
    free(weights);
    return st;
}

chi_status problem_results(problem *p, const char *dump)
{
    const size_t weights = (p->encoder ? chi_encoder_parameters(p->encoder).count : 0) + (p->head ? chi_encoder_parameters(p->head).count : 0);
    chi_tensors all = { .items = calloc(weights + PROBLEM_BUFFERS, sizeof(chi_tensor)) };
    chi_status st = all.items ? gather(p) : CHI_ERR_MEMORY;
    if (st == CHI_OK)
        st = fetch_all(p, &all);
    if (st == CHI_OK && dump)
        st = chi_safetensors_write(dump, &all);
    for (size_t i = 0; i < all.count; i++)
        free(all.items[i].bytes);
    free(all.items);
    return st;
}

void problem_destroy(problem *p)
{
    chi_similarity_destroy(&p->sim);
    chi_loss_destroy(&p->loss);
    chi_augment_destroy(&p->augment);
    chi_optimizer_destroy(&p->optimizers[0]);
    chi_optimizer_destroy(&p->optimizers[1]);
    chi_encoder_destroy(&p->encoder);
    chi_encoder_destroy(&p->head);
    for (size_t i = 0; i < PROBLEM_BUFFERS; i++)
        chi_buffer_destroy(&p->buffer[i]);
}
