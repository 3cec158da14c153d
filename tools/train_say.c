// SPDX-License-Identifier: Apache-2.0
// train_say.c: what a run says before its first step and after its last. Header: train.h.
#include <stdlib.h>

#include "text.h"
#include "train.h"

static void say_images(const trainer *t)
{
    char count[TEXT_ROOM], bytes[TEXT_ROOM], held[TEXT_ROOM], classes[64] = "";
    const tool_images *s = &t->set;
    if (s->labels.count)
        snprintf(classes, sizeof classes, " of %zu class%s", s->labels.classes, s->labels.classes == 1 ? "" : "es");
    progress_note(&t->progress, "data: %s images%s from %s", text_number(s->count, count), classes, s->path);
    progress_note(&t->progress, "images: %zu × %zu × %zu (channels, rows, columns) as %s, %s, %s", s->shape.channels, s->shape.height,
                  s->shape.width, s->floats ? "floats" : "bytes", text_bytes(s->count * image_bytes(s), bytes),
                  t->pooled ? "all on the device" : s->values ? "brought to the device a batch at a time" : "decoded and brought to the device a batch at a time");
    if (t->split.tested)
        progress_note(&t->progress, "held out: %s images, which chiaro eval takes", text_number(t->split.tested, held));
    if (t->unlabelled)
        progress_note(&t->progress, "no class: %s images, which are not drawn", text_number(t->unlabelled, held));
}

static void say_device(const trainer *t)
{
    chi_device_info info;
    if (chi_device_describe(t->dev, &info) != CHI_OK)
        return;
    const char *named = getenv("CHIARO_DEVICE");
    if (t->tool.device)
        progress_note(&t->progress, "device: %s, as --device %s asks", info.name, t->tool.device);
    else if (named && *named)
        progress_note(&t->progress, "device: %s, as CHIARO_DEVICE=%s asks", info.name, named);
    else
        progress_note(&t->progress, "device: %s, the default here; chiaro devices lists all, --device takes another", info.name);
}

void train_say_start(const trainer *t)
{
    const recipe *r = &t->recipe;
    say_device(t);
    say_images(t);
    progress_note(&t->progress, "recipe: %s: %s at temperature %g, %llu epoch%s of %llu step%s of %zu images, %llu steps in all, %s, rate %g%s",
                  t->recipe_name ? t->recipe_name : t->recipe_file, recipe_text(r, "loss"), r->temperature, (unsigned long long)r->epochs,
                  r->epochs == 1 ? "" : "s", (unsigned long long)t->per_epoch, t->per_epoch == 1 ? "" : "s", t->batch,
                  (unsigned long long)t->steps, recipe_text(r, "optimizer"), r->rate, r->schedule == CHI_SCHEDULE_COSINE ? " by a cosine" : "");
}

void train_say_doubts(const trainer *t)
{
    const recipe *r = &t->recipe;
    if (t->set.shape.channels != 3 && (r->saturation > 0.0 || r->hue > 0.0 || r->random_grey > 0.0))
        progress_note(&t->progress, "saturation, hue and random_grey are left out: they need images of 3 channels, these have %zu",
                      t->set.shape.channels);
}

void train_say_end(const trainer *t)
{
    const double seconds = tool_seconds() - t->started, waited = feed_waited(t->feed);
    if (t->feed)
        progress_note(&t->progress, "the device waited for images %.1f %% of the time (%.1f of %.1f s)", 100.0 * waited / seconds, waited, seconds);
    if (!t->tool.quiet)
        fprintf(stderr, "chiaro: %s/model.safetensors written; look at it with: chiaro eval --model %s/model.safetensors --data DIR\n",
                t->output, t->output);
}
