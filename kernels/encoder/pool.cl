// SPDX-License-Identifier: Apache-2.0
// encoder/pool.cl: maximum, average and global pooling, forward and backward. Host: src/encoder/pool.c.
// Reference: src/ref/layers.c. Windows are plain ascending sums (row, column). One work-item a position, or SPLIT that share
// its channels, side by side; ITEMS share an image where all of it is one sum.
//
//   max      y = the window's maximum, the first of equals; NaN wins. Its place is kept for the gradient.
//   average  y = Σ window · float(1 / side²), the padding counted
//   global   y = Σ over the image's positions, by lanes, · float(1 / positions)
#include "encoder/place.h"

#ifndef ITEMS
#error "encoder/pool.cl needs ITEMS"
#endif
#if ITEMS > 1
#define SPLIT 16
#else
#define SPLIT 1
#endif
#define EACH_CHANNEL(c) for (uint c = (uint)get_global_id(0) % SPLIT; c < channels; c += SPLIT)

kernel void encoder_pool(const uint count, const uint maximum, const uint side, const uint stride, const uint padding,
                         const uint in_rows, const uint in_cols, const uint out_rows, const uint out_cols, const uint channels,
                         const uint x_image, const uint x_row, const uint x_base,
                         const uint y_image, const uint y_row, const uint y_base, const float by_window,
                         global const float *restrict x, global float *restrict y,
                         global uint *restrict winners) // [positions][channels]: place in the window
{
    const uint p = (uint)(get_global_id(0) / SPLIT);
    if (p >= count)
        return;
    const layout x_at = { in_rows, in_cols, channels, x_image, x_row, x_base };
    const layout y_at = { out_rows, out_cols, channels, y_image, y_row, y_base };
    const int col = (int)(p % out_cols * stride) - (int)padding, row = (int)(p / out_cols % out_rows * stride) - (int)padding;
    const uint b = p / out_cols / out_rows;
    EACH_CHANNEL(c) {
        float best = -INFINITY, sum = 0.0f;
        uint winner = side * side;
        for (uint w = 0; w < side * side; w++) {
            const int r = row + (int)(w / side), q = col + (int)(w % side);
            if (r < 0 || q < 0 || r >= (int)in_rows || q >= (int)in_cols)
                continue;
            const float v = x[place(&x_at, (b * in_rows + (uint)r) * in_cols + (uint)q) + c];
            sum = sum + v;
            if (winner == side * side || v > best || (is_nan(v) && !is_nan(best))) {
                best = v;
                winner = w;
            }
        }
        y[place(&y_at, p) + c] = maximum ? best : sum * by_window;
        if (maximum)
            winners[(size_t)p * channels + c] = winner;
    }
}

// One work-item an input position: the windows over it, ascending.
kernel void encoder_pool_grad(const uint count, const uint maximum, const uint side, const uint stride, const uint padding,
                              const uint in_rows, const uint in_cols, const uint out_rows, const uint out_cols, const uint channels,
                              const uint d_image, const uint d_row, const uint d_base,
                              const uint g_image, const uint g_row, const uint g_base, const float by_window,
                              global const float *restrict grad, global const uint *restrict winners, global float *restrict to)
{
    const uint p = (uint)(get_global_id(0) / SPLIT);
    if (p >= count)
        return;
    const layout d_at = { in_rows, in_cols, channels, d_image, d_row, d_base };
    const layout g_at = { out_rows, out_cols, channels, g_image, g_row, g_base };
    const uint col = p % in_cols + padding, row = p / in_cols % in_rows + padding, b = p / in_cols / in_rows;
    const uint r0 = row < side ? 0 : (row - side) / stride + 1, q0 = col < side ? 0 : (col - side) / stride + 1;
    EACH_CHANNEL(c) {
        float sum = 0.0f;
        for (uint r = r0; r < out_rows && r * stride <= row; r++)
            for (uint q = q0; q < out_cols && q * stride <= col; q++) {
                const uint out = (b * out_rows + r) * out_cols + q, w = (row - r * stride) * side + col - q * stride;
                const float g = grad[place(&g_at, out) + c];
                if (!maximum || winners[(size_t)out * channels + c] == w)
                    sum = sum + g;
            }
        to[place(&d_at, p) + c] = maximum ? sum : sum * by_window;
    }
}

#if ITEMS > 1
#define WIDE (ITEMS / 16)
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void encoder_global_pool(const uint count, const uint rows, const uint cols, const uint channels,
                         const uint x_image, const uint x_row, const uint x_base, const float by_count,
                         global const float *restrict x, global float *restrict y) // [image][channels]
{
    local float lanes[ITEMS]; // [lane][channel]
    const uint b = (uint)get_group_id(0), positions = rows * cols, sb = superblock(positions);
    const uint id = (uint)get_local_id(0), lane = id / WIDE;
    const layout at = { rows, cols, channels, x_image, x_row, x_base };
    for (uint c0 = 0; c0 < channels; c0 += WIDE) {
        const uint c = c0 + id % WIDE;
        float total = 0.0f;
        for (uint s = 0; s < positions; s += sb) {
            const uint end = min(positions, s + sb);
            float sum = 0.0f;
            for (uint p = s + lane; c < channels && p < end; p += 16)
                sum = sum + x[place(&at, b * positions + p) + c];
            lanes[id] = sum;
            barrier(CLK_LOCAL_MEM_FENCE);
            for (uint w = 8; w; w /= 2) {
                if (lane < w)
                    lanes[id] = lanes[id] + lanes[id + w * WIDE];
                barrier(CLK_LOCAL_MEM_FENCE);
            }
            total = s ? total + lanes[id] : lanes[id];
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        if (lane == 0 && c < channels)
            y[(size_t)b * channels + c] = total * by_count;
    }
}
#else
// One work-item an image.
kernel void encoder_global_pool(const uint count, const uint rows, const uint cols, const uint channels,
                                const uint x_image, const uint x_row, const uint x_base, const float by_count,
                                global const float *restrict x, global float *restrict y) // [image][channels]
{
    const uint b = (uint)get_global_id(0), positions = rows * cols, sb = superblock(positions);
    if (b >= count)
        return;
    const layout at = { rows, cols, channels, x_image, x_row, x_base };
    for (uint c = 0; c < channels; c += 16) {
        const uint here = channels - c;
        float16 total = (float16)(0.0f);
        for (uint s = 0; s < positions; s += sb) {
            float16 lanes[16];
            for (uint l = 0; l < 16; l++)
                lanes[l] = (float16)(0.0f);
            const uint end = min(positions, s + sb);
            for (uint p = s; p < end; p += 16)
                for (uint l = 0; l < 16 && p + l < end; l++)
                    lanes[l] += load_channels(x + place(&at, b * positions + p + l) + c, here);
            for (uint w = 8; w; w /= 2)
                for (uint l = 0; l < w; l++)
                    lanes[l] = lanes[l] + lanes[l + w];
            total = s ? total + lanes[0] : lanes[0];
        }
        store_channels(total * by_count, y + (size_t)b * channels + c, here);
    }
}
#endif

kernel void encoder_global_pool_grad(const uint count, const uint rows, const uint cols, const uint channels,
                                     const uint d_image, const uint d_row, const uint d_base, const float by_count,
                                     global const float *restrict grad, global float *restrict to)
{
    const uint p = (uint)(get_global_id(0) / SPLIT);
    if (p >= count)
        return;
    const layout at = { rows, cols, channels, d_image, d_row, d_base };
    global const float *from = grad + (size_t)(p / (rows * cols)) * channels;
    global float *at_p = to + place(&at, p);
    EACH_CHANNEL(c)
        at_p[c] = from[c] * by_count;
}
