// SPDX-License-Identifier: Apache-2.0
// colour.c: the definition of saturation, hue and grey of one pixel, in the float32 that
// kernels/data/colour.h must match bit for bit. Formulas: the head of kernels/data/augment.cl.
#include "colour.h"

#include <math.h>

float chi__ref_luma(const float *v)
{
    return fmaf(0.299f, v[0] - v[1], fmaf(0.114f, v[2] - v[1], v[1]));
}

void chi__ref_saturate(float *v, float factor)
{
    const float luma = chi__ref_luma(v);
    for (int i = 0; i < 3; i++) {
        const float u = fmaf(v[i] - luma, factor, luma);
        v[i] = u < 0.0f ? 0.0f : u > 1.0f ? 1.0f : u;
    }
}

// The hue times the chroma, in sixths of the circle: −c … 5 c.
static float scaled_hue(const float *v, float most, float c)
{
    if (v[0] == most)
        return v[1] - v[2];
    return v[1] == most ? fmaf(2.0f, c, v[2] - v[0]) : fmaf(4.0f, c, v[0] - v[1]);
}

static float raised(float rise, float least, float c, float most)
{
    const float v = least + (rise < 0.0f ? 0.0f : rise);
    return rise >= c ? most : v;
}

void chi__ref_turn_hue(float *v, float turn)
{
    float most = v[0], least = v[0];
    for (int i = 1; i < 3; i++) {
        most = most < v[i] ? v[i] : most;
        least = v[i] < least ? v[i] : least;
    }
    const float c = most - least;
    float h = fmaf(turn, c, scaled_hue(v, most, c));
    if (h < 0.0f)
        h = fmaf(6.0f, c, h);
    else if (h >= 6.0f * c)
        h = fmaf(-6.0f, c, h);
    v[0] = raised(fabsf(fmaf(-3.0f, c, h)) - c, least, c, most);
    v[1] = raised(2.0f * c - fabsf(h - 2.0f * c), least, c, most);
    v[2] = raised(2.0f * c - fabsf(fmaf(-4.0f, c, h)), least, c, most);
}
