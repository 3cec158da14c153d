// SPDX-License-Identifier: Apache-2.0
// images.c: images and labels from files, for train, embed and eval. Header: images.h.
#include "images.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static int take_images(const char *path, tool_images *out)
{
    chi_tensor t = { 0 };
    const chi_status st = chi_tensor_read(path, &t);
    if (st != CHI_OK)
        return tool_fail(st);
    int result = TOOL_DONE;
    if (t.dims < 3 || t.dims > 4 || t.count == 0)
        result = tool_error("%s: %zu dimensions and %zu elements; images are [count][rows][columns] or [count][channels][rows][columns]", path, t.dims, t.count);
    else if (t.type != CHI_TYPE_U8 && (result = chi_tensor_to_f32(&t)) != 0)
        result = tool_fail((chi_status)result);
    if (result == TOOL_DONE) {
        out->count = t.shape[0];
        out->channels = t.dims == 4 ? t.shape[1] : 1;
        out->height = t.shape[t.dims - 2];
        out->width = t.shape[t.dims - 1];
        out->pixels = malloc(t.count);
        if (!out->pixels)
            result = tool_error("no memory for %zu pixels", t.count);
    }
    const float *real = t.bytes;
    for (size_t i = 0; result == TOOL_DONE && i < t.count; i++) {
        if (t.type == CHI_TYPE_U8) {
            out->pixels[i] = ((const uint8_t *)t.bytes)[i];
        } else if (!(real[i] >= 0.0f && real[i] <= 1.0f)) {
            result = tool_error("%s: element %zu is %g; pixels are bytes, or numbers from 0 to 1", path, i, (double)real[i]);
        } else {
            out->pixels[i] = (uint8_t)lrintf(real[i] * 255.0f);
        }
    }
    chi_tensor_free(&t);
    return result;
}

static int take_labels(const char *path, tool_images *out)
{
    chi_tensor t = { 0 };
    chi_status st = chi_tensor_read(path, &t);
    if (st == CHI_OK)
        st = chi_tensor_to_i32(&t);
    if (st != CHI_OK) {
        chi_tensor_free(&t);
        return tool_fail(st);
    }
    int result = TOOL_DONE;
    if (t.dims != 1 || t.count != out->count)
        result = tool_error("%s: %zu labels for %zu images", path, t.count, out->count);
    out->labels = t.bytes;
    for (size_t i = 0; result == TOOL_DONE && i < t.count; i++) {
        if (out->labels[i] < 0 || out->labels[i] > 1 << 20)
            result = tool_error("%s: label %d of row %zu is not in 0 … 1048576", path, out->labels[i], i);
        else if ((size_t)out->labels[i] >= out->classes)
            out->classes = (size_t)out->labels[i] + 1;
    }
    t.bytes = NULL; // moved
    if (result != TOOL_DONE) {
        free(out->labels);
        out->labels = NULL;
    }
    return result;
}

int tool_load_files(const char *images, const char *labels, tool_images *out)
{
    *out = (tool_images){ 0 };
    int result = take_images(images, out);
    if (result == TOOL_DONE && labels)
        result = take_labels(labels, out);
    if (result != TOOL_DONE)
        tool_free_images(out);
    return result;
}

int tool_load_folder(const char *folder, const char *part, tool_images *out)
{
    char images[4200], labels[4200];
    for (int zipped = 1; zipped >= 0; zipped--) {
        snprintf(images, sizeof images, "%.4000s/%s-images-idx3-ubyte%s", folder, part, zipped ? ".gz" : "");
        snprintf(labels, sizeof labels, "%.4000s/%s-labels-idx1-ubyte%s", folder, part, zipped ? ".gz" : "");
        if (access(images, F_OK) == 0 || !zipped)
            break;
    }
    if (access(images, F_OK) != 0)
        return tool_error("%s holds no %s-images-idx3-ubyte(.gz); on Debian: apt-get install dataset-fashion-mnist, then --data /usr/share/datasets/fashion-mnist", folder, part);
    return tool_load_files(images, labels, out);
}

void tool_free_images(tool_images *images)
{
    free(images->pixels);
    free(images->labels);
    *images = (tool_images){ 0 };
}
