// SPDX-License-Identifier: Apache-2.0
// bench_problem.c: see bench.h. A problem is a short string, the same in bench, test and tuning record.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static const struct {
    const char *name;
    size_t numbers;
    bool square;
} kinds[PROBLEM_KINDS] = {
    { "gemm", 3, false }, { "logsumexp", 3, false }, { "clip", 3, true }, { "ntxent", 3, true }, { "supcon", 3, true },
    { "topk", 3, false }, { "conv", 5, false }, { "train-step", 1, false },
};
enum { X, Y, GRAD_X, GRAD_Y, VALUE, OUT, INDICES, LABELS, FEATURES, GRAD_FEATURES, POOL, PICK }; // buffers
enum { TRAIN_POOL = 4096, TRAIN_SIDE = 28, TRAIN_FEATURES = 128, TRAIN_OUTPUTS = 64 };
static const float TEMPERATURE = 0.1f;

// ---- words -------------------------------------------------------------------------------------------
static int read_option(problem *p, char *part)
{
    static const char *const keys[] = { "c", "k", "s", "p" };
    const char *allowed = p->kind == SUPCON ? "c" : p->kind == TOPK ? "k" : p->kind == CONV ? "ksp" : "";
    char *value = strchr(part, '=');
    uint64_t number = 0;
    if (value)
        *value++ = 0;
    if (!value || !tool_count(value, &number) || number > 1u << 20)
        return tool_usage("%s: \"%s\" is not KEY=NUMBER", p->word, part);
    uint64_t *const places[] = { &p->classes, p->kind == CONV ? &p->side : &p->k, &p->stride, &p->padding };
    for (size_t i = 0; i < 4; i++)
        if (strcmp(part, keys[i]) == 0 && strchr(allowed, part[0])) {
            *places[i] = number;
            return TOOL_DONE;
        }
    return tool_usage("%s: %s has no option \"%s\"; supcon has c, topk k, conv k, s and p", p->word, kinds[p->kind].name, part);
}

static int read_numbers(problem *p, char *text)
{
    size_t count = 0;
    for (char *part = text, *next; part; part = next, count++) {
        if ((next = strchr(part, 'x')) != NULL)
            *next++ = 0;
        if (count == kinds[p->kind].numbers || !tool_count(part, &p->number[count]) || p->number[count] == 0 || p->number[count] > 1u << 30)
            return tool_usage("%s: %s takes %zu numbers from 1 to 2^30, separated by x", p->word, kinds[p->kind].name, kinds[p->kind].numbers);
    }
    return count == kinds[p->kind].numbers ? TOOL_DONE : tool_usage("%s: %s takes %zu numbers, %zu were given", p->word, kinds[p->kind].name, kinds[p->kind].numbers, count);
}

static int read_word(problem *p)
{
    char copy[256];
    const char *names[PROBLEM_KINDS];
    size_t kind = 0;
    snprintf(copy, sizeof copy, "%s", p->word);
    char *colon = strchr(copy, ':'), *comma = strchr(copy, ',');
    for (size_t i = 0; i < PROBLEM_KINDS; i++)
        names[i] = kinds[i].name;
    if (!colon || strlen(p->word) >= sizeof copy)
        return tool_usage("\"%.60s\" is no problem: KIND:NUMBERS, for example clip:4096x4096x128", p->word);
    *colon = 0;
    while (kind < PROBLEM_KINDS && strcmp(kinds[kind].name, copy) != 0)
        kind++;
    if (kind == PROBLEM_KINDS)
        return tool_usage("there is no problem of kind \"%s\"; the nearest is \"%s\"", copy, tool_nearest(copy, names, PROBLEM_KINDS));
    p->kind = (problem_kind)kind;
    p->classes = 100;
    p->k = 10;
    p->side = 3;
    p->stride = 1;
    p->padding = UINT64_MAX;
    if (comma)
        *comma++ = 0;
    int result = read_numbers(p, colon + 1);
    for (char *part = comma; part && result == TOOL_DONE;) {
        char *next = strchr(part, ',');
        if (next)
            *next++ = 0;
        result = read_option(p, part);
        part = next;
    }
    p->padding = p->padding == UINT64_MAX ? p->side / 2 : p->padding;
    return result;
}

int problem_check(const char *word, const char *provider)
{
    problem p = { .word = word };
    const int result = read_word(&p);
    if (result != TOOL_DONE)
        return result;
    const uint64_t n = p.number[0], m = p.number[1], dim = p.number[2];
    if (provider && p.kind != GEMM)
        return tool_usage("--provider is for gemm alone");
    if (kinds[p.kind].square && n != m)
        return tool_usage("%s: both counts of rows must be equal, they are %llu and %llu", word, (unsigned long long)n, (unsigned long long)m);
    if (p.kind == NTXENT && n % 2)
        return tool_usage("%s: ntxent needs an even number of rows", word);
    if (p.kind == SUPCON && p.classes == 0)
        return tool_usage("%s: c is the number of classes, at least 1", word);
    if (p.kind == TOPK && (p.k == 0 || p.k > m || p.k > 1024))
        return tool_usage("%s: k = %llu must be 1 … %llu, and at most 1024", word, (unsigned long long)p.k, (unsigned long long)m);
    if (p.kind == CONV && (p.side == 0 || p.stride == 0 || p.padding >= p.side))
        return tool_usage("%s: k = %llu and s = %llu must be at least 1, p = %llu below k", word, (unsigned long long)p.side, (unsigned long long)p.stride, (unsigned long long)p.padding);
    if (kinds[p.kind].numbers == 3 && ((n > m ? n : m) > UINT32_MAX / 4 / dim || (p.kind == GEMM && n > UINT32_MAX / m)))
        return tool_usage("%s: more than 2^30 floats in one matrix", word);
    return TOOL_DONE;
}

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
        .metric = p->kind == LOGSUMEXP ? CHI_METRIC_COSINE : CHI_METRIC_DOT, .scale = p->kind == LOGSUMEXP ? 1.0f / TEMPERATURE : 1.0f, .topk = p->k,
        .uses = p->kind == GEMM ? CHI_SIMILARITY_STORE : p->kind == TOPK ? CHI_SIMILARITY_TOPK : CHI_SIMILARITY_LOGSUMEXP,
        .provider = p->provider && strcmp(p->provider, "clblast") == 0 ? CHI_PROVIDER_CLBLAST : CHI_PROVIDER_CHIARO };
    const uint64_t outputs = p->kind == GEMM ? n * m : p->kind == TOPK ? n * p->k : n;
    chi_status st = add_rows(p, X, 1, n, dim);
    if (st == CHI_OK)
        st = add_rows(p, Y, 2, m, dim);
    if (st == CHI_OK)
        st = add(p, OUT, 4 * outputs, NULL);
    if (st == CHI_OK && p->kind == TOPK)
        st = add(p, INDICES, 4 * n * p->k, NULL);
    if (st == CHI_OK)
        st = chi_similarity_create(p->dev, n, m, dim, &options, &p->sim);
    p->flop = p->flop_minimum = 2.0 * (double)n * (double)m * (double)dim;
    p->bytes = 4.0 * ((double)(n + m) * (double)dim + (double)outputs);
    p->scheme = options.provider == CHI_PROVIDER_CLBLAST ? "clblast" : "tiles";
    return st;
}

static chi_status create_loss(problem *p)
{
    static const chi_loss_kind loss[] = { [CLIP] = CHI_LOSS_CLIP, [NTXENT] = CHI_LOSS_NTXENT, [SUPCON] = CHI_LOSS_SUPCON };
    const uint64_t n = p->number[0], dim = p->number[2];
    chi_status st = add_rows(p, X, 1, n, dim);
    if (st == CHI_OK)
        st = add(p, GRAD_X, 4 * n * dim, NULL);
    if (st == CHI_OK)
        st = add(p, VALUE, 4, NULL);
    if (st == CHI_OK && p->kind == CLIP)
        st = add_rows(p, Y, 2, n, dim);
    if (st == CHI_OK && p->kind == CLIP)
        st = add(p, GRAD_Y, 4 * n * dim, NULL);
    int32_t *labels = p->kind == SUPCON ? malloc(4 * n) : NULL;
    for (uint64_t i = 0; labels && i < n; i++)
        labels[i] = (int32_t)(i % p->classes);
    if (st == CHI_OK && labels)
        st = add(p, LABELS, 4 * n, labels);
    free(labels);
    if (st == CHI_OK)
        st = chi_loss_create(p->dev, n, dim, &(chi_loss_options){ .kind = loss[p->kind], .temperature = TEMPERATURE, .unit_rows = true }, &p->loss);
    chi_loss_report report = { 0 };
    if (st == CHI_OK)
        chi_loss_describe(p->loss, &report);
    p->flop = report.flop;
    p->flop_minimum = report.flop_minimum;
    p->scheme = report.scheme;
    p->bytes = 4.0 * (p->kind == CLIP ? 4.0 : 2.0) * (double)n * (double)dim;
    return st;
}

static chi_status create_conv(problem *p)
{
    const uint64_t batch = p->number[0], cin = p->number[1], h = p->number[2], w = p->number[3], cout = p->number[4];
    const chi_layer layers[] = { { .kind = CHI_LAYER_CONV2D, .width = cout, .kernel = p->side, .stride = p->stride, .padding = p->padding, .no_bias = true }, { .kind = CHI_LAYER_END } };
    chi_status st = chi_encoder_create(p->dev, batch, (chi_shape){ cin, h, w }, layers, 1, &p->encoder);
    if (st != CHI_OK)
        return st;
    const chi_shape out = chi_encoder_output(p->encoder);
    const uint64_t outputs = out.channels * out.height * out.width;
    st = add_rows(p, X, 1, batch, cin * h * w);
    if (st == CHI_OK)
        st = add(p, OUT, 4 * batch * outputs, NULL);
    p->flop = p->flop_minimum = 2.0 * (double)batch * (double)outputs * (double)(cin * p->side * p->side);
    p->bytes = 4.0 * (double)batch * (double)(cin * h * w + outputs);
    p->scheme = "forward";
    return st;
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

int problem_create(problem *p)
{
    const int result = read_word(p);
    if (result != TOOL_DONE)
        return result;
    const chi_status st = p->kind == CONV ? create_conv(p) : p->kind == TRAIN_STEP ? create_train_step(p) : p->loss || kinds[p->kind].square ? create_loss(p) : create_similarity(p);
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
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
    case CONV: {
        const chi_shape out = chi_encoder_output(p->encoder);
        return chi_encoder_forward(p->encoder, view(p, X, n, m * p->number[2] * p->number[3]), view(p, OUT, n, out.channels * out.height * out.width));
    }
    case TRAIN_STEP:
        return run_train_step(p);
    default:
        break;
    }
    chi_loss_args args = { .x = view(p, X, n, dim), .grad_x = view(p, GRAD_X, n, dim), .value = view(p, VALUE, 1, 1), .labels = p->buffer[LABELS] };
    if (p->kind == CLIP) {
        args.y = view(p, Y, n, dim);
        args.grad_y = view(p, GRAD_Y, n, dim);
    }
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
    static const struct { int place; const char *name; } parts[] = { { VALUE, "value" }, { GRAD_X, "grad_x" }, { GRAD_Y, "grad_y" }, { OUT, "output" },
                                                                     { INDICES, "indices" }, { X, "x" }, { Y, "y" }, { LABELS, "labels" } };
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

int problem_results(problem *p, const char *dump)
{
    const size_t weights = (p->encoder ? chi_encoder_parameters(p->encoder).count : 0) + (p->head ? chi_encoder_parameters(p->head).count : 0);
    chi_tensors all = { .items = calloc(weights + PROBLEM_BUFFERS, sizeof(chi_tensor)) };
    chi_status st = all.items ? fetch_all(p, &all) : CHI_ERR_MEMORY;
    if (st == CHI_OK && dump)
        st = chi_safetensors_write(dump, &all);
    for (size_t i = 0; i < all.count; i++)
        free(all.items[i].bytes);
    free(all.items);
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
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
