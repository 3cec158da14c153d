// SPDX-License-Identifier: Apache-2.0
// facts.h: what a model's file says beside its weights: recipe, input, pixels, classes, the data it was trained on.
#ifndef CHIARO_FACTS_H
#define CHIARO_FACTS_H

#include "images.h"
#include "recipe.h"
#include "split.h"

typedef struct model_facts {
    recipe recipe;
    chi_shape input;
    bool ruled;             // the file says what was done to the pixels; the first models do not
    pixel_rules rules;
    size_t classes;         // of the training data; 0: no labels
    char **names;           // [classes]; NULL: not known
    uint64_t data_hash;     // of the images, those held out among them; 0: not known
    uint64_t data_count;
    uint64_t labels_hash;   // of the class of each image; 0: no labels, or not known
    char *holdout;          // rows held out, as split_print writes them; NULL: none
    uint64_t step;
} model_facts;

// Metadata of a file that is written; `to` receives strings of its own. An exit status.
int facts_print(const model_facts *facts, const char *path, chi_tensors *to);
int facts_read(const chi_tensors *from, const char *path, model_facts *out);
void facts_free(model_facts *facts);

#endif
