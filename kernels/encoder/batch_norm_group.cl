// SPDX-License-Identifier: Apache-2.0
// encoder/batch_norm_group.cl: batch norm for GPUs; what encoder/batch_norm_panel.cl says holds here. ITEMS work-items share
// what one does there: WIDE neighbouring channels side by side, times the 16 lanes of a sum or 16 positions.
// Host: src/encoder/batch_norm.c. Reference: src/ref/layers.c.
#include "encoder/place.h"

#ifndef ITEMS
#error "encoder/batch_norm_group.cl needs ITEMS"
#endif
#define LANES     16
#define WIDE      (ITEMS / LANES)
#define POSITIONS 64
#define GROUP     kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))

typedef struct terms {
    global const float *mean, *inverse, *gamma, *beta;
    uint relu;
} terms;

inline float unit_of(const terms *t, const float x, const uint c) { return (x - t->mean[c]) * t->inverse[c]; }

// dy where the ReLU let y through.
inline float through_relu(const terms *t, const float unit, const float grad, const uint c)
{
    return !t->relu || fma(unit, t->gamma[c], t->beta[c]) > 0.0f ? grad : 0.0f;
}

GROUP
void encoder_channel_sums(const uint first, const uint count, const uint kind, const uint relu,
                          const uint rows, const uint cols, const uint channels,
                          const uint x_image, const uint x_row, const uint x_base,
                          const uint g_image, const uint g_row, const uint g_base,
                          global const float *restrict x, global const float *restrict grad,
                          global const float *restrict mean, global const float *restrict inverse,
                          global const float *restrict gamma, global const float *restrict beta,
                          global float *restrict sums,    // [superblock][channels]
                          global float *restrict products) // the same, kind 2
{
    local float lanes[ITEMS], more[ITEMS]; // [lane][channel]
    const uint block = first + (uint)get_group_id(0), sb = superblock(count), p0 = block * sb, end = min(count, p0 + sb);
    const uint id = (uint)get_local_id(0), lane = id / WIDE;
    const layout x_at = { rows, cols, channels, x_image, x_row, x_base }, g_at = { rows, cols, channels, g_image, g_row, g_base };
    const terms t = { mean, inverse, gamma, beta, relu };
    for (uint c0 = 0; c0 < channels; c0 += WIDE) {
        const uint c = c0 + id % WIDE;
        float sum = 0.0f, product = 0.0f;
        for (uint p = p0 + lane; c < channels && p < end; p += LANES) {
            const float v = x[place(&x_at, p) + c];
            if (kind == 0) {
                sum = sum + v;
            } else if (kind == 1) {
                const float d = v - mean[c];
                sum = fma(d, d, sum);
            } else {
                const float unit = unit_of(&t, v, c), g = through_relu(&t, unit, grad[place(&g_at, p) + c], c);
                sum = sum + g;
                product = fma(g, unit, product);
            }
        }
        lanes[id] = sum;
        more[id] = product;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint w = LANES / 2; w; w /= 2) {
            if (lane < w) {
                lanes[id] = lanes[id] + lanes[id + w * WIDE];
                more[id] = more[id] + more[id + w * WIDE];
            }
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        if (lane == 0 && c < channels) {
            sums[(size_t)block * channels + c] = lanes[id];
            if (kind == 2)
                products[(size_t)block * channels + c] = more[id];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

GROUP
void encoder_batch_norm(const uint first, const uint count, const uint relu, const uint rows, const uint cols, const uint channels,
                        const uint x_image, const uint x_row, const uint x_base,
                        const uint y_image, const uint y_row, const uint y_base,
                        global const float *restrict x,
                        global const float *restrict mean, global const float *restrict inverse,
                        global const float *restrict gamma, global const float *restrict beta, global float *restrict y)
{
    const uint p0 = (first + (uint)get_group_id(0)) * POSITIONS, end = min(count, p0 + POSITIONS), id = (uint)get_local_id(0);
    const layout x_at = { rows, cols, channels, x_image, x_row, x_base }, y_at = { rows, cols, channels, y_image, y_row, y_base };
    const terms t = { mean, inverse, gamma, beta, relu };
    for (uint p = p0 + id / WIDE; p < end; p += LANES) {
        global const float *from = x + place(&x_at, p);
        global float *to = y + place(&y_at, p);
        for (uint c = id % WIDE; c < channels; c += WIDE) {
            const float v = fma(unit_of(&t, from[c], c), gamma[c], beta[c]);
            to[c] = relu && v < 0.0f ? 0.0f : v;
        }
    }
}

GROUP
void encoder_batch_norm_grad(const uint first, const uint count, const uint relu, const uint frozen, const float by_count,
                             const uint rows, const uint cols, const uint channels,
                             const uint x_image, const uint x_row, const uint x_base,
                             const uint g_image, const uint g_row, const uint g_base,
                             const uint d_image, const uint d_row, const uint d_base,
                             global const float *restrict x, global const float *restrict grad,
                             global const float *restrict mean, global const float *restrict inverse,
                             global const float *restrict gamma, global const float *restrict beta,
                             global const float *restrict sums, global const float *restrict products, // dβ, dγ of this pass
                             global float *restrict to)
{
    const uint p0 = (first + (uint)get_group_id(0)) * POSITIONS, end = min(count, p0 + POSITIONS), id = (uint)get_local_id(0);
    const layout x_at = { rows, cols, channels, x_image, x_row, x_base }, g_at = { rows, cols, channels, g_image, g_row, g_base };
    const layout d_at = { rows, cols, channels, d_image, d_row, d_base };
    const terms t = { mean, inverse, gamma, beta, relu };
    for (uint p = p0 + id / WIDE; p < end; p += LANES) {
        global const float *from = x + place(&x_at, p), *g_from = grad + place(&g_at, p);
        global float *at = to + place(&d_at, p);
        for (uint c = id % WIDE; c < channels; c += WIDE) {
            const float unit = unit_of(&t, from[c], c), g = through_relu(&t, unit, g_from[c], c);
            const float g_mean = sums[c] * by_count, p_mean = products[c] * by_count;
            at[c] = gamma[c] * inverse[c] * (frozen ? g : fma(-unit, p_mean, g - g_mean));
        }
    }
}
