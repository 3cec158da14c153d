// SPDX-License-Identifier: Apache-2.0
// stream.c: plain, deflated and gzipped runs of bytes behind one way of reading. Header: stream.h.
#include "stream.h"

#include <inttypes.h>
#include <string.h>

#include "../base/hash.h"
#include "../base/memory.h"

enum {
    CHUNK = 1 << 18, // compressed bytes at a time
    ROOM = 1 << 22,  // first allocation for unpacked bytes, and the most that is inflated at once
    SKIM = 1 << 14,
};

chi_status chi__stream_open(chi__stream *s)
{
    s->sum_so_far = s->sum == CHI__SUM_FNV ? CHI__HASH_START : 0;
    if (s->packing == CHI__PLAIN)
        return CHI_OK;
    s->chunk = chi__alloc(CHUNK, 1);
    // + 16: gzip and nothing else; negative: deflate without any wrapping.
    s->open = s->chunk && inflateInit2(&s->z, s->packing == CHI__GZIPPED ? 15 + 16 : -15) == Z_OK;
    return s->open ? CHI_OK
                   : chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory to inflate with", s->name);
}

void chi__stream_close(chi__stream *s)
{
    if (s->open)
        inflateEnd(&s->z);
    s->open = false;
    chi__free(s->chunk);
    s->chunk = NULL;
}

static const char *kind_of(const chi__stream *s)
{
    return s->packing == CHI__GZIPPED ? "gzip" : "deflate";
}

static chi_status refill(chi__stream *s)
{
    const uint64_t left = s->packed - s->taken, count = left < CHUNK ? left : CHUNK;
    if (count == 0)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: the compressed data stop at offset %" PRIu64 ", cut short", s->name,
                         s->begin + s->taken);
    CHI_TRY(chi__file_read(s->file, s->begin + s->taken, s->chunk, count));
    s->taken += count;
    s->z.next_in = s->chunk;
    s->z.avail_in = (uInt)count;
    return CHI_OK;
}

// At the end of compressed data: gzip allows members one after the other, deflate nothing more.
static chi_status end_member(chi__stream *s)
{
    s->ended = s->z.avail_in == 0 && s->taken == s->packed;
    if (s->ended)
        return CHI_OK;
    if (s->packing == CHI__DEFLATED)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: the deflate data end %" PRIu64 " bytes early: damaged", s->name,
                         s->packed - s->taken + s->z.avail_in);
    if (inflateReset(&s->z) != Z_OK)
        return chi__fail(NULL, CHI_ERR_INTERNAL, "%s: zlib could not be reset", s->name);
    return CHI_OK;
}

// Up to `count` bytes, at most ROOM; fewer only where the data end.
static chi_status inflate_some(chi__stream *s, void *to, size_t count, size_t *got)
{
    s->z.next_out = to;
    s->z.avail_out = (uInt)count;
    while (s->z.avail_out && !s->ended) {
        if (s->z.avail_in == 0)
            CHI_TRY(refill(s));
        const int code = inflate(&s->z, Z_NO_FLUSH);
        if (code == Z_STREAM_END)
            CHI_TRY(end_member(s));
        else if (code != Z_OK && code != Z_BUF_ERROR)
            return chi__fail(NULL, code == Z_MEM_ERROR ? CHI_ERR_MEMORY : CHI_ERR_FORMAT,
                             "%s: near offset %" PRIu64 ": damaged %s data (%s)", s->name,
                             s->begin + s->taken - s->z.avail_in, kind_of(s),
                             s->z.msg ? s->z.msg : "zlib gave no reason");
    }
    *got = count - s->z.avail_out;
    return CHI_OK;
}

// Straight from file or zlib, past the head.
static chi_status take_raw(chi__stream *s, unsigned char *to, uint64_t count)
{
    size_t got;
    if (s->packing != CHI__GZIPPED && count > s->bytes - s->done)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: cut short: %" PRIu64 " bytes were due at %" PRIu64 " of %" PRIu64,
                         s->name, count, s->done, s->bytes);
    if (s->packing == CHI__PLAIN)
        return chi__file_read(s->file, s->begin + s->done, to, count);
    for (uint64_t done = 0; done < count; done += got) {
        const size_t part = count - done < ROOM ? (size_t)(count - done) : ROOM;
        CHI_TRY(inflate_some(s, to + done, part, &got));
        if (got < part)
            return chi__fail(NULL, CHI_ERR_FORMAT,
                             "%s: ends %" PRIu64 " bytes before its header says, cut short",
                             s->name, count - done - got);
    }
    return CHI_OK;
}

static void add_to_sum(chi__stream *s, const unsigned char *bytes, uint64_t count)
{
    if (s->sum == CHI__SUM_FNV)
        s->sum_so_far = chi__hash(s->sum_so_far, bytes, (size_t)count);
    while (s->sum == CHI__SUM_CRC && count) { // zlib counts in 32 bits
        const uInt part = count < ROOM ? (uInt)count : ROOM;
        s->sum_so_far = crc32((uLong)s->sum_so_far, bytes, part);
        bytes += part;
        count -= part;
    }
}

chi_status chi__stream_peek(chi__stream *s, unsigned char to[CHI__STREAM_HEAD], size_t *count)
{
    memset(s->head, 0, sizeof s->head);
    if (s->packing == CHI__PLAIN) {
        s->head_count = s->bytes < sizeof s->head ? (size_t)s->bytes : sizeof s->head;
        CHI_TRY(chi__file_read(s->file, s->begin, s->head, s->head_count));
        memcpy(to, s->head, sizeof s->head);
        *count = s->head_count;
        s->head_count = 0; // to be read again
        return CHI_OK;
    }
    CHI_TRY(inflate_some(s, s->head, sizeof s->head, &s->head_count));
    memcpy(to, s->head, sizeof s->head);
    *count = s->head_count;
    return CHI_OK;
}

chi_status chi__stream_take(chi__stream *s, void *to, uint64_t count)
{
    const size_t left = s->head_count - s->head_at, old = count < left ? (size_t)count : left;
    unsigned char *at = to;
    if (old)
        memcpy(at, s->head + s->head_at, old);
    CHI_TRY(take_raw(s, at + old, count - old));
    s->head_at += old;
    s->done += count;
    add_to_sum(s, at, count);
    return CHI_OK;
}

chi_status chi__stream_expect(const chi__stream *s, uint64_t bytes)
{
    if (s->packing == CHI__GZIPPED)
        return bytes / CHI__DEFLATE_RATIO <= s->packed
                   ? CHI_OK
                   : chi__fail(NULL, CHI_ERR_FORMAT,
                               "%s: the header says %" PRIu64
                               " bytes of elements, more than %" PRIu64
                               " compressed bytes can hold",
                               s->name, bytes, s->packed);
    if (bytes != s->bytes - s->done)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: the header says %" PRIu64
                         " bytes of elements, the file holds %" PRIu64 " from byte %" PRIu64 " on",
                         s->name, bytes, s->bytes - s->done, s->done);
    return CHI_OK;
}

chi_status chi__stream_block(chi__stream *s, uint64_t bytes, void **out)
{
    unsigned char *block = NULL;
    uint64_t room = 0, done = 0;
    do {
        // Plain bytes are there; of packed ones room grows with what has arrived: a lie costs no
        // more than its proof.
        const uint64_t want = s->packing == CHI__PLAIN || bytes <= (room ? 2 * room : ROOM) ? bytes
                              : room ? 2 * room
                                     : ROOM;
        unsigned char *grown = chi__realloc(block, want ? (size_t)want : 1, 1);
        if (!grown) {
            chi__free(block);
            return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %" PRIu64 " bytes", s->name,
                             want);
        }
        block = grown;
        room = want;
        const chi_status st = chi__stream_take(s, block + done, room - done);
        if (st != CHI_OK) {
            chi__free(block);
            return st;
        }
        done = room;
    } while (done < bytes);
    *out = block;
    return CHI_OK;
}

chi_status chi__stream_skim(chi__stream *s)
{
    unsigned char piece[SKIM];
    while (s->done < s->bytes) {
        const uint64_t left = s->bytes - s->done;
        CHI_TRY(chi__stream_take(s, piece, left < sizeof piece ? left : sizeof piece));
    }
    return chi__stream_end(s);
}

chi_status chi__stream_end(chi__stream *s)
{
    unsigned char more;
    size_t got = s->head_count - s->head_at;
    if (s->packing == CHI__PLAIN)
        got = s->done < s->bytes;
    else if (!got) // to the very end, so that zlib compares its own checksum
        CHI_TRY(inflate_some(s, &more, 1, &got));
    if (got)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: holds more than its header says", s->name);
    if (s->sum != CHI__SUM_NONE && s->sum_so_far != s->sum_due)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: has checksum %0*" PRIx64 ", %0*" PRIx64
                         " was written: the file is damaged",
                         s->name, s->sum == CHI__SUM_CRC ? 8 : 16, s->sum_so_far,
                         s->sum == CHI__SUM_CRC ? 8 : 16, s->sum_due);
    return CHI_OK;
}
