// SPDX-License-Identifier: Apache-2.0
// run.h: the folder of a training run: config.txt, metrics.jsonl, holdout.txt where rows are held
// out, checkpoint-<step>.safetensors. What is asked of a run that is there already: run_look.c. The
// rest: run.c.
#ifndef CHIARO_RUN_H
#define CHIARO_RUN_H

#include "model.h"

typedef struct run {
    char folder[4000];
    FILE *metrics;
    bool there;    // the folder holds a run, which is gone on with
    bool old;      // by 0.1, whose holdout was the last rows
    bool longer;   // more epochs or steps are asked for than before
    recipe before; // of the run that is there
} run;

// Looks at the folder and writes nothing: one that holds a run is refused, unless resuming, when
// there must be one, of the same recipe. Epochs and steps may be raised, and what changes no weight
// may change.
int run_look(run *r, const char *folder, const recipe *wanted, bool resume);
// The rows that the run held out of n: false in *found where it leaves them to the recipe. A
// failure is said.
int run_held(const run *r, size_t n, split *out, bool *found);
// Makes the folder and writes holdout.txt (held NULL: none is) and config.txt, or opens what is
// there and changes nothing.
int run_start(run *r, const recipe *wanted, const char *held);
void run_close(run *r);

// waited: seconds that the device was idle for images since the run began or went on; below 0: it
// holds all of them.
void run_metric(run *r, uint64_t step, double epoch, double loss, double rate, double per_second,
                double seconds, double waited);
int run_flush(run *r); // says when the disk is full
int run_checkpoint(run *r, const model *m, const chi_optimizer *const *optimizers, uint64_t step,
                   size_t keep);
// The newest checkpoint that is whole and of the model's data (its facts); metrics.jsonl is cut
// back to its step, config.txt says what is asked for now.
int run_resume(run *r, model *m, chi_optimizer *const *optimizers, uint64_t *step);

#endif
