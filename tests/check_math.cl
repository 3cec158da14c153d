// SPDX-License-Identifier: Apache-2.0
// check_math.cl: every function of kernels/common/math.h over a run of floats, and its vector form in kernels/core/panel.h.
// Host: tests/check_math.c, which says what each number in `function` is.
#include "core/panel.h"

inline float one(const uint function, const float x, const float kappa, const int shift)
{
    switch (function) {
    case 0: return exp_of(x);
    case 1: return log_scaled(x, (float)shift);
    case 2: return exp_split(x, kappa).n;
    case 3: return exp_split(x, kappa).p;
    case 4: return exp_shifted(x, kappa, shift);
    case 5: return exp_minus(x);
    case 6: return log1p_unit(x);
    case 7: return recip_unit(x);
    case 8: return recip(x);
    case 9: return rsqrt_of(x);
    case 10: return sqrt_of(x);
    case 11: return log1p_scaled(x, (float)shift);
    default: return erf_of(x);
    }
}

// Work-item i has floats VEC · i … of the run, which are `step` apart in their bits.
kernel void check_math(const uint function, const uint first, const uint step, const float kappa, const int shift,
                       global float *restrict scalars, global float *restrict vectors)
{
    const uint i = (uint)get_global_id(0);
    float xs[VEC];
    for (uint q = 0; q < VEC; q++) {
        xs[q] = as_float(first + (i * VEC + q) * step);
        scalars[i * VEC + q] = one(function, xs[q], kappa, shift);
    }
    const floatv x = vloadv(0, xs);
    floatv n = (floatv)(0.0f), p = (floatv)(0.0f);
    if (function == 2 || function == 3)
        exp_split_v(x, kappa, &n, &p);
    n = function == 3 ? p : function == 4 ? exp_shifted_v(x, kappa, shift) : function == 5 ? exp_minus_v(x)
      : function == 6 ? log1p_unit_v(x) : function == 7 ? recip_unit_v(x) : n;
    vstorev(n, i, vectors);
}
