// SPDX-License-Identifier: Apache-2.0
// encoder/reduce.cl: partial results of superblocks to totals, ascending. Host: src/encoder/conv.c, channels.c.
#include "common/types.h"

// total[e] grows by parts 0 … parts − 1; after the last chunk to[e] receives it, or grows by it. One work-item 8 entries.
kernel void encoder_reduce(const uint entries, const uint parts, const uint starts, const uint ends, const uint accumulate,
                           global const float *restrict partial, // [parts][entries]
                           global float *restrict total, global float *restrict to)
{
    const uint e = (uint)get_global_id(0) * 8;
    if (e + 8 <= entries) {
        float8 sum = starts ? vload8(0, partial + e) : vload8(0, total + e) + vload8(0, partial + e);
        for (uint s = 1; s < parts; s++)
            sum = sum + vload8(0, partial + (size_t)s * entries + e);
        vstore8(sum, 0, total + e);
        if (ends)
            vstore8(accumulate ? vload8(0, to + e) + sum : sum, 0, to + e);
        return;
    }
    for (uint i = e; i < entries; i++) {
        float sum = starts ? partial[i] : total[i] + partial[i];
        for (uint s = 1; s < parts; s++)
            sum = sum + partial[(size_t)s * entries + i];
        total[i] = sum;
        if (ends)
            to[i] = accumulate ? to[i] + sum : sum;
    }
}
