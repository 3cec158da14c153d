// SPDX-License-Identifier: Apache-2.0
// laws_augment.c: what src/ref/augment.c draws and does, by its distributions and laws. The device has its bits:
// check_augment.c.
#include <chiaro/data.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "ref/augment.h"

enum { DRAWS = 20000 };

// `hits` of DRAWS with probability p, within five standard deviations.
static void likely(size_t hits, double p, const char *what)
{
    const double wide = 5 * sqrt(DRAWS * p * (1 - p));
    if (fabs((double)hits - DRAWS * p) > wide)
        fail_msg("%s: %zu of %d, %.0f ± %.0f were due", what, hits, DRAWS, DRAWS * p, wide);
}

// View `i` of one image of 28 × 28: one step a draw.
static void view(const chi_augment_options *o, const uint8_t *image, uint64_t i, float *out)
{
    const int32_t zero = 0;
    chi__ref_augment(o, 77, image, &zero, 1, 1, i, out);
}

// A single lit pixel at row 14, column 4 tells both offsets and the flip.
static void offsets_and_flips(void **state)
{
    (void)state;
    const chi_augment_options o = { .channels = 1, .height = 28, .width = 28, .shift = 4, .flip = 0.5f };
    uint8_t image[784] = { 0 };
    size_t rows[9] = { 0 }, cols[9] = { 0 }, flips = 0;
    float v[784];
    image[14 * 28 + 4] = 255;
    for (uint64_t i = 0; i < DRAWS; i++) {
        size_t at = 0;
        view(&o, image, i, v);
        while (at < 784 && v[at] != 1.0f)
            at++;
        assert_in_range(at, 0, 783);
        const size_t x = at % 28;
        flips += x > 13;
        assert_in_range(at / 28, 10, 18);
        assert_true(x <= 8 || x >= 19);
        rows[at / 28 - 10]++;
        cols[x > 13 ? 27 - x : x]++;
    }
    likely(flips, 0.5, "flips");
    for (int k = 0; k < 9; k++) {
        likely(rows[k], 1.0 / 9, "a row offset");
        likely(cols[k], 1.0 / 9, "a column offset");
    }
}

static void boxes(void **state)
{
    (void)state;
    const chi_augment_options o = { .channels = 1, .height = 28, .width = 28, .erase = 0.5f, .erase_low = 8, .erase_high = 14 };
    uint8_t image[784];
    size_t erased = 0, heights[7] = { 0 }, widths[7] = { 0 }, top = 0;
    double expected_top = 0;
    float v[784];
    memset(image, 255, sizeof image);
    for (uint64_t i = 0; i < DRAWS; i++) {
        size_t y0 = 28, y1 = 0, x0 = 28, x1 = 0, zeros = 0;
        view(&o, image, i, v);
        for (size_t p = 0; p < 784; p++) {
            if (v[p] != 0.0f)
                continue;
            zeros++;
            y0 = p / 28 < y0 ? p / 28 : y0;
            y1 = p / 28 + 1 > y1 ? p / 28 + 1 : y1;
            x0 = p % 28 < x0 ? p % 28 : x0;
            x1 = p % 28 + 1 > x1 ? p % 28 + 1 : x1;
        }
        if (!zeros)
            continue;
        assert_int_equal(zeros, (y1 - y0) * (x1 - x0)); // a full box
        assert_in_range(y1 - y0, 8, 14);
        assert_in_range(x1 - x0, 8, 14);
        erased++;
        heights[y1 - y0 - 8]++;
        widths[x1 - x0 - 8]++;
        top += y0 == 0;
    }
    likely(erased, 0.5, "boxes");
    for (int k = 0; k < 7; k++) {
        likely(heights[k], 0.5 / 7, "a box height");
        likely(widths[k], 0.5 / 7, "a box width");
        expected_top += 0.5 / 7 / (28 - (k + 8) + 1); // each place equally likely
    }
    likely(top, expected_top, "boxes at the top");
}

// Half the image at 100, half at 200: the mean stays, so both factors can be read off.
static void factors(void **state)
{
    (void)state;
    const chi_augment_options o = { .channels = 1, .height = 28, .width = 28, .jitter = 0.8f, .contrast = 0.4f, .brightness = 0.2f };
    uint8_t image[784];
    size_t changed = 0, contrast_low = 0, bright_low = 0, both_low = 0;
    float v[784], lowest = 2, highest = 0;
    for (size_t p = 0; p < 784; p++)
        image[p] = p % 2 ? 90 : 130;
    for (uint64_t i = 0; i < DRAWS; i++) {
        view(&o, image, i, v);
        const float bright = (v[0] + v[1]) * 0.5f / (110.0f / 255.0f), contrast = (v[0] - v[1]) / bright / (40.0f / 255.0f);
        if (fabsf(bright - 1) < 1e-6f && fabsf(contrast - 1) < 1e-5f)
            continue;
        changed++;
        contrast_low += contrast < 0.8f;
        bright_low += bright < 0.9f;
        both_low += contrast < 0.8f && bright < 0.9f;
        lowest = contrast < lowest ? contrast : lowest;
        highest = contrast > highest ? contrast : highest;
        assert_true(contrast > 0.5999f && contrast < 1.4001f && bright > 0.7999f && bright < 1.2001f);
    }
    likely(changed, 0.8, "jitters");
    likely(contrast_low, 0.2, "contrasts below 0.8");
    likely(bright_low, 0.2, "brightnesses below 0.9");
    likely(both_low, 0.05, "both"); // drawn independently
    assert_true(lowest < 0.601f && highest > 1.399f);
}

// An image whose value is its column's number gives the window's left side and width.
static void windows(void **state)
{
    (void)state;
    const chi_augment_options o = { .channels = 2, .height = 32, .width = 32, .scale_low = 0.25f };
    static uint8_t image[2048];
    static float v[2048];
    size_t small = 0;
    double areas = 0;
    for (size_t p = 0; p < 1024; p++) {
        image[p] = (uint8_t)(p % 32 * 8);
        image[1024 + p] = (uint8_t)(p / 32 * 8);
    }
    for (uint64_t i = 0; i < DRAWS; i++) {
        view(&o, image, i, v);
        // Between the middle columns the slope is 8 · width / 32 of a byte.
        const float w = (v[17] - v[15]) / 2 * 255.0f / 8 * 32, h = (v[1024 + 17 * 32] - v[1024 + 15 * 32]) / 2 * 255.0f / 8 * 32;
        assert_true(w > 13.4f && w < 32.01f && h > 13.4f && h < 32.01f); // √(1024 / 4 · 3/4) = 13.9, rounded
        const double area = (double)w * (double)h / 1024;
        areas += area;
        small += area < 0.25 + 0.75 / 4;
    }
    // Uniform over [0.25, 1] but for large windows of a wrong shape, which are drawn again: the mean sinks a little.
    assert_true(areas / DRAWS > 0.55 && areas / DRAWS < 0.63);
    assert_true(small > DRAWS / 4 && small < DRAWS * 3 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_and_flips), cmocka_unit_test(boxes), cmocka_unit_test(factors), cmocka_unit_test(windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
