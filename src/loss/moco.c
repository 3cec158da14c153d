// SPDX-License-Identifier: Apache-2.0
// moco.c: MoCo's InfoNCE against a queue: the row function of one-sided InfoNCE (infonce.c) over other pairs: the
// columns are the queue, a row's positive is its own key. Reference: src/ref/moco.c.
#include "loss.h"

const chi__loss_rules chi__loss_moco = {
    .name = "moco", .two_inputs = true, .queue = true, .positives = CHI__POSITIVES_NONE, .weights = CHI__WEIGHTS_ROWS,
    .minimum = 2.0, .forward = 1.0, .weight = 1.0, .log_scale_factor = 1.0f, .file = "loss/infonce.cl", .kernel = "loss_infonce", .rows = chi__infonce_rows,
};
