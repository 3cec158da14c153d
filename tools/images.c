// SPDX-License-Identifier: Apache-2.0
// images.c: sets of images from files and folders, and fetching some of them. Arrays: array.c. Header: images.h.
#include "images.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void images_add_options(image_options *o, tool_option *to)
{
    const tool_option all[IMAGE_OPTIONS] = {
        { "layout", "nchw|nhwc", "sides of arrays of four dimensions; default: by the sides",
          &o->layout, NULL, NULL },
        { "range", "LOW,HIGH",
          "numbers that become black and white; default: 0,255 for whole numbers, 0,1 for others",
          &o->range, NULL, NULL },
        { "size", "N",
          "pictures: shorter side scaled to N, then the centre N × N; default: the recipe's or the "
          "model's",
          &o->size, NULL, NULL },
        { "grey", NULL, "pictures: one channel instead of three", NULL, &o->grey, NULL },
        { "max-pixels", "N", "pictures: larger ones are refused", &o->max_pixels, NULL,
          "268435456" },
        { "skip-broken", NULL, "pictures: leave out broken files, and count them", NULL,
          &o->skip_broken, NULL },
        { "picture-memory", "BYTES",
          "pictures: decode them once if they fit in so much, as 800M; default: a quarter of what "
          "is free",
          &o->picture_memory, NULL, NULL },
        { "unlabelled", "VALUE", "the label of images that have no class", &o->unlabelled, NULL,
          "-1" },
    };
    memcpy(to, all, sizeof all);
}

size_t image_bytes(const tool_images *images)
{
    return images->pixels * (images->floats ? sizeof(float) : 1);
}

bool images_is_folder(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

// ---- arrays -------------------------------------------------------------------------------------
static int open_array(tool_images *im, const image_options *o, chi_shape wanted, bool quiet)
{
    pixel_array a;
    if (o->size || o->grey || o->skip_broken || o->max_pixels || o->picture_memory)
        return tool_usage("%s is an array: --size, --grey, --max-pixels, --skip-broken and "
                          "--picture-memory are for folders "
                          "of pictures",
                          im->path);
    const int result = pixels_read_array(im->path, &im->rules, wanted, quiet, &a);
    if (result != TOOL_DONE)
        return result;
    im->rules.size = 0;
    im->rules.grey = im->rules.pictures = false;
    im->count = a.count;
    im->shape = a.shape;
    im->pixels = a.shape.channels * a.shape.height * a.shape.width;
    im->floats = a.floats;
    im->values = a.values;
    const uint64_t sides[] = { a.shape.channels, a.shape.height, a.shape.width, a.floats };
    im->hash = chi_hash(chi_hash(CHI_HASH_START, sides, sizeof sides), im->values,
                        im->count * image_bytes(im));
    return TOOL_DONE;
}

// ---- either -------------------------------------------------------------------------------------
static int check_shape(const tool_images *im, chi_shape wanted)
{
    const chi_shape s = im->shape;
    if (!wanted.channels ||
        (s.channels == wanted.channels && s.height == wanted.height && s.width == wanted.width))
        return TOOL_DONE;
    return tool_error("%s holds images of %zu × %zu × %zu (channels, rows, columns), the model "
                      "takes %zu × %zu × %zu",
                      im->path, s.channels, s.height, s.width, wanted.channels, wanted.height,
                      wanted.width);
}

int images_open(tool_images *out, const char *path, const image_options *o,
                const pixel_rules *rules, chi_shape wanted, bool quiet)
{
    *out = (tool_images){ .rules = *rules };
    snprintf(out->path, sizeof out->path, "%s", path);
    int result =
        images_is_folder(path) ? pictures_open(out, o, quiet) : open_array(out, o, wanted, quiet);
    if (result == TOOL_DONE && out->count > INT32_MAX)
        result = tool_error("%s holds %zu images, at most 2147483647 are taken", path, out->count);
    if (result == TOOL_DONE)
        result = check_shape(out, wanted);
    if (result != TOOL_DONE)
        images_close(out);
    return result;
}

// The idx file of a part, gzipped or plain, alone or not, with a dot before "idx" where some programs unpack it; false:
// there is none.
static bool find_idx(const char *folder, const char *part, const char *what, char *to, size_t room)
{
    static const char *const forms[] = { "%.4000s/%s-%.6s-%s-ubyte.gz", "%.4000s/%s-%.6s-%s-ubyte",
                                         "%.4000s/%s-%.6s.%s-ubyte.gz",
                                         "%.4000s/%s-%.6s.%s-ubyte" };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        snprintf(to, room, forms[i], folder, part, what,
                 what + 7); // "images-idx3" or "labels-idx1"
        if (access(to, F_OK) == 0)
            return true;
    }
    return false;
}

bool images_have_part(const char *folder, const char *part)
{
    char path[4200];
    return find_idx(folder, part, "images-idx3", path, sizeof path);
}

int images_open_data(tool_images *out, const char *folder, const char *part, label_use labels,
                     const image_options *o, const pixel_rules *rules, chi_shape wanted, bool quiet)
{
    char images[4200], other[4200];
    *out = (tool_images){ 0 };
    if (!find_idx(folder, part, "images-idx3", images, sizeof images) &&
        find_idx(folder, "train", "images-idx3", other, sizeof other))
        return tool_error("%s holds no %s-images-idx3-ubyte(.gz)", folder, part);
    if (access(folder, F_OK) == 0 && !images_is_folder(folder))
        return tool_error("%s is no folder, which --data takes; --images takes a file", folder);
    if (!images_is_folder(folder))
        return tool_error("%s is no folder that can be opened; on Debian: apt-get install "
                          "dataset-fashion-mnist, then --data "
                          "/usr/share/datasets/fashion-mnist",
                          folder);
    if (!find_idx(folder, part, "images-idx3", images, sizeof images))
        return images_open(out, folder, o, rules, wanted, quiet);
    const int result = images_open(out, images, o, rules, wanted, quiet);
    if (result != TOOL_DONE)
        return result;
    if (!find_idx(folder, part, "labels-idx1", other, sizeof other)) {
        if (labels == LABELS_NEEDED)
            images_close(out);
        return labels == LABELS_NEEDED
                   ? tool_error("%s holds no %s-labels-idx1-ubyte(.gz)", folder, part)
                   : TOOL_DONE;
    }
    return labels == LABELS_UNUSED ? TOOL_DONE : images_label(out, other, o);
}

int images_label(tool_images *images, const char *path, const image_options *o)
{
    const chi_labels_options options = { .unlabelled = o->unlabelled };
    chi_labels_free(&images->labels);
    const chi_status st = chi_labels_read(path, &options, &images->labels);
    if (st != CHI_OK)
        return tool_fail(st);
    if (images->labels.count == images->count)
        return TOOL_DONE;
    const size_t labels = images->labels.count;
    chi_labels_free(&images->labels);
    return tool_error("%s: %zu labels for the %zu images of %s", path, labels, images->count,
                      images->path);
}

void images_close(tool_images *images)
{
    if (images->pictures)
        chi_pictures_close(&images->pictures); // its pixels with it
    else
        free(images->values);
    chi_labels_free(&images->labels);
    *images = (tool_images){ 0 };
}

// ---- fetching -----------------------------------------------------------------------------------
chi_status images_fetch(tool_images *images, const int32_t *which, size_t first, size_t n, void *to)
{
    const size_t bytes = image_bytes(images);
    const uint8_t *from = images->values;
    if (!from)
        return pictures_fetch(images, which, first, n, to);
    if (!which)
        memcpy(to, from + first * bytes, n * bytes);
    for (size_t i = 0; which && i < n; i++)
        memcpy((uint8_t *)to + i * bytes, from + (size_t)which[first + i] * bytes, bytes);
    return CHI_OK;
}
