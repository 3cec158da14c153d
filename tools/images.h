// SPDX-License-Identifier: Apache-2.0
// images.h: images and labels from files, as train, embed and eval take them.
#ifndef CHIARO_IMAGES_H
#define CHIARO_IMAGES_H

#include "tool.h"

// Images as bytes [count][pixels] on the host, labels [count] or NULL.
typedef struct tool_images {
    uint8_t *pixels;
    int32_t *labels;
    size_t count, channels, height, width, classes;
} tool_images;
// From idx files in a folder (`part` "train" or "t10k"), or from two files. labels NULL: none are read.
int tool_load_folder(const char *folder, const char *part, tool_images *out);
int tool_load_files(const char *images, const char *labels, tool_images *out);
void tool_free_images(tool_images *images);

#endif
