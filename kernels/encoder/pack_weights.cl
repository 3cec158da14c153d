// SPDX-License-Identifier: Apache-2.0
// encoder/pack_weights.cl: a convolution's weights as the right operand of its products: k-major panels of TILE_N.
// Host: src/encoder/conv.c. Read by encoder/conv_panel.cl, encoder/conv_group.cl.
#include "common/types.h"

#ifndef TILE_N
#error "encoder/pack_weights.cl needs TILE_N"
#endif

// Weights [group · outputs][taps][inputs] to panels of TILE_N outputs (turned 0: [group][panel][tap][input][TILE_N]) or
// of TILE_N inputs (turned 1: [group][panel][tap][output][TILE_N]), zeros past the end. One work-item a row of TILE_N.
kernel void encoder_pack_weights(const uint total, const uint taps, const uint outputs, const uint inputs, const uint turned,
                                 global const float *restrict weights, global float *restrict to)
{
    const uint id = (uint)get_global_id(0);
    if (id >= total)
        return;
    const uint depth = turned ? outputs : inputs, width = turned ? inputs : outputs, panels = (width + TILE_N - 1) / TILE_N;
    const uint k = id % depth, tap = id / depth % taps, panel = id / depth / taps % panels, group = id / depth / taps / panels;
    for (uint q = 0; q < TILE_N; q++) {
        const uint n = panel * TILE_N + q, output = turned ? k : n, input = turned ? n : k;
        to[(size_t)id * TILE_N + q] =
            n < width ? weights[((size_t)(group * outputs + output) * taps + tap) * inputs + input] : 0.0f;
    }
}
