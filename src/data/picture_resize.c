// SPDX-License-Identifier: Apache-2.0
// picture_resize.c: scaling by an antialiased triangle filter, along the rows and then along the columns or, for pictures much
// taller than wide, the other way, with 8-bit values between and weights in 2^-22, as Pillow's BILINEAR. Header: picture.h.
#include "picture.h"

#include "../base/memory.h"

// Pixel i of a side of `out` pixels is a mean over the side of `in` pixels around its centre (i + ½) · in / out: weights fall
// off linearly and reach 0 at one pixel of the larger of both grids. Doubles, each operation rounded correctly and none fused,
// have the same bits everywhere; in another order they would miss Pillow's where a mean lies half way between two values.
typedef struct axis {
    size_t taps; // room for each
    size_t *first, *count;
    int32_t *weights; // [n][taps], each row's sum 2^22 but for roundings
} axis;
enum { WEIGHT_BITS = 22 };

static double weight_at(int64_t x, double centre, double per_reach)
{
    const double away = ((double)x - centre + 0.5) * per_reach, distance = away < 0 ? -away : away;
    return distance < 1 ? 1 - distance : 0;
}

static void set_weights(axis *a, size_t i, uint64_t in, uint64_t out, uint64_t place)
{
    const double scale = (double)in / (double)out, reach = scale < 1 ? 1 : scale;
    const double centre = ((double)place + 0.5) * scale, from = centre - reach + 0.5, to = centre + reach + 0.5;
    const int64_t low = from > 0 ? (int64_t)from : 0, high = to < (double)in ? (int64_t)to : (int64_t)in;
    int32_t *weights = a->weights + i * a->taps;
    double sum = 0;
    for (int64_t x = low; x < high; x++)
        sum += weight_at(x, centre, 1 / reach);
    for (int64_t x = low; x < high; x++)
        weights[x - low] = (int32_t)(0.5 + weight_at(x, centre, 1 / reach) / sum * (1 << WEIGHT_BITS));
    a->first[i] = (size_t)low;
    a->count[i] = (size_t)(high - low);
}

static void axis_free(axis *a)
{
    chi__free(a->first);
    chi__free(a->count);
    chi__free(a->weights);
}

// Weights of the pixels place, place + 1, … place + n − 1. False: no memory.
static bool axis_make(uint64_t in, uint64_t out, uint64_t place, size_t n, axis *a)
{
    uint64_t all;
    *a = (axis){ .taps = (size_t)(in > out ? 2 * (in / out + 1) + 1 : 3) };
    if (!chi__mul(a->taps, n, &all))
        return false;
    a->first = chi__alloc(n, sizeof *a->first);
    a->count = chi__alloc(n, sizeof *a->count);
    a->weights = chi__alloc((size_t)all, sizeof *a->weights);
    if (!a->first || !a->count || !a->weights)
        return false;
    for (size_t i = 0; i < n; i++)
        set_weights(a, i, in, out, place + i);
    return true;
}

static uint8_t rounded(int32_t sum) { return (uint8_t)(sum >> WEIGHT_BITS > 255 ? 255 : sum >> WEIGHT_BITS); }

// One row's pixels, of the row that begins with the canvas's column `base`.
static void scale_row(const axis *a, size_t n, size_t base, size_t channels, const uint8_t *row, uint8_t *to)
{
    const int32_t half = 1 << (WEIGHT_BITS - 1);
    for (size_t i = 0; i < n; i++) {
        const int32_t *weights = a->weights + i * a->taps;
        const uint8_t *at = row + (a->first[i] - base) * channels;
        int32_t r = half, g = half, b = half;
        if (channels == 1) {
            for (size_t k = 0; k < a->count[i]; k++)
                r += weights[k] * at[k];
            to[i] = rounded(r);
            continue;
        }
        for (size_t k = 0; k < a->count[i]; k++, at += 3) {
            r += weights[k] * at[0];
            g += weights[k] * at[1];
            b += weights[k] * at[2];
        }
        to[3 * i] = rounded(r);
        to[3 * i + 1] = rounded(g);
        to[3 * i + 2] = rounded(b);
    }
}

// Row i of the result, times 2^22 in `sums`; the first of `rows` is the canvas's row `base`.
static void scale_column(const axis *a, size_t i, size_t base, const uint8_t *rows, size_t stride, size_t bytes, int32_t *sums,
                         uint8_t *to)
{
    for (size_t j = 0; j < bytes; j++)
        sums[j] = 1 << (WEIGHT_BITS - 1);
    for (size_t k = 0; k < a->count[i]; k++) {
        const int32_t weight = a->weights[i * a->taps + k];
        const uint8_t *row = rows + (a->first[i] - base + k) * stride;
        for (size_t j = 0; j < bytes; j++)
            sums[j] += weight * row[j];
    }
    for (size_t j = 0; j < bytes; j++)
        to[j] = rounded(sums[j]);
}

typedef struct scaler {
    const chi__canvas *canvas;
    size_t n, left, top, width, height; // the part of the canvas that the result depends on
    axis across, down;
    uint8_t *rows, *line; // between the passes; one row
    int32_t *sums;
} scaler;

static void to_planes(const scaler *s, size_t y, const uint8_t *row, uint8_t *planes)
{
    const size_t channels = s->canvas->channels;
    for (size_t ch = 0; ch < channels; ch++)
        for (size_t x = 0; x < s->n; x++)
            planes[(ch * s->n + y) * s->n + x] = row[x * channels + ch];
}

static void rows_first(const scaler *s, uint8_t *planes)
{
    const size_t channels = s->canvas->channels, bytes = s->n * channels, stride = s->canvas->width * channels;
    for (size_t y = 0; y < s->height; y++)
        scale_row(&s->across, s->n, 0, channels, s->canvas->pixels + (s->top + y) * stride, s->rows + y * bytes);
    for (size_t y = 0; y < s->n; y++) {
        scale_column(&s->down, y, s->top, s->rows, bytes, bytes, s->sums, s->line);
        to_planes(s, y, s->line, planes);
    }
}

static void columns_first(const scaler *s, uint8_t *planes)
{
    const size_t channels = s->canvas->channels;
    for (size_t y = 0; y < s->n; y++) {
        scale_column(&s->down, y, 0, s->canvas->pixels + s->left * channels, s->canvas->width * channels, s->width * channels,
                     s->sums, s->rows);
        scale_row(&s->across, s->n, s->left, channels, s->rows, s->line);
        to_planes(s, y, s->line, planes);
    }
}

static size_t extent(const axis *a, size_t n) { return a->first[n - 1] + a->count[n - 1] - a->first[0]; }

static bool make(scaler *s, const chi__scaling *to)
{
    const size_t channels = s->canvas->channels;
    s->n = to->cut;
    if (!axis_make(s->canvas->width, to->width, to->left, s->n, &s->across) ||
        !axis_make(s->canvas->height, to->height, to->top, s->n, &s->down))
        return false;
    s->left = s->across.first[0];
    s->top = s->down.first[0];
    s->width = extent(&s->across, s->n);
    s->height = extent(&s->down, s->n);
    const size_t widest = s->width > s->n ? s->width : s->n;
    s->rows = chi__alloc(s->height * s->n > widest ? s->height * s->n : widest, channels);
    s->line = chi__alloc(s->n, channels);
    s->sums = chi__alloc(widest * channels, sizeof *s->sums);
    return s->rows && s->line && s->sums;
}

chi_status chi__canvas_scale(const chi__canvas *canvas, const chi__scaling *scaling, const char *path, uint8_t *planes)
{
    const int64_t fewer_columns = (int64_t)canvas->width - (int64_t)scaling->width;
    const int64_t fewer_rows = (int64_t)canvas->height - (int64_t)scaling->height;
    scaler s = { .canvas = canvas };
    const bool made = make(&s, scaling);
    if (made && fewer_rows > 0 && fewer_rows > 2 * fewer_columns) // as Pillow does from version 13 on
        columns_first(&s, planes);
    else if (made)
        rows_first(&s, planes);
    axis_free(&s.across);
    axis_free(&s.down);
    chi__free(s.rows);
    chi__free(s.line);
    chi__free(s.sums);
    return made ? CHI_OK
                : chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory to scale %zu x %zu pixels", path, canvas->width, canvas->height);
}
