// SPDX-License-Identifier: Apache-2.0
// eval_rows.h: which rows are learnt from and which are tested, and what must be known about that.
// Splits: split.h.
#ifndef CHIARO_EVAL_ROWS_H
#define CHIARO_EVAL_ROWS_H

#include "evaluation.h"
#include "facts.h"

// Sentences that belong to a result: said at once unless quiet, and kept for the report.
enum { EVAL_NOTES = 24 };
typedef struct eval_notes {
    bool quiet;
    size_t count;
    char *text[EVAL_NOTES];
} eval_notes;
void eval_note(eval_notes *notes, const char *format, ...) __attribute__((format(printf, 2, 3)));
void eval_notes_free(eval_notes *notes);

// A set of rows with labels.
typedef struct eval_set {
    const char *path, *rows; // rows: what sentences call them, "images"
    size_t count;
    chi_labels *labels;
    uint64_t hash; // equal for equal sets; 0: not known
} eval_set;

typedef struct eval_ask {
    const char *holdout, *holdout_file; // "46" or "20%"; NULL: not given
    uint64_t seed;                      // draws rows
    const char *model;                  // its path; NULL: there is none, and facts says nothing
    const model_facts *facts;
} eval_ask;

// Whether "N" or "P%" is a part of a set; an exit status.
int eval_check_holdout(const char *text);
// Fills base, query, classes and names of an evaluation. query NULL: rows of `base` are held out,
// those that the model's training held out where these are its images. Labels are renumbered to the
// model's classes and each other's; names stay theirs. Rows without a class are left out.
int eval_choose_rows(const eval_ask *ask, const eval_set *base, const eval_set *query,
                     evaluation *to, eval_notes *notes);
void eval_free_rows(evaluation *e);

#endif
