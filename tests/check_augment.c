// SPDX-License-Identifier: Apache-2.0
// check_augment.c: kernels/data against src/ref/augment.c, bit for bit on both cores and at any batch split;
// bytes and floats, gathered or not; bad options and bad indices. What the reference itself draws: laws_augment.c.
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
    { .channels = 3, .height = 1, .width = 1, .jitter = 1, .saturation = 0.9f },
    { .channels = 3, .height = 5, .width = 13, .jitter = 0.7f, .hue = 0.5f },
    { .channels = 3, .height = 4, .width = 4, .grey = 0.5f },
    { .channels = 3, .height = 7, .width = 5, .shift = 2, .flip = 0.5f, .jitter = 0.9f, 
      .contrast = 0.9f, .brightness = 0.9f, .saturation = 0.99f, .hue = 0.3f, .grey = 0.3f, .erase = 0.5f,
      .erase_low = 1, .erase_high = 5 },
    { .channels = 3, .height = 47, .width = 61, .scale_low = 0.08f, .flip = 0.5f, .jitter = 0.8f,
      .contrast = 0.4f, .brightness = 0.4f, .saturation = 0.4f, .hue = 0.1f, .grey = 0.2f },
};
enum { CASES = sizeof cases / sizeof cases[0], NOTHING = 7, OLD_CASES = 8 };

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

// The same images anew on the device and in `host`: as bytes or as floats, all of them or those of the order alone.
static void set_form(set *s, bool floats, bool gathered, void *host)
{
    const size_t count = gathered ? s->n : MOST, size = floats ? 4 : 1;
    for (size_t i = 0; i < count * s->pixels; i++) {
        const size_t image = gathered ? (size_t)s->order[i / s->pixels] : i / s->pixels;
        const uint8_t v = s->bytes[image * s->pixels + i % s->pixels];
        if (floats)
            ((float *)host)[i] = (float)v / 255.0f;
        else
            ((uint8_t *)host)[i] = v;
    }
    chi_buffer_destroy(&s->images);
    assert_int_equal(chi_buffer_create(dev, count * s->pixels * size, &s->images), CHI_OK);
    assert_int_equal(chi_buffer_upload(s->images, 0, host, count * s->pixels * size), CHI_OK);
}

enum { VIEWS = 3 };
#define SEED 0x123456789abcdefull
// Of the last step's views of the cases without colours, as they were before there were any.
#define OLD_HASH 0x7683df41338ef246ull

static void check_steps(set *s, const chi_augment_options *o, const void *host, uint64_t steps, const char *what, size_t which)
{
    const chi_matrix out = chi_matrix_view(s->out, VIEWS * s->n, s->pixels);
    chi_augment *augment;
    assert_int_equal(chi_augment_create(dev, o, SEED, &augment), CHI_OK);
    for (uint64_t step = 0; step < steps; step++) {
        assert_int_equal(chi_augment_eval(augment, s->images, s->indices, s->n, VIEWS, step, out), CHI_OK);
        assert_int_equal(chi_buffer_download(s->out, 0, s->got, VIEWS * s->n * s->pixels * 4), CHI_OK);
        chi__ref_augment(o, SEED, host, s->order, s->n, VIEWS, step, s->want);
        same_bits(s->got, s->want, VIEWS * s->n * s->pixels, what, which);
    }
    chi_augment_destroy(&augment);
    assert_null(augment);
}

static void matches_reference(void **state)
{
    uint64_t hash = CHI_HASH_START;
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        set s;
        set_make(&s, cases[c].channels * cases[c].height * cases[c].width, 19, VIEWS * 19);
        check_steps(&s, &cases[c], s.bytes, 4, "case", c);
        if (c < OLD_CASES)
            hash = chi_hash(hash, s.want, VIEWS * s.n * s.pixels * sizeof *s.want);
        set_free(&s);
    }
    assert_int_equal(hash, OLD_HASH); // what was there before colours keeps its bits
}

// Images of ImageNet's size, and some whose partial sums a group cannot hold (more than 2^20
// values).
static void large_images(void **state)
{
    static const size_t sides[] = { 224, 600 };
    (void)state;
    for (size_t k = 0; k < 4; k++) {
        const size_t side = sides[k / 2];
        chi_augment_options o = { .channels = 3, .height = side, .width = side + 1, .flip = 0.5f,
            .jitter = 1, .contrast = 0.4f, .brightness = 0.4f, .saturation = 0.4f, .hue = 0.1f, .grey = 0.2f };
        o.shift = k % 2 ? 0 : 28;
        o.scale_low = k % 2 ? 0.2f : 0.0f;
        set s;
        chi_augment *augment = NULL;
        if (chi_augment_create(dev, &o, SEED, &augment) == CHI_ERR_UNSUPPORTED) {
            printf("%s\n", chi_error_text());
            chi_device_clear_error(dev);
            continue;
        }
        chi_augment_destroy(&augment);
        set_make(&s, 3 * side * (side + 1), 1, VIEWS);
        check_steps(&s, &o, s.bytes, 1, "large case", k);
        set_free(&s);
    }
}

// A pixel that is no number stays none in all of its channels, and the others do not see it.
static void not_a_number(void **state)
{
    const chi_augment_options o = { .channels = 3, .height = 5, .width = 7, .jitter = 1,
        .saturation = 0.5f, .hue = 0.5f, .floats = true };
    chi_augment *augment;
    set s;
    (void)state;
    set_make(&s, 3 * 35, 4, 4);
    const chi_matrix out = chi_matrix_view(s.out, 4, s.pixels);
    float *host = malloc(MOST * s.pixels * sizeof *host);
    set_form(&s, true, false, host);
    for (size_t i = 0; i < MOST; i++)
        host[i * s.pixels + i % 3 * 35 + i % 35] = NAN;
    assert_int_equal(chi_buffer_upload(s.images, 0, host, MOST * s.pixels * 4), CHI_OK);
    assert_int_equal(chi_augment_create(dev, &o, SEED, &augment), CHI_OK);
    assert_int_equal(chi_augment_eval(augment, s.images, s.indices, 4, 1, 0, out), CHI_OK);
    assert_int_equal(chi_buffer_download(s.out, 0, s.got, 4 * s.pixels * 4), CHI_OK);
    chi__ref_augment(&o, SEED, host, s.order, 4, 1, 0, s.want);
    for (size_t i = 0; i < 4 * s.pixels; i++) {
        const bool lost = i % 35 == (size_t)s.order[i / s.pixels] % 35;
        assert_true(lost ? isnan(s.got[i]) && isnan(s.want[i]) : s.got[i] == s.want[i]);
    }
    chi_augment_destroy(&augment);
    free(host);
    set_free(&s);
}

// Bytes v, floats v / 255 and images gathered by the host: views with the same bits, on the device and in the reference.
static void any_form(void **state)
{
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        set s;
        set_make(&s, cases[c].channels * cases[c].height * cases[c].width, 19, VIEWS * 19);
        float *host = malloc(MOST * s.pixels * sizeof *host), *bytes = malloc(VIEWS * s.n * s.pixels * sizeof *bytes);
        chi__ref_augment(&cases[c], SEED, s.bytes, s.order, s.n, VIEWS, 0, bytes);
        for (unsigned form = 1; form < 4; form++) {
            chi_augment_options o = cases[c];
            o.floats = form & 1;
            o.gathered = form & 2;
            set_form(&s, o.floats, o.gathered, host);
            check_steps(&s, &o, host, 1, o.floats ? "floats of case" : "gathered bytes of case", c);
            same_bits(s.got, bytes, VIEWS * s.n * s.pixels, "bytes and another form of case", c);
        }
        free(host), free(bytes);
        set_free(&s);
    }
}

// Floats that no byte gives: as they are where pixels move whole, and as the reference has them.
static void any_floats(void **state)
{
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        chi_augment_options o = cases[c];
        set s;
        set_make(&s, o.channels * o.height * o.width, 7, 9 + VIEWS * 7);
        float *host = malloc(MOST * s.pixels * sizeof *host);
        o.floats = true;
        set_form(&s, true, false, host);
        for (size_t i = 0; i < MOST * s.pixels; i++)
            host[i] = i % 11 ? (float)(i * 2654435761u & 0xffffff) * 0x1p-24f : (float)(i % 2);
        assert_int_equal(chi_buffer_upload(s.images, 0, host, MOST * s.pixels * 4), CHI_OK);
        check_steps(&s, &o, host, 2, "floats of case", c);
        assert_int_equal(chi_images_load(dev, s.images, true, 5, 9, s.pixels, chi_matrix_view(s.out, 9, s.pixels)), CHI_OK);
        assert_int_equal(chi_buffer_download(s.out, 0, s.got, 9 * s.pixels * 4), CHI_OK);
        same_bits(s.got, host + 5 * s.pixels, 9 * s.pixels, "loaded floats of case", c);
        free(host);
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
    assert_int_equal(chi_images_load(dev, s.images, false, 3, MOST - 3, pixels, chi_matrix_view(s.out, MOST - 3, pixels)), CHI_OK);
    assert_int_equal(chi_buffer_download(s.out, 0, s.got, (MOST - 3) * pixels * 4), CHI_OK);
    for (size_t i = 0; i < (MOST - 3) * pixels; i++)
        s.want[i] = (float)s.bytes[3 * pixels + i] / 255.0f;
    same_bits(s.got, s.want, (MOST - 3) * pixels, "image", 3);
    assert_int_equal(chi_images_load(dev, s.images, false, MOST, 0, pixels, chi_matrix_view(s.out, 0, pixels)), CHI_OK);
    assert_int_not_equal(chi_images_load(dev, s.images, false, 3, MOST - 2, pixels, chi_matrix_view(s.out, MOST - 2, pixels)), CHI_OK);
    assert_int_not_equal(chi_images_load(dev, s.images, false, SIZE_MAX, 2, pixels, chi_matrix_view(s.out, 2, pixels)), CHI_OK);
    assert_int_not_equal(chi_images_load(dev, s.images, false, 0, 1, 0, chi_matrix_view(s.out, 1, 0)), CHI_OK);
    assert_int_equal(chi_images_load(dev, s.images, true, 0, MOST / 4, pixels, chi_matrix_view(s.out, MOST / 4, pixels)), CHI_OK);
    assert_int_not_equal(chi_images_load(dev, s.images, true, 0, MOST / 4 + 1, pixels, chi_matrix_view(s.out, MOST / 4 + 1, pixels)), CHI_OK);
    assert_int_not_equal(chi_images_load(dev, NULL, false, 0, 1, pixels, chi_matrix_view(s.out, 1, pixels)), CHI_OK);
    set_free(&s);
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
#define RGB(...)  (chi_augment_options){ .channels = 3, .height = 8, .width = 8, __VA_ARGS__ }

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
    refused(WITH(.grey = 0.1f), "3 channels, the images have 1");
    refused(WITH(.hue = 0.1f), "3 channels, the images have 1");
    refused(WITH(.jitter = 1, .saturation = 0.1f), "saturation 0.1, hue 0 and grey 0 need 3");
    refused((chi_augment_options){ .channels = 4, .height = 8, .width = 8, .grey = 1 }, "have 4");
    refused(RGB(.saturation = 1), "saturation 1");
    refused(RGB(.saturation = -0.1f), "saturation -0.1");
    refused(RGB(.hue = 0.51f), "hue 0.51");
    refused(RGB(.hue = NAN), "[0, 0.5]");
    refused(RGB(.grey = 1.5f), "grey 1.5");
    assert_int_not_equal(chi_augment_create(dev, NULL, 1, NULL), CHI_OK);
    chi_augment_destroy(NULL);
}

static void bad_arguments(void **state)
{
    (void)state;
    chi_augment *a;
    set s;
    set_make(&s, 30, 4, 8);
    assert_int_equal(chi_augment_create(dev, &cases[NOTHING], 1, &a), CHI_OK);
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

// Gathered images are as many as the call's; their indices name the draws and may be any that is not negative.
static void bad_gathered(void **state)
{
    (void)state;
    const int32_t order[] = { INT32_MAX, MOST, -1, INT32_MIN };
    chi_augment_options o = cases[NOTHING];
    chi_augment *a;
    set s;
    set_make(&s, 30, 4, 8);
    o.gathered = true;
    assert_int_equal(chi_augment_create(dev, &o, 1, &a), CHI_OK);
    const chi_matrix out = chi_matrix_view(s.out, 4, 30);
    chi_buffer_destroy(&s.images);
    assert_int_equal(chi_buffer_create(dev, 4 * 30 - 1, &s.images), CHI_OK);
    assert_int_equal(chi_augment_eval(a, s.images, s.indices, 4, 1, 0, out), CHI_ERR_SHAPE);
    assert_non_null(strstr(chi_error_text(), "3 images are gathered, 4"));
    chi_device_clear_error(dev);
    chi_buffer_destroy(&s.images);
    assert_int_equal(chi_buffer_create(dev, 4 * 30, &s.images), CHI_OK);
    assert_int_equal(chi_buffer_upload(s.images, 0, s.bytes, 4 * 30), CHI_OK);
    assert_int_equal(chi_buffer_upload(s.indices, 0, order, sizeof order), CHI_OK);
    assert_int_equal(chi_augment_eval(a, s.images, s.indices, 2, 1, 0, chi_matrix_view(s.out, 2, 30)), CHI_OK);
    assert_int_equal(chi_device_finish(dev), CHI_OK);
    assert_int_equal(chi_augment_eval(a, s.images, s.indices, 4, 1, 0, out), CHI_OK);
    assert_int_equal(chi_device_finish(dev), CHI_ERR_DATA);
    chi_device_clear_error(dev);
    assert_int_equal(chi_buffer_download(s.out, 0, s.got, 4 * 30 * 4), CHI_OK);
    for (size_t i = 0; i < 4 * 30; i++)
        assert_true(i / 30 > 1 ? isnan(s.got[i]) : s.got[i] == (float)s.bytes[i] / 255.0f);
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
        cmocka_unit_test(matches_reference), cmocka_unit_test(any_form), cmocka_unit_test(any_floats),
        cmocka_unit_test(large_images), cmocka_unit_test(not_a_number),
        cmocka_unit_test(any_split), cmocka_unit_test(loads_all_bytes),
        cmocka_unit_test(bad_options), cmocka_unit_test(bad_arguments), cmocka_unit_test(bad_gathered),
    };
    int failed = 0;
    if (chi_device_open(&(chi_device_options){ .core = CHI_CORE_PANEL }, &dev) == CHI_ERR_UNSUPPORTED) {
        printf("%s\n[  SKIPPED ] panel\n", chi_error_text());
    } else {
        chi_device_close(&dev);
        failed += cmocka_run_group_tests_name("panel", device, open_panel, shut);
    }
    return failed + cmocka_run_group_tests_name("group", device, open_group, shut);
}
