// SPDX-License-Identifier: Apache-2.0
// train.h: one training run, as the files of `chiaro train` share it: train.c (options and order),
// train_data.c (images and what is drawn from them), train_doubts.c (what is odd about them),
// train_setup.c (the device's part), train_feed.c (images ahead of time), train_loop.c (the steps),
// train_plan.c (what they would take), train_say.c (what is said before and after).
#ifndef CHIARO_TRAIN_H
#define CHIARO_TRAIN_H

#include "model.h"
#include "progress.h"
#include "run.h"
#include "train_feed.h"

enum { TRAIN_VALUES = 16 }; // losses on the device between two looks at them, at most
enum { TRAIN_PARTS = 6 };   // what train_make makes, in its order

typedef struct trainer {
    tool tool;
    const char *recipe_name, *recipe_file, *data, *images, *labels, *output, *holdout_file, *init,
        *time_text;
    const char *overrides[RECIPE_KEYS];
    bool resume, dry_run;
    double began, limit; // when the command was called; seconds that it may take, 0: any number
    recipe recipe;
    image_options image_options;
    tool_images set;
    split split;
    size_t unlabelled;          // images that a supervised loss leaves out
    model_facts facts;
    draw draw;
    size_t batch;               // images a step
    uint64_t per_epoch, steps;  // steps an epoch, and in all
    uint64_t steps_before;      // in all, of the run that is gone on with
    chi_device *dev;
    model model;
    chi_augment *augment;
    chi_loss *loss;
    chi_optimizer *optimizers[2];
    uint64_t bytes[TRAIN_PARTS]; // on the device, of each part
    bool pooled;                // the device holds all images; else each step's are brought to it
    chi_buffer *pool, *indices, *pair_labels, *views, *features, *outputs, *grad_features,
        *grad_outputs, *values;
    int32_t *batch_rows, *batch_labels;
    feed *feed;
    run run;
    progress progress;
    double started;             // when the first step began
    uint64_t first_step, ended; // where it went on from, and how many steps are done
    bool limited;               // --time-limit ended it
    double rates[TRAIN_VALUES];
} trainer;

// All of these give an exit status.
int train_options(trainer *t, int argc, char **argv);
int train_load(trainer *t);                      // images, rows held out, batch and steps
int train_make(trainer *t); // opens the device and makes all that training needs there
int train_init(trainer *t); // weights of --init, into the networks that were made
// The steps; a checkpoint where it is interrupted or time is over.
int train_walk(trainer *t, uint64_t from);
int train_step(trainer *t, uint64_t step);       // one of them; only enqueues
int train_checkpoint(trainer *t, uint64_t step);
void train_catch_wanted(void);                   // SIGUSR1: a checkpoint, and on
int train_plan(trainer *t); // --dry-run: a few steps, and what all of them would take
void train_release(trainer *t);

const char *train_part_name(size_t part);

void train_say_start(const trainer *t);          // device, data, images, recipe
int train_say_doubts(const trainer *t);          // what will not work as one may think
void train_say_end(const trainer *t);            // what there is now, and what to do next

#endif
