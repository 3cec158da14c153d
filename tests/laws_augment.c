// SPDX-License-Identifier: Apache-2.0
// laws_augment.c: what src/ref/augment.c draws and does, by its distributions and laws. The device has its bits:
// check_augment.c.
#include <chiaro/data.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "ref/augment.h"
#include "ref/colour.h"

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

// ---- colours ------------------------------------------------------------------------------------

// Bounds count roundings of ULP times what is rounded, line by line of src/ref/colour.c, for values
// in [0, 1].
#define ULP 0x1p-24

static void near(const float *got, const double *want, double most, const char *what)
{
    for (int i = 0; i < 3; i++)
        if (!(fabs((double)got[i] - want[i]) <= most))
            fail_msg("%s: channel %d is %.9g, not %.9g", what, i, (double)got[i], want[i]);
}

static double luma(const double *v) { return 0.299 * v[0] + 0.587 * v[1] + 0.114 * v[2]; }
static double in_unit(double v) { return v < 0 ? 0 : v > 1 ? 1 : v; }

static void saturate(double *v, double factor)
{
    const double grey = luma(v);
    for (int i = 0; i < 3; i++)
        v[i] = in_unit(factor * v[i] + (1 - factor) * grey);
}

// Through HSV and back with divisions, as torchvision does; turn in sixths of the circle.
static void turn_hue(double *v, double turn)
{
    const double most = fmax(v[0], fmax(v[1], v[2])), c = most - fmin(v[0], fmin(v[1], v[2]));
    if (c == 0)
        return;
    const double s = c / most;
    double h = 4 + (v[0] - v[1]) / c;
    if (v[0] == most)
        h = (v[1] - v[2]) / c;
    else if (v[1] == most)
        h = 2 + (v[2] - v[0]) / c;
    h = fmod(h + turn + 12, 6);
    const double f = h - floor(h), p = most * (1 - s);
    const double q = most * (1 - f * s), t = most * (1 - (1 - f) * s);
    const double all[6][3] = { { most, t, p }, { q, most, p }, { p, most, t },
                               { p, q, most }, { t, p, most }, { most, p, q } };
    memcpy(v, all[(int)h % 6], sizeof all[0]);
}

enum { PIXELS = 20000 };

// Pixel i: bytes / 255, the first ones on the edges and diagonals of the cube of colours.
static void pixel(int i, float *rgb)
{
    const chi__random r = chi__random_at(3, CHI__STREAM_TEST, 0, (uint64_t)i);
    static const uint32_t levels[] = { 0, 1, 85, 170, 254, 255 };
    for (int c = 0; c < 3; c++)
        rgb[c] = (float)(i < 4096 ? levels[r.word[c] % 6] : r.word[c] % 256) / 255.0f;
}

// In [−1, 1), the ends and 0 often.
static float setting(int i)
{
    const uint32_t word = chi__random_at(3, CHI__STREAM_TEST, 1, (uint64_t)i).word[0];
    return word % 4 ? chi__uniform(word) * 2 - 1 : (float)(word / 4 % 3) - 1;
}

// The luma is off by 3 ULP at most, which the blend multiplies by less than 1; a difference, times
// a factor below 2, 2; a sum, below 2 before it is cut, 2.
static void saturation_is_a_blend(void **state)
{
    (void)state;
    for (int i = 0; i < PIXELS; i++) {
        float v[3];
        double want[3];
        const float factor = 1 + 0.999f * setting(i);
        pixel(i, v);
        for (int c = 0; c < 3; c++)
            want[c] = (double)v[c];
        const double before = luma(want);
        assert_true(fabs((double)chi__ref_luma(v) - before) <= 3 * ULP);
        saturate(want, (double)factor);
        chi__ref_saturate(v, factor);
        near(v, want, 8 * ULP, "saturation");
        bool cut = false;
        for (int c = 0; c < 3; c++) {
            cut = cut || v[c] == 0.0f || v[c] == 1.0f;
            want[c] = (double)v[c];
        }
        if (!cut && !(fabs(luma(want) - before) <= 8 * ULP))
            fail_msg("pixel %d: luma %.9g became %.9g", i, before, luma(want));
    }
}

// In ULP times c, which is off by 1 itself: the old hue 1 + 4 + 5 (difference, 4 c, sum), the new
// one 3 + 8 (turn · c, sum), going round 6 + 6 (6 c, sum), the rise at most 2 + 4 + 4 + 2 (2 c, 4
// c, inner and outer sum): 45. The channel is rounded once more: 46. What the values are off comes
// out 30-fold at most: 2 from the old hue, 6 + 12 from c in the new one, 10 from the rise.
static void hue_is_a_turn(void **state)
{
    static const float fixed[] = { 1, -1, 2, -2, 3, -3, 0.5f, 0x1p-20f, -0x1p-20f };
    (void)state;
    for (int i = 0; i < PIXELS; i++) {
        float v[3], old[3];
        double want[3];
        const float turn = i % 2 ? fixed[i / 2 % 9] : 3 * setting(i);
        pixel(i, v);
        memcpy(old, v, sizeof old);
        for (int c = 0; c < 3; c++)
            want[c] = (double)v[c];
        turn_hue(want, (double)turn);
        chi__ref_turn_hue(v, turn);
        near(v, want, 46 * ULP, "hue");
        // Value and saturation stay to the bit.
        assert_true(fmaxf(v[0], fmaxf(v[1], v[2])) == fmaxf(old[0], fmaxf(old[1], old[2])));
        assert_true(fminf(v[0], fminf(v[1], v[2])) == fminf(old[0], fminf(old[1], old[2])));
        if (turn == 2.0f || turn == -2.0f) { // a third of the circle
            const int by = turn > 0 ? 1 : 2;
            double moved[3];
            for (int c = 0; c < 3; c++)
                moved[c] = (double)old[(c + 3 - by) % 3];
            near(v, moved, 46 * ULP, "a third of the circle");
        }
        chi__ref_turn_hue(v, -turn);
        const double back[] = { (double)old[0], (double)old[1], (double)old[2] };
        near(v, back, (30 + 1) * 46 * ULP, "there and back");
    }
}

static void greys_stay(void **state)
{
    (void)state;
    for (int i = 0; i < PIXELS; i++) {
        const uint32_t word = chi__random_at(4, CHI__STREAM_TEST, 0, (uint64_t)i).word[0];
        const float grey = i < 256 ? (float)i / 255.0f : chi__uniform(word);
        float v[3] = { grey, grey, grey };
        assert_true(chi__ref_luma(v) == grey);
        chi__ref_saturate(v, 1 + 0.999f * setting(i));
        chi__ref_turn_hue(v, 3 * setting(i) + 0x1p-10f);
        assert_true(v[0] == grey && v[1] == grey && v[2] == grey);
    }
}

static void no_number_stays(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        float v[3], w[3];
        pixel(i, v);
        v[i % 3] = i % 2 ? NAN : INFINITY;
        memcpy(w, v, sizeof w);
        chi__ref_turn_hue(v, 3 * setting(i) + 0x1p-10f);
        chi__ref_saturate(w, 0.5f);
        for (int c = 0; c < 3; c++)
            assert_true(isnan(v[c]) && (i % 2 == 0 || isnan(w[c])));
    }
}

// Factor 1 ± range, as a draw's word says it.
static double factor_of(uint32_t word, double range)
{
    return 1 + range * (2 * (double)chi__uniform(word) - 1);
}

static chi__random block(uint64_t step, uint64_t number)
{
    return chi__random_at(77, CHI__STREAM_AUGMENT, (uint32_t)step, number << 32);
}

// Steps, their order and their draws, in double from the numbers themselves. Contrast and
// brightness are off by 10 ULP at most (a mean of 36 values 3, differences, products and sums up to
// 2), saturation by 8 + 2 · 10, hue by 46 + 30 · 28, the luma by 3 more: 1000.
static void whole_views(void **state)
{
    const chi_augment_options o = { .channels = 3, .height = 3, .width = 4, .jitter = 0.7f,
        .contrast = 0.4f, .brightness = 0.3f, .saturation = 0.5f, .hue = 0.2f, .grey = 0.3f };
    uint8_t image[36];
    (void)state;
    for (size_t p = 0; p < 36; p++)
        image[p] = (uint8_t)(40 + p * p * 77 % 160);
    for (uint64_t i = 0; i < 2000; i++) {
        const chi__random b = block(i, 1), c = block(i, 13);
        const bool jittered = chi__uniform(block(i, 0).word[3]) < 0.7f;
        const bool grey = chi__uniform(c.word[2]) < 0.3f;
        const double contrast = factor_of(b.word[0], 0.4), bright = factor_of(b.word[1], 0.3);
        const double factor = factor_of(c.word[0], 0.5), turn = 6 * (factor_of(c.word[1], 0.2) - 1);
        double mean = 0;
        float v[36];
        view(&o, image, i, v);
        for (size_t p = 0; p < 36; p++)
            mean += image[p] / 255.0 / 36;
        for (size_t p = 0; p < 12; p++) {
            const float got[] = { v[p], v[12 + p], v[24 + p] };
            double want[3];
            for (size_t k = 0; k < 3; k++)
                want[k] = image[12 * k + p] / 255.0;
            for (size_t k = 0; k < 3 && jittered; k++)
                want[k] = in_unit((mean + contrast * (want[k] - mean)) * bright);
            if (jittered) {
                saturate(want, factor);
                turn_hue(want, turn);
            }
            if (grey)
                want[0] = want[1] = want[2] = luma(want);
            near(got, want, 1000 * ULP, "a view");
        }
    }
}

// One red pixel: saturation shows in its chroma, hue in the difference of green and blue.
static void colour_draws(void **state)
{
    chi_augment_options o = { .channels = 3, .height = 1, .width = 1, .jitter = 0.8f,
        .saturation = 0.4f, .grey = 0.25f };
    const uint8_t image[] = { 140, 100, 100 };
    size_t changed = 0, low = 0, grey = 0, left = 0, right = 0, far = 0;
    (void)state;
    for (uint64_t i = 0; i < DRAWS; i++) {
        float v[3];
        view(&o, image, i, v);
        const float factor = (v[0] - v[1]) / (40 / 255.0f);
        if (v[0] == v[1] && v[1] == v[2]) {
            grey++;
            continue;
        }
        assert_true(factor > 0.5999f && factor < 1.4001f);
        changed += fabsf(factor - 1) > 1e-5f;
        low += factor < 0.8f;
    }
    likely(grey, 0.25, "greys");
    likely(changed, 0.75 * 0.8, "saturations"); // drawn apart from greys
    likely(low, 0.75 * 0.8 * 0.25, "saturations below 0.8");
    o = (chi_augment_options){ .channels = 3, .height = 1, .width = 1, .jitter = 1, .hue = 1 / 12.f };
    for (uint64_t i = 0; i < DRAWS; i++) {
        float v[3];
        view(&o, image, i, v);
        const float turned = (v[1] - v[2]) / (40 / 255.0f); // half a sixth either way
        assert_true(v[0] == 140 / 255.0f && turned > -0.5001f && turned < 0.5001f);
        left += turned < 0;
        right += turned > 0;
        far += fabsf(turned) > 0.375f;
    }
    likely(left, 0.5, "turns to the left");
    likely(right, 0.5, "turns to the right");
    likely(far, 0.25, "turns beyond three quarters of the range");
}

// Probabilities 0 and 1, and ranges of 0, are exact.
static void all_or_nothing(void **state)
{
    const uint8_t image[] = { 10, 200, 30, 90, 60, 250, 255, 0, 7, 77, 177, 17 };
    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        chi_augment_options o = { .channels = 3, .height = 2, .width = 2, .hue = 0.5f };
        o.saturation = 0.9f;
        float v[12], w[12];
        view(&o, image, i, v); // nothing is jittered
        for (size_t p = 0; p < 12; p++)
            assert_true(v[p] == (float)image[p] / 255.0f);
        o.grey = 1;
        view(&o, image, i, v);
        for (size_t p = 0; p < 4; p++) {
            const float rgb[] = { image[p] / 255.0f, image[4 + p] / 255.0f, image[8 + p] / 255.0f };
            const float grey = chi__ref_luma(rgb);
            assert_true(v[p] == grey && v[4 + p] == grey && v[8 + p] == grey);
        }
        o = (chi_augment_options){ .channels = 3, .height = 2, .width = 2, .jitter = 1,
            .contrast = 0.5f, .brightness = 0.5f };
        view(&o, image, i, v);
        o.saturation = 0.3f; // the steps before it draw what they drew
        view(&o, image, i, w);
        for (size_t p = 0; p < 4; p++) {
            float x[] = { v[p], v[4 + p], v[8 + p] };
            chi__ref_saturate(x, fmaf(2 * chi__uniform(block(i, 13).word[0]) - 1, 0.3f, 1));
            assert_true(w[p] == x[0] && w[4 + p] == x[1] && w[8 + p] == x[2]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_and_flips), cmocka_unit_test(boxes), cmocka_unit_test(factors), cmocka_unit_test(windows),
        cmocka_unit_test(saturation_is_a_blend), cmocka_unit_test(hue_is_a_turn),
        cmocka_unit_test(greys_stay), cmocka_unit_test(no_number_stays), cmocka_unit_test(whole_views),
        cmocka_unit_test(colour_draws), cmocka_unit_test(all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
