// SPDX-License-Identifier: Apache-2.0
// layers.c (reference): every layer by its definition, in double, without cleverness. Host: src/encoder/. Kernels:
// kernels/encoder/.
#include "layers.h"

#include <math.h>
#include <stdlib.h>

typedef struct state {
    const double *next; // parameters not used yet
    size_t n;
    bool training;
} state;

static size_t pixels(chi_shape s) { return s.height * s.width; }
static size_t floats(chi_shape s) { return s.channels * pixels(s); }
static size_t or_one(size_t n) { return n ? n : 1; }

static const double *take(state *st, size_t count)
{
    const double *p = st->next;
    st->next += count;
    return p;
}

// x at a place of image b that may lie in the padding.
static double at(const double *x, chi_shape s, size_t b, size_t c, ptrdiff_t row, ptrdiff_t col)
{
    const bool inside = row >= 0 && col >= 0 && row < (ptrdiff_t)s.height && col < (ptrdiff_t)s.width;
    return inside ? x[((b * s.channels + c) * s.height + (size_t)row) * s.width + (size_t)col] : 0.0;
}

static chi_shape windows(chi_shape in, size_t channels, size_t kernel, size_t stride, size_t padding)
{
    return (chi_shape){ channels, (in.height + 2 * padding - kernel) / stride + 1, (in.width + 2 * padding - kernel) / stride + 1 };
}

static void conv(state *st, const chi_layer *l, size_t stride, chi_shape in, const double *x, chi_shape out, double *y)
{
    const size_t groups = or_one(l->groups), inputs = in.channels / groups, outputs = out.channels / groups, k = l->kernel;
    const double *w = take(st, out.channels * inputs * k * k), *bias = l->no_bias ? NULL : take(st, out.channels);
    for (size_t i = 0; i < st->n * floats(out); i++) {
        const size_t col = i % out.width, row = i / out.width % out.height, o = i / pixels(out) % out.channels, b = i / floats(out);
        double sum = bias ? bias[o] : 0.0;
        for (size_t t = 0; t < inputs * k * k; t++) {
            const size_t kw = t % k, kh = t / k % k, c = t / k / k;
            sum += w[o * inputs * k * k + t] * at(x, in, b, o / outputs * inputs + c, (ptrdiff_t)(row * stride + kh) - (ptrdiff_t)l->padding,
                                                  (ptrdiff_t)(col * stride + kw) - (ptrdiff_t)l->padding);
        }
        y[i] = sum;
    }
}

static void linear(state *st, const chi_layer *l, chi_shape in, const double *x, double *y)
{
    const size_t inputs = floats(in);
    const double *w = take(st, l->width * inputs), *bias = l->no_bias ? NULL : take(st, l->width);
    for (size_t i = 0; i < st->n * l->width; i++) {
        y[i] = bias ? bias[i % l->width] : 0.0;
        for (size_t k = 0; k < inputs; k++)
            y[i] += w[i % l->width * inputs + k] * x[i / l->width * inputs + k];
    }
}

static void batch_norm(state *st, const chi_layer *l, chi_shape s, const double *x, double *y)
{
    const double *gamma = take(st, s.channels), *beta = take(st, s.channels), *means = take(st, s.channels), *vars = take(st, s.channels);
    const double count = (double)(st->n * pixels(s)), epsilon = l->epsilon > 0.0f ? (double)l->epsilon : 1e-5;
    for (size_t c = 0; c < s.channels; c++) {
        double mean = means[c], var = vars[c];
#define EACH(i) for (size_t i = 0; i < st->n * floats(s); i++) if (i / pixels(s) % s.channels == c)
        if (st->training) {
            mean = var = 0.0;
            EACH(i) mean += x[i] / count;
            EACH(i) var += (x[i] - mean) * (x[i] - mean) / count;
        }
        EACH(i) y[i] = gamma[c] * (x[i] - mean) / sqrt(var + epsilon) + beta[c];
#undef EACH
    }
}

static void pool(state *st, const chi_layer *l, size_t stride, chi_shape in, const double *x, chi_shape out, double *y)
{
    const bool maximum = l->kind == CHI_LAYER_MAX_POOL;
    for (size_t i = 0; i < st->n * floats(out); i++) {
        const size_t col = i % out.width, row = i / out.width % out.height, c = i / pixels(out) % out.channels, b = i / floats(out);
        double most = -INFINITY, sum = 0.0;
        for (size_t t = 0; t < l->kernel * l->kernel; t++) {
            const ptrdiff_t r = (ptrdiff_t)(row * stride + t / l->kernel) - (ptrdiff_t)l->padding, q = (ptrdiff_t)(col * stride + t % l->kernel) - (ptrdiff_t)l->padding;
            const bool inside = r >= 0 && q >= 0 && r < (ptrdiff_t)in.height && q < (ptrdiff_t)in.width;
            most = inside ? fmax(most, at(x, in, b, c, r, q)) : most;
            sum += at(x, in, b, c, r, q);
        }
        y[i] = maximum ? most : sum / (double)(l->kernel * l->kernel);
    }
}

static void pointwise(chi_layer_kind kind, size_t count, const double *x, double *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = kind == CHI_LAYER_RELU ? (x[i] < 0.0 ? 0.0 : x[i]) : kind == CHI_LAYER_GELU ? x[i] * 0.5 * (1.0 + erf(x[i] / sqrt(2.0))) : x[i];
}

static void normalize(size_t n, size_t dim, const double *x, double *y)
{
    for (size_t b = 0; b < n; b++) {
        double square = 0.0;
        for (size_t k = 0; k < dim; k++)
            square += x[b * dim + k] * x[b * dim + k];
        for (size_t k = 0; k < dim; k++)
            y[b * dim + k] = x[b * dim + k] / fmax(sqrt(square), 1e-12);
    }
}

static void global_pool(size_t rows, size_t count, const double *x, double *y)
{
    for (size_t r = 0; r < rows; r++) {
        y[r] = 0.0;
        for (size_t k = 0; k < count; k++)
            y[r] += x[r * count + k] / (double)count;
    }
}

static double *list(state *st, const chi_layer *layers, chi_shape *shape, const double *x);

static bool residual(state *st, const chi_layer *l, chi_shape in, const double *x, chi_shape *out, double **y)
{
    chi_shape other = in;
    *out = in;
    *y = list(st, l->body, out, x);
    double *shortcut = l->shortcut ? list(st, l->shortcut, &other, x) : NULL;
    const bool good = *y && (shortcut || !l->shortcut);
    for (size_t i = 0; good && i < st->n * floats(*out); i++)
        (*y)[i] += shortcut ? shortcut[i] : x[i];
    free(shortcut);
    return good;
}

static chi_shape shape_after(const chi_layer *l, size_t stride, chi_shape in)
{
    switch (l->kind) {
    case CHI_LAYER_LINEAR:
        return (chi_shape){ l->width, 1, 1 };
    case CHI_LAYER_CONV2D:
        return windows(in, l->width, l->kernel, stride, l->padding);
    case CHI_LAYER_MAX_POOL:
    case CHI_LAYER_AVERAGE_POOL:
        return windows(in, in.channels, l->kernel, stride, l->padding);
    case CHI_LAYER_GLOBAL_POOL:
        return (chi_shape){ in.channels, 1, 1 };
    case CHI_LAYER_FLATTEN:
        return (chi_shape){ floats(in), 1, 1 };
    default:
        return in;
    }
}

// One layer but residual blocks.
static double *layer(state *st, const chi_layer *l, chi_shape *shape, const double *x)
{
    const bool pools = l->kind == CHI_LAYER_MAX_POOL || l->kind == CHI_LAYER_AVERAGE_POOL;
    const size_t stride = l->stride ? l->stride : pools ? l->kernel : 1;
    const chi_shape in = *shape, out = shape_after(l, stride, in);
    double *y = calloc(st->n * floats(out) + 1, sizeof *y);
    *shape = out;
    if (!y)
        return NULL;
    if (l->kind == CHI_LAYER_CONV2D)
        conv(st, l, stride, in, x, out, y);
    else if (l->kind == CHI_LAYER_LINEAR)
        linear(st, l, in, x, y);
    else if (l->kind == CHI_LAYER_BATCH_NORM)
        batch_norm(st, l, in, x, y);
    else if (pools)
        pool(st, l, stride, in, x, out, y);
    else if (l->kind == CHI_LAYER_GLOBAL_POOL)
        global_pool(st->n * in.channels, pixels(in), x, y);
    else if (l->kind == CHI_LAYER_NORMALIZE)
        normalize(st->n, floats(in), x, y);
    else
        pointwise(l->kind, st->n * floats(in), x, y);
    return y;
}

static double *list(state *st, const chi_layer *layers, chi_shape *shape, const double *x)
{
    double *now = malloc((st->n * floats(*shape) + 1) * sizeof *now);
    pointwise(CHI_LAYER_FLATTEN, now ? st->n * floats(*shape) : 0, x, now); // a copy
    for (const chi_layer *l = layers; now && l->kind != CHI_LAYER_END; l++) {
        double *y = NULL;
        const chi_shape in = *shape;
        if (l->kind != CHI_LAYER_RESIDUAL) {
            y = layer(st, l, shape, now);
        } else if (!residual(st, l, in, now, shape, &y)) {
            free(y);
            y = NULL;
        }
        free(now);
        now = y;
    }
    return now;
}

double *chi__ref_layers(const chi_layer *layers, bool training, chi_shape *shape, size_t n, const double *x, const double *parameters)
{
    state st = { parameters, n, training };
    return list(&st, layers, shape, x);
}
