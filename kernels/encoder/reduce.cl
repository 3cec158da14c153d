// SPDX-License-Identifier: Apache-2.0
// encoder/reduce.cl: partial results of superblocks to totals, ascending. Host: src/encoder/conv.c, channels.c.
#include "common/types.h"

// total[e] grows by parts 0 … parts − 1; after the last chunk to[…] receives it, or grows by it. Entries may be matrices
// [columns][rows] one after the other, which `to` has the other way round; rows = 1: they lie there as they are.
// One work-item 8 entries.
kernel void encoder_reduce(const uint entries, const uint parts, const uint starts, const uint ends, const uint accumulate,
                           const uint rows, const uint columns,
                           global const float *restrict partial, // [parts][entries]
                           global float *restrict total, global float *restrict to)
{
    const uint e = (uint)get_global_id(0) * 8, end = min(entries, e + 8);
    if (e + 8 <= entries) {
        float8 sum = starts ? vload8(0, partial + e) : vload8(0, total + e) + vload8(0, partial + e);
        for (uint s = 1; s < parts; s++)
            sum = sum + vload8(0, partial + (size_t)s * entries + e);
        vstore8(sum, 0, total + e);
    } else {
        for (uint i = e; i < entries; i++) {
            float sum = starts ? partial[i] : total[i] + partial[i];
            for (uint s = 1; s < parts; s++)
                sum = sum + partial[(size_t)s * entries + i];
            total[i] = sum;
        }
    }
    for (uint i = e; i < end && ends; i++) {
        const uint matrix = i / (rows * columns), column = i / rows % columns, row = i % rows;
        const uint at = (matrix * rows + row) * columns + column;
        to[at] = accumulate ? to[at] + total[i] : total[i];
    }
}
