// SPDX-License-Identifier: Apache-2.0
// eval.h: what `chiaro eval` was asked and what it found, between its files: eval.c (options and
// order), eval_images.c (images through a model), eval_features.c (anybody's vectors), eval_rows.c
// (which rows), evaluation.c (measuring), eval_report.c and eval_json.c (output).
#ifndef CHIARO_EVAL_H
#define CHIARO_EVAL_H

#include "encode.h"
#include "eval_rows.h"

// Whose features: of the trained model, or vectors that a file holds; of the same network
// untrained; the pixels.
enum { EVAL_TRAINED = 0, EVAL_UNTRAINED, EVAL_PIXELS, EVAL_RESULTS };

typedef struct eval {
    tool tool;
    const char *model, *data, *images, *labels, *test_images, *test_labels, *features,
        *test_features;
    const char *holdout, *holdout_file, *k_text, *metric_text, *batch_text, *predictions,
        *json_file;
    bool per_class, changed;
    image_options image_options;
    size_t batch, ks_asked; // ks_asked: numbers of --k; 0: none given

    model_file file;
    tool_images set, test_set;            // of images; the second where it is one of its own
    chi_npy_reader *reader, *test_reader; // of vectors, likewise
    chi_labels vector_labels, test_vector_labels;

    evaluation e;
    eval_notes notes;
    eval_result results[EVAL_RESULTS];
    double seconds;
} eval;

// Open reads what there is and chooses rows; measure fills the results on the open device. Exit
// statuses.
int eval_images_open(eval *v);
int eval_images_measure(eval *v);
void eval_images_close(eval *v);
int eval_features_open(eval *v);
int eval_features_measure(eval *v);
void eval_features_close(eval *v);

int eval_print(const eval *v); // a table for people
int eval_print_json(const eval *v);
int eval_write_json(const eval *v); // the same text to json_file
int eval_write_predictions(const eval *v);

// Of one class: rows to learn from, rows that are tested, those of them that are right.
typedef struct eval_count {
    size_t base, tested, right;
} eval_count;
// [classes], freed with free; NULL: no memory.
eval_count *eval_count_classes(const evaluation *e, const eval_score *score);

#endif
