// SPDX-License-Identifier: Apache-2.0
// evaluation.h: accuracies of features by kNN and linear probe, with what is needed to trust them:
// intervals, predictions, paired differences. What they are features of: eval.c. Output:
// eval_report.c.
#ifndef CHIARO_EVALUATION_H
#define CHIARO_EVALUATION_H

#include "tool.h"

enum {
    EVAL_LISTS = 16,
    EVAL_NEIGHBOURS = 20,
    EVAL_MOST_NEIGHBOURS = 1024,
    EVAL_PROBE_CLASSES = 1024
};

// Rows of a set that take part, ascending, and the class of each.
typedef struct eval_side {
    int32_t *rows, *labels;
    size_t count;
} eval_side;

// What is asked of every set of features. Intervals are 95 % bootstrap ones, drawn by the seed.
typedef struct evaluation {
    chi_device *dev;
    bool quiet;
    uint64_t seed;
    chi_metric metric;
    size_t k[EVAL_LISTS], ks;     // neighbours that vote
    eval_side base, query;        // rows that are learnt from, and tested
    size_t classes, base_classes; // the second: those that have a row in base
    char *const *names;           // [classes]
} evaluation;

// predicted NULL: not measured.
typedef struct eval_score {
    double accuracy;
    chi_interval interval;
    const int32_t *predicted; // [query rows]
} eval_score;

typedef struct eval_result {
    eval_score knn[EVAL_LISTS], weighted[EVAL_LISTS], probe;
    char why[400];  // why something was not measured; "": all was that was asked for
    int32_t *store; // all predictions
} eval_result;

// base, query: features of the two sides on the device. name: of the features, for progress. probe:
// kNN alone will not do; otherwise too little memory for kNN is no error but a reason in `why`.
int evaluation_measure(const evaluation *e, const char *name, chi_matrix base, chi_matrix query,
                       bool probe, eval_result *out);
void evaluation_free(eval_result *result);

// The accuracy of a less that of b, on the same rows.
int evaluation_difference(const evaluation *e, const eval_score *a, const eval_score *b,
                          double *less, chi_interval *interval);

// Device memory for the features of both sides. Whether they fit what is left of the budget beside
// so many bytes: `why` receives a sentence where they do not, which allocate says.
typedef struct eval_features {
    chi_buffer *base, *query;
    size_t width;
} eval_features;
uint64_t evaluation_bytes(const evaluation *e, size_t width);
bool evaluation_fits(const evaluation *e, size_t width, uint64_t beside, char *why, size_t room);
int evaluation_allocate(const evaluation *e, size_t width, eval_features *out);
void evaluation_release(eval_features *features);

#endif
