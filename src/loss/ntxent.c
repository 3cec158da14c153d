// SPDX-License-Identifier: Apache-2.0
// ntxent.c: NT-Xent as pairs and a row function. Kernel: kernels/loss/ntxent.cl. Reference: src/ref/loss.c.
#include "loss.h"

static chi_status rows(chi_loss *loss)
{
    const chi__passes *p = &loss->passes;
    return chi__run(loss->dev, &(chi__launch){
        .kernel = loss->row, .global = { loss->n / 2 }, .local = { 16 },
        .args = { U32(loss->n), U32(chi__sum_parts(p)), I32(p->pairs.shift), BUF(p->scalars), BUF(p->row_sums), BUF(p->row_shift),
                  BUF(p->scores), BUF(p->a), BUF(p->positive), BUF(loss->values) },
    });
}

const chi__loss_rules chi__loss_ntxent = {
    .name = "ntxent", .even = true, .columns = true, .positives = CHI__POSITIVES_ONE, .weights = CHI__WEIGHTS_BOTH,
    .minimum = 1.5, .forward = 0.5, .weight = 1.0, .log_scale_factor = 0.5f, .file = "loss/ntxent.cl", .kernel = "loss_ntxent", .rows = rows,
};
