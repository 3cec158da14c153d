// SPDX-License-Identifier: Apache-2.0
// picture.c: one picture from its file to bytes of the shape asked for. Header: include/chiaro/pictures.h. Its parts: the
// other picture_*.c; folders of them: pictures.c.
#include "picture.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "../base/memory.h"
#include "tensor.h"

// ---- files in pieces ---------------------------------------------------------------------------

chi_status chi__window_open(const char *path, size_t reach, chi__window *out)
{
    chi__window s = { .reach = reach };
    CHI_TRY(chi__file_open(path, &s.file));
    s.bytes_held = chi__alloc(reach, 1);
    if (!s.bytes_held) {
        chi__file_close(&s.file);
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu bytes of it", path, reach);
    }
    *out = s;
    return CHI_OK;
}

void chi__window_close(chi__window *window)
{
    chi__file_close(&window->file);
    chi__free(window->bytes_held);
    window->bytes_held = NULL;
}

chi_status chi__window_at(chi__window *window, uint64_t offset, const unsigned char **at, size_t *count)
{
    chi__window *s = window;
    if (offset < s->first || offset - s->first >= s->held) {
        const uint64_t rest = offset < s->file.bytes ? s->file.bytes - offset : 0;
        const size_t wanted = rest < s->reach ? (size_t)rest : s->reach;
        s->held = 0;
        if (wanted)
            CHI_TRY(chi__file_read(&s->file, offset, s->bytes_held, wanted));
        s->first = offset;
        s->held = wanted;
    }
    *at = s->bytes_held + (offset - s->first);
    *count = s->held - (size_t)(offset - s->first);
    return CHI_OK;
}

chi_status chi__window_get(chi__window *window, uint64_t offset, void *to, size_t count)
{
    const uint64_t bytes = window->file.bytes;
    if (offset > bytes || count > bytes - offset)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: ends too early, at byte %" PRIu64, window->file.path, bytes);
    for (unsigned char *next = to; count;) {
        const unsigned char *at;
        size_t there;
        CHI_TRY(chi__window_at(window, offset, &at, &there));
        if (there > count)
            there = count;
        memcpy(next, at, there);
        next += there;
        offset += there;
        count -= there;
    }
    return CHI_OK;
}

// ---- one picture -------------------------------------------------------------------------------

enum { LARGEST_SIZE = 65535, READ_PIXELS = 65536, READ_HEADS = 4096 }; // the latter for a folder of a million
static const uint64_t default_pixels = (uint64_t)1 << 28;

chi_status chi__picture_options_check(const chi_picture_options *options, chi_picture_options *out)
{
    chi_picture_options o = options ? *options : (chi_picture_options){ 0 };
    if (o.size > LARGEST_SIZE)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "pictures: a size of %zu, at most %d are made", o.size, LARGEST_SIZE);
    if (!o.max_pixels)
        o.max_pixels = default_pixels;
    *out = o;
    return CHI_OK;
}

static chi__picture_kind kind_of(const unsigned char *first, size_t count)
{
    if (count >= 8 && memcmp(first, "\x89PNG\r\n\x1a\n", 8) == 0)
        return CHI__PNG;
    return count >= 3 && memcmp(first, "\xff\xd8\xff", 3) == 0 ? CHI__JPEG : CHI__NO_PICTURE;
}

static chi_status no_picture(const chi__window *s, const unsigned char *first)
{
    if (s->file.bytes < 3)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: %" PRIu64 " bytes are neither PNG nor JPEG", s->file.path, s->file.bytes);
    return chi__fail(NULL, CHI_ERR_FORMAT, "%s: begins with %02x %02x %02x: neither PNG nor JPEG", s->file.path, first[0],
                     first[1], first[2]);
}

static chi_status read_head(chi__picture *p, chi__look_at depth)
{
    unsigned char first[8] = { 0 };
    chi__window *s = &p->window;
    const size_t count = s->file.bytes < sizeof first ? (size_t)s->file.bytes : sizeof first;
    CHI_TRY(chi__window_get(s, 0, first, count));
    p->head.kind = kind_of(first, count);
    if (p->head.kind == CHI__NO_PICTURE)
        return no_picture(s, first);
    CHI_TRY(p->head.kind == CHI__PNG ? chi__png_head(s, depth, &p->head) : chi__jpeg_head(s, &p->head));
    const uint64_t w = p->head.width, h = p->head.height;
    uint64_t pixels;
    if (!w || !h)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: %" PRIu64 " x %" PRIu64 " pixels", s->file.path, w, h);
    if (!chi__mul(w, h, &pixels) || pixels > p->options.max_pixels)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: %" PRIu64 " x %" PRIu64 " pixels, at most %" PRIu64 " are read",
                         s->file.path, w, h, p->options.max_pixels);
    return p->head.kind == CHI__PNG && depth == CHI__LOOK_ALL ? chi__png_check(s, &p->head) : CHI_OK;
}

static void set_shape(chi__picture *p)
{
    const bool lying = p->head.orientation > 4;
    p->channels = p->options.grey ? 1 : 3;
    p->width = p->options.size ? p->options.size : (size_t)(lying ? p->head.height : p->head.width);
    p->height = p->options.size ? p->options.size : (size_t)(lying ? p->head.width : p->head.height);
}

chi_status chi__picture_open(const char *path, const chi_picture_options *options, chi__look_at depth, chi__picture *out)
{
    chi__picture p = { .options = *options };
    out->head.kind = CHI__NO_PICTURE;
    chi_status st = chi__window_open(path, depth == CHI__LOOK_ALL ? READ_PIXELS : READ_HEADS, &p.window);
    if (st != CHI_OK) // too few descriptors say nothing about the picture
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? CHI_ERR_MEMORY : st;
    st = read_head(&p, depth);
    if (st != CHI_OK) {
        chi__window_close(&p.window);
        out->head.kind = p.head.kind;
        return st;
    }
    set_shape(&p);
    *out = p;
    return CHI_OK;
}

void chi__picture_close(chi__picture *picture) { chi__window_close(&picture->window); }

static chi__scaling scaling_of(const chi__canvas *c, size_t size)
{
    const uint64_t shorter = c->width < c->height ? c->width : c->height;
    const uint64_t width = c->width * size / shorter, height = c->height * size / shorter; // sides have 32 bits, sizes 16
    return (chi__scaling){ width, height, (width - size) / 2, (height - size) / 2, size };
}

static void to_planes(const chi__canvas *c, uint8_t *planes)
{
    const size_t pixels = c->width * c->height;
    for (size_t ch = 0; ch < c->channels; ch++)
        for (size_t i = 0; i < pixels; i++)
            planes[ch * pixels + i] = c->pixels[i * c->channels + ch];
}

chi_status chi__picture_decode(chi__picture *picture, uint8_t *planes)
{
    chi__picture *p = picture;
    const char *path = p->window.file.path;
    const bool grey_file = p->head.kind == CHI__PNG ? (p->head.color & 3) == 0 : p->head.components == 1;
    chi__canvas canvas = { 0 };
    chi_status st = CHI_OK;
    CHI_TRY(chi__canvas_make(&p->head, grey_file ? 1 : p->channels, path, &canvas));
    CHI_TRY_DONE((p->head.kind == CHI__PNG ? chi__png_rows : chi__jpeg_rows)(&p->window, &p->head, &canvas));
    if (p->options.size) {
        const chi__scaling scaling = scaling_of(&canvas, p->options.size);
        CHI_TRY_DONE(chi__canvas_scale(&canvas, &scaling, path, planes));
    } else {
        to_planes(&canvas, planes);
    }
    const size_t plane = p->width * p->height;
    for (size_t ch = canvas.channels; ch < p->channels; ch++) // a grey file's plane stands for all
        memcpy(planes + ch * plane, planes, plane);
done:
    chi__canvas_free(&canvas);
    return st;
}

chi_status chi_picture_read(const char *path, const chi_picture_options *options, chi_tensor *out)
{
    chi_picture_options o;
    chi__picture p;
    chi_tensor t = { .type = CHI_TYPE_U8, .dims = 3 };
    if (!path || !out)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "picture_read: no path or no place for the result");
    CHI_TRY(chi__picture_options_check(options, &o));
    CHI_TRY(chi__picture_open(path, &o, CHI__LOOK_ALL, &p));
    t.shape[0] = p.channels;
    t.shape[1] = p.height;
    t.shape[2] = p.width;
    t.count = p.channels * p.height * p.width;
    chi_status st = chi__tensor_allocate(&t, path);
    if (st == CHI_OK)
        st = chi__picture_decode(&p, t.bytes);
    chi__picture_close(&p);
    if (st != CHI_OK)
        chi_tensor_free(&t);
    else
        *out = t;
    return st;
}
