// SPDX-License-Identifier: Apache-2.0
// tiles/norms.h: what a row is multiplied by to have length 1, and the way back: NORM_ROWS rows at a time, so that as
// many fma chains run side by side. For kernels/tiles/norms.cl and pack.cl.
//
//   m = max |x_k|, f = 2^−exponent(m), ss = Σ (x_k f)², one fma chain; g = rsqrt(ss); x̂_k = (x_k f) g, inverse = g f.
// The power of two keeps ss in range and changes no bit. ‖x‖ < 1e-12: x̂ = 1e12 x and inverse 0, so no gradient passes.
// Reference: src/ref/exact.c (chi__ref_normalize).
#include "common/math.h"

// One item on a CPU, with rows side by side; on a GPU the items of a wave are, a row each.
#ifndef WG
#error "tiles/norms.h needs WG"
#endif
#if WG == 1
#define NORM_ROWS 8
#define ROW_ITEMS 1
#define OUTLINED_ON_CPU CHI_OUTLINED
#else
#define OUTLINED_ON_CPU inline
#define NORM_ROWS 1
#define ROW_ITEMS 64
#endif
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
    CHI_ROLLED for (; k < dim; k++)
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

// Rows row0 … row0 + NORM_ROWS − 1 below end. unit: 0 no; 1: rows are claimed to be unit; 2: no claim, no change; 3: no
// change, inverse[i] = Σ x_k².
OUTLINED_ON_CPU void norm_rows(const uint row0, const uint end, const uint dim, const uint unit, global const float *x, const uint stride,
                               global float *factors, global float *inverse, global uint *faults)
{
    float f[NORM_ROWS], m[NORM_ROWS], ss[NORM_ROWS];
    global const float *row[NORM_ROWS];
    CHI_ROLLED for (uint r = 0; r < NORM_ROWS; r++) { // code that runs once a row is compiled once
        row[r] = x + (size_t)min(row0 + r, end - 1) * stride;
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
    CHI_ROLLED for (uint r = 0; r < NORM_ROWS; r++) {
        if (row0 + r >= end)
            continue;
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
