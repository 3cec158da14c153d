// SPDX-License-Identifier: Apache-2.0
// encode.c: see encode.h. While the device works on one block the next one is fetched: decoded, or copied.
#include "encode.h"

#include <stdlib.h>

enum { BLOCK_BYTES = 32 << 20 };

// Images of a block: whole batches, about BLOCK_BYTES.
static size_t block_of(const tool_images *images, size_t batch)
{
    const size_t batches = BLOCK_BYTES / (image_bytes(images) * batch);
    const size_t block = batch * (batches ? batches : 1);
    return block < images->count ? block : images->count;
}

uint64_t encode_stage_bytes(const tool_images *images, size_t batch, size_t features)
{
    return block_of(images, batch) * image_bytes(images) + 4ull * batch * (images->pixels + features);
}

int encode_stage_open(encode_stage *s, chi_device *dev, tool_images *images, size_t batch, size_t features)
{
    *s = (encode_stage){ .dev = dev, .images = images, .block = block_of(images, batch) };
    s->host = malloc(s->block * image_bytes(images));
    if (!s->host)
        return tool_error("no memory for %zu images of %zu bytes", s->block, image_bytes(images));
    chi_status st = chi_buffer_create(dev, s->block * image_bytes(images), &s->pool);
    if (st == CHI_OK)
        st = chi_buffer_create(dev, 4ull * batch * images->pixels, &s->pixels);
    if (st == CHI_OK)
        st = chi_buffer_create(dev, 4ull * batch * features, &s->middle);
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}

void encode_stage_close(encode_stage *s)
{
    chi_buffer_destroy(&s->pool);
    chi_buffer_destroy(&s->pixels);
    chi_buffer_destroy(&s->middle);
    free(s->host);
    *s = (encode_stage){ 0 };
}

// ---- the walk ----------------------------------------------------------------------------------------
// Images at … at + rows − 1 of the block to rows of z.
static chi_status encode(encode_stage *s, model *m, size_t at, size_t rows, bool head, chi_matrix z)
{
    const tool_images *im = s->images;
    const chi_matrix x = m ? chi_matrix_view(s->pixels, rows, im->pixels) : z;
    chi_status st = chi_images_load(s->dev, s->pool, im->floats, at, rows, im->pixels, x);
    if (st != CHI_OK || !m)
        return st;
    const chi_matrix h = head ? chi_matrix_view(s->middle, rows, m->features) : z;
    st = chi_encoder_forward(m->encoder, x, h);
    return st == CHI_OK && head ? chi_encoder_forward(m->head, h, z) : st;
}

static chi_status encode_block(encode_stage *s, model *m, size_t first, size_t count, bool head, chi_matrix out, encode_sink sink, void *user)
{
    const size_t batch = m ? m->batch : ENCODE_BATCH;
    chi_status st = chi_buffer_upload(s->pool, 0, s->host, count * image_bytes(s->images));
    for (size_t at = 0; at < count && st == CHI_OK; at += batch) {
        const size_t rows = count - at < batch ? count - at : batch;
        const chi_matrix z = chi_matrix_rows(out, sink ? 0 : first + at, rows);
        st = encode(s, m, at, rows, head, z);
        if (st == CHI_OK && sink)
            st = sink(user, first + at, z);
    }
    return st;
}

int encode_walk(encode_stage *s, model *m, const int32_t *which, size_t n, bool head, chi_matrix out, encode_sink sink,
                  void *user, progress *p)
{
    size_t count = n < s->block ? n : s->block;
    chi_status st = images_fetch(s->images, which, 0, count, s->host);
    for (size_t first = 0; first < n && st == CHI_OK && !tool_interrupted(); first += count) {
        const size_t next = first + count;
        count = n - first < s->block ? n - first : s->block;
        st = encode_block(s, m, first, count, head, out, sink, user);
        if (st == CHI_OK && next < n)
            st = images_fetch(s->images, which, next, n - next < count ? n - next : count, s->host);
        if (p)
            progress_show(p, first + count, NULL);
    }
    const chi_status end = chi_device_finish(s->dev);
    st = st == CHI_OK ? end : st;
    return st != CHI_OK ? tool_fail(st) : tool_interrupted() ? TOOL_INTERRUPTED : TOOL_DONE;
}
