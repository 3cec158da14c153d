// SPDX-License-Identifier: Apache-2.0
// tiles/norms.cl: what a row is multiplied by to have length 1, and the way back. One work-item owns NORM_ROWS rows,
// so that as many fma chains run side by side.
//
//   m = max |x_k|, f = 2^−exponent(m), ss = Σ (x_k f)², one fma chain; g = rsqrt(ss); x̂_k = (x_k f) g, inverse = g f.
// The power of two keeps ss in range and changes no bit. ‖x‖ < 1e-12: x̂ = 1e12 x and inverse 0, so no gradient passes.
// Reference: src/ref/exact.c (chi__ref_normalize).
#include "common/math.h"

#define NORM_ROWS 8
enum { FAULT_UNIT_ROWS = 1 }; // place in the device's fault words

// As bits: NaN is above infinity, infinity above all numbers.
inline float largest(global const float *row, const uint dim)
{
    uint8 most = (uint8)(0);
    uint k = 0;
    for (; k + 8 <= dim; k += 8)
        most = max(most, as_uint8(vload8(0, row + k)) & 0x7fffffffu);
    const uint4 four = max(most.lo, most.hi);
    uint m = max(max(four.x, four.y), max(four.z, four.w));
    for (; k < dim; k++)
        m = max(m, as_uint(row[k]) & 0x7fffffffu);
    return as_float(m);
}

// A row that is not finite becomes NaN throughout.
inline void finish(const float m, const float f, const float ss, global float *factors, global float *inverse)
{
    const float one_by_f = as_float(0x7f000000 - as_int(f)); // f is a power of two
    const float g = rsqrt_of(ss), length = ss * g * one_by_f;
    const bool zero = m == 0.0f, finite = is_finite(m), tiny = !zero && length < 1e-12f;
    factors[0] = !finite ? NAN : zero ? 1.0f : tiny ? 1e12f : f;
    factors[1] = !finite ? NAN : zero || tiny ? 1.0f : g;
    *inverse = !finite ? NAN : zero || tiny ? 0.0f : g * f;
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void tiles_norms(const uint n, const uint dim, const ulong offset, const uint stride,
                        const uint unit,                 // 0 no; 1: rows are claimed to be unit; 2: no claim, no change;
                                                         // 3: no change, inverse[i] = Σ x_k²
                        global const float *restrict x,  // [n][stride] from offset
                        global float *restrict factors,  // [n][2]
                        global float *restrict inverse,  // [n]
                        global uint *restrict faults)
{
    const uint row0 = (uint)get_global_id(0) * NORM_ROWS;
    float f[NORM_ROWS], m[NORM_ROWS], ss[NORM_ROWS];
    global const float *row[NORM_ROWS];
    for (uint r = 0; r < NORM_ROWS; r++) {
        row[r] = x + offset + (size_t)min(row0 + r, n - 1) * stride;
        m[r] = unit ? 1.0f : largest(row[r], dim);
        const int e = max((as_int(m[r]) >> 23) - 127, -126);
        f[r] = is_finite(m[r]) && m[r] > 0.0f ? as_float((127 - min(e, 126)) << 23) : 1.0f;
        ss[r] = 0.0f;
    }
    for (uint k = 0; k < dim && unit != 2; k++)
        CHI_UNROLL for (uint r = 0; r < NORM_ROWS; r++) {
            const float t = row[r][k] * f[r];
            ss[r] = fma(t, t, ss[r]);
        }
    for (uint r = 0; r < NORM_ROWS && row0 + r < n; r++) {
        global float *to = factors + 2 * (size_t)(row0 + r);
        if (!unit) {
            finish(m[r], f[r], ss[r], to, inverse + row0 + r);
            continue;
        }
        const bool honest = unit >= 2 || fabs(ss[r] - 1.0f) <= 1e-3f || !is_finite(ss[r]);
        if (!honest)
            faults[FAULT_UNIT_ROWS] = 1;
        to[0] = honest ? 1.0f : NAN;
        to[1] = 1.0f;
        inverse[row0 + r] = unit == 3 ? ss[r] : 1.0f;
    }
}

// dots[i] = x̂_i · ŷ_i, one fma chain over features.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
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
    for (uint r = 0; r < NORM_ROWS && row0 + r < n; r++)
        dots[row0 + r] = dot[r];
}

// grad ← the gradient for the raw row: inverse · (grad − x̂ (x̂ · grad)), and dots[i] = x̂_i · grad_i before it,
// one fma chain over features. raw 0: rows were given as unit, only dots are wanted.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
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
    for (uint r = 0; r < NORM_ROWS; r++) {
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
    for (uint r = 0; r < NORM_ROWS && row0 + r < n; r++) {
        dots[row0 + r] = dot[r];
        const float inv = inverse[row0 + r];
        for (uint k = 0; k < dim && raw; k++)
            to[r][k] = inv == 0.0f ? 0.0f : inv * fma(-dot[r], row[r][k] * f[r] * g[r], to[r][k]);
    }
}
