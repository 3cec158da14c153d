// SPDX-License-Identifier: Apache-2.0
// pixels.h: how the numbers of an array, or the pictures of a folder, become pixels. What was done is part of a model
// (key chiaro.pixels): embed and eval do it again, and refuse what contradicts it.
#ifndef CHIARO_PIXELS_H
#define CHIARO_PIXELS_H

#include "tool.h"

typedef enum pixel_layout { LAYOUT_ANY = 0, LAYOUT_NCHW, LAYOUT_NHWC } pixel_layout;

// ANY: by the numbers themselves. BYTES: whole numbers 0 … 255. UNIT: 0 … 1. RANGE: low … high.
typedef enum pixel_values { VALUES_ANY = 0, VALUES_BYTES, VALUES_UNIT, VALUES_RANGE } pixel_values;

typedef struct pixel_rules {
    pixel_layout layout; // of arrays of four dimensions
    pixel_values values;
    double low, high;    // RANGE: what becomes 0 and 1
    uint64_t size;       // pictures: side of the square; 0: as they are
    bool grey;           // pictures: one channel
    bool pictures;       // they were pictures, and no array
} pixel_rules;

enum { PIXEL_TEXT = 160 };
void pixels_print(
    const pixel_rules *rules,
    char to[PIXEL_TEXT]); // "layout=nhwc values=range:0,65535 size=0 grey=0 pictures=0"
bool pixels_parse(const char *text, pixel_rules *out);
// Options of a command line, each NULL where it was not given; an exit status.
int pixels_ask(const char *layout, const char *range, const char *size, bool grey,
               pixel_rules *out);
// Takes from `kept`, of a model, what `asked` leaves open; refuses what contradicts it. input: what the model takes, which
// says how pictures are read where it was trained on an array. path: of the model.
int pixels_keep(pixel_rules *asked, const pixel_rules *kept, chi_shape input, const char *path);

// Images in host memory, channel, row, column: bytes, or float32 from 0 to 1.
typedef struct pixel_array {
    size_t count;
    chi_shape shape;
    bool floats;
    void *values;
} pixel_array;
// Reads .npy, .npz:NAME, idx or a safetensors tensor. `rules` says how and receives what was done. wanted: the shape that a
// model takes, {0} for none; it decides between readings of an array that allows two. quiet: nothing is said.
int pixels_read_array(const char *path, pixel_rules *rules, chi_shape wanted, bool quiet,
                      pixel_array *out);

#endif
