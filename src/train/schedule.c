// SPDX-License-Identifier: Apache-2.0
// schedule.c: the learning rate of a step. Header: include/chiaro/optimizer.h. Reference: src/ref/optimizer.c.
#include <chiaro/optimizer.h>

#include <math.h>

double chi_schedule_rate(const chi_schedule *s, uint64_t step)
{
    if (s->kind == CHI_SCHEDULE_CONSTANT)
        return s->rate;
    if (step < s->warmup)
        return s->rate * (double)(step + 1) / (double)s->warmup;
    const double length = s->steps > s->warmup ? (double)(s->steps - s->warmup) : 1.0;
    const double part = fmin((double)(step - s->warmup) / length, 1.0);
    return s->final_rate + (s->rate - s->final_rate) * 0.5 * (1.0 + cos(3.14159265358979323846 * part));
}
