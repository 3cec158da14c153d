// SPDX-License-Identifier: Apache-2.0
// encode.c: see encode.h. While the device works on one batch the next one is fetched: decoded, or
// copied.
#include "encode.h"

#include <stdlib.h>

#include "text.h"

int encode_rules(const model_file *file, const image_options *o, pixel_rules *out)
{
    const model_facts *f = &file->facts;
    const int result = pixels_ask(o->layout, o->range, o->size, o->grey, out);
    return result == TOOL_DONE && f->ruled ? pixels_keep(out, &f->rules, f->input, file->path)
                                           : result;
}

// ---- what fits ----------------------------------------------------------------------------------
static uint64_t stage_bytes(const tool_images *images, const encode_plan *p)
{
    const uint64_t floats = p->features ? images->pixels + p->features : 0;
    return p->batch * (image_bytes(images) + 4ull * floats);
}

static int describe(chi_device *dev, const model_file *file, encode_plan *p, uint64_t spare,
                    model_needs *needs)
{
    *needs = (model_needs){ .largest = p->batch };
    const int result = file ? model_describe(dev, &file->facts, p->batch, spare, needs) : TOOL_DONE;
    p->features = needs->features;
    p->outputs = needs->outputs;
    return result;
}

// Whether p->batch images fit; `bytes` receives what they take in all.
static int fits(chi_device *dev, const model_file *file, const tool_images *images, uint64_t keep,
                uint64_t row, encode_plan *p, uint64_t left, bool *fit, uint64_t *bytes)
{
    enum { ROUNDING = 1 << 16 }; // what buffers are rounded up by
    model_needs needs;
    int result = describe(dev, file, p, 0, &needs);
    const uint64_t spare = keep + p->batch * row + stage_bytes(images, p) + ROUNDING;
    if (result == TOOL_DONE)
        result = describe(dev, file, p, spare, &needs);
    *bytes = spare + needs.encoder.bytes + needs.head.bytes;
    *fit = spare <= left && needs.largest >= p->batch;
    return result;
}

static int refuse(const tool_images *images, uint64_t keep, uint64_t bytes, uint64_t left,
                  uint64_t budget)
{
    char all[TEXT_ROOM], kept[TEXT_ROOM], room[TEXT_ROOM], whole[TEXT_ROOM];
    const chi_shape s = images->shape;
    return tool_error("one image of %zu × %zu × %zu at a time and %s of features take %s on the "
                      "device, %s of %s are left "
                      "(--memory)",
                      s.channels, s.height, s.width, text_bytes(keep, kept), text_bytes(bytes, all),
                      text_bytes(left, room), text_bytes(budget, whole));
}

int encode_fit(chi_device *dev, const model_file *file, const tool_images *images,
               uint64_t keep_bytes, uint64_t row_bytes, size_t most, encode_plan *out)
{
    uint64_t held = 0, bytes = 0;
    chi_device_memory(dev, &held, NULL);
    const uint64_t budget = chi_device_budget(dev), left = budget > held ? budget - held : 0;
    size_t low = 0,
           high = most < images->count ? most : images->count; // low fits, above high nothing does
    encode_plan plan = { .batch = high };
    int result = TOOL_DONE;
    while (low < high && result == TOOL_DONE) {
        bool fit = false;
        result = fits(dev, file, images, keep_bytes, row_bytes, &plan, left, &fit, &bytes);
        low = fit ? plan.batch : low;
        high = fit ? high : plan.batch - 1;
        plan.batch = low + (high - low + 1) / 2;
    }
    plan.batch = low;
    if (result != TOOL_DONE)
        return result;
    *out = plan;
    return low ? TOOL_DONE : refuse(images, keep_bytes, bytes, left, budget);
}

// ---- a stage ------------------------------------------------------------------------------------
int encode_stage_open(encode_stage *s, chi_device *dev, tool_images *images,
                      const encode_plan *plan)
{
    *s = (encode_stage){ .dev = dev, .images = images, .batch = plan->batch };
    s->host = malloc(s->batch * image_bytes(images));
    if (!s->host)
        return tool_error("no memory for %zu images of %zu bytes", s->batch, image_bytes(images));
    chi_status st = chi_buffer_create(dev, s->batch * image_bytes(images), &s->pool);
    if (st == CHI_OK && plan->features)
        st = chi_buffer_create(dev, 4ull * s->batch * images->pixels, &s->pixels);
    if (st == CHI_OK && plan->features)
        st = chi_buffer_create(dev, 4ull * s->batch * plan->features, &s->middle);
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

// ---- the walk -----------------------------------------------------------------------------------
static chi_status encode(encode_stage *s, model *m, size_t rows, bool head, chi_matrix z)
{
    const tool_images *im = s->images;
    const chi_matrix x = m ? chi_matrix_view(s->pixels, rows, im->pixels) : z;
    chi_status st = chi_buffer_upload(s->pool, 0, s->host, rows * image_bytes(im));
    if (st == CHI_OK)
        st = chi_images_load(s->dev, s->pool, im->floats, 0, rows, im->pixels, x);
    if (st != CHI_OK || !m)
        return st;
    const chi_matrix h = head ? chi_matrix_view(s->middle, rows, m->features) : z;
    st = chi_encoder_forward(m->encoder, x, h);
    return st == CHI_OK && head ? chi_encoder_forward(m->head, h, z) : st;
}

static void show(const encode_stage *s)
{
    if (s->shown && s->doing)
        progress_show(s->shown, s->done, "%s", s->doing);
    else if (s->shown)
        progress_show(s->shown, s->done, NULL);
}

int encode_walk(encode_stage *s, model *m, const int32_t *which, size_t n, bool head,
                chi_matrix out, encode_sink sink, void *user)
{
    size_t rows = n < s->batch ? n : s->batch;
    show(s);
    chi_status st = images_fetch(s->images, which, 0, rows, s->host);
    for (size_t first = 0; first < n && st == CHI_OK && !tool_interrupted(); first += rows) {
        const size_t next = first + rows;
        rows = n - first < s->batch ? n - first : s->batch;
        const chi_matrix z = chi_matrix_rows(out, sink ? 0 : first, rows);
        st = encode(s, m, rows, head, z);
        if (st == CHI_OK && sink)
            st = sink(user, first, z);
        if (st == CHI_OK && next < n)
            st = images_fetch(s->images, which, next, n - next < rows ? n - next : rows, s->host);
        s->done += rows;
        show(s);
    }
    const chi_status end = chi_device_finish(s->dev);
    if (st != CHI_OK || end != CHI_OK)
        return tool_fail(st != CHI_OK ? st : end);
    if (!tool_interrupted())
        return TOOL_DONE;
    tool_error("interrupted; nothing was written");
    return TOOL_INTERRUPTED;
}
