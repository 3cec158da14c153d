// SPDX-License-Identifier: Apache-2.0
// encoder/pointwise.cl: layers that look at one number at a time, and moves between torch's order and ours.
// Host: src/encoder/pointwise.c. Reference: src/ref/layers.c. One group owns POSITIONS positions.
//
//   relu   y = x < 0 ? 0 : x          dx = x > 0 ? dy : 0
//   gelu   y = x Φ(x)                 dx = dy (Φ(x) + x φ(x)),  Φ(x) = ½ (1 + erf(x / √2))
//   add    y = x + z                  both get dy
// ITEMS work-items share it: neighbouring channels side by side, 16 positions at a time.
#include "encoder/place.h"

#ifndef ITEMS
#error "encoder/pointwise.cl needs ITEMS"
#endif
#define POSITIONS 64
enum { RELU = 0, RELU_GRAD, GELU, GELU_GRAD, ADD, COPY };

inline float gelu_cdf(const float x) { return 0.5f * (1.0f + erf_of(x * 0x1.6a09e6p-1f)); }

inline float gelu_slope(const float x)
{
    const float power = -0.5f * (x * x);
    const float density = power < -86.0f ? 0.0f : 0x1.988454p-2f * exp_of(power); // 1 / √(2 π)
    return fma(x, density, gelu_cdf(x));
}

inline float apply(const uint kind, const float x, const float z)
{
    switch (kind) {
    case RELU:
        return x < 0.0f ? 0.0f : x;
    case RELU_GRAD:
        return x > 0.0f ? z : 0.0f;
    case GELU:
        return x * gelu_cdf(x);
    case GELU_GRAD:
        return z * gelu_slope(x);
    case ADD:
        return x + z;
    default:
        return x;
    }
}

kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void encoder_pointwise(const uint first, const uint count, const uint kind, const uint rows, const uint cols, const uint channels,
                       const uint x_image, const uint x_row, const uint x_base,
                       const uint z_image, const uint z_row, const uint z_base,
                       const uint y_image, const uint y_row, const uint y_base,
                       global const float *x, global const float *z, global float *y) // y may be x or z
{
    const uint p0 = (first + (uint)get_group_id(0)) * POSITIONS, end = min(count, p0 + POSITIONS);
    const layout x_at = { rows, cols, channels, x_image, x_row, x_base }, z_at = { rows, cols, channels, z_image, z_row, z_base };
    const layout y_at = { rows, cols, channels, y_image, y_row, y_base };
#if ITEMS > 1
    const uint wide = ITEMS / 16;
    for (uint p = p0 + (uint)get_local_id(0) / wide; p < end; p += 16) {
        const size_t from_x = place(&x_at, p), from_z = place(&z_at, p), to_y = place(&y_at, p);
        for (uint c = (uint)get_local_id(0) % wide; c < channels; c += wide)
            y[to_y + c] = apply(kind, x[from_x + c], z[from_z + c]);
    }
#else
    walker x_walk = walk_from(&x_at, p0), z_walk = walk_from(&z_at, p0), y_walk = walk_from(&y_at, p0);
    for (uint p = p0; p < end; p++, walk_on(&x_at, &x_walk), walk_on(&z_at, &z_walk), walk_on(&y_at, &y_walk)) {
        global const float *a = x + x_walk.at, *b = z + z_walk.at;
        global float *to = y + y_walk.at;
        for (uint c = 0; c < channels; c++)
            to[c] = apply(kind, a[c], b[c]);
    }
#endif
}

// Rows in torch's order (channel, row, column) to or from an activation. One group owns an image.
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void encoder_permute(const uint first, const uint load, const uint rows, const uint cols, const uint channels,
                     const uint image, const uint row, const uint base, const ulong offset, const uint stride,
                     global float *restrict outside, global float *restrict inside)
{
    const uint b = first + (uint)get_group_id(0);
    global float *theirs = outside + offset + (size_t)b * stride;
#if ITEMS > 1
    for (uint e = (uint)get_local_id(0); e < channels * rows * cols; e += ITEMS) {
        const uint c = e / (rows * cols), r = e / cols % rows, q = e % cols;
        global float *own = inside + base + (size_t)b * image + r * row + q * channels + c;
        if (load)
            *own = theirs[e];
        else
            theirs[e] = *own;
    }
#else
    for (uint c = 0; c < channels; c++)
        for (uint r = 0; r < rows; r++) {
            global float *ours = inside + base + (size_t)b * image + r * row + c;
            for (uint q = 0; q < cols; q++, theirs++) {
                if (load)
                    ours[q * channels] = *theirs;
                else
                    *theirs = ours[q * channels];
            }
        }
#endif
}
