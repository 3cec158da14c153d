// SPDX-License-Identifier: Apache-2.0
// supcon.c: SupCon as pairs and a row function. Kernel: kernels/loss/supcon.cl. Reference: src/ref/loss.c.
#include "loss.h"

static chi_status rows(chi_loss *loss)
{
    const chi__passes *p = &loss->passes;
    const size_t padded = chi__padded(loss->n);
    return chi__run(loss->dev, &(chi__launch){
        .kernel = loss->row, .global = { padded }, .local = { 16 },
        .args = { U32(loss->n), U32(padded), U32(chi__sum_parts(p)), I32(p->pairs.shift), BUF(p->scalars), BUF(p->row_sums),
                  BUF(p->row_scores), BUF(p->row_shift), BUF(loss->counts), BUF(p->a), BUF(p->w), BUF(loss->values) },
    });
}

const chi__loss_rules chi__loss_supcon = {
    .name = "supcon", .labels = true, .columns = true, .positives = CHI__POSITIVES_LABELS, .weights = CHI__WEIGHTS_LABELS,
    .minimum = 1.5, .forward = 0.5, .weight = 1.0, .log_scale_factor = 0.5f, .file = "loss/supcon.cl", .kernel = "loss_supcon", .rows = rows,
};
