// SPDX-License-Identifier: Apache-2.0
// recipe.h: what a training run is made of: `key = value` lines. Built-in ones: tools/recipes/,
// embedded at build time.
#ifndef CHIARO_RECIPE_H
#define CHIARO_RECIPE_H

#include "tool.h"

extern const text_source recipe_sources[]; // ends with {NULL, NULL}

enum { RECIPE_KEYS = 33, RECIPE_TEXT = 1024 };
typedef struct recipe {
    char text[RECIPE_KEYS][RECIPE_TEXT]; // by key, as given or by default
    chi_loss_kind loss;
    double temperature, rate, final_rate, momentum, weight_decay, crop, flip, jitter, contrast,
        brightness, saturation, hue;
    double random_grey, erase, holdout_part; // holdout_part: 0.1 for "10%"
    uint64_t batch, epochs, warmup, shift, erase_low, erase_high, checkpoint_every, keep, seed,
        holdout, steps, size, grey;
    chi_optimizer_kind optimizer;
    chi_schedule_kind schedule;
    bool nesterov;
    const char *encoder, *head;
} recipe;

const char *recipe_key(size_t index);                            // NULL after the last
const char *recipe_help(size_t index);
// As given or by default; key: dashes or underscores.
const char *recipe_text(const recipe *r, const char *key);
size_t recipe_find(const char *key);      // its index; RECIPE_KEYS: there is none
void recipe_defaults(recipe *r);
int recipe_read(recipe *r, const char *text, const char *name);  // lines into r; exit status
int recipe_set(recipe *r, const char *key, const char *value, const char *where);
int recipe_resolve(recipe *r);                                   // text to numbers, checked
void recipe_print(const recipe *r, char *to, size_t room);       // every key, as config.txt has it
const char *recipe_builtin(const char *name);                    // NULL: none
// The first key whose values differ, numbers compared as numbers and layers word by word;
// RECIPE_KEYS: none. With `lasting`, keys that change no weight (checkpoint_every, keep) are passed
// over.
size_t recipe_difference(const recipe *a, const recipe *b, bool lasting);

#endif
