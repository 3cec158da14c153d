// SPDX-License-Identifier: Apache-2.0
// augment.c: random views of images, and images as they are, on the device. Header: include/chiaro/data.h.
// Kernels: kernels/data/augment.cl, kernels/data/load.cl. Reference: src/ref/augment.c.
#include <chiaro/data.h>
#include <math.h>
#include <stdio.h>

#include "../base/memory.h"
#include "../device/about.h"
#include "../tiles/tiles.h"
#include "../tune/tune.h"

enum { MAX_VIEWS = 1 << 28, MAX_SIDE = 1 << 15, MAX_SUMS = 1 << 12, SHORT_LOOP = 1 << 15 };

struct chi_augment {
    chi_device *dev;
    chi_augment_options options;
    uint64_t seed;
    size_t pixels;
    chi__kernel *kernel;
};

static size_t superblocks(size_t n) { return chi__div_up(n, chi__superblock(n)); }
static uint64_t value_bytes(bool floats) { return floats ? 4 : 1; }
static bool fraction(float p) { return p >= 0.0f && p <= 1.0f; } // false for NaN

static bool colours(const chi_augment_options *o)
{
    return o->saturation > 0.0f || o->hue > 0.0f || o->grey > 0.0f;
}

static chi_status check_colours(chi_device *dev, const chi_augment_options *o)
{
    const double saturation = (double)o->saturation, hue = (double)o->hue, grey = (double)o->grey;
    if (!(saturation >= 0.0 && saturation < 1.0) || !(hue >= 0.0 && hue <= 0.5) ||
        !fraction(o->grey))
        return chi__fail(dev, CHI_ERR_ARGUMENT, "augment: saturation %g, hue %g and grey %g; "
                         "they are in [0, 1), [0, 0.5] and [0, 1]", saturation, hue, grey);
    if (colours(o) && o->channels != 3)
        return chi__fail(dev, CHI_ERR_SHAPE, "augment: saturation %g, hue %g and grey %g need 3 "
                         "channels, the images have %zu", saturation, hue, grey, o->channels);
    return CHI_OK;
}

static chi_status check_options(chi_device *dev, const chi_augment_options *o)
{
    if (o->channels == 0 || o->height == 0 || o->width == 0 || o->height > MAX_SIDE || o->width > MAX_SIDE ||
        o->channels > (size_t)INT32_MAX / (o->height * o->width))
        return chi__fail(dev, CHI_ERR_SHAPE, "augment: images of %zu × %zu × %zu pixels", o->channels, o->height, o->width);
    if (!fraction(o->scale_low) || (o->shift && o->scale_low > 0.0f) || o->shift > MAX_SIDE)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "augment: shift %zu and scale_low %g; one of them, scale_low in [0, 1]",
                         o->shift, (double)o->scale_low);
    if (!fraction(o->flip) || !fraction(o->jitter) || !fraction(o->erase))
        return chi__fail(dev, CHI_ERR_ARGUMENT, "augment: flip %g, jitter %g, erase %g; probabilities are in [0, 1]",
                         (double)o->flip, (double)o->jitter, (double)o->erase);
    if (!(o->contrast >= 0.0f && o->contrast < 1.0f) || !(o->brightness >= 0.0f && o->brightness < 1.0f))
        return chi__fail(dev, CHI_ERR_ARGUMENT, "augment: contrast %g and brightness %g; they are in [0, 1)",
                         (double)o->contrast, (double)o->brightness);
    CHI_TRY(check_colours(dev, o));
    const size_t side = o->height < o->width ? o->height : o->width;
    if (o->erase > 0.0f && (o->erase_low == 0 || o->erase_low > o->erase_high || o->erase_high > side))
        return chi__fail(dev, CHI_ERR_ARGUMENT, "augment: erased boxes with sides %zu to %zu in images of %zu × %zu",
                         o->erase_low, o->erase_high, o->height, o->width);
    return CHI_OK;
}

// A group shares an image as it shares a tile, unless the image is so large that its partial sums would crowd
// local memory.
static size_t group_items(const chi_device *dev, size_t pixels)
{
    const chi__tile *tile = chi__device_tile(dev);
    return superblocks(pixels) > MAX_SUMS ? 1 : chi__items(tile);
}

// Values a work-item has, where the driver would end its loops before they are done.
static chi_status check_loops(chi_device *dev, size_t pixels, size_t items)
{
    chi_device_info info;
    if (pixels / items <= SHORT_LOOP)
        return CHI_OK;
    CHI_TRY(chi_device_describe(dev, &info));
    const char *why = chi__about_why(&info, CHI__ABOUT_SHORT_LOOPS);
    if (why)
        return chi__fail(dev, CHI_ERR_UNSUPPORTED, "images of %zu values, %zu a work-item: %s", pixels,
                         pixels / items, why);
    return CHI_OK;
}

static chi_status get_kernel(chi_device *dev, const char *file, const char *name, size_t pixels, bool floats, chi__kernel **out)
{
    char defines[64];
    const size_t items = group_items(dev, pixels), sums = items == 1 ? 1 : superblocks(pixels);
    CHI_TRY(check_loops(dev, pixels, items));
    size_t room = 1; // a power of two: images of all sizes share a few programs
    while (room < sums)
        room *= 2;
    snprintf(defines, sizeof defines, "ITEMS=%zu SUMS=%zu FLOATS=%d", items, room, floats);
    return chi__kernel_get(dev, file, name, defines, out);
}

chi_status chi_augment_create(chi_device *dev, const chi_augment_options *options, uint64_t seed, chi_augment **out)
{
    if (!out)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "augment: no place for the handle");
    *out = NULL;
    if (!dev || !options)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "augment: no device or no options");
    CHI_TRY(check_options(dev, options));
    chi_augment *made = chi__alloc(1, sizeof *made);
    if (!made)
        return chi__fail(dev, CHI_ERR_MEMORY, "augment: no memory");
    made->dev = dev;
    made->options = *options;
    made->seed = seed;
    made->pixels = options->channels * options->height * options->width;
    const chi_status st = get_kernel(dev, "data/augment.cl", "data_augment", made->pixels, options->floats, &made->kernel);
    if (st != CHI_OK) {
        chi__free(made);
        return st;
    }
    *out = made;
    return CHI_OK;
}

void chi_augment_destroy(chi_augment **augment)
{
    if (!augment)
        return;
    chi__free(*augment);
    *augment = NULL;
}

// Images of `bytes` in a buffer of this device.
static chi_status count_images(chi_device *dev, const chi_buffer *images, uint64_t bytes, const char *what, size_t *count)
{
    if (!images || chi__buffer_device(images) != dev)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "%s: no images on this device", what);
    const uint64_t held = chi_buffer_bytes(images) / bytes;
    *count = held < INT32_MAX ? (size_t)held : INT32_MAX;
    return CHI_OK;
}

chi_status chi_augment_eval(chi_augment *augment, const chi_buffer *images, const chi_buffer *indices, size_t n,
                            size_t views, uint64_t step, chi_matrix out)
{
    size_t count = 0;
    if (!augment)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "augment: no handle");
    chi_device *dev = augment->dev;
    const chi_augment_options *o = &augment->options;
    CHI_TRY(count_images(dev, images, augment->pixels * value_bytes(o->floats), "augment", &count));
    if (!indices || chi__buffer_device(indices) != dev || n > INT32_MAX || 4 * (uint64_t)n > chi_buffer_bytes(indices))
        return chi__fail(dev, CHI_ERR_SHAPE, "augment: no room for %zu indices on this device", n);
    if (o->gathered && n > count)
        return chi__fail(dev, CHI_ERR_SHAPE, "augment: %zu images are gathered, %zu were to be", count, n);
    if (views == 0 || views > MAX_VIEWS || n * views > UINT32_MAX || step > UINT32_MAX)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "augment: %zu views of %zu images at step %llu", views, n,
                         (unsigned long long)step);
    CHI_TRY(chi__check_matrix(dev, out, views * n, augment->pixels, "augment: out"));
    const chi__launch launch = {
        .kernel = augment->kernel,
        .local = { group_items(dev, augment->pixels) },
        .args = { U32(0), U32(n), U32(o->channels), U32(o->height), U32(o->width), U32(o->shift), F32(o->scale_low),
                  F32((float)(1.0 / (double)o->height)), F32((float)(1.0 / (double)o->width)),
                  F32((float)(1.0 / (double)augment->pixels)), F32(o->flip), F32(o->jitter), F32(o->contrast),
                  F32(o->brightness), F32(o->saturation), F32(6.0f * o->hue), F32(o->grey),
                  F32(o->erase), U32(o->erase_low), U32(o->erase_high), U64(augment->seed), U32(step),
                  U32(o->gathered ? 1u << 31 : count), U32(o->gathered), U64(out.offset),
                  U32(chi__stride(out)), BUF(images), BUF(indices), BUF(out.buffer), BUF(chi__faults(dev)) },
    };
    const double work = (colours(o) ? 70.0 : 40.0) * (double)augment->pixels;
    return chi__run_groups(dev, &launch, views * n, work * (double)(views * n));
}

chi_status chi_images_load(chi_device *dev, const chi_buffer *images, bool floats, size_t first,
                           size_t n, size_t pixels, chi_matrix out)
{
    size_t count = 0;
    chi__kernel *kernel;
    if (!dev || pixels == 0 || pixels > INT32_MAX)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "images_load: no device, or images of %zu pixels", pixels);
    CHI_TRY(count_images(dev, images, pixels * value_bytes(floats), "images_load", &count));
    if (first > count || n > count - first)
        return chi__fail(dev, CHI_ERR_SHAPE, "images_load: images %zu to %zu of %zu", first, first + n, count);
    CHI_TRY(chi__check_matrix(dev, out, n, pixels, "images_load: out"));
    CHI_TRY(get_kernel(dev, "data/load.cl", "data_load", pixels, floats, &kernel));
    const chi__launch launch = {
        .kernel = kernel,
        .local = { group_items(dev, pixels) },
        .args = { U32(0), U32(pixels), U64(first), U64(out.offset), U32(chi__stride(out)), BUF(images), BUF(out.buffer) },
    };
    return chi__run_groups(dev, &launch, n, 4.0 * (double)n * (double)pixels);
}
