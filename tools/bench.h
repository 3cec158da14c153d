// SPDX-License-Identifier: Apache-2.0
// bench.h: what the files of `chiaro bench` share. A problem is a short string, the same in bench, test and tuning record.
#ifndef CHIARO_BENCH_H
#define CHIARO_BENCH_H

#include "tool.h"

enum { PROBLEM_NUMBERS = 5, PROBLEM_BUFFERS = 14, STATS_BINS = 64 };

typedef enum problem_kind { GEMM, LOGSUMEXP, TOPK, STATS, CLIP, INFONCE, NTXENT, SUPCON, CONV, TRAIN_STEP, PROBLEM_KINDS } problem_kind;

// How a kind is written.
typedef struct problem_form {
    const char *name;
    size_t numbers;
    bool square;      // the first two numbers are equal
    const char *keys; // letters of its options
} problem_form;
extern const problem_form problem_forms[PROBLEM_KINDS];

typedef struct problem {
    const char *word, *provider, *scheme;
    problem_kind kind;
    uint64_t number[PROBLEM_NUMBERS], classes, k, side, stride, padding, backward;
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
    struct { chi_pair_stats pairs; uint64_t histogram[STATS_BINS]; } stats;
} problem;

int problem_check(const char *word, const char *provider);  // exit status, before anything is opened
int problem_read(problem *p);                               // its word into its numbers; exit status
int problem_create(problem *p);
chi_status problem_run(problem *p);
int problem_results(problem *p, const char *dump); // sets hash; writes inputs and results where dump is not NULL
void problem_destroy(problem *p);

#endif
