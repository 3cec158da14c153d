// SPDX-License-Identifier: Apache-2.0
// data/colour.h: saturation, hue and grey of red, green and blue, pixel by pixel. The formulas are
// at the head of data/augment.cl. Reference, bit for bit: src/ref/colour.c. A group's items take
// one pixel each, neighbours side by side; a single item takes 16 at once. No bit depends on which.
#if ITEMS > 1
#define LANES 1
typedef float lanes;
inline lanes load_lanes(global const float *row, const uint k, const uint n) { return row[k]; }
inline void put_lanes(const lanes v, global float *row, const uint k, const uint n) { row[k] = v; }
#else
#define LANES 16
typedef float16 lanes;
inline lanes load_lanes(global const float *row, const uint k, const uint n)
{
    return chunk(row, k, n);
}
inline void put_lanes(const lanes v, global float *row, const uint k, const uint n)
{
    put_chunk(v, row, k, n);
}
#endif

typedef struct rgb { lanes r, g, b; } rgb;
typedef struct recolour { bool saturated, turned, grey; float saturation, turn; } recolour;

inline lanes luma_of(const rgb p)
{
    return fma((lanes)(0.299f), p.r - p.g, fma((lanes)(0.114f), p.b - p.g, p.g));
}

inline lanes saturated(const lanes v, const lanes luma, const float factor)
{
    const lanes u = fma(v - luma, (lanes)(factor), luma);
    const lanes positive = select(u, (lanes)(0.0f), u < 0.0f);
    return select(positive, (lanes)(1.0f), positive > 1.0f);
}

// A channel `rise` above the least one, within 0 and the chroma. The largest value is returned as
// it is, and none is above it: a float below a rounded difference is at most the difference itself.
inline lanes raised(const lanes rise, const lanes least, const lanes chroma, const lanes most)
{
    const lanes v = least + select(rise, (lanes)(0.0f), rise < 0.0f);
    return select(v, most, rise >= chroma);
}

inline rgb turned(const rgb p, const float turn)
{
    const lanes larger = select(p.r, p.g, p.r < p.g), smaller = select(p.r, p.g, p.g < p.r);
    const lanes most = select(larger, p.b, larger < p.b);
    const lanes least = select(smaller, p.b, p.b < smaller), c = most - least;
    const lanes from_green = fma((lanes)(2.0f), c, p.b - p.r);
    const lanes from_blue = fma((lanes)(4.0f), c, p.r - p.g);
    const lanes old = select(select(from_blue, from_green, p.g == most), p.g - p.b, p.r == most);
    const lanes h = fma((lanes)(turn), c, old);
    const lanes up = select(h, fma((lanes)(6.0f), c, h), h < 0.0f), twice = 2.0f * c;
    const lanes at = select(up, fma((lanes)(-6.0f), c, h), h >= 6.0f * c);
    rgb q;
    q.r = raised(fabs(fma((lanes)(-3.0f), c, at)) - c, least, c, most);
    q.g = raised(twice - fabs(at - twice), least, c, most);
    q.b = raised(twice - fabs(fma((lanes)(-4.0f), c, at)), least, c, most);
    return q;
}

// Pixels LANES k … of an image [3][area].
inline void recolour_lanes(const recolour by, global float *image, const uint k, const uint area)
{
    global float *green = image + area, *blue = green + area;
    rgb p = { load_lanes(image, k, area), load_lanes(green, k, area), load_lanes(blue, k, area) };
    if (by.saturated) {
        const lanes luma = luma_of(p);
        p.r = saturated(p.r, luma, by.saturation);
        p.g = saturated(p.g, luma, by.saturation);
        p.b = saturated(p.b, luma, by.saturation);
    }
    if (by.turned)
        p = turned(p, by.turn);
    if (by.grey)
        p.r = p.g = p.b = luma_of(p);
    put_lanes(p.r, image, k, area);
    put_lanes(p.g, green, k, area);
    put_lanes(p.b, blue, k, area);
}
