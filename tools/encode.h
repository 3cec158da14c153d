// SPDX-License-Identifier: Apache-2.0
// encode.h: images through a model, a block of them at a time, so that neither images nor decoded pictures need to fit
// the device.
#ifndef CHIARO_ENCODE_H
#define CHIARO_ENCODE_H

#include "model.h"
#include "progress.h"

enum { ENCODE_BATCH = 500 }; // rows of one forward unless asked for fewer

// A stage for images on the device and in host memory.
typedef struct encode_stage {
    chi_device *dev;
    tool_images *images;
    size_t block;            // images at a time
    chi_buffer *pool, *pixels, *middle;
    void *host;
} encode_stage;

// Bytes on the device that a stage for such images takes beside the model and the features.
uint64_t encode_stage_bytes(const tool_images *images, size_t batch, size_t features);
int encode_stage_open(encode_stage *s, chi_device *dev, tool_images *images, size_t batch, size_t features);
void encode_stage_close(encode_stage *s);

// Receives rows of features on the device, `first` the first of them; they are overwritten after it returns.
typedef chi_status (*encode_sink)(void *user, size_t first, chi_matrix rows);

// Features of the images which[0 … n − 1] (NULL: all), in evaluation; head: behind the head too. out [n][width]; with a sink,
// out [batch][width] holds one forward at a time. m NULL: the pixels themselves. Stops early when interrupted. Exit status.
int encode_walk(encode_stage *s, model *m, const int32_t *which, size_t n, bool head, chi_matrix out, encode_sink sink,
                  void *user, progress *p);

#endif
