// SPDX-License-Identifier: Apache-2.0
// picture.h: what the parts that read a picture share. Public half: include/chiaro/pictures.h.
#ifndef CHI_DATA_PICTURE_H
#define CHI_DATA_PICTURE_H

#include <chiaro/pictures.h>

#include "../base/file.h"

// A file read at any offset, through one window of it in memory.
typedef struct chi__window {
    chi__file file;
    unsigned char *bytes_held;
    uint64_t first; // where in the file the window begins
    size_t held;    // bytes in it
    size_t reach;   // bytes it has room for
} chi__window;
chi_status chi__window_open(const char *path, size_t reach, chi__window *out);
void chi__window_close(chi__window *window);
chi_status chi__window_get(chi__window *window, uint64_t offset, void *to, size_t count);
// The window that begins at `offset`: at least one byte, at the file's end none.
chi_status chi__window_at(chi__window *window, uint64_t offset, const unsigned char **at, size_t *count);

typedef enum chi__picture_kind { CHI__NO_PICTURE = 0, CHI__PNG, CHI__JPEG } chi__picture_kind;

// What a file says about its picture before any pixel is decoded.
typedef struct chi__picture_head {
    chi__picture_kind kind;
    uint64_t width, height; // as stored
    unsigned orientation;   // EXIF's: 1 upright … 8
    unsigned components;    // of a JPEG
    uint8_t color, depth, interlaced; // of a PNG
    bool transparent;                 // a PNG with a transparent colour or a palette with alpha
    uint64_t packed;                  // bytes of a PNG's IDAT
} chi__picture_head;

// How much of a PNG its head is read from: a folder's listing needs no checksums, and its sizes alone no orientation.
typedef enum chi__look_at { CHI__LOOK_ALL = 0, CHI__LOOK_UPRIGHT, CHI__LOOK_SIZE } chi__look_at;
chi_status chi__png_head(chi__window *window, chi__look_at depth, chi__picture_head *out);
chi_status chi__png_check(const chi__window *window, const chi__picture_head *head); // of a head with CHI__LOOK_ALL
chi_status chi__jpeg_head(chi__window *window, chi__picture_head *out);

// 1 … 8 as EXIF's tag 274 says, 1 where it says something else, 0 where there is none.
unsigned chi__exif_orientation(const unsigned char *exif, size_t count);
// The same from XMP's text.
unsigned chi__xmp_orientation(const unsigned char *xmp, size_t count);

// What a file says of its orientation in its several places; each counts where those before it say nothing.
typedef struct chi__said { bool has_exif; unsigned exif, profile, xmp; } chi__said;
static inline unsigned chi__said_orientation(const chi__said *s)
{
    const unsigned exif = s->has_exif ? s->exif : s->profile;
    return exif ? exif : s->xmp ? s->xmp : 1;
}
// A PNG's chunk iTXt, tEXt or zTXt, whole: ImageMagick's profile, or XMP.
void chi__png_text(const char *type, const unsigned char *bytes, size_t count, chi__said *said);

// Pixels of rows as they come out of a decoder.
typedef enum chi__pixels {
    CHI__PIXELS_G8 = 0, CHI__PIXELS_RGB8, CHI__PIXELS_RGBA8,
    CHI__PIXELS_RGBA16, // native byte order
    CHI__PIXELS_CMYK8,  // inverted
} chi__pixels;

// A whole picture upright, interleaved, in 1 or 3 channels. Decoders put their rows here.
typedef struct chi__canvas {
    size_t width, height, channels;
    uint8_t *pixels;
    // Where the decoder's pixel (x, y) goes, in pixels: start + x · right + y · down.
    int64_t start, right, down;
} chi__canvas;
chi_status chi__canvas_make(const chi__picture_head *head, size_t channels, const char *path, chi__canvas *out);
void chi__canvas_free(chi__canvas *canvas);
// Pixels x = first, first + step, … < the decoder's width of its row y; `row` holds the whole row.
void chi__canvas_put(chi__canvas *canvas, chi__pixels pixels, const void *row, size_t y, size_t first, size_t step, size_t width);

chi_status chi__png_rows(chi__window *window, const chi__picture_head *head, chi__canvas *canvas);
chi_status chi__jpeg_rows(chi__window *window, const chi__picture_head *head, chi__canvas *canvas);

// A part of the canvas scaled to width × height: what lies from (left, top) on, `cut` by `cut` pixels, to planes.
typedef struct chi__scaling { uint64_t width, height, left, top; size_t cut; } chi__scaling;
chi_status chi__canvas_scale(const chi__canvas *canvas, const chi__scaling *scaling, const char *path, uint8_t *planes);

// An open picture: its head and the shape that the options make of it.
typedef struct chi__picture {
    chi__window window;
    chi__picture_head head;
    chi_picture_options options; // with defaults in
    size_t channels, height, width;
} chi__picture;
chi_status chi__picture_options_check(const chi_picture_options *options, chi_picture_options *out);
// On failure *out holds head.kind alone: whether the file is no picture, or a broken one.
chi_status chi__picture_open(const char *path, const chi_picture_options *options, chi__look_at depth, chi__picture *out);
void chi__picture_close(chi__picture *picture);
chi_status chi__picture_decode(chi__picture *picture, uint8_t *planes); // opened with CHI__LOOK_ALL

// A file below a folder that is a picture, or looks like one.
typedef struct chi__entry {
    char *path;     // below the folder
    char *sentence; // why it is broken; NULL: it is not, as far as is known
    bool other;     // no picture
    uint64_t width, height; // upright
} chi__entry;
typedef struct chi__listing {
    chi__entry *entries; // sorted by the bytes of their paths
    size_t count, room;
    char **folders; // names directly below
    size_t folder_count, folder_room;
    size_t others, loops;
} chi__listing;
// All files below a folder, links followed, each that may be a picture with its path alone.
chi_status chi__listing_make(const char *folder, chi__listing *out);
void chi__listing_free(chi__listing *listing);
// Whether a file is called like a picture.
bool chi__picture_name(const char *path);

#endif
