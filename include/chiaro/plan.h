// SPDX-License-Identifier: Apache-2.0
// plan.h: what a loss will cost, before anything is allocated. Host: src/loss/plan.c over src/tiles/plan.c.
// Predicted bytes are those that create takes: both walk one list. DESIGN: schemes.
//
// Schemes: "forward" (no gradient); "kept": tiles of scores are kept for the gradient; "recomputed": they are computed
// again, one panel of rows after the other; "hybrid": kept as far as the budget goes; "windows" (MoCo): constant columns,
// window by window, each used up at once; "panels" (SigLIP): no normaliser, panel by panel.
#ifndef CHIARO_PLAN_H
#define CHIARO_PLAN_H

#include "loss.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CHI_PLAN_MOST_BUFFERS = 48 };

typedef struct chi_plan {
    const char *scheme;
    chi_core core;
    const char *tile;            // as options.tile would name it; as long as the device
    uint64_t scratch_bytes;      // device memory beside inputs and outputs
    size_t buffer_count;         // what it is made of
    struct { char name[32]; uint64_t bytes; } buffers[CHI_PLAN_MOST_BUFFERS];
    double flop, flop_minimum;   // executed by a full evaluation; the least that the mathematics needs
    size_t launches;             // of a full evaluation, about
    double seconds;              // predicted for a full evaluation; 0: not predicted
    char basis[200];             // what the prediction rests on
} chi_plan;

// The plan that chi_loss_create would follow now, under this device's budget and with what is already allocated on it.
// Any n, also far beyond what fits: CHI_ERR_DEVICE_MEMORY with the bytes needed and the largest n that fits, and the plan
// is filled in all the same, at the least scratch. Other errors as chi_loss_create. Each call
// times the core for some milliseconds.
chi_status chi_plan_loss(chi_device *dev, size_t n, size_t dim, const chi_loss_options *options, chi_plan *plan);

// The plan that a loss follows; seconds 0.
void chi_loss_describe(const chi_loss *loss, chi_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
