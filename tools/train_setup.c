// SPDX-License-Identifier: Apache-2.0
// train_setup.c: what a run needs on the device: networks, loss, optimisers, and the images if they fit. Header: train.h.
#include <stdlib.h>

#include "train.h"

enum { POOL_STEP = 16 << 20 }; // bytes uploaded at once

// ---- parts -------------------------------------------------------------------------------------------
static chi_status make_augment(trainer *t)
{
    const recipe *r = &t->recipe;
    const chi_shape s = t->set.shape;
    const bool colours = s.channels == 3; // train_say_doubts says it where they are left out
    const chi_augment_options o = {
        .channels = s.channels, .height = s.height, .width = s.width, .floats = t->set.floats, .gathered = !t->pooled,
        .shift = (size_t)r->shift, .scale_low = (float)r->crop, .flip = (float)r->flip, .jitter = (float)r->jitter,
        .contrast = (float)r->contrast, .brightness = (float)r->brightness, .saturation = colours ? (float)r->saturation : 0.0f,
        .hue = colours ? (float)r->hue : 0.0f, .grey = colours ? (float)r->random_grey : 0.0f,
        .erase = (float)r->erase, .erase_low = (size_t)r->erase_low, .erase_high = (size_t)r->erase_high,
    };
    return chi_augment_create(t->dev, &o, r->seed, &t->augment);
}

static chi_status make_loss(trainer *t)
{
    const chi_loss_options o = { .kind = t->recipe.loss, .temperature = (float)t->recipe.temperature };
    return chi_loss_create(t->dev, 2 * t->batch, t->model.outputs, &o, &t->loss);
}

static chi_status make_optimizers(trainer *t)
{
    const recipe *r = &t->recipe;
    const chi_optimizer_options o = { .kind = r->optimizer, .momentum = (float)r->momentum, .nesterov = r->nesterov,
                                      .weight_decay = (float)r->weight_decay };
    chi_status st = CHI_OK;
    for (int i = 0; i < 2 && st == CHI_OK; i++)
        st = chi_optimizer_create(t->dev, chi_encoder_parameters(i ? t->model.head : t->model.encoder), &o, &t->optimizers[i]);
    return st;
}

static chi_status make_buffers(trainer *t)
{
    const uint64_t rows = 2 * t->batch;
    const struct { chi_buffer **buffer; uint64_t bytes; } all[] = {
        { &t->indices, 4 * t->batch }, { &t->pair_labels, 4 * rows }, { &t->views, 4 * rows * t->set.pixels },
        { &t->features, 4 * rows * t->model.features }, { &t->outputs, 4 * rows * t->model.outputs },
        { &t->grad_features, 4 * rows * t->model.features }, { &t->grad_outputs, 4 * rows * t->model.outputs },
        { &t->values, 4 * TRAIN_VALUES },
    };
    chi_status st = CHI_OK;
    for (size_t i = 0; i < sizeof all / sizeof *all && st == CHI_OK; i++)
        st = chi_buffer_create(t->dev, all[i].bytes, all[i].buffer);
    return st;
}

// ---- images ------------------------------------------------------------------------------------------
// All images to the device, some at a time.
static chi_status fill_pool(trainer *t)
{
    const size_t bytes = image_bytes(&t->set), most = POOL_STEP / bytes, step = most ? most : 1;
    uint8_t *some = malloc(step * bytes);
    chi_status st = some ? CHI_OK : CHI_ERR_MEMORY;
    for (size_t first = 0; first < t->set.count && st == CHI_OK; first += step) {
        const size_t n = t->set.count - first < step ? t->set.count - first : step;
        st = images_fetch(&t->set, NULL, first, n, some);
        if (st == CHI_OK)
            st = chi_buffer_upload(t->pool, first * bytes, some, n * bytes);
    }
    free(some);
    return st;
}

// Whether images that are in memory also fit the device, beside everything else that is there by now.
static bool pool_fits(const trainer *t)
{
    const uint64_t bytes = t->set.count * image_bytes(&t->set), budget = chi_device_budget(t->dev);
    uint64_t held = 0;
    chi_device_info info;
    chi_device_memory(t->dev, &held, NULL);
    return t->set.values && held <= budget && bytes <= budget - held && chi_device_describe(t->dev, &info) == CHI_OK &&
           bytes <= info.max_alloc_bytes;
}

static chi_status make_pool(trainer *t)
{
    t->pooled = pool_fits(t);
    const chi_status st = chi_buffer_create(t->dev, (t->pooled ? t->set.count : t->batch) * image_bytes(&t->set), &t->pool);
    return st == CHI_OK && t->pooled ? fill_pool(t) : st;
}

// ---- all of it ---------------------------------------------------------------------------------------
static int make_parts(trainer *t)
{
    static const struct { const char *name; chi_status (*make)(trainer *t); } parts[] = {
        { "loss", make_loss }, { "optimisers", make_optimizers }, { "buffers", make_buffers }, { "images", make_pool },
        { "views", make_augment }, // behind the images, as it needs to know where they are
    };
    enum { PARTS = sizeof parts / sizeof *parts };
    progress p;
    progress_start(&p, t->tool.quiet, "parts made ready", PARTS + 1);
    progress_show(&p, 0, "networks");
    const int result = model_create(&t->model, t->dev, &t->facts, 2 * t->batch, t->recipe.seed);
    chi_status st = CHI_OK;
    for (size_t i = 0; i < PARTS && result == TOOL_DONE && st == CHI_OK; i++) {
        progress_show(&p, i + 1, "%s", parts[i].name);
        st = parts[i].make(t);
    }
    progress_end(&p);
    return result != TOOL_DONE ? result : st != CHI_OK ? tool_fail(st) : TOOL_DONE;
}

int train_make(trainer *t)
{
    const int result = make_parts(t);
    if (result != TOOL_DONE)
        return result;
    t->batch_rows = malloc(t->batch * sizeof *t->batch_rows);
    t->batch_labels = malloc(2 * t->batch * sizeof *t->batch_labels);
    return t->batch_rows && t->batch_labels ? TOOL_DONE : tool_error("no memory for %zu indices", t->batch);
}

void train_release(trainer *t)
{
    chi_buffer **all[] = { &t->pool, &t->indices, &t->pair_labels, &t->views, &t->features, &t->outputs, &t->grad_features,
                           &t->grad_outputs, &t->values };
    feed_close(&t->feed);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        chi_buffer_destroy(all[i]);
    chi_optimizer_destroy(&t->optimizers[0]);
    chi_optimizer_destroy(&t->optimizers[1]);
    chi_loss_destroy(&t->loss);
    chi_augment_destroy(&t->augment);
    model_close(&t->model);
    chi_device_close(&t->dev);
    draw_close(&t->draw);
    images_close(&t->set);
    split_free(&t->split);
    free(t->facts.holdout);
    run_close(&t->run);
    free(t->batch_rows);
    free(t->batch_labels);
}
