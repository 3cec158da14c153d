// SPDX-License-Identifier: Apache-2.0
// train_doubts.c: what of data and recipe will not work as one may think, said before the first
// step. Header: train.h.
#include <stdlib.h>

#include "names.h"
#include "train.h"

enum { NAME = 80 };

// Rows of each class that are trained on and held out.
typedef struct tally {
    size_t classes, *trained, *tested;
} tally;

static bool count(const trainer *t, tally *y)
{
    const chi_labels *l = &t->set.labels;
    *y = (tally){ l->classes, calloc(l->classes + 1, sizeof(size_t)),
                   calloc(l->classes + 1, sizeof(size_t)) };
    for (size_t i = 0; y->trained && i < t->split.trained; i++)
        if (l->of[t->split.train[i]] >= 0)
            y->trained[l->of[t->split.train[i]]]++;
    for (size_t i = 0; y->tested && i < t->split.tested; i++)
        if (l->of[t->split.test[i]] >= 0)
            y->tested[l->of[t->split.test[i]]]++;
    return y->trained && y->tested;
}

// Classes that have some rows on one side and none on the other.
static void say_lacking(const trainer *t, const size_t *have, const size_t *lack, const char *where)
{
    size_t lacking = 0, first = 0;
    char name[NAME];
    for (size_t c = 0; c < t->set.labels.classes; c++)
        if (have[c] && !lack[c] && lacking++ == 0)
            first = c;
    if (lacking)
        progress_note(&t->progress, "note: no image %s is of class \"%s\"%s", where,
                      name_escape(t->set.labels.names[first], name, NAME),
                      lacking > 1 ? ", and other classes lack there too" : "");
}

static void say_singletons(const trainer *t, const tally *y)
{
    size_t single = 0, first = 0, present = 0;
    char name[NAME];
    for (size_t c = 0; c < y->classes; c++) {
        present += y->trained[c] > 0;
        if (y->trained[c] == 1 && single++ == 0)
            first = c;
    }
    if (present == 1)
        progress_note(&t->progress, "note: all images are of one class: supcon has nothing to tell "
                                    "apart");
    else if (single == present)
        progress_note(&t->progress, "note: all labels are different: each image is a class of its "
                                    "own, so supcon does what ntxent does without labels");
    else if (single)
        progress_note(&t->progress,
                      "note: %zu of %zu classes have one image each, the first of them \"%s\": "
                      "nothing but its own other view attracts it",
                      single, present, name_escape(t->set.labels.names[first], name, NAME));
}

static int say_classes(const trainer *t)
{
    tally y;
    if (!t->set.labels.count)
        return TOOL_DONE;
    const bool counted = count(t, &y);
    if (counted && t->recipe.loss == CHI_LOSS_SUPCON)
        say_singletons(t, &y);
    if (counted && t->split.tested) {
        say_lacking(t, y.tested, y.trained, "that is trained on");
        say_lacking(t, y.trained, y.tested, "that is held out");
    }
    free(y.trained);
    free(y.tested);
    return counted ? TOOL_DONE : tool_error("no memory for %zu classes", t->set.labels.classes);
}

static void say_steps(const trainer *t)
{
    const recipe *r = &t->recipe;
    const size_t used = t->split.trained, left = used % t->batch;
    if (r->schedule == CHI_SCHEDULE_COSINE && r->warmup >= t->steps)
        progress_note(
            &t->progress,
            "note: the run ends inside its warm-up: it has %llu step%s and the warm-up "
            "%llu, so the rate gets to %g of %g; more --epochs, a smaller --batch or --warmup 0",
            (unsigned long long)t->steps, t->steps == 1 ? "" : "s", (unsigned long long)r->warmup,
            r->rate * (double)t->steps / (double)r->warmup, r->rate);
    if (left * 5 > used)
        progress_note(&t->progress,
                      "note: batches of %zu leave out %zu of %zu images in each epoch, others each "
                      "time; a smaller --batch leaves out fewer",
                      t->batch, left, used);
}

// A run that is lengthened.
static void say_longer(const trainer *t)
{
    const recipe *r = &t->recipe;
    const chi_schedule now = { r->schedule, r->rate, r->final_rate, r->warmup, t->steps };
    const chi_schedule was = { r->schedule, r->rate, r->final_rate, r->warmup, t->steps_before };
    const uint64_t at = t->ended;
    if (!t->run.longer || t->steps <= t->steps_before || at >= t->steps)
        return;
    if (r->schedule == CHI_SCHEDULE_COSINE)
        progress_note(&t->progress,
                      "note: the run is lengthened from %llu steps to %llu, and its cosine is "
                      "stretched over all of them: from step %llu on the "
                      "rate goes on at %.3g, where it had come down to %.3g; the weights are not "
                      "those of a run of that length from the start",
                      (unsigned long long)t->steps_before, (unsigned long long)t->steps,
                      (unsigned long long)at, chi_schedule_rate(&now, at),
                      at ? chi_schedule_rate(&was, at - 1) : r->rate);
    else
        progress_note(&t->progress,
                      "note: the run is lengthened from %llu steps to %llu at the same rate: the "
                      "weights are those of a run of that length from "
                      "the start",
                      (unsigned long long)t->steps_before, (unsigned long long)t->steps);
}

int train_say_doubts(const trainer *t)
{
    const recipe *r = &t->recipe;
    if (t->tool.quiet)
        return TOOL_DONE;
    if (t->set.shape.channels != 3 && (r->saturation > 0.0 || r->hue > 0.0 || r->random_grey > 0.0))
        progress_note(&t->progress,
                      "note: saturation, hue and random_grey are left out: they need images of 3 "
                      "channels, these have %zu",
                      t->set.shape.channels);
    say_steps(t);
    say_longer(t);
    return say_classes(t);
}
