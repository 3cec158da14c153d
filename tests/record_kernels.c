// SPDX-License-Identifier: Apache-2.0
// record_kernels.c: makes the library build every kernel that a class of GPU would use, so that CHIARO_KERNEL_DUMP holds
// what its compiler would be given. Read by: tools/offline.py. No test of its own.
// Usage: record_kernels amd|nvidia|intel|other|TILE; the device may be any, a CPU does. Prints the tile; without
// CHIARO_KERNEL_DUMP, nothing else is done.
#include <chiaro/chiaro.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/tune/tune.h"
#include "harness/budget.h"

enum { N = 1600, DIM = 16, SIDE = 28 };
static const char *tile;

static chi_status open_device(uint64_t bytes, chi_device **dev)
{
    return chi_device_open(&(chi_device_options){ .core = CHI_CORE_GROUP, .tile = tile, .memory_bytes = bytes }, dev);
}

// Tiles kept, some of them, none: one temperature with a shift for all rows, one with a shift a row.
static chi_status record_losses(chi_loss_kind kind)
{
    static const struct { uint64_t bytes; bool learnt; } ways[] = { { 0, false }, { 3500000, false }, { 6 << 20, true }, { 1, true } }; // 1: the least, sums by windows
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        chi_device *dev = NULL;
        chi_loss *loss = NULL;
        const chi_loss_options options = { .kind = kind, .temperature = 0.1f, .learnt_temperature = ways[i].learnt, .queue_rows = kind == CHI_LOSS_MOCO ? N : 0 };
        bool windows = true;
        const uint64_t bytes = ways[i].bytes == 1 ? test_least_budget(tile, N, DIM, &options, 0, &windows) : ways[i].bytes;
        chi_status st = windows ? open_device(bytes, &dev) : CHI_ERR_INTERNAL;
        if (st == CHI_OK)
            st = chi_loss_create(dev, N, DIM, &options, &loss);
        chi_loss_destroy(&loss);
        chi_device_close(&dev);
        CHI_TRY(st);
    }
    return CHI_OK;
}

static chi_status record_similarities(chi_device *dev)
{
    static const struct { chi_metric metric; float scale; } ways[] = {
        { CHI_METRIC_DOT, 1.0f }, { CHI_METRIC_COSINE, 10.0f }, { CHI_METRIC_SQUARED_EUCLIDEAN, -1.0f } };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        chi_similarity *sim = NULL;
        CHI_TRY(chi_similarity_create(dev, N, N, DIM, &(chi_similarity_options){ .metric = ways[i].metric, .scale = ways[i].scale }, &sim));
        chi_similarity_destroy(&sim);
    }
    return CHI_OK;
}

static chi_status record_network(chi_device *dev)
{
    const char *text = "conv2d:8,k=3,p=1,bias=0 batch_norm relu residual( conv2d:8,k=3,p=1 batch_norm gelu | conv2d:8,k=1 ) "
                       "max_pool:k=3,s=2,p=1 average_pool:k=2,s=1 global_pool flatten linear:16 normalize";
    chi_layer *layers = NULL;
    chi_encoder *enc = NULL;
    chi_status st = chi_layers_parse(text, &layers);
    if (st == CHI_OK)
        st = chi_encoder_create(dev, 4, (chi_shape){ 3, 12, 12 }, layers, 1, &enc);
    for (chi_optimizer_kind kind = CHI_OPTIMIZER_SGD; kind <= CHI_OPTIMIZER_ADAMW && st == CHI_OK; kind++) {
        chi_optimizer *opt = NULL;
        st = chi_optimizer_create(dev, chi_encoder_parameters(enc), &(chi_optimizer_options){ .kind = kind }, &opt);
        chi_optimizer_destroy(&opt);
    }
    for (int floats = 0; floats < 2 && st == CHI_OK; floats++) {
        chi_augment *augment = NULL;
        const chi_augment_options o = { .channels = 1, .height = SIDE, .width = SIDE,
                                        .floats = floats };
        st = chi_augment_create(dev, &o, 1, &augment);
        chi_augment_destroy(&augment);
    }
    chi_encoder_destroy(&enc);
    chi_layers_free(&layers);
    return st;
}

// What has no plan of its own is run once, on a few rows.
static chi_status run_calls(chi_device *dev, chi_buffer *rows, chi_buffer *images)
{
    static const float x[16] = { 1, 0, 0, 1, 1, 1, 0, 2 };
    static const int32_t labels[4] = { 0, 1, 0, 1 };
    const chi_matrix m = chi_matrix_view(rows, 4, 4);
    const chi_labelled four = { m, labels };
    chi_probe_report report;
    CHI_TRY(chi_buffer_upload(rows, 0, x, sizeof x));
    CHI_TRY(chi_linear_probe(dev, &(chi_probe_args){ .base = four, .query = four, .classes = 2 }, &report));
    const chi_matrix one = chi_matrix_view(rows, 1, SIDE * SIDE);
    CHI_TRY(chi_images_load(dev, images, true, 0, 1, SIDE * SIDE, one));
    return chi_images_load(dev, images, false, 0, 4, SIDE * SIDE, chi_matrix_view(rows, 4, SIDE * SIDE));
}

static chi_status record_calls(chi_device *dev)
{
    chi_buffer *rows = NULL, *images = NULL;
    chi_status st = chi_buffer_create(dev, 4 * 4 * SIDE * SIDE, &rows);
    if (st == CHI_OK)
        st = chi_buffer_create(dev, 4 * SIDE * SIDE, &images);
    if (st == CHI_OK)
        st = run_calls(dev, rows, images);
    chi_buffer_destroy(&rows);
    chi_buffer_destroy(&images);
    return st;
}

// No loss or layer asks for these.
static chi_status record_rest(chi_device *dev)
{
    char defines[160];
    chi__kernel *kernel;
    CHI_TRY(chi__kernel_get(dev, "tiles/trial_group.cl", "tiles_trial", chi__tile_defines(chi__device_tile(dev), defines), &kernel));
    return chi__kernel_get(dev, "tiles/peak.cl", "peak_fma", "VEC=4 WG=64", &kernel);
}

static chi_status record(void)
{
    chi_device *dev = NULL;
    for (chi_loss_kind kind = CHI_LOSS_CLIP; kind <= CHI_LOSS_SIGLIP; kind++)
        CHI_TRY(record_losses(kind));
    CHI_TRY(open_device(0, &dev));
    chi_status st = record_similarities(dev);
    if (st == CHI_OK)
        st = record_network(dev);
    if (st == CHI_OK)
        st = record_calls(dev);
    if (st == CHI_OK)
        st = record_rest(dev);
    chi_device_close(&dev);
    return st;
}

int main(int argc, char **argv)
{
    static const struct { const char *word, *vendor; } classes[] = {
        { "amd", "Advanced Micro Devices, Inc." }, { "nvidia", "NVIDIA Corporation" }, { "intel", "Intel(R) Corporation" }, { "other", "" } };
    chi_device_info info = { .type = "gpu" };
    tile = argc == 2 ? argv[1] : "other";
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (argc == 2 && strcmp(classes[i].word, argv[1]) == 0) {
            snprintf(info.vendor, sizeof info.vendor, "%s", classes[i].vendor);
            tile = chi__tile_default(CHI_CORE_GROUP, &info);
        }
    printf("tile %s\n", tile);
    const char *folder = getenv("CHIARO_KERNEL_DUMP");
    if (folder && *folder && record() != CHI_OK) {
        fprintf(stderr, "record_kernels: %s\n", chi_error_text());
        return 1;
    }
    return 0;
}
