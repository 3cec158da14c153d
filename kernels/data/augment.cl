// SPDX-License-Identifier: Apache-2.0
// data/augment.cl: one random view of one image. One group owns one view and writes one row; its items share
// the image's rows, then its vectors of 16 pixels.
//
//   crop     shift: pixel (y, x) = image(y + oy − shift, x + ox − shift), zero outside, oy, ox of 0 … 2 shift
//            resized: a window of area A = HW (low + u (1 − low)) and sides √(A r), √(A / r), r = (4/3)^(2u − 1),
//            each rounded to even, ten tries, then the largest centred window within these ratios; bilinear,
//            half-pixel centres: f = max(fma(side / H, y + ½, −½), 0), values fma(f − ⌊f⌋, b − a, a), columns first,
//            of bytes, or of floats · 255, then / 255
//   flip     x ← W − 1 − x
//   jitter   contrast, brightness: v ← clamp(fma(v − mean, contrast, mean) · brightness),
//            mean = lane sum · float(1 / pixels), factors fma(2u − 1, range, 1), clamp to [0, 1];
//            saturation: v ← clamp(fma(v − l, saturation, l)),
//            l = fma(0.299, r − g, fma(0.114, b − g, g));
//            hue: with the largest value M, the least m, c = M − m, and the hue in sixths of the
//            circle, times c, h = g − b if r = M, else fma(2, c, b − r) if g = M, else fma(4, c, r − g):
//            h ← fma(turn, c, h), turn = (2u − 1) · 6 range;
//            h ← fma(6, c, h) if h < 0, fma(−6, c, h) if h ≥ 6 c;
//            r ← |fma(−3, c, h)| − c, g ← 2 c − |h − 2 c|, b ← 2 c − |fma(−4, c, h)|,
//            each then M if it is ≥ c, else m + max(it, 0): the shift of HSV's hue (Smith 1978)
//            without a division; the largest and the least value stay, so do greys.
//            A step whose ranges are 0 is left out, the first one only where another has a range
//   grey     all three channels ← l
//   erase    zero in a box, sides low … high
//
// Draws, Philox blocks of (image, view): 0 oy, ox, flip, jitter; 1 contrast, brightness, erase; 2 box height, width,
// y, x; 3 … 12 a window's area, ratio, y, x; 13 saturation, hue, grey.
// Host: src/data/augment.c. Reference, bit for bit: src/ref/augment.c.
// Set by the host: ITEMS, work-items of a group; SUMS, at least the superblocks of an image (1 for one item); FLOATS,
// whether images are floats.
#include "common/math.h"
#include "common/rng.h"

#if !defined(ITEMS) || !defined(SUMS)
#error "kernels/data/augment.cl: ITEMS or SUMS is not set"
#endif

#include "data/pixels.h"
#include "data/colour.h"

#if ITEMS > 1
#define TOGETHER barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#else
#define TOGETHER
#endif

enum { STREAM_AUGMENT = 3, BLOCKS = 16, TRIES = 10, FAULT_INDEX = 2 };

typedef struct source { ulong seed; uint step, image, view; } source;
typedef struct window { int y, x, h, w; bool flip; } window;

inline uint4 draw(const source s, const uint block)
{
    return random_at(s.seed, STREAM_AUGMENT, s.step, s.image, s.view * BLOCKS + block);
}

inline window resized_window(const source s, const uint height, const uint width, const float low)
{
    const float all = (float)(height * width);
    window best;
    for (uint k = 0; k < TRIES; k++) {
        const uint4 r = draw(s, 3 + k);
        const float area = all * fma(uniform_of(r.x), 1.0f - low, low), t = symmetric_of(r.y) * 0.287682072f;
        const uint w = (uint)rint(sqrt_of(area * exp_of(t))), h = (uint)rint(sqrt_of(area * exp_of(-t)));
        if (w == 0 || h == 0 || w > width || h > height)
            continue;
        best.h = (int)h;
        best.w = (int)w;
        best.y = (int)below(r.z, height - h + 1);
        best.x = (int)below(r.w, width - w + 1);
        return best;
    }
    const bool tall = 4 * width < 3 * height, wide = 3 * width > 4 * height;
    best.h = (int)(tall ? (8 * width + 3) / 6 : height); // 4/3 of the width, rounded
    best.w = (int)(wide ? (8 * height + 3) / 6 : width);
    best.y = ((int)height - best.h) / 2;
    best.x = ((int)width - best.w) / 2;
    return best;
}

// One row of the shifted crop: zeros, the part of the image's row that is inside, zeros.
inline void shift_row(const window at, const int y, const int height, const int width, global const stored *plane,
                      global float *to)
{
    const int row = y + at.y;
    const bool inside = row >= 0 && row < height;
    const int left = clamp(-at.x, 0, width), right = clamp(width - at.x, left, width);
    const int begin = !inside ? width : at.flip ? width - right : left;
    const int end = !inside ? width : at.flip ? width - left : right;
    global const stored *from = plane + (size_t)(inside ? row : 0) * (uint)width;
    int x = 0;
    for (; x < begin; x++)
        to[x] = 0.0f;
    if (at.flip) {
        const int last = width - 1 + at.x;
        for (; x < end; x++)
            to[x] = unit_stored(from[last - x]);
    } else {
        for (; x < end; x++)
            to[x] = unit_stored(from[x + at.x]);
    }
    for (; x < width; x++)
        to[x] = 0.0f;
}

inline float place(const float scale, const int i) { return max(fma(scale, (float)i + 0.5f, -0.5f), 0.0f); }

inline void resized_row(const window at, const int y, const int width, const float scale_y, const float scale_x,
                        global const stored *plane, global float *to)
{
    const float fy = place(scale_y, y);
    const int y0 = min((int)fy, at.h - 1), y1 = min(y0 + 1, at.h - 1);
    const float ly = fy - (float)y0;
    global const stored *upper = plane + (size_t)(at.y + y0) * (uint)width + at.x;
    global const stored *lower = plane + (size_t)(at.y + y1) * (uint)width + at.x;
    for (int x = 0; x < width; x++) {
        const float fx = place(scale_x, at.flip ? width - 1 - x : x);
        const int x0 = min((int)fx, at.w - 1), x1 = min(x0 + 1, at.w - 1);
        const float lx = fx - (float)x0;
        const float a = byte_stored(upper[x0]), b = byte_stored(upper[x1]);
        const float c = byte_stored(lower[x0]), d = byte_stored(lower[x1]);
        const float top = fma(lx, b - a, a), bottom = fma(lx, d - c, c);
        to[x] = unit_of(fma(ly, bottom - top, top));
    }
}

// Superblock b of the row's sum, by 16 lanes and a halving tree. No pixel is −0, so the zeros behind the end of the
// row change nothing.
inline float superblock_sum(global const float *row, const uint b, const uint n)
{
    const uint size = superblock(n) / 16, end = min((b + 1) * size, (n + 15) / 16);
    float16 q = (float16)(0.0f);
    for (uint c = b * size; c < end; c++)
        q += chunk(row, c, n);
    const float8 e = q.lo + q.hi;
    const float4 f = e.lo + e.hi;
    const float2 g = f.lo + f.hi;
    return g.x + g.y;
}

// The row's sum, known to every item; parts [SUMS] is the group's. No barrier stands in a loop or a branch: PoCL 3.1
// overwrote memory where one did.
inline float row_sum(global const float *row, const uint n, local float *parts)
{
    const uint blocks = (n + superblock(n) - 1) / superblock(n);
#if ITEMS > 1
    for (uint b = (uint)get_local_id(0); b < blocks; b += ITEMS)
        parts[b] = superblock_sum(row, b, n);
    TOGETHER;
    float sum = parts[0];
    for (uint b = 1; b < blocks; b++)
        sum = sum + parts[b];
#else
    float sum = superblock_sum(row, 0, n);
    for (uint b = 1; b < blocks; b++)
        sum = sum + superblock_sum(row, b, n);
#endif
    return sum;
}

inline float16 clamp16(const float16 v)
{
    const float16 positive = select(v, (float16)(0.0f), v < 0.0f);
    return select(positive, (float16)(1.0f), positive > 1.0f);
}

inline recolour recolour_of(const uint4 drawn, const bool jittered, const float saturation,
                            const float turn, const float grey)
{
    recolour by;
    by.saturation = fma(symmetric_of(drawn.x), saturation, 1.0f);
    by.turn = symmetric_of(drawn.y) * turn;
    by.saturated = jittered && saturation > 0.0f;
    by.turned = jittered && by.turn != 0.0f;
    by.grey = uniform_of(drawn.z) < grey;
    return by;
}

// Values of a box become 0, in all channels.
inline void erase_box(const source s, const uint low, const uint high, const uint channels,
                      const uint height, const uint width, const uint item, global float *to)
{
    const uint4 box = draw(s, 2);
    const uint h = low + below(box.x, high - low + 1), w = low + below(box.y, high - low + 1);
    const uint y0 = below(box.z, height - h + 1), x0 = below(box.w, width - w + 1);
    for (uint r = item; r < channels * h; r += ITEMS) {
        global float *line = to + ((size_t)(r / h) * height + y0 + r % h) * width + x0;
        for (uint x = 0; x < w; x++)
            line[x] = 0.0f;
    }
}

kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void data_augment(const uint first, const uint n, const uint channels, const uint height, const uint width,
                  const uint shift, const float low, // low > 0: resized crop
                  const float inv_height, const float inv_width, const float inv_pixels,
                  const float flip, const float jitter, const float contrast, const float brightness,
                  const float saturation, const float turn, const float grey, // turn: of hue, · 6
                  const float erase, const uint erase_low, const uint erase_high,
                  const ulong seed, const uint step, const uint count, // indices are below count
                  const uint gathered, const ulong offset, const uint stride,
                  global const stored *restrict images, // [count], gathered: [n], each [channels][height][width]
                  global const int *restrict indices,  // [n]
                  global float *restrict out,          // [views n][stride] from offset
                  global uint *restrict faults)
{
    local float parts[SUMS];
    const uint row = first + (uint)get_group_id(0), item = (uint)get_local_id(0), pixels = channels * height * width;
    const source s = { seed, step, (uint)indices[row % n], row / n };
    global float *to = out + offset + (size_t)row * stride;
    const bool known = s.image < count; // an unknown image is read as the first, then made NaN
    const uint4 a = draw(s, 0), b = draw(s, 1);
    window at;
    if (low > 0.0f) {
        at = resized_window(s, height, width, low);
    } else {
        at.y = (int)below(a.x, 2 * shift + 1) - (int)shift;
        at.x = (int)below(a.y, 2 * shift + 1) - (int)shift;
        at.h = (int)height;
        at.w = (int)width;
    }
    at.flip = uniform_of(a.z) < flip;

    const float scale_y = (float)at.h * inv_height, scale_x = (float)at.w * inv_width;
    global const stored *image = images + (size_t)(gathered ? row % n : known ? s.image : 0) * pixels;
    for (uint r = item; r < channels * height; r += ITEMS) {
        const uint channel = r / height;
        const int y = (int)(r - channel * height);
        global const stored *plane = image + (size_t)channel * height * width;
        if (low > 0.0f)
            resized_row(at, y, (int)width, scale_y, scale_x, plane, to + (size_t)r * width);
        else
            shift_row(at, y, (int)height, (int)width, plane, to + (size_t)r * width);
    }

    TOGETHER;
    const bool jittered = uniform_of(a.w) < jitter, erased = uniform_of(b.z) < erase;
    const float mean = row_sum(to, pixels, parts) * inv_pixels;
    TOGETHER;
    if (jittered && (contrast > 0.0f || brightness > 0.0f || !(saturation > 0.0f || turn > 0.0f))) {
        const float c = fma(symmetric_of(b.x), contrast, 1.0f), bright = fma(symmetric_of(b.y), brightness, 1.0f);
        for (uint k = item; k < (pixels + 15) / 16; k += ITEMS) {
            const float16 v = chunk(to, k, pixels);
            put_chunk(clamp16(fma(v - mean, (float16)(c), (float16)(mean)) * bright), to, k, pixels);
        }
    }
    TOGETHER;
    const recolour by = recolour_of(draw(s, 13), jittered, saturation, turn, grey);
    const uint area = height * width;
    if (by.saturated || by.turned || by.grey)
        for (uint k = item; k < (area + LANES - 1) / LANES; k += ITEMS)
            recolour_lanes(by, to, k, area);
    TOGETHER;
    if (erased)
        erase_box(s, erase_low, erase_high, channels, height, width, item, to);
    TOGETHER;
    if (!known)
        faults[FAULT_INDEX] = 1;
    for (uint p = item; !known && p < pixels; p += ITEMS)
        to[p] = NAN;
}
