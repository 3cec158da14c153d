// SPDX-License-Identifier: Apache-2.0
// bench.h: one problem of `chiaro bench`: its words, its data, one run of it.
#ifndef CHIARO_BENCH_H
#define CHIARO_BENCH_H

#include "tool.h"

enum { PROBLEM_NUMBERS = 5, PROBLEM_BUFFERS = 12 };

typedef enum problem_kind { GEMM, LOGSUMEXP, CLIP, NTXENT, SUPCON, TOPK, CONV, TRAIN_STEP, PROBLEM_KINDS } problem_kind;

typedef struct problem {
    const char *word, *provider, *scheme;
    problem_kind kind;
    uint64_t number[PROBLEM_NUMBERS], classes, k, side, stride, padding;
    double flop_minimum, flop, bytes; // bytes: inputs read and outputs written once
    uint64_t hash, peak_bytes;
    chi_device *dev;
    chi_similarity *sim;
    chi_loss *loss;
    chi_encoder *encoder, *head;
    chi_augment *augment;
    chi_optimizer *optimizers[2];
    chi_buffer *buffer[PROBLEM_BUFFERS];
    uint64_t step;
} problem;

int problem_check(const char *word, const char *provider);  // exit status, before anything is opened
int problem_create(problem *p);
chi_status problem_run(problem *p);
int problem_results(problem *p, const char *dump); // sets hash; writes inputs and results where dump is not NULL
void problem_destroy(problem *p);

#endif
