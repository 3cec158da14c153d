// SPDX-License-Identifier: Apache-2.0
// train_setup.c: what a run needs on the device: networks, loss, optimisers, and the images if they
// fit. Header: train.h.
#include <stdlib.h>

#include "train.h"

enum { POOL_STEP = 16 << 20 }; // bytes uploaded at once

static int status(chi_status st) { return st == CHI_OK ? TOOL_DONE : tool_fail(st); }

// ---- networks -----------------------------------------------------------------------------------
static bool fits(trainer *t, size_t side)
{
    model_facts *f = &t->facts;
    const chi_shape was = f->input;
    chi_layer *layers = NULL;
    chi_encoder_needs needs;
    f->input.height = f->input.width = side;
    const bool good = chi_layers_parse(recipe_text(&f->recipe, "encoder"), &layers) == CHI_OK &&
                      chi_encoder_describe(t->dev, 1, f->input, layers, 0, &needs) == CHI_OK;
    chi_layers_free(&layers);
    f->input = was;
    return good;
}

// Images that are smaller than what the windows of the network need: how large they must be.
static void say_least(trainer *t)
{
    enum { MOST = 1024 };
    const chi_shape s = t->facts.input;
    const size_t side = s.height < s.width ? s.height : s.width;
    size_t low = side, high = side;
    while (high < MOST && !fits(t, high))
        high *= 2;
    if (high == side || !fits(t, high))
        return;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        *(fits(t, middle) ? &high : &low) = middle;
    }
    fprintf(stderr,
            "chiaro: images of %zu × %zu are too small for the windows of this encoder, which "
            "takes %zu × %zu or more: %s, or other "
            "layers by --encoder\n",
            s.height, s.width, high, high, t->set.pictures ? "give --size" : "give larger images");
}

static int make_networks(trainer *t)
{
    const int result = model_create(&t->model, t->dev, &t->facts, 2 * t->batch, t->recipe.seed);
    if (result == TOOL_FAILED)
        say_least(t);
    return result;
}

// ---- other parts --------------------------------------------------------------------------------
static int make_augment(trainer *t)
{
    const recipe *r = &t->recipe;
    const chi_shape s = t->set.shape;
    const bool colours = s.channels == 3; // train_say_doubts says it where they are left out
    const size_t side = s.height < s.width ? s.height : s.width;
    if (r->erase > 0.0 && r->erase_high > side)
        return tool_error("images of %zu × %zu are smaller than the erased boxes of the recipe, of "
                          "up to %llu: --erase-high %zu or less, or "
                          "--erase 0",
                          s.height, s.width, (unsigned long long)r->erase_high, side);
    const chi_augment_options o = {
        .channels = s.channels,
        .height = s.height,
        .width = s.width,
        .floats = t->set.floats,
        .gathered = !t->pooled,
        .shift = (size_t)r->shift,
        .scale_low = (float)r->crop,
        .flip = (float)r->flip,
        .jitter = (float)r->jitter,
        .contrast = (float)r->contrast,
        .brightness = (float)r->brightness,
        .saturation = colours ? (float)r->saturation : 0.0f,
        .hue = colours ? (float)r->hue : 0.0f,
        .grey = colours ? (float)r->random_grey : 0.0f,
        .erase = (float)r->erase,
        .erase_low = (size_t)r->erase_low,
        .erase_high = (size_t)r->erase_high,
    };
    return status(chi_augment_create(t->dev, &o, r->seed, &t->augment));
}

static int make_loss(trainer *t)
{
    const chi_loss_options o = { .kind = t->recipe.loss,
                                 .temperature = (float)t->recipe.temperature };
    return status(chi_loss_create(t->dev, 2 * t->batch, t->model.outputs, &o, &t->loss));
}

static int make_optimizers(trainer *t)
{
    const recipe *r = &t->recipe;
    const chi_optimizer_options o = { .kind = r->optimizer,
                                      .momentum = (float)r->momentum,
                                      .nesterov = r->nesterov,
                                      .weight_decay = (float)r->weight_decay };
    chi_status st = CHI_OK;
    for (int i = 0; i < 2 && st == CHI_OK; i++)
        st = chi_optimizer_create(t->dev,
                                  chi_encoder_parameters(i ? t->model.head : t->model.encoder), &o,
                                  &t->optimizers[i]);
    return status(st);
}

static int make_buffers(trainer *t)
{
    const uint64_t rows = 2 * t->batch;
    const struct { chi_buffer **buffer; uint64_t bytes;
    } all[] = {
        { &t->indices, 4 * t->batch },
        { &t->pair_labels, 4 * rows },
        { &t->views, 4 * rows * t->set.pixels },
        { &t->features, 4 * rows * t->model.features },
        { &t->outputs, 4 * rows * t->model.outputs },
        { &t->grad_features, 4 * rows * t->model.features },
        { &t->grad_outputs, 4 * rows * t->model.outputs },
        { &t->values, 4 * TRAIN_VALUES },
    };
    chi_status st = CHI_OK;
    for (size_t i = 0; i < sizeof all / sizeof *all && st == CHI_OK; i++)
        st = chi_buffer_create(t->dev, all[i].bytes, all[i].buffer);
    return status(st);
}

// ---- images -------------------------------------------------------------------------------------

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

// Whether images that are in memory also fit the device, beside everything else that is there by
// now.
static bool pool_fits(const trainer *t)
{
    const uint64_t bytes = t->set.count * image_bytes(&t->set), budget = chi_device_budget(t->dev);
    uint64_t held = 0;
    chi_device_info info;
    chi_device_memory(t->dev, &held, NULL);
    return t->set.values && held <= budget && bytes <= budget - held &&
           chi_device_describe(t->dev, &info) == CHI_OK && bytes <= info.max_alloc_bytes;
}

static int make_pool(trainer *t)
{
    t->pooled = pool_fits(t);
    const chi_status st = chi_buffer_create(
        t->dev, (t->pooled ? t->set.count : t->batch) * image_bytes(&t->set), &t->pool);
    return status(st == CHI_OK && t->pooled ? fill_pool(t) : st);
}

// ---- all of it ----------------------------------------------------------------------------------
static const struct { const char *name; int (*make)(trainer *t);
} parts[TRAIN_PARTS] = {
    { "networks", make_networks },
    { "loss", make_loss },
    { "optimisers", make_optimizers },
    { "batches", make_buffers },
    { "images", make_pool },
    { "views", make_augment }, // behind the images, as it needs to know where they are
};
const char *train_part_name(size_t part) { return parts[part].name; }

static int make_parts(trainer *t)
{
    progress p;
    int result = TOOL_DONE;
    progress_start(&p, t->tool.quiet, "parts made ready", TRAIN_PARTS);
    for (size_t i = 0; i < TRAIN_PARTS && result == TOOL_DONE; i++) {
        uint64_t before = 0, after = 0;
        progress_show(&p, i, "%s", parts[i].name);
        chi_device_memory(t->dev, &before, NULL);
        result = parts[i].make(t);
        chi_device_memory(t->dev, &after, NULL);
        t->bytes[i] = after - before;
    }
    progress_end(&p);
    return result;
}

int train_make(trainer *t)
{
    const int result = make_parts(t);
    if (result != TOOL_DONE)
        return result;
    t->batch_rows = malloc(t->batch * sizeof *t->batch_rows);
    t->batch_labels = malloc(2 * t->batch * sizeof *t->batch_labels);
    return t->batch_rows && t->batch_labels ? TOOL_DONE
                                            : tool_error("no memory for %zu indices", t->batch);
}

void train_release(trainer *t)
{
    chi_buffer **all[] = { &t->pool,          &t->indices,      &t->pair_labels,
                           &t->views,         &t->features,     &t->outputs,
                           &t->grad_features, &t->grad_outputs, &t->values };
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
