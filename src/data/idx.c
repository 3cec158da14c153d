// SPDX-License-Identifier: Apache-2.0
// idx.c: reading idx files (LeCun's MNIST layout), plain or gzip. Chosen by src/data/read.c.
//
// Layout: 0 0 type dims, then one big-endian 32-bit size a dimension, then the elements, big endian.
// A plain file's size must be exactly what the header says. A compressed one could say anything: what it
// claims is refused where deflate could not have held it, and room is made only as bytes arrive.
#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#include "../base/memory.h"
#include "tensor.h"

enum {
    HEADER_MAX = 4 + 4 * CHI__MAX_DIMS,
    DEFLATE_RATIO = 1032, // the most that one byte of deflate can stand for
    CHUNK = 1 << 18,      // compressed bytes at a time
    ROOM = 1 << 22,       // first allocation
};

static size_t header_bytes(const unsigned char *raw) { return 4 + 4 * (size_t)raw[3]; }

static bool type_of_code(unsigned char code, chi_type *type)
{
    switch (code) {
    case 0x08: *type = CHI_TYPE_U8; return true;
    case 0x09: *type = CHI_TYPE_I8; return true;
    case 0x0b: *type = CHI_TYPE_I16; return true;
    case 0x0c: *type = CHI_TYPE_I32; return true;
    case 0x0d: *type = CHI_TYPE_F32; return true;
    case 0x0e: *type = CHI_TYPE_F64; return true;
    default: return false;
    }
}

// The first four bytes: what is to follow.
static chi_status read_magic(const char *path, const unsigned char *raw, chi_tensor *t)
{
    if (raw[0] || raw[1] || !type_of_code(raw[2], &t->type) || raw[3] == 0)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: begins with %02x %02x %02x %02x: not idx", path, raw[0], raw[1],
                         raw[2], raw[3]);
    if (raw[3] > CHI__MAX_DIMS)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: %d dimensions, at most %d are read", path, raw[3], CHI__MAX_DIMS);
    t->dims = raw[3];
    return CHI_OK;
}

static chi_status read_sizes(const char *path, const unsigned char *raw, chi_tensor *t, uint64_t *bytes)
{
    for (size_t d = 0; d < t->dims; d++) {
        const unsigned char *p = raw + 4 + 4 * d;
        t->shape[d] = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    }
    if (!chi__tensor_size(t->type, t->shape, t->dims, &t->count, bytes))
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: offset 4: the sizes of %zu dimensions overflow", path, t->dims);
    return CHI_OK;
}

static void finish(chi_tensor *t)
{
    if (chi__host_is_little())
        chi__swap_bytes(t->bytes, t->count, chi_type_bytes(t->type));
}

chi_status chi__idx_read(chi__file *file, chi_tensor *out)
{
    unsigned char raw[HEADER_MAX];
    chi_tensor t = { 0 };
    uint64_t bytes;
    CHI_TRY(chi__file_read(file, 0, raw, 4));
    CHI_TRY(read_magic(file->path, raw, &t));
    const size_t header = header_bytes(raw);
    if (file->bytes < header)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: cut short inside its header (%" PRIu64 " of %zu bytes)",
                         file->path, file->bytes, header);
    CHI_TRY(chi__file_read(file, 0, raw, header));
    CHI_TRY(read_sizes(file->path, raw, &t, &bytes));
    if (bytes != file->bytes - header)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: the header says %" PRIu64 " bytes of elements, the file holds %"
                         PRIu64, file->path, bytes, file->bytes - header);
    CHI_TRY(chi__tensor_allocate(&t, file->path));
    const chi_status st = chi__file_read(file, header, t.bytes, bytes);
    if (st != CHI_OK) {
        chi_tensor_free(&t);
        return st;
    }
    finish(&t);
    *out = t;
    return CHI_OK;
}

// ---- gzip --------------------------------------------------------------------------------------

typedef struct stream {
    chi__file *file;
    z_stream z;
    uint64_t taken; // compressed bytes read from the file
    bool ended;     // the last member is complete and no byte follows
    unsigned char chunk[CHUNK];
} stream;

static chi_status refill(stream *s)
{
    const uint64_t left = s->file->bytes - s->taken, count = left < CHUNK ? left : CHUNK;
    if (count == 0)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: the compressed data stop at offset %" PRIu64 ", cut short",
                         s->file->path, s->taken);
    CHI_TRY(chi__file_read(s->file, s->taken, s->chunk, count));
    s->taken += count;
    s->z.next_in = s->chunk;
    s->z.avail_in = (uInt)count;
    return CHI_OK;
}

// Up to `count` bytes; fewer only where the data end.
static chi_status inflate_some(stream *s, void *to, size_t count, size_t *got)
{
    s->z.next_out = to;
    s->z.avail_out = (uInt)count;
    while (s->z.avail_out && !s->ended) {
        if (s->z.avail_in == 0)
            CHI_TRY(refill(s));
        const int code = inflate(&s->z, Z_NO_FLUSH);
        if (code == Z_STREAM_END) { // gzip allows members one after the other
            s->ended = s->z.avail_in == 0 && s->taken == s->file->bytes;
            if (!s->ended && inflateReset(&s->z) != Z_OK)
                return chi__fail(NULL, CHI_ERR_INTERNAL, "%s: zlib could not be reset", s->file->path);
        } else if (code != Z_OK && code != Z_BUF_ERROR) {
            return chi__fail(NULL, code == Z_MEM_ERROR ? CHI_ERR_MEMORY : CHI_ERR_FORMAT,
                             "%s: near offset %" PRIu64 ": damaged gzip data (%s)", s->file->path,
                             s->taken - s->z.avail_in, s->z.msg ? s->z.msg : "zlib gave no reason");
        }
    }
    *got = count - s->z.avail_out;
    return CHI_OK;
}

static chi_status inflate_all(stream *s, void *to, size_t count)
{
    size_t got;
    CHI_TRY(inflate_some(s, to, count, &got));
    if (got < count)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: ends %zu bytes before its header says, cut short", s->file->path,
                         count - got);
    return CHI_OK;
}

// Room grows with what has arrived: a lie costs no more memory than its proof.
static chi_status inflate_elements(stream *s, chi_tensor *t, uint64_t bytes)
{
    size_t room = 0, done = 0;
    do {
        const size_t want = room ? (bytes / 2 < room ? (size_t)bytes : 2 * room) : bytes < ROOM ? (size_t)bytes : ROOM;
        unsigned char *grown = chi__realloc(t->bytes, want ? want : 1, 1);
        if (!grown)
            return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu bytes", s->file->path, want);
        t->bytes = grown;
        room = want;
        while (done < room) {
            const size_t part = room - done < ROOM ? room - done : ROOM;
            CHI_TRY(inflate_all(s, grown + done, part));
            done += part;
        }
    } while (done < bytes);
    return CHI_OK;
}

// After the last element: nothing more, and the checksum of the last member still to be verified.
static chi_status expect_end(stream *s)
{
    unsigned char more;
    size_t got;
    CHI_TRY(inflate_some(s, &more, 1, &got));
    if (got)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: holds more than its header says", s->file->path);
    return CHI_OK;
}

static chi_status inflate_tensor(stream *s, chi_tensor *t)
{
    unsigned char raw[HEADER_MAX];
    uint64_t bytes;
    CHI_TRY(inflate_all(s, raw, 4));
    CHI_TRY(read_magic(s->file->path, raw, t));
    CHI_TRY(inflate_all(s, raw + 4, header_bytes(raw) - 4));
    CHI_TRY(read_sizes(s->file->path, raw, t, &bytes));
    if (bytes / DEFLATE_RATIO > s->file->bytes)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: the header says %" PRIu64 " bytes of elements, more than %" PRIu64
                         " compressed bytes can hold", s->file->path, bytes, s->file->bytes);
    CHI_TRY(inflate_elements(s, t, bytes));
    CHI_TRY(expect_end(s));
    finish(t);
    return CHI_OK;
}

chi_status chi__idx_gz_read(chi__file *file, chi_tensor *out)
{
    chi_tensor t = { 0 };
    stream *s = chi__alloc(1, sizeof *s);
    if (!s)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory to inflate with", file->path);
    s->file = file;
    chi_status st;
    if (inflateInit2(&s->z, 15 + 16) != Z_OK) { // + 16: gzip and nothing else
        st = chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory to inflate with", file->path);
        goto done;
    }
    st = inflate_tensor(s, &t);
    inflateEnd(&s->z);
    if (st == CHI_OK)
        *out = t;
    else
        chi_tensor_free(&t);
done:
    chi__free(s);
    return st;
}
