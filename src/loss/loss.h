// SPDX-License-Identifier: Apache-2.0
// loss.h (internal): a loss is a set of pairs and a row function. src/loss/loss.c does the rest for all of them.
#ifndef CHI_LOSS_LOSS_H
#define CHI_LOSS_LOSS_H

#include <chiaro/loss.h>

#include "../tiles/tiles.h"

// What one kind of loss is.
typedef struct chi__loss_rules {
    const char *name;         // as sentences say it
    bool two_inputs;          // x and y, else x with itself
    bool even;                // n must be even
    bool labels;
    bool columns;             // column statistics too
    chi__positives positives;
    chi__weights weights;
    double weight;            // of one row's value in the mean, times n
    float log_scale_factor;   // of Σ x_i · dX_i, the gradient of log(1/τ)
    const char *file, *kernel; // the row function
    // Enqueues the row function: statistics in, coefficients and values out.
    chi_status (*rows)(chi_loss *loss);
} chi__loss_rules;

extern const chi__loss_rules chi__loss_clip, chi__loss_infonce, chi__loss_ntxent, chi__loss_supcon;

struct chi_loss {
    chi_device *dev;
    const chi__loss_rules *rules;
    chi_loss_options options;  // resolved; nothing in it points anywhere
    size_t n, dim;
    chi__operand x, y;         // y unused where x meets itself
    chi__passes passes;
    chi__kernel *row, *sum, *scalars, *project, *copy_labels, *count, *weigh;
    chi_buffer *values;        // [n] a row's share of the loss
    chi_buffer *dots;          // [n] x_i · dX_i
    chi_buffer *counts, *empty; // labels: |P(i)|, rows without a positive
    chi_buffer *value;         // the loss, for eval's host value
    uint64_t scratch_bytes;
};

#endif
