// SPDX-License-Identifier: Apache-2.0
// picture_png.c: PNG files: their chunks, checked here, and their rows through libspng. Header: picture.h.
#include "picture.h"

#include <inttypes.h>
#include <string.h>

#include <spng.h>
#include <zlib.h>

#include "../base/memory.h"

// ---- chunks ------------------------------------------------------------------------------------

enum { SIGNATURE = 8, CHUNK_FRAME = 12, CHUNK_START = 8, LARGEST_TEXT = 1 << 20 };

typedef struct chunk { uint64_t at, next; uint32_t count; char type[5]; } chunk; // `count` bytes from at + CHUNK_START on

static uint32_t get32(const unsigned char *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

static bool is(const chunk *c, const char *type) { return strcmp(c->type, type) == 0; }

static chi_status chunk_at(chi__window *s, uint64_t at, chunk *out)
{
    unsigned char start[CHUNK_START];
    CHI_TRY(chi__window_get(s, at, start, sizeof start));
    chunk c = { .at = at, .count = get32(start) };
    memcpy(c.type, start + 4, 4);
    for (int i = 0; i < 4; i++)
        if (!((c.type[i] >= 'A' && c.type[i] <= 'Z') || (c.type[i] >= 'a' && c.type[i] <= 'z')))
            return chi__fail(NULL, CHI_ERR_FORMAT, "%s: no PNG chunk at byte %" PRIu64, s->file.path, at);
    c.next = at + CHUNK_FRAME + c.count;
    if (c.count > INT32_MAX || c.next > s->file.bytes)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: ends too early, at byte %" PRIu64 " of the %" PRIu64 " that its chunk %s needs",
                         s->file.path, s->file.bytes, c.next, c.type);
    *out = c;
    return CHI_OK;
}

static chi_status check_sum(chi__window *s, const chunk *c)
{
    unsigned char said[4];
    uLong sum = crc32(0, NULL, 0);
    const uint64_t end = c->next - sizeof said;
    for (uint64_t at = c->at + 4; at < end;) {
        const unsigned char *bytes;
        size_t count;
        CHI_TRY(chi__window_at(s, at, &bytes, &count));
        if (count > end - at)
            count = (size_t)(end - at);
        sum = crc32(sum, bytes, (uInt)count);
        at += count;
    }
    CHI_TRY(chi__window_get(s, end, said, sizeof said));
    if (sum != get32(said))
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: the checksum of its chunk %s at byte %" PRIu64 " is wrong", s->file.path,
                         c->type, c->at);
    return CHI_OK;
}

// Chunks that may say which way up the picture is.
static chi_status read_said(chi__window *s, const chunk *c, chi__said *said)
{
    if (c->count > LARGEST_TEXT || (!is(c, "eXIf") && !is(c, "iTXt") && !is(c, "tEXt") && !is(c, "zTXt")))
        return CHI_OK;
    unsigned char *bytes = chi__alloc(c->count, 1);
    if (!bytes)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for its chunk %s of %" PRIu32 " bytes", s->file.path, c->type, c->count);
    const chi_status st = chi__window_get(s, c->at + CHUNK_START, bytes, c->count);
    if (st == CHI_OK && is(c, "eXIf")) {
        said->exif = chi__exif_orientation(bytes, c->count);
        said->has_exif = true;
    } else if (st == CHI_OK) {
        chi__png_text(c->type, bytes, c->count, said);
    }
    chi__free(bytes);
    return st;
}

static chi_status read_first(chi__window *s, chi__picture_head *head, chunk *c)
{
    unsigned char bytes[13];
    CHI_TRY(chunk_at(s, SIGNATURE, c));
    if (!is(c, "IHDR") || c->count != sizeof bytes)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: its first chunk is no IHDR of 13 bytes", s->file.path);
    CHI_TRY(check_sum(s, c));
    CHI_TRY(chi__window_get(s, c->at + CHUNK_START, bytes, sizeof bytes));
    head->width = get32(bytes);
    head->height = get32(bytes + 4);
    head->depth = bytes[8];
    head->color = bytes[9];
    head->interlaced = bytes[12];
    return CHI_OK;
}

chi_status chi__png_head(chi__window *window, chi__look_at depth, chi__picture_head *out)
{
    chi__picture_head head = { .kind = CHI__PNG, .orientation = 1 };
    chi__said said = { 0 };
    chunk c;
    CHI_TRY(read_first(window, &head, &c));
    while (depth != CHI__LOOK_SIZE && !is(&c, "IEND")) {
        CHI_TRY(chunk_at(window, c.next, &c));
        if (depth == CHI__LOOK_ALL)
            CHI_TRY(check_sum(window, &c));
        CHI_TRY(read_said(window, &c, &said));
        head.transparent |= is(&c, "tRNS");
        head.packed += is(&c, "IDAT") ? c.count : 0;
    }
    head.orientation = chi__said_orientation(&said);
    *out = head;
    return CHI_OK;
}

// Deflate packs at most 1032 bytes into one: sides that the data cannot have are refused before there is room for them.
chi_status chi__png_check(const chi__window *window, const chi__picture_head *head)
{
    static const uint8_t samples[7] = { 1, 0, 3, 1, 2, 0, 4 };
    const uint64_t bits = (uint64_t)head->depth * (head->color < sizeof samples ? samples[head->color] : 0);
    uint64_t pixels, all;
    if (!chi__mul(head->width, head->height, &pixels) || !chi__mul(pixels, bits, &all) || all / 8 > (head->packed + 1) * 1032)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: %" PRIu64 " x %" PRIu64 " pixels in %" PRIu64 " bytes of IDAT",
                         window->file.path, head->width, head->height, head->packed);
    return CHI_OK;
}

// ---- rows --------------------------------------------------------------------------------------

// The decoder sees the chunks that pixels depend on, and not what is wrong in others: PLTE and tRNS where the colour type
// has them, IDAT, IEND.
typedef struct filter {
    chi__window *window;
    const chi__picture_head *head;
    uint64_t at, end; // of the piece that is being read
    uint64_t next;    // chunk behind it
    uint32_t colors;  // of the palette
    unsigned char made[CHUNK_FRAME + 256];
    size_t made_at, made_end; // a piece that stands here and not in the file
    chi_status status;
} filter;

static bool wanted(const filter *f, const chunk *c)
{
    if (is(c, "PLTE"))
        return f->head->color == SPNG_COLOR_TYPE_INDEXED;
    if (is(c, "tRNS"))
        return !(f->head->color & 4);
    return is(c, "IHDR") || is(c, "IDAT") || is(c, "IEND");
}

static void put32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> (24 - 8 * i));
}

// More alpha than the palette has colours: some writers give 256 always, and what is too much means nothing.
static chi_status shorten(filter *f, const chunk *c)
{
    unsigned char *to = f->made;
    put32(to, f->colors);
    memcpy(to + 4, c->type, 4);
    CHI_TRY(chi__window_get(f->window, c->at + CHUNK_START, to + CHUNK_START, f->colors));
    put32(to + CHUNK_START + f->colors, (uint32_t)crc32(crc32(0, NULL, 0), to + 4, 4 + f->colors));
    f->made_at = 0;
    f->made_end = CHUNK_FRAME + f->colors;
    f->at = f->end;
    return CHI_OK;
}

static chi_status next_piece(filter *f)
{
    chunk c;
    do {
        CHI_TRY(chunk_at(f->window, f->next, &c));
        f->next = c.next;
    } while (!wanted(f, &c));
    if (is(&c, "PLTE"))
        f->colors = c.count / 3;
    if (is(&c, "tRNS") && f->head->color == SPNG_COLOR_TYPE_INDEXED && c.count > f->colors && f->colors <= 256)
        return shorten(f, &c);
    f->at = c.at;
    f->end = c.next;
    return CHI_OK;
}

// At most `count` bytes of the piece at hand; *got counts them.
static chi_status from_piece(filter *f, unsigned char *to, size_t count, size_t *got)
{
    if (f->made_at < f->made_end) {
        *got = f->made_end - f->made_at < count ? f->made_end - f->made_at : count;
        memcpy(to, f->made + f->made_at, *got);
        f->made_at += *got;
        return CHI_OK;
    }
    *got = f->end - f->at < count ? (size_t)(f->end - f->at) : count;
    CHI_TRY(chi__window_get(f->window, f->at, to, *got));
    f->at += *got;
    return CHI_OK;
}

static int feed(spng_ctx *ctx, void *user, void *to, size_t count)
{
    filter *f = user;
    unsigned char *next = to;
    (void)ctx;
    while (count && f->status == CHI_OK) {
        size_t got = 0;
        if (f->at == f->end && f->made_at == f->made_end)
            f->status = next_piece(f);
        if (f->status == CHI_OK)
            f->status = from_piece(f, next, count, &got);
        next += got;
        count -= got;
    }
    return f->status == CHI_OK ? 0 : SPNG_IO_ERROR;
}

static chi_status fail_spng(const filter *f, int error)
{
    if (f->status != CHI_OK)
        return f->status;
    return chi__fail(NULL, error == SPNG_EMEM ? CHI_ERR_MEMORY : CHI_ERR_FORMAT, "%s: %s", f->window->file.path,
                     spng_strerror(error));
}

static int format_of(const chi__picture_head *head, chi__pixels *pixels)
{
    const bool alpha = (head->color & 4) || head->transparent;
    if (head->depth == 16) {
        *pixels = CHI__PIXELS_RGBA16;
        return SPNG_FMT_RGBA16;
    }
    if (alpha) {
        *pixels = CHI__PIXELS_RGBA8;
        return SPNG_FMT_RGBA8;
    }
    const bool grey = head->color == SPNG_COLOR_TYPE_GRAYSCALE;
    *pixels = grey ? CHI__PIXELS_G8 : CHI__PIXELS_RGB8;
    return grey ? SPNG_FMT_G8 : SPNG_FMT_RGB8;
}

// An interlaced file's rows hold every step-th pixel from `first` on, by its pass.
static chi_status each_row(spng_ctx *ctx, const filter *f, chi__pixels pixels, void *row, size_t bytes, chi__canvas *canvas)
{
    static const unsigned char firsts[7] = { 0, 4, 0, 2, 0, 1, 0 }, steps[7] = { 8, 8, 4, 4, 2, 2, 1 };
    const bool interlaced = f->head->interlaced != 0;
    struct spng_row_info info;
    int error;
    do {
        error = spng_get_row_info(ctx, &info);
        if (error)
            break;
        error = spng_decode_row(ctx, row, bytes);
        if (!error || error == SPNG_EOI)
            chi__canvas_put(canvas, pixels, row, info.row_num, interlaced ? firsts[info.pass] : 0,
                            interlaced ? steps[info.pass] : 1, (size_t)f->head->width);
    } while (!error);
    return error == SPNG_EOI ? CHI_OK : fail_spng(f, error);
}

static chi_status set_up(spng_ctx *ctx, filter *f, chi__pixels *pixels, size_t *row_bytes)
{
    struct spng_ihdr ihdr;
    size_t all = 0;
    int error = spng_set_crc_action(ctx, SPNG_CRC_ERROR, SPNG_CRC_ERROR);
    if (!error)
        error = spng_set_png_stream(ctx, feed, f);
    if (!error)
        error = spng_get_ihdr(ctx, &ihdr);
    const int format = format_of(f->head, pixels);
    if (!error)
        error = spng_decoded_image_size(ctx, format, &all);
    if (!error)
        error = spng_decode_image(ctx, NULL, 0, format, SPNG_DECODE_PROGRESSIVE | (f->head->transparent ? SPNG_DECODE_TRNS : 0));
    *row_bytes = error ? 0 : all / ihdr.height;
    return error ? fail_spng(f, error) : CHI_OK;
}

chi_status chi__png_rows(chi__window *window, const chi__picture_head *head, chi__canvas *canvas)
{
    filter f = { .window = window, .head = head, .end = SIGNATURE, .next = SIGNATURE };
    chi__pixels pixels;
    size_t row_bytes;
    void *row = NULL;
    chi_status st;
    spng_ctx *ctx = spng_ctx_new(0);
    if (!ctx)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for its decoder", window->file.path);
    CHI_TRY_DONE(set_up(ctx, &f, &pixels, &row_bytes));
    row = chi__alloc(row_bytes, 1);
    st = row ? each_row(ctx, &f, pixels, row, row_bytes, canvas)
             : chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for a row of %zu bytes", window->file.path, row_bytes);
done:
    chi__free(row);
    spng_ctx_free(ctx);
    return st;
}
