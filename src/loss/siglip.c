// SPDX-License-Identifier: Apache-2.0
// siglip.c: SigLIP: a pair's value and gradient depend on its score alone (kernels/tiles/pointwise_panel.cl); rows are only
// added up. Kernel: kernels/loss/siglip.cl. Reference: src/ref/siglip.c.
#include "loss.h"

static chi_status rows(chi_loss *loss)
{
    const chi__passes *p = &loss->passes;
    return chi__run(loss->dev, &(chi__launch){
        .kernel = loss->row, .global = { loss->n }, .local = { 16 },
        .args = { U32(loss->n), U32(chi__sum_parts(p)), BUF(p->row_sums), BUF(p->row_scores), BUF(loss->values), BUF(loss->slopes) },
    });
}

const chi__loss_rules chi__loss_siglip = {
    .name = "siglip", .two_inputs = true, .pointwise = true, .positives = CHI__POSITIVES_NONE, .weights = CHI__WEIGHTS_KEPT,
    .minimum = 3.0, .forward = 1.0, .weight = 1.0, .log_scale_factor = 1.0f, .file = "loss/siglip.cl", .kernel = "loss_siglip", .rows = rows,
};
