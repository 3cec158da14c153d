// SPDX-License-Identifier: Apache-2.0
// clip.c: the CLIP loss as pairs and a row function. Kernel: kernels/loss/clip.cl. Reference: src/ref/loss.c.
#include "loss.h"

static chi_status rows(chi_loss *loss)
{
    const chi__passes *p = &loss->passes;
    return chi__run(loss->dev, &(chi__launch){
        .kernel = loss->row, .global = { loss->n }, .local = { 16 },
        .args = { U32(loss->n), U32(chi__sum_parts(p)), I32(p->pairs.shift), BUF(p->scalars), BUF(p->row_sums), BUF(p->col_sums),
                  BUF(p->row_shift), BUF(p->col_shift), BUF(p->scores), BUF(p->a), BUF(p->b), BUF(p->positive),
                  BUF(loss->values) },
    });
}

const chi__loss_rules chi__loss_clip = {
    .name = "clip", .two_inputs = true, .columns = true, .positives = CHI__POSITIVES_ONE, .weights = CHI__WEIGHTS_BOTH,
    .minimum = 3.0, .forward = 1.0, .weight = 0.5, .log_scale_factor = 1.0f, .file = "loss/clip.cl", .kernel = "loss_clip", .rows = rows,
};
