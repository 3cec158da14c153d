// SPDX-License-Identifier: Apache-2.0
// laws_loss.c: what must hold of any contrastive loss, whatever its code: symmetries, scales, known values, and that the
// definitions in double are their own gradients' antiderivatives. Options: include/chiaro/loss.h.
#include <chiaro/chiaro.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/ref/loss.h"
#include "harness/verdict.h"

enum { N = 134, DIM = 19, COUNT = N * DIM };
static const char *const names[] = { "clip", "infonce", "ntxent", "supcon" };
static const float TAU = 0.1f;
static const double BOUND = 4.0 * 0x1p-24 * (DIM / 0.1 + 32.0); // of a logit's error, as tests/check_bits.c derives it

typedef struct outcome {
    float value, gx[COUNT], gy[COUNT];
    size_t empty;
} outcome;

typedef struct inputs {
    float x[COUNT], y[COUNT];
    int32_t labels[N];
} inputs;

static bool two_sided(chi_loss_kind kind) { return kind == CHI_LOSS_CLIP || kind == CHI_LOSS_INFONCE; }

// want: 1 grad_x, 2 grad_y.
static bool evaluate(chi_device *dev, chi_loss_options o, const inputs *in, unsigned want, outcome *out)
{
    chi_buffer *b[5] = { 0 };
    chi_loss *loss = NULL;
    bool good = true;
    const void *from[] = { in->x, in->y, NULL, NULL, in->labels };
    o.temperature = TAU;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < 5 && good; i++)
        good = chi_buffer_create(dev, 4 * COUNT, &b[i]) == CHI_OK && (!from[i] || chi_buffer_upload(b[i], 0, from[i], i == 4 ? 4 * N : 4 * COUNT) == CHI_OK);
    chi_loss_args a = { .x = chi_matrix_view(b[0], N, DIM) };
    if (two_sided(o.kind))
        a.y = chi_matrix_view(b[1], N, DIM);
    if (want & 1)
        a.grad_x = chi_matrix_view(b[2], N, DIM);
    if ((want & 2) && two_sided(o.kind))
        a.grad_y = chi_matrix_view(b[3], N, DIM);
    a.labels = o.kind == CHI_LOSS_SUPCON ? b[4] : NULL;
    good = good && chi_loss_create(dev, N, DIM, &o, &loss) == CHI_OK && chi_loss_eval(loss, &a, &out->value) == CHI_OK &&
           chi_buffer_download(b[2], 0, out->gx, 4 * COUNT) == CHI_OK && chi_buffer_download(b[3], 0, out->gy, 4 * COUNT) == CHI_OK;
    if (good && o.kind == CHI_LOSS_SUPCON)
        good = chi_loss_empty_rows(loss, &out->empty) == CHI_OK;
    if (!good)
        printf("%s\n", chi_error_text());
    chi_loss_destroy(&loss);
    for (int i = 0; i < 5; i++)
        chi_buffer_destroy(&b[i]);
    return good;
}

static void draw(inputs *in)
{
    chi_random_unit_rows(31, N, DIM, in->x);
    chi_random_unit_rows(32, N, DIM, in->y);
    for (size_t i = 0; i < N; i++) {
        in->labels[i] = (int32_t)(i * 7 % 11);
        for (size_t k = 0; k < DIM; k++)
            in->x[i * DIM + k] *= 0.5f + (float)(i % 3);
    }
}

static bool close_to(const float *a, const float *b, size_t count, double bound)
{
    double most = 1e-30, worst = 0.0;
    for (size_t i = 0; i < count; i++) {
        most = fmax(most, fabs((double)b[i]));
        worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
    }
    return worst <= bound * most;
}

// ---- laws ------------------------------------------------------------------------------------------
// Rows in another order: the same value, the same gradients in that order. Pairs stay pairs.
static void permuted(chi_device *dev, chi_loss_kind kind, const inputs *in, const outcome *base)
{
    static inputs other;
    static outcome got;
    static float back[2][COUNT];
    for (size_t i = 0; i < N; i++) {
        const size_t half = N / 2, to = kind == CHI_LOSS_NTXENT ? (i % half * 5 + 3) % half + i / half * half : (i * 5 + 3) % N;
        memcpy(other.x + to * DIM, in->x + i * DIM, 4 * DIM);
        memcpy(other.y + to * DIM, in->y + i * DIM, 4 * DIM);
        other.labels[to] = in->labels[i];
    }
    const bool good = evaluate(dev, (chi_loss_options){ .kind = kind }, &other, 3, &got);
    for (size_t i = 0; i < N; i++) {
        const size_t half = N / 2, to = kind == CHI_LOSS_NTXENT ? (i % half * 5 + 3) % half + i / half * half : (i * 5 + 3) % N;
        memcpy(back[0] + i * DIM, got.gx + to * DIM, 4 * DIM);
        memcpy(back[1] + i * DIM, got.gy + to * DIM, 4 * DIM);
    }
    test_verdict(good && fabs((double)got.value - (double)base->value) <= BOUND * (double)base->value, names[kind], "rows in another order", "another value");
    test_verdict(good && close_to(back[0], base->gx, COUNT, BOUND) && close_to(back[1], base->gy, COUNT, BOUND), names[kind], "rows in another order", "other gradients");
}

// Rows four times as long: the value's bits, and a quarter of the gradient, exactly.
static void scaled(chi_device *dev, chi_loss_kind kind, const inputs *in, const outcome *base)
{
    static inputs other;
    static outcome got;
    static float quarter[COUNT];
    other = *in;
    for (size_t i = 0; i < COUNT; i++) {
        other.x[i] *= 4.0f;
        quarter[i] = 0.25f * base->gx[i];
    }
    const bool good = evaluate(dev, (chi_loss_options){ .kind = kind }, &other, 3, &got);
    test_verdict(good && test_same_bits(&got.value, &base->value, 1, 1, "value"), names[kind], "rows four times as long", "another value");
    test_verdict(good && test_same_bits(got.gx, quarter, N, DIM, "grad_x"), names[kind], "rows four times as long", "not a quarter of the gradient");
}

// A row's length does not matter, so its gradient is at right angles to it.
static void right_angles(chi_loss_kind kind, const inputs *in, const outcome *base)
{
    double worst = 0.0;
    for (size_t i = 0; i < N; i++) {
        double dot = 0.0, xx = 0.0, gg = 1e-30;
        for (size_t k = 0; k < DIM; k++) {
            const double x = (double)in->x[i * DIM + k], g = (double)base->gx[i * DIM + k];
            dot += x * g;
            xx += x * x;
            gg += g * g;
        }
        worst = fmax(worst, fabs(dot) / sqrt(xx * gg));
    }
    test_verdict(worst <= 16.0 * DIM * 0x1p-24, names[kind], "a row and its gradient", "not at right angles");
}

// Which outputs are asked for never changes a bit.
static void any_outputs(chi_device *dev, chi_loss_kind kind, const inputs *in, const outcome *base)
{
    static outcome got;
    for (unsigned want = 0; want < 3; want++) {
        const bool good = evaluate(dev, (chi_loss_options){ .kind = kind, .no_gradient = want == 0 }, in, want, &got);
        test_verdict(good && test_same_bits(&got.value, &base->value, 1, 1, "value"), names[kind], "fewer outputs", "another value");
        if (want & 1)
            test_verdict(good && test_same_bits(got.gx, base->gx, N, DIM, "grad_x"), names[kind], "fewer outputs", "another grad_x");
        if ((want & 2) && two_sided(kind))
            test_verdict(good && test_same_bits(got.gy, base->gy, N, DIM, "grad_y"), names[kind], "fewer outputs", "another grad_y");
    }
}

// CLIP does not know which side is which: the value's bits. (A gradient's diagonal rounds one side's part first.)
static void sides(chi_device *dev, const inputs *in, const outcome *base)
{
    static inputs other;
    static outcome got;
    memcpy(other.x, in->y, sizeof other.x);
    memcpy(other.y, in->x, sizeof other.y);
    const bool good = evaluate(dev, (chi_loss_options){ .kind = CHI_LOSS_CLIP }, &other, 3, &got);
    test_verdict(good && test_same_bits(&got.value, &base->value, 1, 1, "value"), "clip", "x and y exchanged", "another value");
    test_verdict(good && close_to(got.gx, base->gy, COUNT, 0x1p-20) && close_to(got.gy, base->gx, COUNT, 0x1p-20), "clip", "x and y exchanged", "other gradients");
}

// Nothing to tell apart: the logarithm of the number of candidates, and no gradient to speak of.
static void all_alike(chi_device *dev, chi_loss_kind kind, const inputs *in)
{
    static inputs other;
    static outcome got;
    for (size_t i = 0; i < N; i++) {
        memcpy(other.x + i * DIM, in->x, 4 * DIM);
        memcpy(other.y + i * DIM, in->x, 4 * DIM);
        other.labels[i] = 5;
    }
    const bool good = evaluate(dev, (chi_loss_options){ .kind = kind }, &other, 3, &got);
    const double want = log(two_sided(kind) ? N : N - 1);
    test_verdict(good && fabs((double)got.value - want) <= BOUND * want, names[kind], "equal rows", "not the logarithm of their number");
    double most = 0.0;
    for (size_t i = 0; i < COUNT; i++)
        most = fmax(most, fabs((double)got.gx[i]));
    test_verdict(good && most <= BOUND / (double)TAU, names[kind], "equal rows", "a gradient");
}

// SupCon whose classes are pairs is NT-Xent; each row alone has no loss, and is counted.
static void labels(chi_device *dev, const inputs *in)
{
    static inputs other;
    static outcome pairs, classes, alone, zero, skip;
    other = *in;
    for (size_t i = 0; i < N; i++)
        other.labels[i] = (int32_t)(i % (N / 2));
    const bool good = evaluate(dev, (chi_loss_options){ .kind = CHI_LOSS_NTXENT }, &other, 1, &pairs) &&
                      evaluate(dev, (chi_loss_options){ .kind = CHI_LOSS_SUPCON }, &other, 1, &classes);
    test_verdict(good && fabs((double)pairs.value - (double)classes.value) <= BOUND * (double)pairs.value, "supcon", "classes of two", "not NT-Xent's value");
    test_verdict(good && close_to(classes.gx, pairs.gx, COUNT, BOUND) && classes.empty == 0, "supcon", "classes of two", "not NT-Xent's gradient");
    for (size_t i = 0; i < N; i++)
        other.labels[i] = (int32_t)i;
    bool still = evaluate(dev, (chi_loss_options){ .kind = CHI_LOSS_SUPCON }, &other, 1, &alone) && alone.value == 0.0f && alone.empty == N;
    for (size_t i = 0; i < COUNT; i++)
        still = still && alone.gx[i] == 0.0f;
    test_verdict(still, "supcon", "every row alone", "a value, a gradient, or not counted");
    other.labels[1] = other.labels[0];
    const bool both = evaluate(dev, (chi_loss_options){ .kind = CHI_LOSS_SUPCON }, &other, 1, &skip) &&
                      evaluate(dev, (chi_loss_options){ .kind = CHI_LOSS_SUPCON, .empty_rows = CHI_EMPTY_ROWS_ZERO }, &other, 1, &zero);
    test_verdict(both && skip.empty == N - 2 && fabs((double)skip.value * 2.0 - (double)zero.value * N) <= 1e-5 * (double)skip.value, "supcon", "rows without a positive",
                 "left out or averaged as zero: not the same sum");
}

static double definition(chi_loss_kind kind, const inputs *in, double tau)
{
    static double spare[2][COUNT];
    double value, scale;
    chi__ref_loss(kind, N, DIM, tau, false, in->x, in->y, in->labels, &value, spare[0], spare[1], &scale);
    return value;
}

// The definition's gradient is the slope of its value, along a random direction of x and of y, and for the temperature.
static double slope(chi_loss_kind kind, const inputs *in, const float *along, bool of_y, double step)
{
    static inputs moved;
    double value[2];
    for (int side = 0; side < 2; side++) {
        moved = *in;
        float *at = of_y ? moved.y : moved.x;
        for (size_t i = 0; i < COUNT; i++)
            at[i] = (float)((double)at[i] + (side ? step : -step) * (double)along[i]);
        value[side] = definition(kind, &moved, (double)TAU);
    }
    return (value[1] - value[0]) / (2.0 * step);
}

static void central_differences(chi_loss_kind kind, const inputs *in)
{
    static double gx[COUNT], gy[COUNT];
    static float along[COUNT];
    double value, scale, dot[2] = { 0.0, 0.0 };
    const double step = 0x1p-8; // float inputs: their rounding is 2^-16 of it
    memset(gx, 0, sizeof gx); // the reference adds
    memset(gy, 0, sizeof gy);
    chi__ref_loss(kind, N, DIM, (double)TAU, false, in->x, in->y, in->labels, &value, gx, gy, &scale);
    chi_random_unit_rows(41, 1, COUNT, along);
    for (size_t i = 0; i < COUNT; i++) {
        dot[0] += gx[i] * (double)along[i];
        dot[1] += gy[i] * (double)along[i];
    }
    for (int of_y = 0; of_y < (two_sided(kind) ? 2 : 1); of_y++) {
        const double got = slope(kind, in, along, of_y, step);
        if (fabs(got - dot[of_y]) > 2e-3 * fabs(dot[of_y]) + 1e-6)
            printf("%s: slope %g, gradient %g\n", names[kind], got, dot[of_y]);
        test_verdict(fabs(got - dot[of_y]) <= 2e-3 * fabs(dot[of_y]) + 1e-6, names[kind], of_y ? "slope in y" : "slope in x", "not the gradient of the definition");
    }
    const double low = definition(kind, in, (double)TAU * exp(1e-5)), high = definition(kind, in, (double)TAU * exp(-1e-5));
    test_verdict(fabs((high - low) / 2e-5 - scale) <= 1e-6 * (fabs(scale) + 1.0), names[kind], "slope in log(1/temperature)", "not the gradient of the definition");
}

int main(void)
{
    static inputs in;
    static outcome base[CHI_LOSS_SUPCON + 1];
    chi_device *dev = NULL;
    if (chi_device_open(NULL, &dev) != CHI_OK) {
        printf("%s\n", chi_error_text());
        return 77;
    }
    draw(&in);
    for (chi_loss_kind kind = CHI_LOSS_CLIP; kind <= CHI_LOSS_SUPCON; kind++) {
        test_verdict(evaluate(dev, (chi_loss_options){ .kind = kind }, &in, 3, &base[kind]), names[kind], "evaluation", "failed");
        permuted(dev, kind, &in, &base[kind]);
        scaled(dev, kind, &in, &base[kind]);
        right_angles(kind, &in, &base[kind]);
        any_outputs(dev, kind, &in, &base[kind]);
        all_alike(dev, kind, &in);
        central_differences(kind, &in);
    }
    sides(dev, &in, &base[CHI_LOSS_CLIP]);
    labels(dev, &in);
    chi_device_close(&dev);
    return test_summary();
}
