// SPDX-License-Identifier: Apache-2.0
// images.h: images and their labels, as train, embed and eval take them: arrays, idx files, folders of pictures.
#ifndef CHIARO_IMAGES_H
#define CHIARO_IMAGES_H

#include "pixels.h"

// What a command line says of images; the commands that take images share these options.
typedef struct image_options {
    const char *layout, *range, *size, *max_pixels, *picture_memory, *unlabelled;
    bool grey, skip_broken;
} image_options;
// What the help of these commands says of images: how arrays are laid out, in numpy and PIL.
#define IMAGES_ABOUT                                                                            \
    "\nImages are PNG and JPEG files below a folder, or an array in .npy, .npz:NAME, idx or "     \
    "safetensors:NAME:\n"                                                                         \
    "  grey, x[count][rows][columns]: np.save(\"X.npy\", x)\n"                                    \
    "  nchw, x[count][channels][rows][columns]: np.save(\"X.npy\", x)\n"                          \
    "  nhwc, x[count][rows][columns][channels]: np.savez(\"S.npz\", x=x, y=y)\n"                  \
    "  PIL, nhwc: x = np.stack([np.asarray(Image.open(p).resize((64, 64)))\n"                     \
    "                           for p in paths])\n"                                               \
    "Whole numbers are bytes from 0 to 255, others from 0 to 1; --range says what else they "     \
    "are. Labels are integers or names, one an image, also as a text with one a line."
enum { IMAGE_OPTIONS = 8 };
void images_add_options(image_options *o, tool_option *to); // to [IMAGE_OPTIONS]

// A set of images.
typedef struct tool_images {
    char path[4200];       // of the images, as sentences name them
    size_t count, pixels;  // images, and values of one
    chi_shape shape;
    bool floats;           // values are float32 from 0 to 1; else bytes
    pixel_rules rules;     // what was done to the pixels
    void *values;          // [count][pixels]; NULL: pictures that are decoded when they are fetched
    chi_pictures *pictures; // NULL: an array
    chi_labels labels;     // count 0: none
    uint64_t hash;         // of the images, not of their labels
} tool_images;

// path: a file, or a folder of pictures, whose first-level folders are its labels. rules: what the command line asks for,
// with a model's own rules already in it (pixels_keep). wanted: the shape that a model takes, {0} for none; other shapes
// are refused. An exit status.
int images_open(tool_images *out, const char *path, const image_options *o,
                const pixel_rules *rules, chi_shape wanted, bool quiet);
bool images_is_folder(const char *path);
bool images_have_part(const char *folder, const char *part); // a folder with idx files of that part
// From a folder with idx files, `part` "train" or "t10k", else a folder of pictures.
typedef enum label_use {
    LABELS_UNUSED = 0,
    LABELS_USED,
    LABELS_NEEDED
} label_use; // USED: where there are any
int images_open_data(tool_images *out, const char *folder, const char *part, label_use labels,
                     const image_options *o, const pixel_rules *rules, chi_shape wanted,
                     bool quiet);
int images_label(tool_images *images, const char *path,
                 const image_options *o); // reads labels, one an image
void images_close(tool_images *images);
int pictures_open(tool_images *images, const image_options *o,
                  bool quiet); // what images_open does with a folder: pictures.c
chi_status pictures_fetch(tool_images *images, const int32_t *which, size_t first, size_t n,
                          void *to);

// Images which[first … first + n − 1], or first … first + n − 1 where which is NULL, one behind the other. By one thread at
// a time, whichever it is.
chi_status images_fetch(tool_images *images, const int32_t *which, size_t first, size_t n,
                        void *to);
size_t image_bytes(const tool_images *images); // of one

#endif
