// SPDX-License-Identifier: Apache-2.0
// train_data.c: the images of a run, the rows that are held out, and how they come to batches and
// steps. Header: train.h.
#include <string.h>

#include "train.h"

static bool supervised(const trainer *t) { return t->recipe.loss == CHI_LOSS_SUPCON; }
static const chi_labels *labels_of(const trainer *t)
{
    return t->set.labels.count ? &t->set.labels : NULL;
}

// ---- images -------------------------------------------------------------------------------------
static int open_images(trainer *t)
{
    const recipe *r = &t->recipe;
    const image_options *o = &t->image_options;
    const bool quiet = t->tool.quiet, used = r->holdout || r->holdout_part > 0.0 || t->holdout_file;
    const label_use use = supervised(t) ? LABELS_NEEDED : used ? LABELS_USED : LABELS_UNUSED;
    const chi_shape any = { 0 };
    pixel_rules rules;
    int result = pixels_ask(o->layout, o->range, NULL, r->grey != 0, &rules);
    rules.size = r->size;
    if (result == TOOL_DONE && t->data)
        result = images_open_data(&t->set, t->data, "train", t->labels ? LABELS_UNUSED : use, o,
                                  &rules, any, quiet);
    else if (result == TOOL_DONE)
        result = images_open(&t->set, t->images, o, &rules, any, quiet);
    if (result == TOOL_DONE && t->labels)
        result = images_label(&t->set, t->labels, o);
    if (result == TOOL_DONE && supervised(t) && !t->set.labels.count)
        return tool_error("supcon needs labels: --labels FILE, or a folder of pictures with a "
                          "folder for each class");
    return result;
}

// ---- rows ---------------------------------------------------------------------------------------
static int draw_rows_out(trainer *t)
{
    const recipe *r = &t->recipe;
    const chi_labels *labels = labels_of(t);
    size_t count = (size_t)r->holdout, classed = 0;
    for (size_t i = 0; labels && i < labels->count; i++)
        classed += labels->of[i] >= 0;
    if (r->holdout_part > 0.0 && !labels && t->overrides[recipe_find("holdout")])
        return tool_usage("--holdout %s is a part of the images that have a class, and none has: "
                          "--labels FILE, or a number of images",
                          recipe_text(r, "holdout"));
    if (r->holdout_part > 0.0)
        count = (size_t)((double)classed * r->holdout_part + 0.5);
    return split_draw(&t->split, t->set.count, labels, count, r->seed);
}

static bool same_split(const split *a, const split *b)
{
    return a->tested == b->tested && memcmp(a->test, b->test, a->tested * sizeof *a->test) == 0;
}

// Rows that the run held out before, else those of --holdout-file, else by the recipe.
static int hold_out(trainer *t)
{
    split named = { 0 };
    bool before = false;
    int result = run_held(&t->run, t->set.count, &t->split, &before);
    if (result == TOOL_DONE && t->holdout_file)
        result = split_read(&named, t->set.count, t->holdout_file);
    if (result == TOOL_DONE && before && t->holdout_file && !same_split(&named, &t->split))
        result = tool_error("%s names other rows than those that the run held out (%s/holdout.txt)",
                            t->holdout_file, t->output);
    else if (result == TOOL_DONE && !before && t->holdout_file) {
        t->split = named;
        named = (split){ 0 };
    } else if (result == TOOL_DONE && !before)
        result = draw_rows_out(t);
    split_free(&named);
    return result;
}

// Rows that a supervised loss can use: the others are not drawn.
static void drop_unlabelled(trainer *t)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->split.trained; i++)
        if (t->set.labels.of[t->split.train[i]] >= 0)
            t->split.train[kept++] = t->split.train[i];
    t->unlabelled = t->split.trained - kept;
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
    f->labels_hash = labels_of(t) ? chi_hash(CHI_HASH_START, t->set.labels.of,
                                             t->set.labels.count * sizeof *t->set.labels.of)
                                  : 0;
    f->holdout = t->split.tested ? split_print(&t->split) : NULL;
    return t->split.tested && !f->holdout ? tool_error("no memory for %zu rows", t->split.tested)
                                          : TOOL_DONE;
}

// ---- batches ------------------------------------------------------------------------------------

// A recipe's batch is lowered to the images there are; one that was asked for is not.
static int fit_batch(trainer *t)
{
    const size_t used = t->split.trained, asked = (size_t)t->recipe.batch;
    const bool left = t->split.tested || t->unlabelled;
    const char *what = left ? "images left to train on" : "images there are";
    const size_t least = 2; // one image has no other to be told from, so its loss is 0
    if (used < least)
        return tool_error("%zu image%s to train on%s; at least 2 are needed, to be told apart",
                          used, used == 1 ? "" : "s", left ? " beside those left out" : "");
    if (asked < least)
        return tool_error("batch = %zu: one image has no other to be told from, so its loss is 0 "
                          "and nothing is learnt; at least 2",
                          asked);
    if (asked > used && t->overrides[recipe_find("batch")])
        return tool_error("batch = %zu is more than the %zu %s", asked, used, what);
    t->batch = asked < used ? asked : used;
    if (t->batch < asked)
        tool_say(t->tool.quiet, "batch = %zu is lowered to the %zu %s", asked, used, what);
    return TOOL_DONE;
}

static uint64_t steps_of(const trainer *t, const recipe *r)
{
    const uint64_t steps = r->epochs * t->per_epoch;
    return r->steps && r->steps < steps ? r->steps : steps;
}

int train_load(trainer *t)
{
    int result = open_images(t);
    if (result == TOOL_DONE)
        result = hold_out(t);
    if (result == TOOL_DONE && supervised(t))
        drop_unlabelled(t);
    if (result == TOOL_DONE)
        result = fill_facts(t);
    if (result == TOOL_DONE)
        result = fit_batch(t);
    if (result != TOOL_DONE)
        return result;
    t->per_epoch = t->split.trained / t->batch; // a last part of a batch is left out
    t->steps = steps_of(t, &t->recipe);
    t->steps_before = t->run.there ? steps_of(t, &t->run.before) : t->steps;
    if (t->steps < t->steps_before)
        return tool_error("the run was of %llu steps and would now be of %llu; it can be "
                          "lengthened, not shortened",
                          (unsigned long long)t->steps_before, (unsigned long long)t->steps);
    return draw_open(&t->draw, t->split.train, t->split.trained, t->batch, t->recipe.seed);
}
