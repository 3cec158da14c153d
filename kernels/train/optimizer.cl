// SPDX-License-Identifier: Apache-2.0
// train/optimizer.cl: one step of SGD or AdamW on one tensor. Host: src/train/optimizer.c. Reference: src/ref/optimizer.c.
// Formulas: include/chiaro/optimizer.h. One work-item four numbers.
#include "common/math.h"

kernel void train_sgd(const uint count, const float rate, const float decay, const float momentum, const float fresh,
                      const uint nesterov, // fresh: 1 − dampening, 1 at the first step
                      global float *restrict weights, global const float *restrict grad, global float *restrict velocity)
{
    const uint first = (uint)get_global_id(0) * 4, end = min(count, first + 4);
    for (uint i = first; i < end; i++) {
        const float w = weights[i];
        float g = decay == 0.0f ? grad[i] : fma(decay, w, grad[i]);
        if (momentum != 0.0f) {
            const float u = fma(momentum, velocity[i], fresh * g);
            velocity[i] = u;
            g = nesterov ? fma(momentum, u, g) : u;
        }
        weights[i] = fma(-rate, g, w);
    }
}

// shrink: 1 − η λ; step: η / (1 − β₁ᵗ); by_bias: 1 / √(1 − β₂ᵗ).
kernel void train_adamw(const uint count, const float shrink, const float step, const float by_bias, const float beta1,
                        const float beta2, const float epsilon, global float *restrict weights,
                        global const float *restrict grad, global float *restrict mean, global float *restrict square)
{
    const uint first = (uint)get_global_id(0) * 4, end = min(count, first + 4);
    for (uint i = first; i < end; i++) {
        const float g = grad[i];
        const float m = fma(beta1, mean[i], (1.0f - beta1) * g), v = fma(beta2, square[i], (1.0f - beta2) * g * g);
        mean[i] = m;
        square[i] = v;
        const float below = fma(sqrt_of(v), by_bias, epsilon);
        weights[i] = fma(-step * m, recip(below), weights[i] * shrink);
    }
}
