// SPDX-License-Identifier: Apache-2.0
// tiles/norms.cl: factors of rows that a layer normalises (src/encoder/normalize.c). One work-item owns NORM_ROWS rows.
// Operands of tile passes get theirs while they are packed: tiles/pack.cl. Reference: src/ref/exact.c.
#include "tiles/norms.h"

kernel __attribute__((reqd_work_group_size(ROW_ITEMS, 1, 1)))
void tiles_norms(const uint n, const uint dim, const ulong offset, const uint stride,
                 const uint unit,                 // see tiles/norms.h
                 global const float *restrict x,  // [n][stride] from offset
                 global float *restrict factors,  // [n][2]
                 global float *restrict inverse,  // [n]
                 global uint *restrict faults)
{
    norm_rows((uint)get_global_id(0) * NORM_ROWS, n, dim, unit, x + offset, stride, factors, inverse, faults);
}
