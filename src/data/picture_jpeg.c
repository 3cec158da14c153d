// SPDX-License-Identifier: Apache-2.0
// picture_jpeg.c: JPEG files: their markers, and their rows through libjpeg(-turbo). Header: picture.h.
#include "picture.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "../base/memory.h"

// ---- markers -----------------------------------------------------------------------------------

enum { SOI = 0xd8, EOI = 0xd9, SOS = 0xda, APP1 = 0xe1, LARGEST_SEGMENT = 65535 };

static bool is_frame(unsigned marker) // SOF0 … SOF15 but for DHT, JPG and DAC among them
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

static bool has_length(unsigned marker) { return marker >= 0xc0 && (marker < 0xd0 || marker > SOI); }

static void read_app1(const unsigned char *bytes, size_t count, chi__said *said)
{
    static const char exif_mark[6] = "Exif\0", xmp_mark[29] = "http://ns.adobe.com/xap/1.0/";
    if (!said->has_exif && count >= sizeof exif_mark && memcmp(bytes, exif_mark, sizeof exif_mark) == 0) {
        said->exif = chi__exif_orientation(bytes, count);
        said->has_exif = true;
    }
    if (count >= sizeof xmp_mark && memcmp(bytes, xmp_mark, sizeof xmp_mark) == 0)
        said->xmp = chi__xmp_orientation(bytes + sizeof xmp_mark, count - sizeof xmp_mark);
}

static chi_status read_segment(chi__window *s, unsigned marker, uint64_t at, unsigned char *bytes, size_t count,
                               chi__picture_head *head, chi__said *said)
{
    if (marker != APP1 && !is_frame(marker))
        return CHI_OK;
    CHI_TRY(chi__window_get(s, at, bytes, count));
    if (marker == APP1) {
        read_app1(bytes, count, said);
        return CHI_OK;
    }
    if (count < 6)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: a frame header of %zu bytes", s->file.path, count);
    head->height = (uint64_t)bytes[1] << 8 | bytes[2];
    head->width = (uint64_t)bytes[3] << 8 | bytes[4];
    head->components = bytes[5];
    if (bytes[0] != 8)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: %d-bit JPEG, 8-bit is read", s->file.path, bytes[0]);
    return CHI_OK;
}

// The marker at or behind *at, and its segment's first byte and length. Stray bytes before a marker are skipped.
static chi_status next_marker(chi__window *s, uint64_t *at, unsigned *marker, size_t *count)
{
    unsigned char two[2] = { 0 };
    uint64_t next = *at;
    for (*marker = 0; !has_length(*marker) && *marker != EOI;) {
        do
            CHI_TRY(chi__window_get(s, next++, two, 1));
        while (two[0] != 0xff);
        do
            CHI_TRY(chi__window_get(s, next++, two, 1));
        while (two[0] == 0xff);
        *marker = two[0];
    }
    *count = 0;
    *at = next;
    if (*marker == EOI)
        return CHI_OK;
    CHI_TRY(chi__window_get(s, next, two, 2));
    const unsigned length = (unsigned)two[0] << 8 | two[1];
    if (length < 2)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: a segment of %u bytes at byte %" PRIu64, s->file.path, length, next);
    *at = next + 2;
    *count = length - 2;
    return CHI_OK;
}

chi_status chi__jpeg_head(chi__window *window, chi__picture_head *out)
{
    chi__picture_head head = { .kind = CHI__JPEG, .orientation = 1 };
    chi__said said = { 0 };
    unsigned char *bytes = chi__alloc(LARGEST_SEGMENT, 1);
    unsigned marker = 0;
    uint64_t at = 2;
    size_t count;
    chi_status st = CHI_OK;
    if (!bytes)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %d bytes", window->file.path, LARGEST_SEGMENT);
    while (st == CHI_OK && marker != SOS && marker != EOI) {
        CHI_TRY_DONE(next_marker(window, &at, &marker, &count));
        st = read_segment(window, marker, at, bytes, count, &head, &said);
        at += count;
    }
    if (st == CHI_OK && (marker == EOI || !head.components))
        st = chi__fail(NULL, CHI_ERR_FORMAT, "%s: a JPEG without a picture", window->file.path);
    if (st == CHI_OK && head.components != 1 && head.components != 3 && head.components != 4)
        st = chi__fail(NULL, CHI_ERR_FORMAT, "%s: a JPEG of %u components; 1, 3 and 4 are read", window->file.path, head.components);
    if (st == CHI_OK) {
        head.orientation = chi__said_orientation(&said);
        *out = head;
    }
done:
    chi__free(bytes);
    return st;
}

// ---- rows --------------------------------------------------------------------------------------

enum { MOST_SCANS = 500 }; // each costs a walk over the whole picture, and a file may hold a million empty ones

typedef struct decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    chi__window *window;
    const chi__picture_head *head;
    chi__canvas *canvas;
    uint64_t at; // of what the source asks for next
    chi_status status;
} decoder;

static decoder *of(j_common_ptr jpeg) { return jpeg->client_data; }

static void leave(j_common_ptr jpeg, chi_status status)
{
    of(jpeg)->status = status;
    longjmp(of(jpeg)->back, 1);
}

static void on_error(j_common_ptr jpeg)
{
    char why[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, why);
    leave(jpeg, chi__fail(NULL, jpeg->err->msg_code == JERR_OUT_OF_MEMORY ? CHI_ERR_MEMORY : CHI_ERR_FORMAT, "%s: %s",
                          of(jpeg)->window->file.path, why));
}

// Warnings of corrupt data: the decoder goes on.
static void on_message(j_common_ptr jpeg, int level) { jpeg->err->num_warnings += level < 0; }

static void on_progress(j_common_ptr jpeg)
{
    const decoder *d = of(jpeg);
    if (jpeg->is_decompressor && d->jpeg.input_scan_number > MOST_SCANS)
        leave(jpeg, chi__fail(NULL, CHI_ERR_FORMAT, "%s: more than %d scans", d->window->file.path, MOST_SCANS));
}

static void nothing(j_decompress_ptr jpeg) { (void)jpeg; }

static boolean fill(j_decompress_ptr jpeg)
{
    decoder *d = of((j_common_ptr)jpeg);
    const unsigned char *bytes;
    size_t count;
    chi_status st = chi__window_at(d->window, d->at, &bytes, &count);
    if (st == CHI_OK && count == 0)
        st = chi__fail(NULL, CHI_ERR_FORMAT, "%s: ends too early, at byte %" PRIu64 ", before its picture does",
                       d->window->file.path, d->window->file.bytes);
    if (st != CHI_OK)
        leave((j_common_ptr)jpeg, st);
    d->source.next_input_byte = bytes;
    d->source.bytes_in_buffer = count;
    d->at += count;
    return TRUE;
}

static void skip(j_decompress_ptr jpeg, long count)
{
    decoder *d = of((j_common_ptr)jpeg);
    if (count <= 0)
        return;
    if ((size_t)count <= d->source.bytes_in_buffer) {
        d->source.next_input_byte += count;
        d->source.bytes_in_buffer -= (size_t)count;
        return;
    }
    d->at += (size_t)count - d->source.bytes_in_buffer;
    d->source.bytes_in_buffer = 0;
}

static void set_up(decoder *d)
{
    d->jpeg.err = jpeg_std_error(&d->errors);
    d->errors.error_exit = on_error;
    d->errors.emit_message = on_message;
    d->jpeg.client_data = d;
    d->source = (struct jpeg_source_mgr){ .init_source = nothing, .fill_input_buffer = fill, .skip_input_data = skip,
                                          .resync_to_restart = jpeg_resync_to_restart, .term_source = nothing };
    d->progress.progress_monitor = on_progress;
}

static void decode(decoder *d)
{
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    jpeg_create_decompress(jpeg);
    jpeg->src = &d->source;
    jpeg->progress = &d->progress;
    jpeg_read_header(jpeg, TRUE);
    if (jpeg->image_width != d->head->width || jpeg->image_height != d->head->height ||
        jpeg->num_components != (int)d->head->components)
        leave((j_common_ptr)jpeg, chi__fail(NULL, CHI_ERR_FORMAT, "%s: two frame headers that differ", d->window->file.path));
    const chi__pixels pixels = jpeg->num_components == 1   ? CHI__PIXELS_G8
                               : jpeg->num_components == 3 ? CHI__PIXELS_RGB8
                                                           : CHI__PIXELS_CMYK8;
    jpeg->out_color_space = jpeg->num_components == 1 ? JCS_GRAYSCALE : jpeg->num_components == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_start_decompress(jpeg);
    JSAMPARRAY row = jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE,
                                             jpeg->output_width * (JDIMENSION)jpeg->output_components, 1);
    while (jpeg->output_scanline < jpeg->output_height) {
        const size_t y = jpeg->output_scanline;
        if (jpeg_read_scanlines(jpeg, row, 1) == 1)
            chi__canvas_put(d->canvas, pixels, row[0], y, 0, 1, jpeg->output_width);
    }
}

chi_status chi__jpeg_rows(chi__window *window, const chi__picture_head *head, chi__canvas *canvas)
{
    decoder *d = chi__alloc(1, sizeof *d); // not on the stack: what changes behind setjmp keeps its value
    if (!d)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for its decoder", window->file.path);
    d->window = window;
    d->head = head;
    d->canvas = canvas;
    set_up(d);
    if (setjmp(d->back) == 0)
        decode(d);
    jpeg_destroy_decompress(&d->jpeg);
    const chi_status st = d->status;
    chi__free(d);
    return st;
}
