// SPDX-License-Identifier: Apache-2.0
// optimizer.c (reference): SGD, AdamW and schedules in double. Host: src/train/. Kernel: kernels/train/optimizer.cl.
#include "optimizer.h"

#include <math.h>

static double or_default(float value, double otherwise) { return value == 0.0f ? otherwise : (double)value; }

void chi__ref_optimizer_step(const chi_optimizer_options *o, uint64_t step, double rate, bool decay, size_t count, const float *grad,
                             double *weights, double *first, double *second)
{
    const double lambda = decay || o->decay_all ? (double)o->weight_decay : 0.0, t = (double)step, mu = (double)o->momentum;
    const double beta1 = or_default(o->beta1, 0.9), beta2 = or_default(o->beta2, 0.999), epsilon = or_default(o->epsilon, 1e-8);
    for (size_t i = 0; i < count; i++) {
        double g = (double)grad[i];
        if (o->kind == CHI_OPTIMIZER_SGD) {
            g += lambda * weights[i];
            first[i] = step == 1 ? g : mu * first[i] + (1.0 - (double)o->dampening) * g;
            weights[i] -= rate * (o->nesterov ? g + mu * first[i] : first[i]);
            continue;
        }
        weights[i] -= rate * lambda * weights[i];
        first[i] = beta1 * first[i] + (1.0 - beta1) * g;
        second[i] = beta2 * second[i] + (1.0 - beta2) * g * g;
        weights[i] -= rate * first[i] / (1.0 - pow(beta1, t)) / (sqrt(second[i] / (1.0 - pow(beta2, t))) + epsilon);
    }
}

double chi__ref_schedule(const chi_schedule *s, uint64_t step)
{
    if (s->kind == CHI_SCHEDULE_CONSTANT)
        return s->rate;
    if (step < s->warmup)
        return s->rate * (double)(step + 1) / (double)s->warmup;
    const double part = (double)(step - s->warmup) / (double)(s->steps - s->warmup);
    return s->final_rate + (s->rate - s->final_rate) * (1.0 + cos(acos(-1.0) * part)) / 2.0;
}
