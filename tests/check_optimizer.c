// SPDX-License-Identifier: Apache-2.0
// check_optimizer.c: SGD and AdamW against their formulas in double, step after step on the device's own gradients, and
// schedules at every step.
#include <chiaro/chiaro.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../src/ref/optimizer.h"
#include "harness/verdict.h"

enum { ROWS = 9, IN = 13, OUT = 7, STEPS = 8, MOST = IN * OUT };

// One parameter's double state.
typedef struct twin { double weights[MOST], first[MOST], second[MOST]; } twin;

// Each step rounds a weight and its moments a few times: 8 roundings of 2^-24 of the largest weight a step.
static bool agrees(chi_encoder *enc, size_t parameter, const twin *t, size_t count, int step)
{
    float got[MOST];
    double most = 1e-3, worst = 0.0;
    if (chi_encoder_read(enc, parameter, 0, got) != CHI_OK)
        return false;
    for (size_t i = 0; i < count; i++) {
        most = fmax(most, fabs(t->weights[i]));
        worst = fmax(worst, fabs(t->weights[i] - (double)got[i]));
    }
    return worst <= 8.0 * 0x1p-24 * (step + 1) * most;
}

static chi_status steps(chi_device *dev, const chi_optimizer_options *o, const char *what)
{
    static const chi_layer layers[] = { { .kind = CHI_LAYER_LINEAR, .width = OUT }, { .kind = CHI_LAYER_END } };
    float x[ROWS * IN], g[ROWS * OUT], grads[MOST], start[MOST];
    static twin twins[2];
    chi_encoder *enc = NULL;
    chi_optimizer *opt = NULL;
    chi_buffer *bx = NULL, *bz = NULL, *bg = NULL;
    chi_status st = chi_encoder_create(dev, ROWS, (chi_shape){ IN, 1, 1 }, layers, 3, &enc);
    if (st == CHI_OK)
        st = chi_optimizer_create(dev, chi_encoder_parameters(enc), o, &opt);
    chi_buffer **const buffers[] = { &bx, &bz, &bg };
    const size_t bytes[] = { sizeof x, sizeof g, sizeof g };
    for (int i = 0; i < 3 && st == CHI_OK; i++)
        st = chi_buffer_create(dev, bytes[i], buffers[i]);
    const chi_parameters all = st == CHI_OK ? chi_encoder_parameters(enc) : (chi_parameters){ 0 };
    for (size_t p = 0; p < all.count && st == CHI_OK; p++) {
        twins[p] = (twin){ { 0 }, { 0 }, { 0 } };
        st = chi_encoder_read(enc, p, 0, start);
        for (size_t i = 0; i < all.items[p].count; i++)
            twins[p].weights[i] = (double)start[i];
    }
    for (int step = 0; step < STEPS && st == CHI_OK; step++) {
        const float rate = 0.05f / (float)(step + 1);
        chi_random_unit_rows(60 + (uint64_t)step, ROWS, IN, x);
        chi_random_unit_rows(90 + (uint64_t)step, ROWS, OUT, g);
        st = chi_buffer_upload(bx, 0, x, sizeof x);
        if (st == CHI_OK)
            st = chi_buffer_upload(bg, 0, g, sizeof g);
        if (st == CHI_OK)
            st = chi_encoder_forward(enc, chi_matrix_view(bx, ROWS, IN), chi_matrix_view(bz, ROWS, OUT));
        if (st == CHI_OK)
            st = chi_encoder_backward(enc, chi_matrix_view(bg, ROWS, OUT), (chi_matrix){ 0 });
        if (st == CHI_OK)
            st = chi_optimizer_step(opt, rate);
        for (size_t p = 0; p < all.count && st == CHI_OK; p++) {
            st = chi_encoder_read(enc, p, 1, grads);
            chi__ref_optimizer_step(o, (uint64_t)step + 1, (double)rate, all.items[p].decay, all.items[p].count, grads, twins[p].weights, twins[p].first, twins[p].second);
            test_verdict(st == CHI_OK && agrees(enc, p, &twins[p], all.items[p].count, step), what, all.items[p].name, "not the formula's weights");
        }
    }
    chi_optimizer_destroy(&opt);
    chi_encoder_destroy(&enc);
    for (int i = 0; i < 3; i++)
        chi_buffer_destroy(buffers[i]);
    return st;
}

static void refusals(chi_device *dev)
{
    static const chi_layer layers[] = { { .kind = CHI_LAYER_LINEAR, .width = 2 }, { .kind = CHI_LAYER_END } };
    const chi_optimizer_options bad[] = { { .momentum = 1.0f }, { .momentum = -0.1f }, { .nesterov = true }, { .momentum = 0.5f, .dampening = 0.5f, .nesterov = true },
                                          { .weight_decay = -1.0f }, { .kind = CHI_OPTIMIZER_ADAMW, .beta1 = 1.0f }, { .kind = CHI_OPTIMIZER_ADAMW, .epsilon = NAN }, { .kind = (chi_optimizer_kind)7 } };
    chi_encoder *enc = NULL;
    chi_optimizer *opt = NULL;
    test_verdict(chi_encoder_create(dev, 1, (chi_shape){ 2, 1, 1 }, layers, 1, &enc) == CHI_OK, "a network", "create", chi_error_text());
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char where[32];
        snprintf(where, sizeof where, "case %zu", i);
        test_verdict(chi_optimizer_create(dev, chi_encoder_parameters(enc), &bad[i], &opt) == CHI_ERR_ARGUMENT && !opt, "options out of range", where, "taken");
    }
    test_verdict(chi_optimizer_create(dev, chi_encoder_parameters(enc), NULL, &opt) == CHI_OK, "no options", "create", chi_error_text());
    test_verdict(chi_optimizer_step(opt, -1.0f) == CHI_ERR_ARGUMENT && chi_optimizer_step(opt, NAN) == CHI_ERR_ARGUMENT, "a rate below 0 or NaN", "step", "taken");
    chi_optimizer_destroy(&opt);
    chi_encoder_destroy(&enc);
}

static void schedules(void)
{
    static const chi_schedule all[] = { { CHI_SCHEDULE_CONSTANT, 0.1, 0.0, 0, 0 }, { CHI_SCHEDULE_COSINE, 0.3, 0.0, 0, 10 }, { CHI_SCHEDULE_COSINE, 0.3, 0.01, 4, 17 } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (uint64_t step = 0; step <= all[i].steps; step++)
            test_verdict(fabs(chi_schedule_rate(&all[i], step) - chi__ref_schedule(&all[i], step)) <= 1e-15, "schedule", "rate", "not the formula's");
    test_verdict(chi_schedule_rate(&all[2], 1000) == all[2].final_rate, "schedule", "past its end", "not the final rate");
}

int main(void)
{
    static const struct { const char *what; chi_optimizer_options options; } cases[] = {
        { "sgd", { .kind = CHI_OPTIMIZER_SGD } },
        { "sgd with decay", { .weight_decay = 0.1f } },
        { "sgd with momentum and dampening", { .momentum = 0.9f, .dampening = 0.3f, .weight_decay = 0.01f } },
        { "sgd of Nesterov", { .momentum = 0.8f, .nesterov = true, .weight_decay = 0.01f, .decay_all = true } },
        { "adam", { .kind = CHI_OPTIMIZER_ADAMW } },
        { "adamw", { .kind = CHI_OPTIMIZER_ADAMW, .weight_decay = 0.1f, .beta1 = 0.8f, .beta2 = 0.95f, .epsilon = 1e-5f } },
    };
    chi_device *dev = NULL;
    if (chi_device_open(NULL, &dev) != CHI_OK) {
        printf("%s\n", chi_error_text());
        return 77;
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        test_verdict(steps(dev, &cases[i].options, cases[i].what) == CHI_OK, cases[i].what, "steps", chi_error_text());
    refusals(dev);
    schedules();
    chi_device_close(&dev);
    return test_summary();
}
