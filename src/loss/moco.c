// SPDX-License-Identifier: Apache-2.0
// moco.c: MoCo's InfoNCE against a queue: the row function of one-sided InfoNCE (kernels/loss/infonce.cl) over other pairs: the
// columns are the queue, a row's positive is its own key. Reference: src/ref/moco.c.
#include "loss.h"

static chi_status rows(chi_loss *loss)
{
    const chi__passes *p = &loss->passes;
    return chi__run(loss->dev, &(chi__launch){
        .kernel = loss->row, .global = { loss->n }, .local = { 16 },
        .args = { U32(loss->n), U32(p->row_parts), I32(p->pairs.shift), BUF(p->scalars), BUF(p->row_sums), BUF(p->row_shift),
                  BUF(p->scores), BUF(p->a), BUF(p->q), BUF(p->positive), BUF(loss->values) },
    });
}

const chi__loss_rules chi__loss_moco = {
    .name = "moco", .two_inputs = true, .queue = true, .positives = CHI__POSITIVES_NONE, .weights = CHI__WEIGHTS_ROWS,
    .minimum = 2.0, .forward = 1.0, .weight = 1.0, .log_scale_factor = 1.0f, .file = "loss/infonce.cl", .kernel = "loss_infonce", .rows = rows,
};
