// SPDX-License-Identifier: Apache-2.0
// infonce.c: one-sided InfoNCE as pairs and a row function. Kernel: kernels/loss/infonce.cl. Reference: src/ref/loss.c.
#include "loss.h"

chi_status chi__infonce_rows(chi_loss *loss)
{
    const chi__passes *p = &loss->passes;
    return chi__run(loss->dev, &(chi__launch){
        .kernel = loss->row, .global = { loss->n }, .local = { 16 },
        .args = { U32(loss->n), U32(chi__sum_parts(p)), I32(p->pairs.shift), BUF(p->scalars), BUF(p->row_sums), BUF(p->row_shift),
                  BUF(p->scores), BUF(p->a), BUF(p->q), BUF(p->positive), BUF(loss->values) },
    });
}

const chi__loss_rules chi__loss_infonce = {
    .name = "infonce", .two_inputs = true, .positives = CHI__POSITIVES_ONE, .weights = CHI__WEIGHTS_ROWS, .minimum = 3.0, .forward = 1.0, .weight = 1.0,
    .log_scale_factor = 1.0f, .file = "loss/infonce.cl", .kernel = "loss_infonce", .rows = chi__infonce_rows,
};
