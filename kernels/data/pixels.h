// SPDX-License-Identifier: Apache-2.0
// data/pixels.h: what images are stored as, bytes or floats, either as floats in [0, 1], and rows
// of floats 16 at a time. Set by the host: FLOATS, whether they are floats.

#ifndef FLOATS
#error "kernels/data/pixels.h: FLOATS is not set"
#endif

#define INV_255 0x1.010102p-8f

// v / 255, correctly rounded for every byte (tests/check_augment.c tries them all): a product and one step of
// correction, since OpenCL's own division may be 2.5 ulp off.
inline float unit_of(const float v)
{
    const float q = v * INV_255;
    return fma(fma(-q, 255.0f, v), INV_255, q);
}

inline float16 unit16_of(const float16 v)
{
    const float16 q = v * INV_255;
    return fma(fma(-q, (float16)(255.0f), v), (float16)(INV_255), q);
}

// A stored value as one in [0, 1], and as one in [0, 255]. A float v / 255 times 255 is v again for
// every byte v, so that what is interpolated between bytes and between such floats has the same
// bits.
#if FLOATS
typedef float stored;
inline float unit_stored(const stored v) { return v; }
inline float byte_stored(const stored v) { return v * 255.0f; }
inline float16 unit16_stored(const size_t c, global const stored *from) { return vload16(c, from); }
#else
typedef uchar stored;
inline float unit_stored(const stored v) { return unit_of((float)v); }
inline float byte_stored(const stored v) { return (float)v; }
inline float16 unit16_stored(const size_t c, global const stored *from)
{
    return unit16_of(convert_float16(vload16(c, from)));
}
#endif

// Pixels 16 c … of a row of n, zero behind its end.
inline float16 chunk(global const float *row, const uint c, const uint n)
{
    if (16 * c + 16 <= n)
        return vload16(c, row);
    float tail[16];
    CHI_UNROLL for (uint i = 0; i < 16; i++)
        tail[i] = 16 * c + i < n ? row[16 * c + i] : 0.0f;
    return vload16(0, tail);
}

inline void put_chunk(const float16 v, global float *row, const uint c, const uint n)
{
    if (16 * c + 16 <= n) {
        vstore16(v, c, row);
        return;
    }
    float tail[16];
    vstore16(v, 0, tail);
    CHI_UNROLL for (uint i = 0; i < 16; i++)
        if (16 * c + i < n)
            row[16 * c + i] = tail[i];
}
