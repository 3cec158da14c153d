// SPDX-License-Identifier: Apache-2.0
// picture_rows.c: rows from a decoder become a whole picture, upright, over white, in 1 or 3 channels. Header: picture.h.
// The decoders: picture_png.c, picture_jpeg.c.
#include "picture.h"

#include <inttypes.h>
#include <string.h>

#include "../base/memory.h"

chi_status chi__canvas_make(const chi__picture_head *head, size_t channels, const char *path, chi__canvas *out)
{
    const int64_t w = (int64_t)head->width, h = (int64_t)head->height;
    chi__canvas c = { .channels = channels };
    uint64_t pixels;
    // EXIF's eight: which corner the first pixel belongs to, and where rows and columns run from there.
    switch (head->orientation) {
    case 2: c.start = w - 1, c.right = -1, c.down = w; break;
    case 3: c.start = w * h - 1, c.right = -1, c.down = -w; break;
    case 4: c.start = w * (h - 1), c.right = 1, c.down = -w; break;
    case 5: c.start = 0, c.right = h, c.down = 1; break;
    case 6: c.start = h - 1, c.right = h, c.down = -1; break;
    case 7: c.start = w * h - 1, c.right = -h, c.down = -1; break;
    case 8: c.start = h * (w - 1), c.right = -h, c.down = 1; break;
    default: c.start = 0, c.right = 1, c.down = w; break;
    }
    const bool lying = head->orientation > 4;
    c.width = (size_t)(lying ? h : w);
    c.height = (size_t)(lying ? w : h);
    if (chi__mul(head->width, head->height, &pixels) && pixels <= PTRDIFF_MAX / 3)
        c.pixels = chi__alloc((size_t)pixels, channels);
    if (!c.pixels)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for its %" PRIu64 " x %" PRIu64 " pixels", path, head->width,
                         head->height);
    *out = c;
    return CHI_OK;
}

void chi__canvas_free(chi__canvas *canvas)
{
    chi__free(canvas->pixels);
    canvas->pixels = NULL;
}

// a · b / 255, rounded, for a, b ≤ 255.
static unsigned scaled(unsigned a, unsigned b)
{
    const unsigned t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

// v over white at opacity `alpha`.
static uint8_t over_white(unsigned v, unsigned alpha)
{
    const unsigned t = 255 * (255 - alpha) + v * alpha + 128;
    return (uint8_t)(((t >> 8) + t) >> 8);
}

typedef struct rgb { uint8_t r, g, b; } rgb;

static rgb pixel_at(chi__pixels pixels, const void *row, size_t x)
{
    const uint8_t *p = row;
    switch (pixels) {
    case CHI__PIXELS_G8:
        return (rgb){ p[x], p[x], p[x] };
    case CHI__PIXELS_RGB8:
        return (rgb){ p[3 * x], p[3 * x + 1], p[3 * x + 2] };
    case CHI__PIXELS_RGBA8: {
        const uint8_t *q = p + 4 * x;
        return (rgb){ over_white(q[0], q[3]), over_white(q[1], q[3]), over_white(q[2], q[3]) };
    }
    case CHI__PIXELS_RGBA16: {
        const uint16_t *q = (const uint16_t *)row + 4 * x;
        const unsigned alpha = q[3] / 257u;
        return (rgb){ over_white(q[0] / 257u, alpha), over_white(q[1] / 257u, alpha), over_white(q[2] / 257u, alpha) };
    }
    case CHI__PIXELS_CMYK8: { // ink · (1 − black), both inverted: what is left of black, less that part of the ink
        const uint8_t *q = p + 4 * x;
        const unsigned k = q[3];
        return (rgb){ (uint8_t)(k - scaled(255u - q[0], k)), (uint8_t)(k - scaled(255u - q[1], k)),
                      (uint8_t)(k - scaled(255u - q[2], k)) };
    }
    }
    return (rgb){ 0, 0, 0 };
}

// Whether a row stands in the canvas as it comes: most files are upright, and neither transparent nor to be grey.
static bool as_it_is(const chi__canvas *canvas, chi__pixels pixels, size_t step)
{
    const size_t channels = pixels == CHI__PIXELS_G8 ? 1 : pixels == CHI__PIXELS_RGB8 ? 3 : 0;
    return canvas->right == 1 && step == 1 && channels == canvas->channels;
}

void chi__canvas_put(chi__canvas *canvas, chi__pixels pixels, const void *row, size_t y, size_t first, size_t step, size_t width)
{
    if (as_it_is(canvas, pixels, step)) {
        const int64_t at = canvas->start + (int64_t)y * canvas->down;
        memcpy(canvas->pixels + (size_t)at * canvas->channels, row, width * canvas->channels);
        return;
    }
    for (size_t x = first; x < width; x += step) {
        const int64_t at = canvas->start + (int64_t)x * canvas->right + (int64_t)y * canvas->down;
        const rgb c = pixel_at(pixels, row, x);
        uint8_t *to = canvas->pixels + (size_t)at * canvas->channels;
        if (canvas->channels == 1) { // ITU-R 601-2; of a grey pixel, its value
            to[0] = (uint8_t)((19595u * c.r + 38470u * c.g + 7471u * c.b + 32768u) >> 16);
            continue;
        }
        to[0] = c.r;
        to[1] = c.g;
        to[2] = c.b;
    }
}
