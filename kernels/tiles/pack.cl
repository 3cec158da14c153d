// SPDX-License-Identifier: Apache-2.0
// tiles/pack.cl: rows of a matrix into the layouts that the tile passes read. One group owns BLOCK rows.
//
// Row panels (left and right operands of the scores): `width` rows, k-major: [panel][k][width], rows past the
// end zero; a block of BLOCK rows has ceil(BLOCK / width) panels of its own.
// Column panels (right operand of the gradients): `panel` columns of all rows: [d / panel][row][panel], columns past the end zero.
// A row is multiplied by its two factors on the way (see tiles/norms.cl).   Reference: src/ref/exact.c.
#include "common/types.h"

#ifndef BLOCK
#error "tiles/pack.cl needs BLOCK"
#endif

inline void pack_panel(global const float *x, const uint rows, const uint dim, const uint stride, const uint width,
                       global const float *factors, global float *to)
{
    for (uint k0 = 0; k0 < dim; k0 += 8)
        for (uint r = 0; r < width; r++) {
            const uint steps = min(8u, dim - k0);
            if (r >= rows) {
                for (uint k = 0; k < steps; k++)
                    to[(size_t)(k0 + k) * width + r] = 0.0f;
                continue;
            }
            global const float *from = x + (size_t)r * stride + k0;
            const float f = factors[2 * r], g = factors[2 * r + 1];
            global float *at = to + (size_t)k0 * width + r;
            if (steps == 8) {
                const float8 t = vload8(0, from) * f * g;
                at[0] = t.s0;
                at[width] = t.s1;
                at[2 * width] = t.s2;
                at[3 * width] = t.s3;
                at[4 * width] = t.s4;
                at[5 * width] = t.s5;
                at[6 * width] = t.s6;
                at[7 * width] = t.s7;
            } else {
                for (uint k = 0; k < steps; k++)
                    at[k * width] = from[k] * f * g;
            }
        }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void tiles_pack_rows(const uint first, const uint n, const uint dim, const ulong offset, const uint stride,
                     const uint width,                    // rows of a panel
                     global const float *restrict x,      // [n][stride] from offset
                     global const float *restrict factors, // [n][2]
                     global float *restrict to)
{
    const uint block = first + (uint)get_group_id(0), panels = (BLOCK + width - 1) / width;
    const uint row0 = block * BLOCK, row_end = min(n, row0 + BLOCK);
    for (uint p = 0; p < panels; p++) {
        const uint row = row0 + p * width, rows = row < row_end ? min(width, row_end - row) : 0;
        pack_panel(x + offset + (size_t)row * stride, rows, dim, stride, width, factors + 2 * (size_t)row,
                   to + ((size_t)block * panels + p) * width * dim);
    }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void tiles_pack_columns(const uint first, const uint n, const uint dim, const ulong offset, const uint stride,
                        const uint panel,                     // columns of a panel, a multiple of 8
                        global const float *restrict x,       // [n][stride] from offset
                        global const float *restrict factors, // [n][2]
                        global float *restrict to)
{
    const uint row0 = (first + (uint)get_group_id(0)) * BLOCK, row_end = min(n, row0 + BLOCK);
    for (uint row = row0; row < row_end; row++) {
        global const float *from = x + offset + (size_t)row * stride;
        const float f = factors[2 * row], g = factors[2 * row + 1];
        for (uint d0 = 0; d0 < dim; d0 += 8) {
            global float *at = to + ((size_t)(d0 / panel) * n + row) * panel + d0 % panel;
            if (d0 + 8 <= dim)
                vstore8(vload8(0, from + d0) * f * g, 0, at);
            else
                for (uint d = 0; d < 8; d++)
                    at[d] = d0 + d < dim ? from[d0 + d] * f * g : 0.0f;
        }
        const uint full = (dim + panel - 1) / panel * panel;
        for (uint d = (dim + 7) / 8 * 8; d < full; d++)
            to[((size_t)(d / panel) * n + row) * panel + d % panel] = 0.0f;
    }
}
