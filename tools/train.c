// SPDX-License-Identifier: Apache-2.0
// train.c: `chiaro train`. Recipes: recipe.c. The two networks and their files: model.c. Folder of a run: run.c.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model.h"
#include "run.h"

enum { VALUES = 16, POOL_STEP = 16 << 20 }; // losses on the device between two looks at them; bytes uploaded at once

typedef struct trainer {
    tool tool;
    const char *recipe_file, *data, *images, *labels, *output, *overrides[RECIPE_KEYS];
    bool resume;
    recipe recipe;
    image_options image_options;
    tool_images set;
    split split;
    model_facts facts;
    size_t used, batch, per_epoch; // images trained on, images a step, steps an epoch
    uint64_t steps, epoch_drawn;
    chi_device *dev;
    model model;
    chi_augment *augment;
    chi_loss *loss;
    chi_optimizer *optimizers[2];
    chi_buffer *pool, *indices, *pair_labels, *views, *features, *outputs, *grad_features, *grad_outputs, *values;
    int32_t *order, *batch_rows, *batch_labels;
    run run;
    double started;
    uint64_t first_step;
    double rates[VALUES];
} trainer;

// ---- what is asked for -------------------------------------------------------------------------------
static int read_options(trainer *t, int argc, char **argv)
{
    tool_option own[RECIPE_KEYS + IMAGE_OPTIONS + 6] = {
        { "recipe", "FILE", "a recipe of your own instead of a built-in one", &t->recipe_file, NULL },
        { "data", "DIR", "folder with train-images-idx3-ubyte(.gz) and labels", &t->data, NULL },
        { "images", "FILE", "images as .npy or idx, bytes or numbers from 0 to 1", &t->images, NULL },
        { "labels", "FILE", "their labels, for supcon and eval", &t->labels, NULL },
        { "output", "DIR", "folder of the run: config.txt, metrics.jsonl, checkpoints, model.safetensors", &t->output, NULL },
        { "resume", NULL, "go on from the newest checkpoint in --output, bit for bit", NULL, &t->resume },
    };
    size_t count = 6 + IMAGE_OPTIONS;
    images_add_options(&t->image_options, own + 6);
    for (size_t i = 0; recipe_key(i); i++)
        if (strcmp(recipe_key(i), "seed") != 0)
            own[count++] = (tool_option){ recipe_key(i), "VALUE", recipe_help(i), &t->overrides[i], NULL };
    const char *name = NULL;
    const tool_command command = {
        "train RECIPE --data DIR --output DIR [OPTIONS]", "recipes: simclr, supcon, baseline; every key of a recipe is an option",
        "chiaro train simclr --data /usr/share/datasets/fashion-mnist --output run --epochs 2", TOOL_OPENS | TOOL_SEED | TOOL_QUIET, 1,
    };
    int result = tool_parse(&t->tool, argc, argv, &command, own, count, &name, NULL);
    if (result != TOOL_DONE || t->tool.help)
        return result;
    recipe_defaults(&t->recipe);
    if (!name == !t->recipe_file)
        return tool_usage("train needs either the name of a recipe (simclr, supcon, baseline) or --recipe FILE");
    if (name && !recipe_builtin(name))
        return tool_usage("there is no recipe \"%s\"; simclr, supcon and baseline are built in, --recipe FILE reads one", name);
    char *text = name ? NULL : tool_read_text(t->recipe_file);
    if (!name && !text)
        return TOOL_FAILED;
    result = recipe_read(&t->recipe, name ? recipe_builtin(name) : text, name ? name : t->recipe_file);
    free(text);
    for (size_t i = 0; recipe_key(i) && result == TOOL_DONE; i++)
        if (t->overrides[i])
            result = recipe_set(&t->recipe, recipe_key(i), t->overrides[i], "command line");
    if (result == TOOL_DONE && t->tool.seed_text)
        result = recipe_set(&t->recipe, "seed", t->tool.seed_text, "command line");
    if (result == TOOL_DONE)
        result = recipe_resolve(&t->recipe);
    if (result == TOOL_DONE && (!t->data == !t->images))
        return tool_usage("train needs either --data DIR or --images FILE (with --labels FILE)");
    return result == TOOL_DONE && !t->output ? tool_usage("train needs --output DIR") : result;
}

static int open_images(trainer *t)
{
    const image_options *o = &t->image_options;
    const bool supervised = t->recipe.loss == CHI_LOSS_SUPCON, quiet = t->tool.quiet;
    const label_use use = supervised ? LABELS_NEEDED : t->recipe.holdout ? LABELS_USED : LABELS_UNUSED;
    const chi_shape any = { 0 };
    pixel_rules rules;
    int result = pixels_ask(o->layout, o->range, o->size, o->grey, &rules);
    if (result == TOOL_DONE && t->data)
        result = images_open_data(&t->set, t->data, "train", use, o, &rules, any, quiet);
    else if (result == TOOL_DONE)
        result = images_open(&t->set, t->images, o, &rules, any, quiet);
    if (result == TOOL_DONE && t->labels)
        result = images_label(&t->set, t->labels, o);
    if (result == TOOL_DONE && supervised && !t->set.labels.count)
        return tool_error("supcon needs labels: --labels FILE, or a folder of pictures with a folder for each class");
    return result;
}

// Rows that a supervised loss can use: the others are not drawn.
static void drop_unlabelled(trainer *t)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->split.trained; i++)
        if (t->set.labels.of[t->split.train[i]] >= 0)
            t->split.train[kept++] = t->split.train[i];
    if (kept < t->split.trained)
        tool_say(t->tool.quiet, "%zu of %zu images have no class and are not drawn", t->split.trained - kept, t->split.trained);
    t->split.trained = kept;
}

static int fill_facts(trainer *t)
{
    model_facts *f = &t->facts;
    f->recipe = t->recipe;
    f->input = t->set.shape;
    f->ruled = true;
    f->rules = t->set.rules;
    f->classes = t->set.labels.classes;
    f->names = t->set.labels.names; // stay the images'
    f->data_hash = t->set.hash;
    f->data_count = t->set.count;
    f->holdout = t->split.tested ? split_print(&t->split) : NULL;
    return t->split.tested && !f->holdout ? tool_error("no memory for %zu rows", t->split.tested) : TOOL_DONE;
}

static int load(trainer *t)
{
    int result = open_images(t);
    if (result == TOOL_DONE)
        result = split_draw(&t->split, t->set.count, t->set.labels.count ? &t->set.labels : NULL, (size_t)t->recipe.holdout, t->recipe.seed);
    if (result == TOOL_DONE && t->recipe.loss == CHI_LOSS_SUPCON)
        drop_unlabelled(t);
    if (result == TOOL_DONE)
        result = fill_facts(t);
    if (result != TOOL_DONE)
        return result;
    t->used = t->split.trained;
    t->batch = (size_t)t->recipe.batch;
    if (t->batch > t->used)
        return tool_error("batch = %zu is more than the %zu images there are", t->batch, t->used);
    t->per_epoch = t->used / t->batch; // the last partial batch is left out
    t->steps = t->recipe.epochs * t->per_epoch;
    if (t->recipe.steps && t->recipe.steps < t->steps)
        t->steps = t->recipe.steps;
    t->epoch_drawn = UINT64_MAX;
    return TOOL_DONE;
}

// ---- what is needed on the device ----------------------------------------------------------------------
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

static chi_status make_buffers(trainer *t)
{
    const uint64_t rows = 2 * t->batch;
    const struct { chi_buffer **buffer; uint64_t bytes; } all[] = {
        { &t->pool, t->set.count * image_bytes(&t->set) }, { &t->indices, 4 * t->batch }, { &t->pair_labels, 4 * rows },
        { &t->views, 4 * rows * t->set.pixels },
        { &t->features, 4 * rows * t->model.features }, { &t->outputs, 4 * rows * t->model.outputs },
        { &t->grad_features, 4 * rows * t->model.features }, { &t->grad_outputs, 4 * rows * t->model.outputs }, { &t->values, 4 * VALUES },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const chi_status st = chi_buffer_create(t->dev, all[i].bytes, all[i].buffer);
        if (st != CHI_OK)
            return st;
    }
    return fill_pool(t);
}

static chi_status make_parts(trainer *t)
{
    const recipe *r = &t->recipe;
    chi_status st = chi_augment_create(t->dev, &(chi_augment_options){
        .channels = t->set.shape.channels, .height = t->set.shape.height, .width = t->set.shape.width, .floats = t->set.floats, .shift = (size_t)r->shift, .scale_low = (float)r->crop,
        .flip = (float)r->flip, .jitter = (float)r->jitter, .contrast = (float)r->contrast, .brightness = (float)r->brightness,
        .erase = (float)r->erase, .erase_low = (size_t)r->erase_low, .erase_high = (size_t)r->erase_high }, r->seed, &t->augment);
    if (st == CHI_OK)
        st = chi_loss_create(t->dev, 2 * t->batch, t->model.outputs, &(chi_loss_options){ .kind = r->loss, .temperature = (float)r->temperature }, &t->loss);
    for (int i = 0; i < 2 && st == CHI_OK; i++)
        st = chi_optimizer_create(t->dev, chi_encoder_parameters(i ? t->model.head : t->model.encoder), &(chi_optimizer_options){
            .kind = r->optimizer, .momentum = (float)r->momentum, .nesterov = r->nesterov, .weight_decay = (float)r->weight_decay }, &t->optimizers[i]);
    return st == CHI_OK ? make_buffers(t) : st;
}

static int make(trainer *t)
{
    int result = tool_open(&t->tool, &t->dev);
    if (result != TOOL_DONE)
        return result;
    result = model_create(&t->model, t->dev, &t->facts, 2 * t->batch, t->recipe.seed);
    const chi_status st = result == TOOL_DONE ? make_parts(t) : CHI_OK;
    if (st != CHI_OK)
        return tool_fail(st);
    t->order = malloc(t->used * sizeof *t->order);
    t->batch_rows = malloc(t->batch * sizeof *t->batch_rows);
    t->batch_labels = malloc(2 * t->batch * sizeof *t->batch_labels);
    return result == TOOL_DONE && (!t->order || !t->batch_rows || !t->batch_labels) ? tool_error("no memory for %zu indices", t->used) : result;
}

static void release(trainer *t)
{
    chi_buffer **all[] = { &t->pool, &t->indices, &t->pair_labels, &t->views, &t->features, &t->outputs, &t->grad_features, &t->grad_outputs, &t->values };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        chi_buffer_destroy(all[i]);
    chi_optimizer_destroy(&t->optimizers[0]);
    chi_optimizer_destroy(&t->optimizers[1]);
    chi_loss_destroy(&t->loss);
    chi_augment_destroy(&t->augment);
    model_close(&t->model);
    chi_device_close(&t->dev);
    images_close(&t->set);
    split_free(&t->split);
    free(t->facts.holdout);
    run_close(&t->run);
    free(t->order);
    free(t->batch_rows);
    free(t->batch_labels);
}

// ---- one step ------------------------------------------------------------------------------------------
// The images of a step: a function of (seed, step) alone.
static chi_status upload_batch(trainer *t, uint64_t step)
{
    const uint64_t epoch = step / t->per_epoch;
    chi_status st = CHI_OK;
    if (epoch != t->epoch_drawn)
        st = chi_random_order(t->recipe.seed, epoch, t->used, t->order);
    t->epoch_drawn = epoch;
    const int32_t *here = t->order + step % t->per_epoch * t->batch;
    for (size_t i = 0; i < t->batch; i++)
        t->batch_rows[i] = t->split.train[here[i]];
    if (st == CHI_OK)
        st = chi_buffer_upload(t->indices, 0, t->batch_rows, 4 * t->batch);
    if (st != CHI_OK || t->recipe.loss != CHI_LOSS_SUPCON)
        return st;
    for (size_t i = 0; i < 2 * t->batch; i++)
        t->batch_labels[i] = t->set.labels.of[t->batch_rows[i % t->batch]];
    return chi_buffer_upload(t->pair_labels, 0, t->batch_labels, 8 * t->batch);
}

static chi_status train_step(trainer *t, uint64_t step, float rate)
{
    const size_t rows = 2 * t->batch;
    const chi_matrix views = chi_matrix_view(t->views, rows, t->set.pixels), features = chi_matrix_view(t->features, rows, t->model.features);
    const chi_matrix outputs = chi_matrix_view(t->outputs, rows, t->model.outputs);
    const chi_matrix grad_features = chi_matrix_view(t->grad_features, rows, t->model.features);
    const chi_matrix grad_outputs = chi_matrix_view(t->grad_outputs, rows, t->model.outputs);
    chi_matrix value = chi_matrix_view(t->values, 1, 1);
    value.offset = step % VALUES;
    chi_status st = upload_batch(t, step);
    if (st == CHI_OK)
        st = chi_augment_eval(t->augment, t->pool, t->indices, t->batch, 2, step, views);
    if (st == CHI_OK)
        st = chi_encoder_forward(t->model.encoder, views, features);
    if (st == CHI_OK)
        st = chi_encoder_forward(t->model.head, features, outputs);
    if (st == CHI_OK)
        st = chi_loss_eval(t->loss, &(chi_loss_args){ .x = outputs, .grad_x = grad_outputs, .value = value,
                                                      .labels = t->recipe.loss == CHI_LOSS_SUPCON ? t->pair_labels : NULL }, NULL);
    if (st == CHI_OK)
        st = chi_encoder_backward(t->model.head, grad_outputs, grad_features);
    if (st == CHI_OK)
        st = chi_encoder_backward(t->model.encoder, grad_features, (chi_matrix){ 0 });
    for (int i = 0; i < 2 && st == CHI_OK; i++)
        st = chi_optimizer_step(t->optimizers[i], rate);
    return st;
}

// Looks at the losses of steps first … last and writes them down.
static int report(trainer *t, uint64_t first, uint64_t last)
{
    float values[VALUES];
    const chi_status st = chi_buffer_download(t->values, 0, values, sizeof values);
    if (st != CHI_OK)
        return tool_fail(st);
    const double seconds = tool_seconds() - t->started, done = (double)(last + 1 - t->first_step);
    const double per_second = done * (double)t->batch / (seconds > 0.0 ? seconds : 1e-9);
    for (uint64_t s = first; s <= last; s++) {
        const float loss = values[s % VALUES];
        if (!isfinite(loss))
            return tool_error("the loss of step %llu is %g: training has diverged; the last checkpoint stays (a smaller rate may help)", (unsigned long long)s, (double)loss);
        run_metric(&t->run, s, (double)s / (double)t->per_epoch, (double)loss, t->rates[s % VALUES], per_second, seconds);
    }
    run_progress(&t->run, t->tool.quiet, last + 1, t->steps, (double)values[last % VALUES], per_second);
    return run_flush(&t->run);
}

static int checkpoint(trainer *t, uint64_t step)
{
    t->model.facts.step = step;
    const chi_optimizer *const optimizers[] = { t->optimizers[0], t->optimizers[1] };
    return run_checkpoint(&t->run, &t->model, optimizers, step, (size_t)t->recipe.keep);
}

static int train(trainer *t, uint64_t from)
{
    const chi_schedule schedule = { t->recipe.schedule, t->recipe.rate, t->recipe.final_rate, t->recipe.warmup, t->steps };
    uint64_t unseen = from;
    t->started = tool_seconds();
    t->first_step = from;
    for (uint64_t step = from; step < t->steps; step++) {
        const double rate = chi_schedule_rate(&schedule, step);
        t->rates[step % VALUES] = rate;
        const chi_status st = train_step(t, step, (float)rate);
        if (st != CHI_OK)
            return tool_fail(st);
        const bool save = (step + 1) % t->recipe.checkpoint_every == 0 || step + 1 == t->steps || tool_interrupted();
        if (save || step + 1 - unseen == VALUES) {
            const int result = report(t, unseen, step);
            if (result != TOOL_DONE)
                return result;
            unseen = step + 1;
        }
        const int result = save ? checkpoint(t, step + 1) : TOOL_DONE;
        if (result != TOOL_DONE)
            return result;
        if (tool_interrupted() && step + 1 < t->steps) {
            fprintf(stderr, "\nchiaro: interrupted after step %llu, checkpoint written; go on with --resume\n", (unsigned long long)step + 1);
            return TOOL_INTERRUPTED;
        }
    }
    return TOOL_DONE;
}

static int finish(trainer *t)
{
    char path[4200];
    snprintf(path, sizeof path, "%.4000s/model.safetensors", t->output);
    t->model.facts.step = t->steps;
    const int result = model_write(&t->model, NULL, path);
    if (result == TOOL_DONE && !t->tool.quiet)
        fprintf(stderr, "chiaro: %s written; look at it with: chiaro eval --model %s --data DIR\n", path, path);
    return result;
}

int command_train(int argc, char **argv)
{
    trainer *t = calloc(1, sizeof *t);
    if (!t)
        return tool_error("no memory");
    int result = read_options(t, argc, argv);
    if (result == TOOL_DONE && !t->tool.help) {
        uint64_t from = 0;
        tool_catch_interrupts();
        result = load(t);
        if (result == TOOL_DONE)
            result = make(t);
        if (result == TOOL_DONE)
            result = run_open(&t->run, t->output, &t->recipe, t->resume);
        if (result == TOOL_DONE && t->resume)
            result = run_resume(&t->run, &t->model, t->optimizers, &from);
        if (result == TOOL_DONE)
            result = train(t, from);
        if (result == TOOL_DONE)
            result = finish(t);
    }
    release(t);
    free(t);
    return result;
}
