// SPDX-License-Identifier: Apache-2.0
// loss.h (internal): a loss is a set of pairs and a row function. src/loss/loss.c does the rest for all of them,
// src/loss/plan.c says beforehand what it takes.
#ifndef CHI_LOSS_LOSS_H
#define CHI_LOSS_LOSS_H

#include <chiaro/plan.h>

#include "../tiles/tiles.h"

// What one kind of loss is.
typedef struct chi__loss_rules {
    const char *name;         // as sentences say it
    bool two_inputs;          // x and y, else x with itself
    bool queue;               // y is a row's own positive, the columns are a queue; both constant
    bool pointwise;           // no normaliser; has a bias
    bool even;                // n must be even
    bool labels;
    bool columns;             // column statistics too
    chi__positives positives;
    chi__weights weights;
    double weight;            // of one row's value in the mean, times n
    double minimum, forward;  // the least that the mathematics needs with and without gradients, in products
    float log_scale_factor;   // of Σ x_i · dX_i, the gradient of log(1/τ)
    const char *file, *kernel; // the row function
    // Enqueues the row function: statistics in, coefficients and values out.
    chi_status (*rows)(chi_loss *loss);
} chi__loss_rules;

extern const chi__loss_rules chi__loss_clip, chi__loss_infonce, chi__loss_ntxent, chi__loss_supcon, chi__loss_moco, chi__loss_siglip;

struct chi_loss {
    chi_device *dev;
    const chi__loss_rules *rules;
    chi_loss_options options;  // resolved; nothing in it points anywhere
    size_t n, dim;
    chi__operand x, y, queue;  // y unused where x meets itself, queue where there is none
    chi__passes passes;
    chi__kernel *row, *sum, *scalars, *project, *dots_of, *copy_labels, *count, *weigh;
    chi_buffer *values;        // [n] a row's share of the loss
    chi_buffer *slopes;        // [n] Σ_j G_ij of a pointwise loss
    chi_buffer *dots;          // [n] x_i · dX_i
    chi_buffer *counts, *empty; // labels: |P(i)|, rows without a positive
    chi_buffer *value;         // the loss, for eval's host value
    chi_plan plan;
};

// The row function of one-sided InfoNCE, whatever its pairs are.
chi_status chi__infonce_rows(chi_loss *loss);

// Checks options and shape and fills in what the loss is; nothing is allocated.
chi_status chi__loss_resolve(chi_device *dev, size_t n, size_t dim, const chi_loss_options *options, chi_loss *loss);
// Chooses the scheme under the device's budget and lists what is needed, with places in *loss; refuses what cannot fit.
chi_status chi__loss_plan(chi_loss *loss, chi__needs *needs);
// The columns' operand.
static inline chi__operand *chi__loss_columns(chi_loss *loss)
{
    return loss->rules->queue ? &loss->queue : loss->rules->two_inputs ? &loss->y : &loss->x;
}

#endif
