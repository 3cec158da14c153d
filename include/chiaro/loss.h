// SPDX-License-Identifier: Apache-2.0
// loss.h: contrastive losses with exact gradients, no n × n matrix unless the budget allows kept tiles.
// Host files: src/loss/. Row functions: kernels/loss/. Tile passes: kernels/tiles/. Definition: src/ref/loss.c.
//
// s(i,j) = x̂_i · ŷ_j with rows normalised (x̂ = x / max(‖x‖, 1e-12)), τ the temperature, l = s / τ.
//
// CHI_LOSS_CLIP     L = ½ mean_i [ log Σ_j e^{l(i,j)} − l(i,i) ] + ½ mean_j [ log Σ_i e^{l(i,j)} − l(j,j) ]
//                   Radford et al. 2021 (arXiv 2103.00020), section 2.3. x, y: row i of one is the positive of row i of the other.
// CHI_LOSS_INFONCE  L = mean_i [ log Σ_j e^{l(i,j)} − l(i,i) ].  van den Oord et al. 2018 (arXiv 1807.03748), eq. 4.
// CHI_LOSS_NTXENT   x alone, n even, partner i' = i ± n/2:  L = mean_i [ log Σ_{j≠i} e^{l(i,j)} − l(i,i') ].
//                   Chen et al. 2020 (arXiv 2002.05709), eq. 1.
// CHI_LOSS_SUPCON   x and labels, P(i) = { j ≠ i : label_j = label_i }:
//                   L = mean_i [ log Σ_{j≠i} e^{l(i,j)} − 1/|P(i)| Σ_{p∈P(i)} l(i,p) ], the mean over rows with |P(i)| > 0.
//                   Khosla et al. 2020 (arXiv 2004.11362), eq. 2 ("out"), without the factor τ / τ_base.
// CHI_LOSS_MOCO     x, y and a queue q of options.queue_rows rows; y and q are constants:
//                   L = mean_i [ log (e^{l(i,i)} + Σ_k e^{x̂_i · q̂_k / τ}) − l(i,i) ], l(i,i) with y_i alone: other rows of y
//                   are no negatives.  He et al. 2020 (arXiv 1911.05722), eq. 1.
// CHI_LOSS_SIGLIP   t_ij = +1 where i = j, −1 elsewhere, b a bias:  L = 1/n Σ_ij log(1 + e^{−t_ij (l(i,j) + b)}), all n² pairs,
//                   divided by n.  Zhai et al. 2023 (arXiv 2303.15343), section 3.2. Its start values: τ = 0.1, b = −10.
//
// Degenerate cases: n = 0: value 0. n = 1 (CLIP, InfoNCE): value 0, gradient 0. A zero row is left at
// zero by the normalisation and gets gradient 0. A row without a positive (SupCon): empty_rows.
// NaN or infinity in a row: value NaN. No row with a positive at all: value 0, gradients 0.
#ifndef CHIARO_LOSS_H
#define CHIARO_LOSS_H

#include "matrix.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum chi_loss_kind { CHI_LOSS_CLIP = 0, CHI_LOSS_INFONCE, CHI_LOSS_NTXENT, CHI_LOSS_SUPCON,
                             CHI_LOSS_MOCO, CHI_LOSS_SIGLIP } chi_loss_kind;

typedef enum chi_empty_rows {
    CHI_EMPTY_ROWS_SKIP = 0, // left out of the mean, and counted (chi_loss_empty_rows)
    CHI_EMPTY_ROWS_ZERO,     // averaged as zero
} chi_empty_rows;

typedef struct chi_loss_options {
    chi_loss_kind kind;        // default: CLIP
    float temperature;         // τ > 0; default: 0.07. Not read where args.log_scale is given.
    bool unit_rows;            // the caller claims unit rows: no normalisation, gradients refer to
                               // the rows as given. Checked: | ‖x‖² − 1 | ≤ 1e-3, else
                               // CHI_ERR_DATA at the next wait and outputs NaN. Default: normalise.
    bool learnt_temperature;   // args.log_scale will be given; default: no
    float bias;                // SigLIP: b, any number; default: 0. Not read where args.bias is given.
    bool learnt_bias;          // SigLIP: args.bias will be given; default: no
    size_t queue_rows;         // MoCo: rows of args.queue, at least 1
    bool no_gradient;          // only values will be asked for: less scratch; default: no
    chi_empty_rows empty_rows; // default: skip
} chi_loss_options;

typedef struct chi_loss chi_loss;

// n rows a side (NT-Xent and SupCon: n rows in all), dim features. Over budget: refused before anything is
// allocated, with the bytes needed and the largest n that fits.
chi_status chi_loss_create(chi_device *dev, size_t n, size_t dim, const chi_loss_options *options, chi_loss **out);
void chi_loss_destroy(chi_loss **loss);

typedef struct chi_loss_args {
    chi_matrix x, y;                // [n][dim]; y only for kinds with two inputs
    chi_matrix queue;               // [queue_rows][dim], for MoCo
    chi_buffer *labels;             // [n] int32 ≥ 0, for SupCon
    chi_matrix log_scale;           // [1][1] log(1/τ) on the device; with options.learnt_temperature
    chi_matrix bias;                // [1][1] b on the device; with options.learnt_bias
    chi_matrix grad_x, grad_y;      // [n][dim], written (not added to); leave {0} if not wanted. MoCo has no grad_y
    chi_matrix grad_log_scale;      // [1][1] dL/dlog_scale, made from grad_x: ask for both; leave {0} if not wanted
    chi_matrix grad_bias;           // [1][1] dL/db, for SigLIP; leave {0} if not wanted
    chi_matrix value;               // [1][1] the loss on the device; leave {0} if not wanted
} chi_loss_args;

// Enqueues the loss and the gradients asked for; which are asked for never changes a bit. value not NULL: waits for it.
chi_status chi_loss_eval(chi_loss *loss, const chi_loss_args *args, float *value);

// Rows without a positive in the last eval. Waits.
chi_status chi_loss_empty_rows(chi_loss *loss, size_t *count);

#ifdef __cplusplus
}
#endif
#endif
