// SPDX-License-Identifier: Apache-2.0
// check_augment.c: kernels/data against src/ref/augment.c, bit for bit on both cores and at any batch split; the
// distributions of the draws; bad options and bad indices.
#include <chiaro/data.h>
#include <chiaro/status.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ref/augment.h"

enum { MOST = 40 }; // images of a set

static chi_device *dev;

static const chi_augment_options cases[] = {
    { .channels = 1, .height = 28, .width = 28, .shift = 4, .flip = 0.5f, .jitter = 0.8f, .contrast = 0.4f,
      .brightness = 0.4f, .erase = 0.5f, .erase_low = 8, .erase_high = 14 },
    { .channels = 1, .height = 28, .width = 28, .scale_low = 0.2f, .flip = 0.5f, .jitter = 0.8f, .contrast = 0.6f,
      .brightness = 0.9f },
    { .channels = 1, .height = 1, .width = 1, .shift = 1, .flip = 1, .jitter = 1, .contrast = 0.5f, .erase = 0.5f,
      .erase_low = 1, .erase_high = 1 },
    { .channels = 3, .height = 7, .width = 5, .shift = 9, .flip = 0.5f, .jitter = 0.5f, .brightness = 0.3f, .erase = 1,
      .erase_low = 1, .erase_high = 5 },
    { .channels = 2, .height = 3, .width = 37, .scale_low = 0.9f, .flip = 0.3f },          // ten tries often fail: wide
    { .channels = 2, .height = 31, .width = 4, .scale_low = 1.0f, .flip = 0.3f },          // tall
    { .channels = 3, .height = 47, .width = 61, .scale_low = 0.08f, .flip = 0.5f, .jitter = 1, .contrast = 0.9f,
      .brightness = 0.9f, .erase = 0.7f, .erase_low = 3, .erase_high = 30 },                // superblocks of 256
    { .channels = 1, .height = 5, .width = 6 },                                            // nothing at all
};
enum { CASES = sizeof cases / sizeof cases[0] };

typedef struct set {
    size_t pixels, n;
    uint8_t *bytes;
    int32_t order[MOST];
    chi_buffer *images, *indices, *out;
    float *got, *want;
} set;

static void set_make(set *s, size_t pixels, size_t n, size_t rows)
{
    *s = (set){ .pixels = pixels, .n = n };
    s->bytes = malloc(MOST * pixels);
    s->got = malloc(rows * pixels * sizeof(float));
    s->want = malloc(rows * pixels * sizeof(float));
    for (size_t i = 0; i < MOST * pixels; i++)
        s->bytes[i] = (uint8_t)(i * 2654435761u >> 24);
    assert_int_equal(chi_random_order(5, 0, MOST, s->order), CHI_OK);
    assert_int_equal(chi_buffer_create(dev, MOST * pixels, &s->images), CHI_OK);
    assert_int_equal(chi_buffer_create(dev, MOST * 4, &s->indices), CHI_OK);
    assert_int_equal(chi_buffer_create(dev, rows * pixels * 4, &s->out), CHI_OK);
    assert_int_equal(chi_buffer_upload(s->images, 0, s->bytes, MOST * pixels), CHI_OK);
    assert_int_equal(chi_buffer_upload(s->indices, 0, s->order, MOST * 4), CHI_OK);
}

static void set_free(set *s)
{
    chi_buffer_destroy(&s->images);
    chi_buffer_destroy(&s->indices);
    chi_buffer_destroy(&s->out);
    free(s->bytes), free(s->got), free(s->want);
}

static bool zeros_alike; // the device is known to lose signs of zeros

static void same_bits(const float *got, const float *want, size_t count, const char *what, size_t which)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(got + i, want + i, sizeof *got) != 0 && !(zeros_alike && got[i] == 0.0f && want[i] == 0.0f))
            fail_msg("%s %zu: element %zu is %a, the reference has %a", what, which, i, (double)got[i], (double)want[i]);
}

static void matches_reference(void **state)
{
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        const chi_augment_options *o = &cases[c];
        const size_t n = 19, views = 3;
        chi_augment *augment;
        set s;
        set_make(&s, o->channels * o->height * o->width, n, views * n);
        assert_int_equal(chi_augment_create(dev, o, 0x123456789abcdefull, &augment), CHI_OK);
        for (uint64_t step = 0; step < 4; step++) {
            const chi_matrix out = chi_matrix_view(s.out, views * n, s.pixels);
            assert_int_equal(chi_augment_eval(augment, s.images, s.indices, n, views, step, out), CHI_OK);
            assert_int_equal(chi_buffer_download(s.out, 0, s.got, views * n * s.pixels * 4), CHI_OK);
            chi__ref_augment(o, 0x123456789abcdefull, s.bytes, s.order, n, views, step, s.want);
            same_bits(s.got, s.want, views * n * s.pixels, "case", c);
        }
        chi_augment_destroy(&augment);
        assert_null(augment);
        set_free(&s);
    }
}

// The same views from one batch of 12 and from batches of 5, 1 and 6, into a matrix with a stride that leaves the
// columns between alone.
static void any_split(void **state)
{
    (void)state;
    const chi_augment_options *o = &cases[0];
    const size_t n = 12, parts[] = { 5, 1, 6 }, stride = 800;
    chi_augment *augment;
    chi_buffer *wide, *some;
    set s;
    set_make(&s, 784, n, 2 * n);
    float *rows = malloc(2 * n * stride * sizeof *rows);
    assert_int_equal(chi_augment_create(dev, o, 1, &augment), CHI_OK);
    assert_int_equal(chi_augment_eval(augment, s.images, s.indices, n, 2, 7, chi_matrix_view(s.out, 2 * n, 784)), CHI_OK);
    assert_int_equal(chi_buffer_download(s.out, 0, s.want, 2 * n * 784 * 4), CHI_OK);
    assert_int_equal(chi_buffer_create(dev, 2 * n * stride * 4, &wide), CHI_OK);
    for (size_t p = 0, first = 0; p < 3; first += parts[p++]) {
        const chi_matrix out = { wide, 3, 2 * parts[p], 784, stride };
        assert_int_equal(chi_buffer_create(dev, parts[p] * 4, &some), CHI_OK);
        assert_int_equal(chi_buffer_upload(some, 0, s.order + first, parts[p] * 4), CHI_OK);
        assert_int_equal(chi_augment_eval(augment, s.images, some, parts[p], 2, 7, out), CHI_OK);
        assert_int_equal(chi_buffer_download(wide, 0, rows, 2 * n * stride * 4), CHI_OK);
        for (size_t view = 0; view < 2; view++)
            for (size_t i = 0; i < parts[p]; i++)
                same_bits(rows + 3 + (view * parts[p] + i) * stride, s.want + (view * n + first + i) * 784, 784, "part", p);
        for (size_t gap = 787; gap < stride + 3; gap++)
            assert_true(rows[gap] == 0.0f);
        chi_buffer_destroy(&some);
    }
    assert_true(memcmp(s.want, s.want + n * 784, n * 784 * 4) != 0); // views differ
    chi_augment_destroy(&augment);
    chi_buffer_destroy(&wide);
    free(rows);
    set_free(&s);
}

static void loads_all_bytes(void **state)
{
    (void)state;
    const size_t pixels = 100;
    set s;
    set_make(&s, pixels, MOST, MOST);
    for (size_t i = 0; i < MOST * pixels; i++)
        s.bytes[i] = (uint8_t)i;
    assert_int_equal(chi_buffer_upload(s.images, 0, s.bytes, MOST * pixels), CHI_OK);
    assert_int_equal(chi_images_load(dev, s.images, 3, MOST - 3, pixels, chi_matrix_view(s.out, MOST - 3, pixels)), CHI_OK);
    assert_int_equal(chi_buffer_download(s.out, 0, s.got, (MOST - 3) * pixels * 4), CHI_OK);
    for (size_t i = 0; i < (MOST - 3) * pixels; i++)
        s.want[i] = (float)s.bytes[3 * pixels + i] / 255.0f;
    same_bits(s.got, s.want, (MOST - 3) * pixels, "image", 3);
    assert_int_equal(chi_images_load(dev, s.images, MOST, 0, pixels, chi_matrix_view(s.out, 0, pixels)), CHI_OK);
    assert_int_not_equal(chi_images_load(dev, s.images, 3, MOST - 2, pixels, chi_matrix_view(s.out, MOST - 2, pixels)), CHI_OK);
    assert_int_not_equal(chi_images_load(dev, s.images, SIZE_MAX, 2, pixels, chi_matrix_view(s.out, 2, pixels)), CHI_OK);
    assert_int_not_equal(chi_images_load(dev, s.images, 0, 1, 0, chi_matrix_view(s.out, 1, 0)), CHI_OK);
    assert_int_not_equal(chi_images_load(dev, NULL, 0, 1, pixels, chi_matrix_view(s.out, 1, pixels)), CHI_OK);
    set_free(&s);
}

// ---- distributions, of the reference alone: the device has its bits --------------------------------

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

// ---- what is refused ----------------------------------------------------------------------------

static void refused(chi_augment_options o, const char *why)
{
    chi_augment *augment = (chi_augment *)&o;
    assert_int_not_equal(chi_augment_create(dev, &o, 1, &augment), CHI_OK);
    assert_null(augment);
    if (!strstr(chi_error_text(), why))
        fail_msg("\"%s\" does not say \"%s\"", chi_error_text(), why);
    chi_device_clear_error(dev);
}

#define WITH(...) (chi_augment_options){ .channels = 1, .height = 8, .width = 8, __VA_ARGS__ }

static void bad_options(void **state)
{
    (void)state;
    refused((chi_augment_options){ .height = 8, .width = 8 }, "0 × 8 × 8");
    refused((chi_augment_options){ .channels = 1, .width = 8 }, "1 × 0 × 8");
    refused((chi_augment_options){ .channels = 1, .height = SIZE_MAX / 8, .width = 8 }, "pixels");
    refused((chi_augment_options){ .channels = SIZE_MAX / 64, .height = 8, .width = 8 }, "pixels");
    refused(WITH(.shift = 1, .scale_low = 0.5f), "one of them");
    refused(WITH(.scale_low = -0.5f), "scale_low");
    refused(WITH(.scale_low = 1.5f), "scale_low");
    refused(WITH(.scale_low = NAN), "scale_low");
    refused(WITH(.flip = 1.1f), "flip 1.1");
    refused(WITH(.jitter = NAN), "probabilities");
    refused(WITH(.erase = -1, .erase_low = 1, .erase_high = 2), "probabilities");
    refused(WITH(.jitter = 1, .contrast = 1), "contrast 1");
    refused(WITH(.jitter = 1, .brightness = NAN), "brightness");
    refused(WITH(.erase = 1), "sides 0 to 0");
    refused(WITH(.erase = 1, .erase_low = 3, .erase_high = 2), "sides 3 to 2");
    refused(WITH(.erase = 1, .erase_low = 3, .erase_high = 9), "sides 3 to 9");
    assert_int_not_equal(chi_augment_create(dev, NULL, 1, NULL), CHI_OK);
    chi_augment_destroy(NULL);
}

static void bad_arguments(void **state)
{
    (void)state;
    chi_augment *a;
    set s;
    set_make(&s, 30, 4, 8);
    assert_int_equal(chi_augment_create(dev, &cases[7], 1, &a), CHI_OK);
    const chi_matrix out = chi_matrix_view(s.out, 8, 30);
    assert_int_not_equal(chi_augment_eval(NULL, s.images, s.indices, 4, 2, 0, out), CHI_OK);
    assert_int_not_equal(chi_augment_eval(a, NULL, s.indices, 4, 2, 0, out), CHI_OK);
    assert_int_not_equal(chi_augment_eval(a, s.images, NULL, 4, 2, 0, out), CHI_OK);
    assert_int_not_equal(chi_augment_eval(a, s.images, s.indices, 4, 0, 0, out), CHI_OK);
    assert_int_not_equal(chi_augment_eval(a, s.images, s.indices, 4, 3, 0, out), CHI_OK);
    assert_int_not_equal(chi_augment_eval(a, s.images, s.indices, MOST + 1, 1, 0, out), CHI_OK);
    assert_int_not_equal(chi_augment_eval(a, s.images, s.indices, 4, 2, 1ull << 32, out), CHI_OK);
    assert_int_not_equal(chi_augment_eval(a, s.images, s.indices, 4, 2, 0, chi_matrix_view(s.out, 8, 29)), CHI_OK);
    assert_int_equal(chi_augment_eval(a, s.images, s.indices, 0, 2, 0, chi_matrix_view(s.out, 0, 30)), CHI_OK);
    chi_device_clear_error(dev);
    // A bad index is seen on the device: its rows are NaN, the others as they should be, and the next wait says so.
    const int32_t order[] = { 1, MOST, 2, -1 };
    assert_int_equal(chi_buffer_upload(s.indices, 0, order, sizeof order), CHI_OK);
    assert_int_equal(chi_augment_eval(a, s.images, s.indices, 4, 2, 0, out), CHI_OK);
    assert_int_equal(chi_device_finish(dev), CHI_ERR_DATA);
    chi_device_clear_error(dev);
    assert_int_equal(chi_buffer_download(s.out, 0, s.got, 8 * 30 * 4), CHI_OK);
    for (size_t i = 0; i < 8 * 30; i++)
        assert_true(i / 30 % 2 ? isnan(s.got[i]) : s.got[i] == (float)s.bytes[(size_t)order[i / 30 % 4] * 30 + i % 30] / 255.0f);
    chi_augment_destroy(&a);
    set_free(&s);
}

// The sentences are read through chi_error_text: refusals are what these tests are about.
static void quiet(void *user, chi_log_level level, const char *sentence) { (void)user, (void)level, (void)sentence; }

static int open_core(void **state, chi_core core)
{
    chi_device_info info;
    (void)state;
    if (chi_device_open(&(chi_device_options){ .core = core, .log = { .write = quiet } }, &dev) != CHI_OK || chi_device_describe(dev, &info) != CHI_OK)
        return -1;
    zeros_alike = info.loses_zero_signs;
    return 0;
}

static int open_panel(void **state) { return open_core(state, CHI_CORE_PANEL); }
static int open_group(void **state) { return open_core(state, CHI_CORE_GROUP); }

static int shut(void **state)
{
    (void)state;
    chi_device_close(&dev);
    return 0;
}

int main(void)
{
    if (chi_device_open(NULL, &dev) == CHI_ERR_NO_DEVICE) {
        fprintf(stderr, "%s\n", chi_error_text());
        return 77;
    }
    chi_device_close(&dev);
    const struct CMUnitTest device[] = {
        cmocka_unit_test(matches_reference), cmocka_unit_test(any_split), cmocka_unit_test(loads_all_bytes),
        cmocka_unit_test(bad_options), cmocka_unit_test(bad_arguments),
    };
    const struct CMUnitTest draws[] = {
        cmocka_unit_test(offsets_and_flips), cmocka_unit_test(boxes), cmocka_unit_test(factors), cmocka_unit_test(windows),
    };
    int failed = 0;
    if (chi_device_open(&(chi_device_options){ .core = CHI_CORE_PANEL }, &dev) == CHI_ERR_UNSUPPORTED) {
        printf("%s\n[  SKIPPED ] panel\n", chi_error_text());
    } else {
        chi_device_close(&dev);
        failed += cmocka_run_group_tests_name("panel", device, open_panel, shut);
    }
    failed += cmocka_run_group_tests_name("group", device, open_group, shut);
    return failed + cmocka_run_group_tests_name("draws", draws, NULL, NULL);
}
