// SPDX-License-Identifier: Apache-2.0
// common/math.h: arithmetic of our own, from fma, integers and correctly rounded operations alone, so that
// every device gives the same bits. Reference: src/ref/exact.c.
//
// e^l with l = s / τ is carried as 2^n · p: n = round(s κ), κ = log2(e) / τ, p = 2^(s κ − n) in [0.70, 1.42]. κ is a float32,
// and the loss is that of this κ: s κ − n is formed without rounding the product, so 2^n · p is within 1.1 ulp of 2^(s κ). What
// κ's own rounding does is a change of the temperature by at most 2^-24 of it (learnt: 1.3 · 2^-24), equal for all pairs;
// against e^(s / τ) of the τ that was asked for that is |l| · 2^-24 relative, 43 ulp at |l| = 87. tests/check_math.c holds
// every function here to its figure, over all floats if asked, and its vector form (core/panel.h) to the same bits.
#include "common/types.h"

// 2^r on [−½, ½], relative error 4e-9 before rounding.
#define EXP_C0    0x1p+0f
#define EXP_C1    0x1.62e43p-1f
#define EXP_C2    0x1.ebfbd8p-3f
#define EXP_C3    0x1.c6af78p-5f
#define EXP_C4    0x1.3b30bp-7f
#define EXP_C5    0x1.5f0a66p-10f
#define EXP_C6    0x1.3f906cp-13f
#define EXP_MAGIC 12582912.0f // 1.5 · 2^23: adding it rounds to an integer, kept in the low bits
#define LOG2_E    1.44269504f
#define LOG2_E_HIGH 0x1.715476p+0f
#define LOG2_E_LOW  0x1.4ae0cp-26f
#define EXP_LEAST -0x1.5d589ep+6f // the last x whose e^x is normal: −87.336 …
#define EXP_MOST  0x1.62e42ep+6f  // … 88.722

// (log(1 + e) − e) / e² on [0, 1], relative error of the whole 5e-9 before rounding. T: float or a vector of them.
#define LOG1P_POLY(T, p, e)                       \
    p = fma((T)(-0x1.a93368p-9f), e, (T)(0x1.453f12p-6f)); \
    p = fma(p, e, (T)(-0x1.d29cdp-5f));           \
    p = fma(p, e, (T)(0x1.b25364p-4f));           \
    p = fma(p, e, (T)(-0x1.397564p-3f));          \
    p = fma(p, e, (T)(0x1.92f698p-3f));           \
    p = fma(p, e, (T)(-0x1.ff0f88p-3f));          \
    p = fma(p, e, (T)(0x1.554c8p-2f));            \
    p = fma(p, e, (T)(-0x1.ffffbep-2f));
// 1 / d on [1, 2]: the best square, relative error 1/99, then two Newton steps.
#define RECIP_START(T, d) fma(fma((T)(32.0f / 99.0f), d, (T)(-144.0f / 99.0f)), d, (T)(210.0f / 99.0f))

typedef struct exp_parts { float n, p; } exp_parts;

inline float exp_poly(const float r)
{
    float p = fma(EXP_C6, r, EXP_C5);
    p = fma(p, r, EXP_C4);
    p = fma(p, r, EXP_C3);
    p = fma(p, r, EXP_C2);
    p = fma(p, r, EXP_C1);
    return fma(p, r, EXP_C0);
}

// n and p of e^l, s κ = l log2(e). Beyond ±2^22 the logit itself has no fraction worth keeping.
inline exp_parts exp_split(const float s, const float kappa)
{
    const float z = s * kappa;
    exp_parts e;
    float r;
    if (z > -4194304.0f && z < 4194304.0f) {
        e.n = fma(s, kappa, EXP_MAGIC) - EXP_MAGIC;
        r = fma(s, kappa, -e.n);
    } else {
        e.n = rint(z);
        r = fma(s, kappa, -e.n);
        r = r < -0.5f ? -0.5f : r > 0.5f ? 0.5f : r; // NaN passes
    }
    e.p = exp_poly(r);
    return e;
}

// x · 2^k for integer-valued k ≤ 126, zero below 2^-126: exact. NaN stays.
inline float scale_by_power(const float x, const float k)
{
    return k < -126.0f ? (is_nan(x) ? x : 0.0f) : x * as_float(((int)k + 127) << 23);
}

// x · 2^k for integer-valued k ≤ 126, zero below 2^-126 whatever x, NaN of k stays: what masked entries need.
inline float scale_or_zero(const float x, const float k)
{
    return k < -126.0f ? 0.0f : x * as_float(((int)k + 127) << 23);
}

// e^(s/τ) 2^−shift, zero below 2^-126: for |s κ| < 2^22, or s = −inf. The rounding constant leaves n in the low bits.
inline float exp_shifted(const float s, const float kappa, const int shift)
{
    const float t = fma(s, kappa, EXP_MAGIC), n = t - EXP_MAGIC;
    const float e = exp_poly(fma(s, kappa, -n)) * as_float(((as_int(t) - shift) << 23) + 0x3f800000);
    return t < EXP_MAGIC + (float)(shift - 126) ? 0.0f : e;
}

// e^x within 1.02 ulp, over every float where that is a normal number; zero below, infinity above, NaN stays.
inline float exp_of(const float x)
{
    if (!(x >= EXP_LEAST))
        return is_nan(x) ? x : 0.0f;
    if (x > EXP_MOST)
        return INFINITY;
    const float n = fma(x, LOG2_E_HIGH, EXP_MAGIC) - EXP_MAGIC;
    const float p = exp_poly(fma(x, LOG2_E_LOW, fma(x, LOG2_E_HIGH, -n)));
    return n > 126.0f ? scale_by_power(p * 4.0f, n - 2.0f) : scale_by_power(p, n);
}

// 1 / r for positive r in the middle of the range.
inline float recip(const float r)
{
    float y = as_float(0x7ef311c7 - as_int(r));
    for (int k = 0; k < 4; k++)
        y = fma(y, fma(-r, y, 1.0f), y);
    return y;
}

inline float rsqrt_of(const float x)
{
    const float h = 0.5f * x;
    float y = as_float(0x5f3759df - (as_int(x) >> 1));
    for (int k = 0; k < 4; k++)
        y = fma(y, fma(-(h * y), y, 0.5f), y);
    return y;
}

inline float sqrt_of(const float x)
{
    if (x == 0.0f)
        return x;
    const float y = rsqrt_of(x), s = x * y;
    return fma(fma(-s, s, x), 0.5f * y, s);
}

// log(x 2^k), x positive and normal: within 0.83 ulp over every float for k = 0; log(0) = −inf, NaN stays. The cases are
// told apart at the end: at an early return for 0, PoCL 6 with LLVM 18 ended the process ("Instruction Combining did not
// reach a fixpoint", 2026-11).
inline float log_scaled(const float x, const float k)
{
    const int b = as_int(x) - 0x3f3504f3;
    const float e = (float)(b >> 23) + k;
    const float f = as_float((b & 0x7fffff) + 0x3f3504f3) - 1.0f, z = f * f;
    float p = fma(7.0376836292e-2f, f, -1.1514610310e-1f);
    p = fma(p, f, 1.1676998740e-1f);
    p = fma(p, f, -1.2420140846e-1f);
    p = fma(p, f, 1.4249322787e-1f);
    p = fma(p, f, -1.6668057665e-1f);
    p = fma(p, f, 2.0000714765e-1f);
    p = fma(p, f, -2.4999993993e-1f);
    p = fma(p, f, 3.3333331174e-1f);
    p = p * f * z;
    p = fma(e, -2.12194440e-4f, p);
    p = fma(z, -0.5f, p);
    p = fma(e, 0.693359375f, f + p);
    return x == 0.0f ? -INFINITY : is_finite(x) ? p : x;
}

// e^x for x ≤ 0, zero below 2^-126: log2(e) in two parts, so that x of any size keeps its bits.
inline float exp_minus(const float x)
{
    const float t = fma(x, LOG2_E_HIGH, EXP_MAGIC), n = t - EXP_MAGIC;
    const float e = exp_poly(fma(x, LOG2_E_LOW, fma(x, LOG2_E_HIGH, -n))) * as_float((as_int(t) << 23) + 0x3f800000);
    return t < EXP_MAGIC - 126.0f ? 0.0f : e;
}

// log(1 + e), 0 ≤ e ≤ 1, within 1.4 ulp; and 1 / d, 1 ≤ d ≤ 2, within 0.7.
inline float log1p_unit(const float e)
{
    float p;
    LOG1P_POLY(float, p, e)
    return fma(e * e, p, e);
}

inline float recip_unit(const float d)
{
    float y = RECIP_START(float, d);
    y = fma(y, fma(-d, y, 1.0f), y);
    return fma(y, fma(-d, y, 1.0f), y);
}

inline float log_of(const float x) { return log_scaled(x, 0.0f); }

// log(1 + q 2^k), q ≥ 0: exact where q is 0, no overflow where q 2^k is huge.
inline float log1p_scaled(const float q, const float k)
{
    if (q == 0.0f)
        return 0.0f;
    if (!is_finite(q))
        return q;
    if ((float)((as_int(q) >> 23) - 127) + k > 64.0f)
        return log_scaled(q, k);
    const float v = scale_by_power(q, k), u = 1.0f + v;
    return u == 1.0f ? v : fma(v - (u - 1.0f), recip(u), log_of(u));
}

// erf within 1 ulp: x + x P(x²) below 1, 1 − e^−Q(|x|) up to 4; P and Q are least-squares fits.
inline float erf_of(const float x)
{
    const float a = fabs(x);
    if (a >= 4.0f)
        return x < 0.0f ? -1.0f : 1.0f;
    if (a < 1.0f) {
        const float z = a * a;
        float p = fma(-0x1.466e66p-17f, z, 0x1.d975dap-14f);
        p = fma(p, z, -0x1.bcfa2ep-11f);
        p = fma(p, z, 0x1.562e3cp-8f);
        p = fma(p, z, -0x1.b82a26p-6f);
        p = fma(p, z, 0x1.ce2f0ep-4f);
        p = fma(p, z, -0x1.812746p-2f);
        p = fma(p, z, 0x1.06eba8p-3f);
        return fma(p, x, x);
    }
    float q = fma(-0x1.773c38p-22f, a, 0x1.bf6ad6p-16f);
    q = fma(q, a, -0x1.eeb3a2p-12f);
    q = fma(q, a, 0x1.1a6242p-8f);
    q = fma(q, a, -0x1.a0994cp-6f);
    q = fma(q, a, 0x1.bd43cap-4f);
    q = fma(q, a, 0x1.4416cap-1f);
    q = fma(q, a, 0x1.2133p+0f);
    q = fma(q, a, -0x1.b5ce2ap-13f);
    const float y = 1.0f - exp_of(-q);
    return is_nan(x) ? x : x < 0.0f ? -y : y;
}

// Halving tree over the 16 lanes: l + (l + 8), then 4, 2, 1. Lanes as vectors: Intel's CPU runtime
// miscompiles sums over an array indexed by i & 15 (2026.22, AVX-512).
inline float lane_tree(const float16 q)
{
    const float8 h = q.lo + q.hi;
    const float4 f = h.lo + h.hi;
    const float2 t = f.lo + f.hi;
    return t.x + t.y;
}
