// SPDX-License-Identifier: Apache-2.0
// embed.c: `chiaro embed`: images to features.
#include <stdlib.h>
#include <string.h>

#include "model.h"

int command_embed(int argc, char **argv)
{
    tool t = { 0 };
    const char *path = NULL, *images = NULL, *output = NULL;
    bool head = false;
    const tool_option own[] = {
        { "model", "FILE", "model.safetensors or a checkpoint", &path, NULL },
        { "images", "FILE", "images as .npy or idx(.gz)", &images, NULL },
        { "output", "FILE", "features as .npy, float32 [images][features]", &output, NULL },
        { "head", NULL, "behind the head, instead of the features before it", NULL, &head },
    };
    const tool_command command = {
        "embed --model FILE --images FILE --output FILE", NULL,
        "chiaro embed --model run/model.safetensors --images X.npy --output features.npy", TOOL_OPENS | TOOL_QUIET, 0,
    };
    int result = tool_parse(&t, argc, argv, &command, own, sizeof own / sizeof *own, NULL, NULL);
    if (result != TOOL_DONE || t.help)
        return result;
    if (!path || !images || !output)
        return tool_usage("embed needs --model, --images and --output");
    tool_images set = { 0 };
    chi_device *dev = NULL;
    model m = { 0 };
    chi_buffer *pool = NULL, *features = NULL;
    chi_tensor out = { .name = "features", .type = CHI_TYPE_F32, .dims = 2 };
    result = tool_load_files(images, NULL, &set);
    if (result == TOOL_DONE)
        result = tool_open(&t, &dev);
    if (result == TOOL_DONE)
        result = model_open(&m, dev, path, set.count < 500 ? set.count : 500, false);
    if (result == TOOL_DONE && (set.channels != m.input.channels || set.height != m.input.height || set.width != m.input.width))
        result = tool_error("%s holds images of %zu × %zu × %zu, the model takes %zu × %zu × %zu", images, set.channels, set.height, set.width, m.input.channels, m.input.height, m.input.width);
    const size_t bytes = set.count * set.channels * set.height * set.width;
    chi_status st = CHI_OK;
    if (result == TOOL_DONE && ((st = chi_buffer_create(dev, bytes, &pool)) != CHI_OK || (st = chi_buffer_upload(pool, 0, set.pixels, bytes)) != CHI_OK))
        result = tool_fail(st);
    if (result == TOOL_DONE)
        result = model_features(&m, pool, set.count, head, &features);
    if (result == TOOL_DONE) {
        out.shape[0] = set.count;
        out.shape[1] = head ? m.outputs : m.features;
        out.count = out.shape[0] * out.shape[1];
        out.bytes = malloc(4 * out.count);
        st = out.bytes ? chi_buffer_download(features, 0, out.bytes, 4 * out.count) : CHI_ERR_MEMORY;
        if (st == CHI_OK)
            st = chi_npy_write(output, &out);
        result = st == CHI_OK ? TOOL_DONE : tool_fail(st);
    }
    if (result == TOOL_DONE && !t.quiet)
        printf("%s: %zu × %zu features\n", output, out.shape[0], out.shape[1]);
    free(out.bytes);
    chi_buffer_destroy(&features);
    chi_buffer_destroy(&pool);
    model_close(&m);
    chi_device_close(&dev);
    tool_free_images(&set);
    return result;
}
