// SPDX-License-Identifier: Apache-2.0
// run.h: the folder of a training run: config.txt, metrics.jsonl, checkpoint-<step>.safetensors.
#ifndef CHIARO_RUN_H
#define CHIARO_RUN_H

#include "model.h"

typedef struct run {
    char folder[4000];
    FILE *metrics;
} run;

// Makes the folder; refuses one that holds a run already, unless resuming, when its config must be the same.
int run_open(run *r, const char *folder, const recipe *wanted, bool resume);
void run_close(run *r);
void run_metric(run *r, uint64_t step, double epoch, double loss, double rate, double per_second, double seconds);
int run_flush(run *r); // says when the disk is full
int run_checkpoint(run *r, const model *m, const chi_optimizer *const *optimizers, uint64_t step, size_t keep);
// The newest checkpoint that is whole; metrics.jsonl is cut back to its step.
int run_resume(run *r, model *m, chi_optimizer *const *optimizers, uint64_t *step);

#endif
