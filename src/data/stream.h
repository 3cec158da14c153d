// SPDX-License-Identifier: Apache-2.0
// stream.h: a run of a file's bytes, as they lie or unpacked on the way, taken once from its start.
// What compressed data claim is refused where deflate could not have held it, and room is made only
// as bytes arrive.
#ifndef CHI_DATA_STREAM_H
#define CHI_DATA_STREAM_H

#include <zlib.h>

#include "../base/file.h"

enum { CHI__STREAM_HEAD = 16 };
#define CHI__DEFLATE_RATIO 1032 // the most that one byte of deflate can stand for

typedef enum chi__packing { CHI__PLAIN = 0, CHI__DEFLATED, CHI__GZIPPED } chi__packing;
typedef enum chi__sum { CHI__SUM_NONE = 0, CHI__SUM_CRC, CHI__SUM_FNV } chi__sum; // CRC-32 or FNV-1a 64

typedef struct chi__stream {
    // Filled in by who opens it.
    chi__file *file;
    char name[4400];        // for sentences: FILE or FILE:MEMBER
    chi__packing packing;
    uint64_t begin, packed; // where the bytes lie
    uint64_t bytes;         // unpacked; gzip does not say, and it stays 0
    chi__sum sum;
    uint64_t sum_due;

    uint64_t done, taken; // unpacked bytes handed out; bytes read from the file
    uint64_t sum_so_far;
    bool open, ended; // ended: the packed data are complete
    unsigned char head[CHI__STREAM_HEAD], *chunk;
    size_t head_at, head_count;
    z_stream z;
} chi__stream;

chi_status chi__stream_open(chi__stream *s);
// The first bytes without taking them; zeros where the stream has fewer. Before anything is taken.
chi_status chi__stream_peek(chi__stream *s, unsigned char to[CHI__STREAM_HEAD], size_t *count);
chi_status chi__stream_take(chi__stream *s, void *to, uint64_t count);
// Refuses where not exactly, or surely not, `bytes` are left.
chi_status chi__stream_expect(const chi__stream *s, uint64_t bytes);
// `bytes` into a block of their own, freed with chi__free; not touched on failure.
chi_status chi__stream_block(chi__stream *s, uint64_t bytes, void **out);
// Takes and drops what is left; then, as after taking everything: nothing more is there, and the
// checksum is right.
chi_status chi__stream_skim(chi__stream *s);
chi_status chi__stream_end(chi__stream *s);
void chi__stream_close(chi__stream *s);

#endif
