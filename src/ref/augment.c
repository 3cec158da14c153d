// SPDX-License-Identifier: Apache-2.0
// augment.c: the definition of an augmented view, pixel by pixel, in the float32 that kernels/data/augment.cl must match
// bit for bit. The formulas and the order of the draws are at the head of that file.
#include "augment.h"
#include "colour.h"

#include <math.h>
#include <string.h>

#include "../base/random.h"

typedef struct window { long y, x, h, w; int flip; } window;
typedef struct source { uint64_t seed; uint32_t step, image, view; } source;

static chi__random draw(source s, uint32_t block)
{
    return chi__random_at(s.seed, CHI__STREAM_AUGMENT, s.step, (uint64_t)(s.view * 16 + block) << 32 | s.image);
}

static long below(uint32_t word, long n) { return (long)((uint64_t)word * (uint64_t)n >> 32); }
static float symmetric(uint32_t word) { return 2.0f * chi__uniform(word) - 1.0f; } // exact

static float as_float(int32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static int32_t as_int(float v)
{
    int32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

// e^x for small |x|, by the parts that DESIGN section 6.3 carries everywhere.
static float exp_small(float x)
{
    static const float c[] = { 0x1.3f906cp-13f, 0x1.5f0a66p-10f, 0x1.3b30bp-7f, 0x1.c6af78p-5f,
                               0x1.ebfbd8p-3f,  0x1.62e43p-1f,   0x1p+0f };
    const float n = fmaf(x, 1.44269504f, 12582912.0f) - 12582912.0f, r = fmaf(x, 1.44269504f, -n);
    float p = c[0];
    for (int i = 1; i < 7; i++)
        p = fmaf(p, r, c[i]);
    return ldexpf(p, (int)n);
}

static float sqrt_positive(float x)
{
    const float h = 0.5f * x;
    float y = as_float(0x5f3759df - (as_int(x) >> 1));
    for (int i = 0; i < 4; i++)
        y = fmaf(y, fmaf(-(h * y), y, 0.5f), y);
    const float s = x * y;
    return fmaf(fmaf(-s, s, x), 0.5f * y, s);
}

static window resized_window(source s, long height, long width, float low)
{
    for (uint32_t k = 0; k < 10; k++) {
        const chi__random r = draw(s, 3 + k);
        const float area = (float)(height * width) * fmaf(chi__uniform(r.word[0]), 1.0f - low, low);
        const float t = symmetric(r.word[1]) * 0.287682072f; // log(4/3)
        const long w = lrintf(sqrt_positive(area * exp_small(t))), h = lrintf(sqrt_positive(area * exp_small(-t)));
        if (w >= 1 && h >= 1 && w <= width && h <= height)
            return (window){ below(r.word[2], height - h + 1), below(r.word[3], width - w + 1), h, w, 0 };
    }
    window whole = { 0, 0, height, width, 0 };
    if (4 * width < 3 * height)
        whole.h = (8 * width + 3) / 6;
    if (3 * width > 4 * height)
        whole.w = (8 * height + 3) / 6;
    whole.y = (height - whole.h) / 2;
    whole.x = (width - whole.w) / 2;
    return whole;
}

static float place(float side, size_t all, long i)
{
    const float scale = side * (float)(1.0 / (double)all), f = fmaf(scale, (float)i + 0.5f, -0.5f);
    return f < 0.0f ? 0.0f : f;
}

// v / 255 where v is a byte; one correction of a product else.
static float unit(float v)
{
    const float inverse = 0x1.010102p-8f, q = v * inverse;
    return fmaf(fmaf(-q, 255.0f, v), inverse, q);
}

// Value `at` of images, 0 … 255 and 0 … 1.
static float byte_value(const chi_augment_options *o, const void *images, size_t at)
{
    return o->floats ? ((const float *)images)[at] * 255.0f : (float)((const uint8_t *)images)[at];
}

static float unit_value(const chi_augment_options *o, const void *images, size_t at)
{
    return o->floats ? ((const float *)images)[at] : unit((float)((const uint8_t *)images)[at]);
}

// Pixel (y, x) of the crop of the plane that starts at value `plane`.
static float pixel(const chi_augment_options *o, const void *images, size_t plane, window at, long y, long x)
{
    const long height = (long)o->height, width = (long)o->width;
    x = at.flip ? width - 1 - x : x;
    if (o->scale_low <= 0.0f) {
        y += at.y;
        x += at.x;
        const bool inside = y >= 0 && x >= 0 && y < height && x < width;
        return inside ? unit_value(o, images, plane + (size_t)(y * width + x)) : 0.0f;
    }
    const float fy = place((float)at.h, o->height, y), fx = place((float)at.w, o->width, x);
    const long y0 = (long)fy < at.h - 1 ? (long)fy : at.h - 1, x0 = (long)fx < at.w - 1 ? (long)fx : at.w - 1;
    const long y1 = y0 + 1 < at.h ? y0 + 1 : y0, x1 = x0 + 1 < at.w ? x0 + 1 : x0;
    const size_t upper = plane + (size_t)((at.y + y0) * width + at.x), lower = plane + (size_t)((at.y + y1) * width + at.x);
    const float a = byte_value(o, images, upper + (size_t)x0), b = byte_value(o, images, upper + (size_t)x1);
    const float c = byte_value(o, images, lower + (size_t)x0), d = byte_value(o, images, lower + (size_t)x1);
    const float lx = fx - (float)x0, ly = fy - (float)y0, top = fmaf(lx, b - a, a), bottom = fmaf(lx, d - c, c);
    return unit(fmaf(ly, bottom - top, top));
}

static float lane_sum(const float *v, size_t n)
{
    const size_t size = n < 4096 ? 128 : 256;
    float total = 0.0f;
    for (size_t start = 0; start < n; start += size) {
        float q[16] = { 0 };
        for (size_t i = start; i < n && i < start + size; i++)
            q[i % 16] += v[i];
        for (size_t w = 8; w; w /= 2)
            for (size_t l = 0; l < w; l++)
                q[l] = q[l] + q[l + w];
        total = start ? total + q[0] : q[0];
    }
    return total;
}

static void tone(float *v, size_t n, float contrast, float brightness)
{
    const float mean = lane_sum(v, n) * (float)(1.0 / (double)n);
    for (size_t i = 0; i < n; i++) {
        const float x = fmaf(v[i] - mean, contrast, mean) * brightness;
        v[i] = x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x;
    }
}

// Every pixel of an image of three planes.
static void recolour(float *v, size_t area, bool saturated, float factor, float turn, bool grey)
{
    for (size_t i = 0; i < area; i++) {
        float p[3] = { v[i], v[area + i], v[2 * area + i] };
        if (saturated)
            chi__ref_saturate(p, factor);
        if (turn != 0.0f)
            chi__ref_turn_hue(p, turn);
        if (grey)
            p[0] = p[1] = p[2] = chi__ref_luma(p);
        for (size_t c = 0; c < 3; c++)
            v[c * area + i] = p[c];
    }
}

// All that changes values and not places, but for erasing.
static void jitter(const chi_augment_options *o, source s, bool jittered, float *v)
{
    const chi__random b = draw(s, 1), c = draw(s, 13);
    const bool saturated = o->saturation > 0.0f, turned = o->hue > 0.0f;
    const bool grey = chi__uniform(c.word[2]) < o->grey;
    const size_t area = o->height * o->width;
    if (jittered && (o->contrast > 0.0f || o->brightness > 0.0f || !(saturated || turned)))
        tone(v, o->channels * area, fmaf(symmetric(b.word[0]), o->contrast, 1.0f),
             fmaf(symmetric(b.word[1]), o->brightness, 1.0f));
    if ((jittered && (saturated || turned)) || grey)
        recolour(v, area, jittered && saturated, fmaf(symmetric(c.word[0]), o->saturation, 1.0f),
                 jittered ? symmetric(c.word[1]) * (6.0f * o->hue) : 0.0f, grey);
}

static void erase(const chi_augment_options *o, chi__random r, float *v)
{
    const long sides = (long)(o->erase_high - o->erase_low) + 1, low = (long)o->erase_low;
    const size_t h = (size_t)(low + below(r.word[0], sides)), w = (size_t)(low + below(r.word[1], sides));
    const size_t y0 = (size_t)below(r.word[2], (long)(o->height - h) + 1), x0 = (size_t)below(r.word[3], (long)(o->width - w) + 1);
    for (size_t c = 0; c < o->channels; c++)
        for (size_t y = y0; y < y0 + h; y++)
            for (size_t x = x0; x < x0 + w; x++)
                v[(c * o->height + y) * o->width + x] = 0.0f;
}

// A view of the image that starts at value `image`.
static void view_of(const chi_augment_options *o, source s, const void *images, size_t image, float *v)
{
    const chi__random a = draw(s, 0), b = draw(s, 1);
    const long shift = (long)o->shift;
    window at = { below(a.word[0], 2 * shift + 1) - shift, below(a.word[1], 2 * shift + 1) - shift, 0, 0, 0 };
    if (o->scale_low > 0.0f)
        at = resized_window(s, (long)o->height, (long)o->width, o->scale_low);
    at.flip = chi__uniform(a.word[2]) < o->flip;
    const size_t area = o->height * o->width;
    for (size_t i = 0; i < o->channels * area; i++)
        v[i] = pixel(o, images, image + i / area * area, at, (long)(i % area / o->width), (long)(i % o->width));
    jitter(o, s, chi__uniform(a.word[3]) < o->jitter, v);
    if (chi__uniform(b.word[2]) < o->erase)
        erase(o, draw(s, 2), v);
}

void chi__ref_augment(const chi_augment_options *o, uint64_t seed, const void *images, const int32_t *indices, size_t n,
                      size_t views, uint64_t step, float *out)
{
    const size_t pixels = o->channels * o->height * o->width;
    for (size_t row = 0; row < views * n; row++) {
        const source s = { seed, (uint32_t)step, (uint32_t)indices[row % n], (uint32_t)(row / n) };
        view_of(o, s, images, (o->gathered ? row % n : s.image) * pixels, out + row * pixels);
    }
}
