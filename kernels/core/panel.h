// SPDX-License-Identifier: Apache-2.0
// core/panel.h: the multiply core for CPUs. One work-item a group, no local memory: a register tile of
// TILE_M rows × TILE_N columns held in TILE_V = TILE_N / VEC explicit vectors a row.
//
// The left operand is broadcast, an element at a time; the right one is read a row of TILE_N floats at a
// time (a "panel": [k][TILE_N]). fma() and never mad(): PoCL 3.1 splits mad into multiply and add.
// Tuned: TILE_M, TILE_N, VEC.   Reference: src/ref/exact.c.
#include "common/math.h"

#if !defined(TILE_M) || !defined(TILE_N) || !defined(VEC)
#error "core/panel.h needs TILE_M, TILE_N and VEC"
#endif

#define TILE_V (TILE_N / VEC)
#define LANE_V (16 / VEC) // vectors that hold the 16 lanes of a sum
#define LINE   16 // floats of a cache line

typedef CHI_JOIN(float, VEC) floatv;
typedef CHI_JOIN(int, VEC) intv;
#define vloadv       CHI_JOIN(vload, VEC)
#define vstorev      CHI_JOIN(vstore, VEC)
#define as_intv      CHI_JOIN(as_int, VEC)
#define as_uintv     CHI_JOIN(as_uint, VEC)
#define as_floatv    CHI_JOIN(as_float, VEC)
#define convert_intv CHI_JOIN(convert_int, VEC)

inline intv vload_intv(const size_t v, global const int *from) { return CHI_JOIN(vload, VEC)(v, from); }

// Every entry (r, v) of a register tile.
#define EACH_ENTRY(r, v)                        \
    CHI_UNROLL for (int r = 0; r < TILE_M; r++) \
    CHI_UNROLL for (int v = 0; v < TILE_V; v++)

// acc += A B over `steps` of k: A(r, k) is the left operand's element, row k of the right one lies at
// b + k · b_step. One fma chain an entry, ascending. The first `vectors` of each row, a constant. MEANWHILE(k) runs beside.
#define PANEL_MULTIPLY_SOME(acc, A, b, b_step, steps, vectors, MEANWHILE) \
    for (uint k = 0; k < (steps); k++) {                                  \
        MEANWHILE(k);                                                     \
        floatv b_row[vectors];                                            \
        CHI_UNROLL for (int v = 0; v < (vectors); v++)                    \
            b_row[v] = vloadv(v, (b) + (size_t)k * (b_step));             \
        CHI_UNROLL for (int r = 0; r < TILE_M; r++) {                     \
            const floatv a_entry = (floatv)(A(r, k));                     \
            CHI_UNROLL for (int v = 0; v < (vectors); v++)                \
                acc[r][v] = fma(a_entry, b_row[v], acc[r][v]);            \
        }                                                                 \
    }
#define NOTHING(k)
#define PANEL_MULTIPLY(acc, A, b, b_step, steps) PANEL_MULTIPLY_SOME(acc, A, b, b_step, steps, TILE_V, NOTHING)

// One row of a register tile to and from an array, where single entries must be reached.
inline void row_to_array(const floatv *row, float *to)
{
    CHI_UNROLL for (int v = 0; v < TILE_V; v++)
        vstorev(row[v], v, to);
}
inline void row_from_array(floatv *row, const float *from)
{
    CHI_UNROLL for (int v = 0; v < TILE_V; v++)
        row[v] = vloadv(v, from);
}

inline floatv exp_poly_v(const floatv r)
{
    floatv p = fma((floatv)(EXP_C6), r, (floatv)(EXP_C5));
    p = fma(p, r, (floatv)(EXP_C4));
    p = fma(p, r, (floatv)(EXP_C3));
    p = fma(p, r, (floatv)(EXP_C2));
    p = fma(p, r, (floatv)(EXP_C1));
    return fma(p, r, (floatv)(EXP_C0));
}

// e^(s/τ) 2^−shift, zero below 2^-126: for |s κ| < 2^22, or s = −inf. The rounding constant leaves n in the low bits.
inline floatv exp_shifted_v(const floatv s, const float kappa, const int shift)
{
    const floatv t = fma(s, (floatv)(kappa), (floatv)(EXP_MAGIC)), n = t - (floatv)(EXP_MAGIC);
    const floatv p = exp_poly_v(fma(s, (floatv)(kappa), -n));
    const floatv e = p * as_floatv(((as_intv(t) - shift) << 23) + 0x3f800000);
    return select(e, (floatv)(0.0f), t < (floatv)(EXP_MAGIC + (float)(shift - 126)));
}

// n and p of e^(s/τ), for any s.
inline void exp_split_v(const floatv s, const float kappa, floatv *n, floatv *p)
{
    const floatv z = s * (floatv)(kappa);
    const intv near = (z > (floatv)(-4194304.0f)) & (z < (floatv)(4194304.0f));
    *n = select(rint(z), fma(s, (floatv)(kappa), (floatv)(EXP_MAGIC)) - (floatv)(EXP_MAGIC), near);
    floatv r = fma(s, (floatv)(kappa), -*n);
    r = select(r, (floatv)(-0.5f), r < (floatv)(-0.5f));
    r = select(r, (floatv)(0.5f), r > (floatv)(0.5f));
    *p = exp_poly_v(r);
}

// x · 2^k, k integer-valued and ≤ 126, zero below 2^-126 whatever x, NaN of k stays.
inline floatv scale_by_power_v(const floatv x, const floatv k)
{
    const floatv factor = as_floatv((convert_intv(k) + 127) << 23);
    return select(x * factor, (floatv)(0.0f), k < (floatv)(-126.0f));
}

// exp_minus, log1p_unit and recip_unit of common/math.h.
inline floatv exp_minus_v(const floatv x)
{
    const floatv t = fma(x, (floatv)(LOG2_E_HIGH), (floatv)(EXP_MAGIC)), n = t - (floatv)(EXP_MAGIC);
    const floatv r = fma(x, (floatv)(LOG2_E_LOW), fma(x, (floatv)(LOG2_E_HIGH), -n));
    const floatv e = exp_poly_v(r) * as_floatv((as_intv(t) << 23) + 0x3f800000);
    return select(e, (floatv)(0.0f), t < (floatv)(EXP_MAGIC - 126.0f));
}

inline floatv log1p_unit_v(const floatv e)
{
    floatv p;
    LOG1P_POLY(floatv, p, e)
    return fma(e * e, p, e);
}

inline floatv recip_unit_v(const floatv d)
{
    floatv y = RECIP_START(floatv, d);
    y = fma(y, fma(-d, y, (floatv)(1.0f)), y);
    return fma(y, fma(-d, y, (floatv)(1.0f)), y);
}
