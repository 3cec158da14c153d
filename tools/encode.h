// SPDX-License-Identifier: Apache-2.0
// encode.h: images through a model, a batch of them at a time, so that neither images nor decoded
// pictures need to fit the device.
#ifndef CHIARO_ENCODE_H
#define CHIARO_ENCODE_H

#include "model.h"
#include "progress.h"

enum { ENCODE_BATCH = 500 }; // rows of one forward unless asked for fewer

// What a command line asks of pixels, filled with what the model's training did to them;
// contradictions are refused.
int encode_rules(const model_file *file, const image_options *o, pixel_rules *out);

// How many images at once, and how wide a row is: of the encoder's features, of what the head makes
// of them.
typedef struct encode_plan {
    size_t batch, features, outputs;
} encode_plan;

// The most images at once, up to `most`, that fit the device's budget with the model beside
// keep_bytes and row_bytes for each of them. file NULL: no model, the pixels themselves. Where not
// one fits: a sentence with the numbers. Changes no bit.
int encode_fit(chi_device *dev, const model_file *file, const tool_images *images,
               uint64_t keep_bytes, uint64_t row_bytes, size_t most, encode_plan *out);

// A stage for images on the device and in host memory.
typedef struct encode_stage {
    chi_device *dev;
    tool_images *images;
    size_t batch;
    chi_buffer *pool, *pixels, *middle;
    void *host;
    progress *shown;   // NULL: none
    const char *doing; // shown behind it
    uint64_t done;     // images so far, those of other walks under the same progress among them
} encode_stage;

int encode_stage_open(encode_stage *s, chi_device *dev, tool_images *images,
                      const encode_plan *plan);
void encode_stage_close(encode_stage *s);

// Receives rows of features on the device, `first` the first of them; they are overwritten after it
// returns.
typedef chi_status (*encode_sink)(void *user, size_t first, chi_matrix rows);

// Features of the images which[0 … n − 1] (NULL: all), in evaluation; head: behind the head too.
// out [n][width]; with a sink, out [batch][width] holds one forward at a time. m NULL: the pixels
// themselves. Stops early when interrupted. Exit status.
int encode_walk(encode_stage *s, model *m, const int32_t *which, size_t n, bool head,
                chi_matrix out, encode_sink sink, void *user);

#endif
