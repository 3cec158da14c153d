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

// 8 rows × 8 columns, transposed in registers.
inline void pack_square(global const float *x, const uint stride, global const float *factors, global float *to, const uint width)
{
    float8 t[8];
    CHI_UNROLL for (uint r = 0; r < 8; r++)
        t[r] = vload8(0, x + (size_t)r * stride) * factors[2 * r] * factors[2 * r + 1];
#define COLUMN(s, k) \
    vstore8((float8)(t[0].s, t[1].s, t[2].s, t[3].s, t[4].s, t[5].s, t[6].s, t[7].s), 0, to + (size_t)(k)*width);
    COLUMN(s0, 0)
    COLUMN(s1, 1)
    COLUMN(s2, 2)
    COLUMN(s3, 3)
    COLUMN(s4, 4)
    COLUMN(s5, 5)
    COLUMN(s6, 6)
    COLUMN(s7, 7)
}

inline void pack_panel(global const float *x, const uint rows, const uint dim, const uint stride, const uint width,
                       global const float *factors, global float *to)
{
    const uint squares = rows / 8 * 8, whole = dim / 8 * 8;
    for (uint k = 0; k < whole; k += 8)
        for (uint r = 0; r < squares; r += 8)
            pack_square(x + (size_t)r * stride + k, stride, factors + 2 * r, to + (size_t)k * width + r, width);
    for (uint r = 0; r < width; r++)
        for (uint k = r < squares ? whole : 0; k < dim; k++)
            to[(size_t)k * width + r] = r < rows ? x[(size_t)r * stride + k] * factors[2 * r] * factors[2 * r + 1] : 0.0f;
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
            const uint here = d0 / panel;
            global float *at = to + ((size_t)here * n + row) * panel + (d0 - here * panel);
            if (d0 + 8 <= dim)
                vstore8(vload8(0, from + d0) * f * g, 0, at);
            else
                for (uint d = 0; d < 8; d++)
                    at[d] = d0 + d < dim ? from[d0 + d] * f * g : 0.0f;
        }
        const uint full = (dim + panel - 1) / panel * panel;
        for (uint d = (dim + 7) / 8 * 8; d < full; d++)
            to[((size_t)(d / panel) * n + row) * panel + (d - d / panel * panel)] = 0.0f;
    }
}
