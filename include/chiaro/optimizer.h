// SPDX-License-Identifier: Apache-2.0
// optimizer.h: SGD and AdamW over chi_parameters, and learning-rate schedules. Host files:
// src/train/optimizer.c, src/train/schedule.c. Kernels: kernels/train/. Definition: src/ref/optimizer.c.
#ifndef CHIARO_OPTIMIZER_H
#define CHIARO_OPTIMIZER_H

#include "encoder.h"

#ifdef __cplusplus
extern "C" {
#endif

// CHI_OPTIMIZER_SGD    g ← grad + λ w;  u ← g at the first step, then μ u + (1 − dampening) g;
//                      w ← w − η (nesterov ? g + μ u : u)                     (as torch.optim.SGD)
// CHI_OPTIMIZER_ADAMW  w ← w − η λ w;  m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;
//                      w ← w − η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
//                      Loshchilov & Hutter 2019 (arXiv 1711.05101), algorithm 2. λ = 0 is Adam.
typedef enum chi_optimizer_kind { CHI_OPTIMIZER_SGD = 0, CHI_OPTIMIZER_ADAMW } chi_optimizer_kind;

typedef struct chi_optimizer_options {
    chi_optimizer_kind kind; // default: SGD
    float momentum;          // SGD μ: default 0. 0 ≤ μ < 1
    float dampening;         // SGD: default 0
    bool nesterov;           // SGD: needs momentum > 0 and dampening 0
    float weight_decay;      // λ ≥ 0: default 0. Applies to parameters whose .decay is set
    bool decay_all;          // λ for every parameter, as torch does with one group; default: no
    float beta1, beta2;      // AdamW: default 0.9, 0.999
    float epsilon;           // AdamW: default 1e-8
} chi_optimizer_options;

typedef struct chi_optimizer chi_optimizer;
chi_status chi_optimizer_create(chi_device *dev, chi_parameters parameters,
                                const chi_optimizer_options *options, chi_optimizer **out);
void chi_optimizer_destroy(chi_optimizer **opt);

// One step with learning rate η ≥ 0. Only enqueues.
chi_status chi_optimizer_step(chi_optimizer *opt, float rate);

// State for checkpoints: one tensor a trained parameter and moment ("momentum" or "exp_avg",
// "exp_avg_sq"), in device order, and the number of steps done.
typedef struct chi_optimizer_state {
    const chi_parameter *items; // .name is "<parameter>.<moment>", .value the tensor
    size_t count;
    uint64_t steps;
} chi_optimizer_state;
chi_optimizer_state chi_optimizer_get_state(const chi_optimizer *opt);
void chi_optimizer_set_steps(chi_optimizer *opt, uint64_t steps);

// The learning rate of step 0, 1, …: constant, or linear warm-up (rate · (step + 1) / warmup) over `warmup` steps, then
// ½ (1 + cos(π (step − warmup) / (steps − warmup))) of (rate − final) above final.
typedef enum chi_schedule_kind { CHI_SCHEDULE_CONSTANT = 0, CHI_SCHEDULE_COSINE } chi_schedule_kind;
typedef struct chi_schedule {
    chi_schedule_kind kind;   // default: constant
    double rate;              // the base rate
    double final_rate;        // cosine: rate at the last step; default 0
    uint64_t warmup, steps;   // in steps; cosine: steps > warmup
} chi_schedule;
double chi_schedule_rate(const chi_schedule *schedule, uint64_t step);

#ifdef __cplusplus
}
#endif
#endif
