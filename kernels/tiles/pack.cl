// SPDX-License-Identifier: Apache-2.0
// tiles/pack.cl: an operand's rows: their factors and the layouts that the tile passes read, and back through the
// normalisation. Host: src/tiles/operand.c, src/loss/loss.c. Reference: src/ref/exact.c.
//
// One group of WG items owns BLOCK rows, from factors to panels, so that a small matrix takes one launch.
// Row panels (left and right operands of the scores): `width` rows, k-major: [panel][k][width], rows past the
// end zero; a block of BLOCK rows has ceil(BLOCK / width) panels of its own.
// Column panels (right operand of the gradients): `panel` columns of all rows: [d / panel][row][panel], columns past the end zero.
// A row is multiplied by its two factors on the way (see tiles/norms.h).
#include "tiles/norms.h"
#include "common/vendor.h"

#ifndef BLOCK
#error "tiles/pack.cl needs BLOCK"
#endif

#if WG == 1
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
    CHI_ROLLED for (uint k = 0; k < whole; k += 8)
        CHI_ROLLED for (uint r = 0; r < squares; r += 8)
            pack_square(x + (size_t)r * stride + k, stride, factors + 2 * r, to + (size_t)k * width + r, width);
    CHI_ROLLED for (uint r = 0; r < width; r++)
        CHI_ROLLED for (uint k = r < squares ? whole : 0; k < dim; k++)
            to[(size_t)k * width + r] = r < rows ? x[(size_t)r * stride + k] * factors[2 * r] * factors[2 * r + 1] : 0.0f;
}

OUTLINED_ON_CPU void pack_columns(global const float *x, const uint row0, const uint row_end, const uint n, const uint dim, const uint stride,
                                  const uint panel, global const float *factors, global float *to)
{
    CHI_ROLLED for (uint row = row0; row < row_end; row++) {
        global const float *from = x + (size_t)row * stride;
        const float f = factors[2 * row], g = factors[2 * row + 1];
        CHI_ROLLED for (uint d0 = 0; d0 < dim; d0 += 8) {
            const uint here = d0 / panel;
            global float *at = to + ((size_t)here * n + row) * panel + (d0 - here * panel);
            if (d0 + 8 <= dim)
                STREAM_STORE(vload8(0, from + d0) * f * g, (global float8 *)at);
            else
                CHI_ROLLED for (uint d = 0; d < 8; d++)
                    at[d] = d0 + d < dim ? from[d0 + d] * f * g : 0.0f;
        }
        const uint full = (dim + panel - 1) / panel * panel;
        CHI_ROLLED for (uint d = (dim + 7) / 8 * 8; d < full; d++)
            to[((size_t)(d / panel) * n + row) * panel + (d - d / panel * panel)] = 0.0f;
    }
}
#else
// Neighbouring items write neighbouring words; a row's lines stay in the first cache for the features that follow.
inline void pack_panel(global const float *x, const uint rows, const uint dim, const uint stride, const uint width,
                       global const float *factors, global float *to)
{
    for (uint t = (uint)get_local_id(0); t < width * dim; t += WG) {
        const uint k = t / width, r = t - k * width;
        to[t] = r < rows ? x[(size_t)r * stride + k] * factors[2 * r] * factors[2 * r + 1] : 0.0f;
    }
}

OUTLINED_ON_CPU void pack_columns(global const float *x, const uint row0, const uint row_end, const uint n, const uint dim, const uint stride,
                                  const uint panel, global const float *factors, global float *to)
{
    const uint full = (dim + panel - 1) / panel * panel;
    for (uint row = row0; row < row_end; row++)
        for (uint d = (uint)get_local_id(0); d < full; d += WG) {
            const uint here = d / panel;
            to[((size_t)here * n + row) * panel + (d - here * panel)] =
                d < dim ? x[(size_t)row * stride + d] * factors[2 * row] * factors[2 * row + 1] : 0.0f;
        }
}
#endif

OUTLINED_ON_CPU void pack_rows(global const float *x, const uint block, const uint row_end, const uint dim, const uint stride, const uint width,
                               global const float *factors, global float *to)
{
    const uint panels = (BLOCK + width - 1) / width;
    for (uint p = 0; p < panels; p++) {
        const uint row = block * BLOCK + p * width, rows = row < row_end ? min(width, row_end - row) : 0;
        pack_panel(x + (size_t)row * stride, rows, dim, stride, width, factors + 2 * (size_t)row, to + ((size_t)block * panels + p) * width * dim);
    }
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void tiles_pack(const uint first, const uint n, const uint dim, const ulong offset, const uint stride,
                const uint unit,                              // see tiles/norms.h
                const uint left_width, const uint right_width, // rows of a panel; 0: not wanted
                const uint column_width,                      // columns of a panel, a multiple of 8; 0: not wanted
                global const float *restrict x,               // [n][stride] from offset
                global float *factors,                        // [n][2]
                global float *restrict inverse,               // [n]
                global uint *restrict faults,
                global float *restrict left, global float *restrict right, global float *restrict columns)
{
    const uint block = first + (uint)get_group_id(0), row0 = block * BLOCK, row_end = min(n, row0 + BLOCK);
    for (uint row = row0 + (uint)get_local_id(0) * NORM_ROWS; row < row_end; row += WG * NORM_ROWS)
        norm_rows(row, row_end, dim, unit, x + offset, stride, factors, inverse, faults);
    if (WG > 1)
        barrier(CLK_GLOBAL_MEM_FENCE);
    CHI_ROLLED for (uint side = 0; side < 2; side++) { // compiled once
        const uint width = side ? right_width : left_width;
        if (width)
            pack_rows(x + offset, block, row_end, dim, stride, width, factors, side ? right : left);
    }
    if (column_width)
        pack_columns(x + offset, row0, row_end, n, dim, stride, column_width, factors, columns);
}

// dots[i] = x̂_i · ŷ_i, one fma chain over features.
kernel __attribute__((reqd_work_group_size(ROW_ITEMS, 1, 1)))
void tiles_row_dots(const uint n, const uint dim, const ulong x_offset, const uint x_stride, const ulong y_offset,
                    const uint y_stride, global const float *restrict x, global const float *restrict x_factors,
                    global const float *restrict y, global const float *restrict y_factors,
                    global float *restrict dots) // [n]
{
    const uint row0 = (uint)get_global_id(0) * NORM_ROWS;
    float dot[NORM_ROWS];
    CHI_UNROLL for (uint r = 0; r < NORM_ROWS; r++)
        dot[r] = 0.0f;
    for (uint k = 0; k < dim; k++)
        CHI_UNROLL for (uint r = 0; r < NORM_ROWS; r++) {
            const size_t i = min(row0 + r, n - 1);
            const float a = x[x_offset + i * x_stride + k] * x_factors[2 * i] * x_factors[2 * i + 1];
            dot[r] = fma(a, y[y_offset + i * y_stride + k] * y_factors[2 * i] * y_factors[2 * i + 1], dot[r]);
        }
    CHI_UNROLL for (uint r = 0; r < NORM_ROWS; r++)
        if (row0 + r < n)
            dots[row0 + r] = dot[r];
}

// grad ← the gradient for the raw row: inverse · (grad − x̂ (x̂ · grad)), and dots[i] = x̂_i · grad_i before it,
// one fma chain over features. raw 0: rows were given as unit, only dots are wanted.
kernel __attribute__((reqd_work_group_size(ROW_ITEMS, 1, 1)))
void tiles_project(const uint n, const uint dim, const uint raw,
                          const ulong x_offset, const uint x_stride, const ulong g_offset, const uint g_stride,
                          global const float *restrict x, global const float *restrict factors,
                          global const float *restrict inverse, global float *restrict grad,
                          global float *restrict dots) // [n]
{
    const uint row0 = (uint)get_global_id(0) * NORM_ROWS;
    float f[NORM_ROWS], g[NORM_ROWS], dot[NORM_ROWS];
    global const float *row[NORM_ROWS];
    global float *to[NORM_ROWS];
    CHI_UNROLL for (uint r = 0; r < NORM_ROWS; r++) {
        const uint i = min(row0 + r, n - 1);
        row[r] = x + x_offset + (size_t)i * x_stride;
        to[r] = grad + g_offset + (size_t)i * g_stride;
        f[r] = factors[2 * i];
        g[r] = factors[2 * i + 1];
        dot[r] = 0.0f;
    }
    for (uint k = 0; k < dim; k++)
        CHI_UNROLL for (uint r = 0; r < NORM_ROWS; r++)
            dot[r] = fma(row[r][k] * f[r] * g[r], to[r][k], dot[r]);
    CHI_UNROLL for (uint r = 0; r < NORM_ROWS; r++) {
        if (row0 + r >= n)
            continue;
        dots[row0 + r] = dot[r];
        const float inv = inverse[row0 + r];
        for (uint k = 0; k < dim && raw; k++)
            to[r][k] = inv == 0.0f ? 0.0f : inv * fma(-dot[r], row[r][k] * f[r] * g[r], to[r][k]);
    }
}
