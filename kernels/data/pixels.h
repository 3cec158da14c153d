// SPDX-License-Identifier: Apache-2.0
// data/pixels.h: bytes as floats in [0, 1].

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
