// SPDX-License-Identifier: Apache-2.0
// encoder/batch_statistics.cl: sums by channel (encoder/batch_norm_*.cl) to a batch norm's mean and inverse deviation.
// Host: src/encoder/batch_norm.c. Reference: src/ref/layers.c.
#include "common/math.h"

inline float channel_total(global const float *sums, const uint parts, const uint channels, const uint c)
{
    float total = sums[c];
    for (uint s = 1; s < parts; s++)
        total = total + sums[(size_t)s * channels + c];
    return total;
}

// step 0: the mean. step 1: inv, and the running statistics (unbiased: var · correction). step 2: evaluation, from the
// running statistics. One work-item a channel.
kernel void encoder_batch_statistics(const uint channels, const uint parts, const uint step, const float by_count,
                                     const float epsilon, const float momentum, const float correction,
                                     global const float *restrict sums, global float *restrict mean, global float *restrict inverse,
                                     global float *restrict running_mean, global float *restrict running_var)
{
    const uint c = (uint)get_global_id(0);
    if (c >= channels)
        return;
    if (step == 2) {
        mean[c] = running_mean[c];
        inverse[c] = rsqrt_of(running_var[c] + epsilon);
    } else if (step == 0) {
        mean[c] = channel_total(sums, parts, channels, c) * by_count;
    } else {
        const float var = channel_total(sums, parts, channels, c) * by_count;
        inverse[c] = rsqrt_of(var + epsilon);
        running_mean[c] = fma(momentum, mean[c], (1.0f - momentum) * running_mean[c]);
        running_var[c] = fma(momentum, var * correction, (1.0f - momentum) * running_var[c]);
    }
}
