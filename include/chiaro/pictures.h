// SPDX-License-Identifier: Apache-2.0
// pictures.h: PNG and JPEG files, one or a folder of them, as bytes of one shape. Host files: src/data/picture*.c.
//
// A picture becomes, in this order: upright (EXIF orientation; without one, XMP's), RGB over white (by its alpha channel or
// transparent colour), RGB or grey, scaled, cut. The result is within 1 of Pillow's exif_transpose, paste on white by alpha,
// convert, resize(BILINEAR) and crop (CMYK within 2), and depends on the file and the options alone.
//   * 16-bit values v become v / 257, rounded down. Grey is (19595 R + 38470 G + 7471 B + 32768) / 65536, rounded down.
//   * Four-channel JPEGs are taken as Adobe writes them, inverted. Colour profiles and gamma are not applied.
//   * Of an animated PNG this is the default image.
//   * Broken: a file that ends too early, a PNG chunk whose checksum is wrong, what the decoders refuse. Corrupt data inside a
//     whole JPEG is no error, as in Pillow: the decoder goes on at the next marker.
#ifndef CHIARO_PICTURES_H
#define CHIARO_PICTURES_H

#include "data.h"
#include "labels.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct chi_picture_options {
    size_t size;         // at most 65,535. The shorter side is scaled to it and the longer one to size · longer / shorter,
                         // rounded down, by an antialiased triangle filter; then the square of the centre is cut out, its
                         // corner rounded down. default: 0, as it is
    bool grey;           // one channel; default: three, red, green, blue
    uint64_t max_pixels; // a file whose header says more is refused before anything is allocated; default: 2^28
} chi_picture_options;

// One picture as U8 [channels][height][width].
chi_status chi_picture_read(const char *path, const chi_picture_options *options, chi_tensor *out);

// A folder: every PNG and JPEG file below it, links to files and folders followed. A file is a picture by its first bytes,
// whatever its name; one that is neither, or cannot be read, but is called .png, .apng, .jpg, .jpeg, .jpe or .jfif is a broken
// picture; all else is no picture, and counted. Pipes, sockets and devices are never opened. A link to a folder that it lies
// in, or to itself, is not followed, and counted.
// Order: that of the bytes of the paths below the folder, as `LC_ALL=C sort` gives it.
// Classes: the folders directly below it that hold pictures, at any depth, ordered by the bytes of their names. Pictures
// beside such folders have no class (label −1). Folders directly below it without a picture are no class, and counted.
typedef struct chi_pictures chi_pictures;

typedef struct chi_pictures_options {
    chi_picture_options picture; // size 0: all must have one size
    bool skip_broken;       // broken pictures are left out and counted; default: the first in order is an error
    unsigned threads;       // default: the processors that this process may use. No result depends on it
    const char *unlabelled; // pictures in the folder of this name have no class; default: "-1"
    void (*progress)(void *user, size_t done, size_t of); // while headers are read, on the caller's thread; NULL: none
    void *user;
} chi_pictures_options;

typedef struct chi_pictures_facts {
    size_t count;                   // pictures, 1 to 2³¹ − 1
    size_t channels, height, width; // of each
    uint64_t bytes;                 // of all: count · channels · height · width
    size_t others, loops, broken;   // skipped: files that are no pictures, links that loop, broken pictures
    size_t empty;                   // folders directly below without a picture
    char first_broken[1024];        // the sentence of the first broken picture; "" for none
    char first_empty[256];          // the name of the first such folder; "" for none
    uint64_t hash;                  // of all pixels in their order, after chi_pictures_load; 0 before
} chi_pictures_facts;

// Lists the folder and reads the headers: what is no PNG or JPEG, too large or of another size shows here, damage behind the
// header when it is decoded. A folder without pictures is an error (CHI_ERR_DATA).
chi_status chi_pictures_open(const char *folder, const chi_pictures_options *options, chi_pictures **out);
void chi_pictures_close(chi_pictures **pictures);

// Decodes every picture once, so that broken ones show now: with skip_broken they are left out, and count, paths and labels
// are then those of the others; call it first. keep: the bytes stay in memory, and reading copies them. progress may be NULL.
chi_status chi_pictures_load(chi_pictures *pictures, bool keep, void (*progress)(void *user, size_t done, size_t of), void *user);

// Pictures which[0 … n − 1], in any order, to `to`: n of U8 [channels][height][width]. Undefined on failure. Decodes in
// threads, each with one picture in memory at a time; without chi_pictures_load a broken one is an error. A file that no
// longer has its size is an error too.
chi_status chi_pictures_read(chi_pictures *pictures, const int32_t *which, size_t n, uint8_t *to);

// Valid until the next load or close.
const chi_pictures_facts *chi_pictures_describe(const chi_pictures *pictures);
const char *chi_pictures_path(const chi_pictures *pictures, size_t i); // below the folder, raw bytes; NULL beyond the last
const chi_labels *chi_pictures_labels(const chi_pictures *pictures);   // a row a picture; NULL: no classes
const uint8_t *chi_pictures_bytes(const chi_pictures *pictures);       // all of them; NULL: not kept

// A path for a text: bytes that are no valid UTF-8 and control characters become \xNN, a backslash \\, so that it can be read
// back. Returns the length of the whole result, as snprintf does; `to` gets what fits into `room` bytes with a final zero.
size_t chi_text_escape(const char *text, char *to, size_t room);

#ifdef __cplusplus
}
#endif
#endif
