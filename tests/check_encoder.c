// SPDX-License-Identifier: Apache-2.0
// check_encoder.c: each kind of layer, and networks of them, against their definitions in double: outputs with a derived
// bound, gradients of every parameter and input by central differences; and the same bits over tiles of both cores.
// CHIARO_SMALL=1: fewer, for slow devices.
#include <chiaro/chiaro.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/ref/layers.h"
#include "harness/verdict.h"

enum { MOST_SAMPLES = 40 }; // differences of one tensor

typedef struct network {
    const char *text;
    chi_shape shape;
    size_t rows;
    bool evaluation;
} network;

// What one device makes of a network.
typedef struct outcome {
    float *z, *grad_x, *grads; // grads: of all trained parameters
    uint64_t hash;
} outcome;

// One network on the host.
typedef struct problem {
    const network *net;
    chi_layer *layers;
    size_t in, out, count; // floats of a row of input and output; of all parameters
    float *x, *grad_z;
    double *parameters;
    char what[200];
} problem;

static size_t floats(chi_shape s) { return s.channels * s.height * s.width; }

static void draw(problem *p)
{
    p->x = malloc(4 * p->net->rows * p->in);
    p->grad_z = malloc(4 * p->net->rows * p->out);
    chi_random_unit_rows(51, p->net->rows, p->in, p->x);
    chi_random_unit_rows(52, p->net->rows, p->out, p->grad_z);
    for (size_t i = 0; i < p->net->rows * p->in; i++)
        p->x[i] *= sqrtf((float)p->in);
}

static bool set_parameters(problem *p, chi_encoder *enc, bool first)
{
    const chi_parameters all = chi_encoder_parameters(enc);
    size_t at = 0;
    bool good = true;
    for (size_t i = 0; i < all.count; i++)
        p->count = i == 0 ? all.items[0].count : p->count + all.items[i].count;
    if (first)
        p->parameters = calloc(p->count + 1, sizeof *p->parameters);
    for (size_t i = 0; i < all.count && good; at += all.items[i++].count) {
        const size_t count = all.items[i].count;
        float *host = malloc(4 * count);
        good = chi_encoder_read(enc, i, 0, host) == CHI_OK;
        for (size_t k = 0; k < count && first; k++) { // running statistics, γ and β that are not 0 or 1
            host[k] = count > 1 && all.items[i].dims == 1 ? host[k] + 0.25f * (float)((k + i) % 3) : host[k];
            p->parameters[at + k] = (double)host[k];
        }
        for (size_t k = 0; k < count; k++)
            host[k] = (float)p->parameters[at + k];
        good = good && chi_encoder_write(enc, i, host) == CHI_OK;
        free(host);
    }
    return good;
}

static uint64_t hash_of(const problem *p, const outcome *o, size_t trained)
{
    uint64_t hash = chi_hash(CHI_HASH_START, o->z, 4 * p->net->rows * p->out);
    hash = chi_hash(hash, o->grad_x, 4 * p->net->rows * p->in);
    return chi_hash(hash, o->grads, 4 * trained);
}

static bool run(problem *p, chi_device *dev, outcome *o, bool first)
{
    const size_t rows = p->net->rows;
    chi_encoder *enc = NULL;
    chi_buffer *x = NULL, *z = NULL, *gz = NULL, *gx = NULL;
    bool good = chi_encoder_create(dev, rows, p->net->shape, p->layers, 5, &enc) == CHI_OK;
    if (good && first) {
        p->out = floats(chi_encoder_output(enc));
        draw(p);
    }
    good = good && chi_buffer_create(dev, 4 * rows * p->in, &x) == CHI_OK && chi_buffer_create(dev, 4 * rows * p->in, &gx) == CHI_OK &&
           chi_buffer_create(dev, 4 * rows * p->out, &z) == CHI_OK && chi_buffer_create(dev, 4 * rows * p->out, &gz) == CHI_OK &&
           chi_buffer_upload(x, 0, p->x, 4 * rows * p->in) == CHI_OK && chi_buffer_upload(gz, 0, p->grad_z, 4 * rows * p->out) == CHI_OK &&
           set_parameters(p, enc, first) && chi_encoder_set_mode(enc, p->net->evaluation ? CHI_ENCODER_EVAL : CHI_ENCODER_TRAIN) == CHI_OK &&
           chi_encoder_forward(enc, chi_matrix_view(x, rows, p->in), chi_matrix_view(z, rows, p->out)) == CHI_OK &&
           chi_encoder_backward(enc, chi_matrix_view(gz, rows, p->out), chi_matrix_view(gx, rows, p->in)) == CHI_OK;
    *o = (outcome){ calloc(rows * p->out + 1, 4), calloc(rows * p->in + 1, 4), calloc(p->count + 1, 4), 0 };
    good = good && chi_buffer_download(z, 0, o->z, 4 * rows * p->out) == CHI_OK && chi_buffer_download(gx, 0, o->grad_x, 4 * rows * p->in) == CHI_OK;
    const chi_parameters all = good ? chi_encoder_parameters(enc) : (chi_parameters){ 0 };
    for (size_t i = 0, at = 0; i < all.count && good; at += all.items[i++].count)
        good = !all.items[i].trained || chi_encoder_read(enc, i, 1, o->grads + at) == CHI_OK;
    o->hash = good ? hash_of(p, o, p->count) : 0;
    if (!good)
        printf("%s: %s\n", p->what, chi_error_text());
    chi_buffer **all_buffers[] = { &x, &z, &gz, &gx };
    for (int i = 0; i < 4; i++)
        chi_buffer_destroy(all_buffers[i]);
    chi_encoder_destroy(&enc);
    return good;
}

// Σ z · grad_z of the definition, and z where wanted.
static double objective(const problem *p, const double *x, const double *parameters, double *z)
{
    chi_shape shape = p->net->shape;
    double *got = chi__ref_layers(p->layers, !p->net->evaluation, &shape, p->net->rows, x, parameters), sum = 0.0;
    for (size_t i = 0; got && i < p->net->rows * p->out; i++) {
        sum += got[i] * (double)p->grad_z[i];
        if (z)
            z[i] = got[i];
    }
    free(got);
    return sum;
}

static double largest(const float *v, size_t n)
{
    double most = 1e-6;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)v[i]));
    return most;
}

// Every chain is at most 512 long here and a network at most 9 layers deep; each layer's rounding, (length + 8) 2^-24 of its
// largest sum, passes the next with a gain of at most 2 for the sums of magnitudes: 2 · 9 · 520 · 2^-24 of the largest entry.
static const double BOUND = 2.0 * 9.0 * 520.0 * 0x1p-24;

// Entries of one tensor by central differences in double; kinks of ReLU and maxima lie further away than the step.
static void check_gradient(problem *p, double *x, double *at, size_t count, const float *got, const char *name)
{
    const double step = 1e-6, most = largest(got, count);
    const size_t stride = count > MOST_SAMPLES ? count / MOST_SAMPLES : 1;
    double worst = 0.0;
    size_t where = 0;
    for (size_t i = 0; i < count; i += stride) {
        const double kept = at[i];
        at[i] = kept + step;
        const double high = objective(p, x, p->parameters, NULL);
        at[i] = kept - step;
        const double low = objective(p, x, p->parameters, NULL);
        at[i] = kept;
        const double error = fabs((high - low) / (2.0 * step) - (double)got[i]) / most;
        where = error > worst ? i : where;
        worst = fmax(worst, error);
    }
    if (worst > BOUND + 1e-6)
        printf("%s: gradient of %s, entry %zu: off by %.2g of the largest\n", p->what, name, where, worst);
    test_verdict(worst <= BOUND + 1e-6, p->what, name, "not the gradient of the definition");
}

static void check_definition(problem *p, const outcome *o, chi_device *dev)
{
    const size_t rows = p->net->rows;
    double *x = malloc(rows * p->in * sizeof *x), *z = malloc(rows * p->out * sizeof *z), worst = 0.0;
    chi_encoder *enc = NULL;
    for (size_t i = 0; i < rows * p->in; i++)
        x[i] = (double)p->x[i];
    objective(p, x, p->parameters, z);
    for (size_t i = 0; i < rows * p->out; i++)
        worst = fmax(worst, fabs(z[i] - (double)o->z[i]));
    test_verdict(worst <= BOUND * largest(o->z, rows * p->out), p->what, "outputs", "not those of the definition");
    check_gradient(p, x, x, rows * p->in, o->grad_x, "input");
    if (chi_encoder_create(dev, rows, p->net->shape, p->layers, 5, &enc) == CHI_OK) {
        const chi_parameters all = chi_encoder_parameters(enc);
        for (size_t i = 0, at = 0; i < all.count; at += all.items[i++].count)
            if (all.items[i].trained)
                check_gradient(p, x, p->parameters + at, all.items[i].count, o->grads + at, all.items[i].name);
    }
    chi_encoder_destroy(&enc);
    free(x);
    free(z);
}

static void check_network(const network *net, const char *const *tiles, size_t tile_count)
{
    problem p = { .net = net, .in = floats(net->shape) };
    uint64_t hash = 0;
    snprintf(p.what, sizeof p.what, "%s%s of %zu x %zu x %zu x %zu", net->text, net->evaluation ? " (evaluation)" : "", net->rows, net->shape.channels, net->shape.height, net->shape.width);
    if (chi_layers_parse(net->text, &p.layers) != CHI_OK) {
        test_verdict(false, p.what, "parse", chi_error_text());
        return;
    }
    for (size_t t = 0; t < tile_count; t++) {
        chi_device *dev = NULL;
        outcome o = { 0 };
        const bool good = chi_device_open(&(chi_device_options){ .tile = tiles[t] }, &dev) == CHI_OK && run(&p, dev, &o, t == 0);
        test_verdict(good && (t == 0 || o.hash == hash), p.what, tiles[t], good ? "other bits than the first tile" : chi_error_text());
        if (t == 0 && good)
            check_definition(&p, &o, dev);
        hash = t == 0 ? o.hash : hash;
        free(o.z);
        free(o.grad_x);
        free(o.grads);
        chi_device_close(&dev);
    }
    chi_layers_free(&p.layers);
    free(p.x);
    free(p.grad_z);
    free(p.parameters);
}

int main(void)
{
    static const char *tiles[] = { "p8x32v16", "g32x32k16v4d2", "p6x16v8", "g64x64k16v4", "g64x64k16v4s16" };
    static const network networks[] = {
        // No bias before a batch norm: its gradient is zero, and what comes out is rounding alone.
        { "linear:1", { 1, 1, 1 }, 1, false },
        { "conv2d:3,k=3,p=1", { 2, 5, 4 }, 2, false },
        { "batch_norm", { 3, 3, 5 }, 4, false },
        { "linear:37", { 19, 1, 1 }, 33, false },
        { "linear:5,bias=0 normalize", { 7, 1, 1 }, 9, false },
        { "conv2d:33,k=3,s=2,p=1,bias=0", { 5, 9, 7 }, 3, false },
        { "conv2d:6,k=2,s=3,g=3", { 9, 8, 11 }, 5, false },
        { "conv2d:4,k=5,p=2,s=2", { 1, 7, 7 }, 150, false },
        { "batch_norm relu", { 17, 4, 3 }, 23, false },
        { "batch_norm relu", { 17, 4, 3 }, 23, true },
        { "relu", { 3, 2, 2 }, 3, false },
        { "gelu", { 5, 3, 3 }, 4, false },
        { "max_pool:k=3,s=2,p=1", { 3, 7, 6 }, 3, false },
        { "average_pool:k=2,s=1,p=1", { 3, 5, 6 }, 3, false },
        { "average_pool:k=3", { 2, 7, 9 }, 2, false },
        { "global_pool", { 18, 5, 3 }, 4, false },
        { "flatten linear:4", { 3, 2, 5 }, 6, false },
        { "residual( conv2d:4,k=3,p=1,bias=0 batch_norm relu )", { 4, 5, 5 }, 3, false },
        { "conv2d:8,k=3,s=2,p=1,bias=0 batch_norm relu residual( conv2d:8,k=3,p=1 gelu | conv2d:8,k=1 ) max_pool:k=2 flatten linear:9 normalize", { 2, 9, 9 }, 6, false },
    };
    const bool small = getenv("CHIARO_SMALL") != NULL;
    const size_t count = test_tiles(tiles, sizeof tiles / sizeof *tiles);
    for (size_t i = 0; i < (small ? 3 : sizeof networks / sizeof *networks); i++)
        check_network(&networks[i], tiles, small && count > 2 ? 2 : count);
    return test_summary();
}
