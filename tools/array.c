// SPDX-License-Identifier: Apache-2.0
// array.c: images out of arrays: which side is which, and what the numbers mean. Rules: pixels.h.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pixels.h"

// What an array's numbers are like.
typedef struct census { double low, high; bool whole; } census;

// ---- sides --------------------------------------------------------------------------------------
static bool is_channels(size_t side) { return side == 1 || side == 3 || side == 4; }

static bool same_shape(chi_shape a, chi_shape b)
{
    return a.channels == b.channels && a.height == b.height && a.width == b.width;
}

// The two readings of an array; count 0: it has no such reading.
typedef struct reading { size_t count; chi_shape shape; } reading;

static reading read_nchw(const chi_tensor *t)
{
    const size_t *s = t->shape;
    return t->dims == 4 ? (reading){ s[0], { s[1], s[2], s[3] } }
                        : (reading){ s[0], { 1, s[1], s[2] } };
}

static reading read_nhwc(const chi_tensor *t)
{
    const size_t *s = t->shape;
    return t->dims == 4 ? (reading){ s[0], { s[3], s[1], s[2] } }
                        : (reading){ 1, { s[2], s[0], s[1] } };
}

static int refuse_layout(const char *path, const chi_tensor *t, reading a, reading b)
{
    char shape[64];
    snprintf(shape, sizeof shape, t->dims == 4 ? "%zu × %zu × %zu × %zu" : "%zu × %zu × %zu",
             t->shape[0], t->shape[1], t->shape[2], t->shape[3]);
    return tool_error("%s: %s can be %zu image%s of %zu channel%s of %zu × %zu (--layout nchw) or "
                      "%zu image%s of %zu × %zu with %zu channel%s "
                      "(--layout nhwc)",
                      path, shape, a.count, a.count == 1 ? "" : "s", a.shape.channels,
                      a.shape.channels == 1 ? "" : "s", a.shape.height, a.shape.width, b.count,
                      b.count == 1 ? "" : "s", b.shape.height, b.shape.width, b.shape.channels,
                      b.shape.channels == 1 ? "" : "s");
}

// Three dimensions are images of one channel, unless they look like one picture in colour.
static pixel_layout guess(const chi_tensor *t)
{
    const size_t *s = t->shape;
    if (t->dims == 3)
        return (s[2] == 3 || s[2] == 4) && s[1] > 4 * s[2] ? LAYOUT_ANY : LAYOUT_NCHW;
    if (is_channels(s[1]) == is_channels(s[3]))
        return LAYOUT_ANY;
    return is_channels(s[3]) ? LAYOUT_NHWC : LAYOUT_NCHW;
}

// Where one reading alone has channels, the other is no picture.
static int refuse_contradiction(const char *path, pixel_layout asked, reading a, reading b)
{
    const bool last = asked == LAYOUT_NHWC;
    const reading wrong = last ? b : a, right = last ? a : b;
    return tool_error("%s: --layout %s contradicts its sides: they say %zu image%s of %zu × %zu "
                      "with %zu channel%s, and not %zu of %zu × %zu with %zu",
                      path, last ? "nhwc" : "nchw", right.count, right.count == 1 ? "" : "s",
                      right.shape.height, right.shape.width, right.shape.channels,
                      right.shape.channels == 1 ? "" : "s", wrong.count, wrong.shape.height,
                      wrong.shape.width, wrong.shape.channels);
}

// The other order's sides are those of the model.
static int refuse_order(const char *path, pixel_layout models)
{
    const bool last = models == LAYOUT_NHWC;
    return tool_error("%s: its channels stand %s rows and columns (%s), and the model was trained "
                      "on arrays where they stand %s them (%s): transpose "
                      "it, in numpy x.transpose(%s)",
                      path, last ? "before" : "behind", last ? "nchw" : "nhwc",
                      last ? "behind" : "before", last ? "nhwc" : "nchw",
                      last ? "0, 2, 3, 1" : "0, 3, 1, 2");
}

// By the rules, else by the shape that is wanted, else by the sides themselves.
static int choose_layout(const char *path, const chi_tensor *t, pixel_rules *rules,
                         chi_shape wanted, bool quiet, reading *out)
{
    const reading nchw = read_nchw(t), nhwc = read_nhwc(t);
    pixel_layout layout = rules->layout;
    if (layout && !wanted.channels && guess(t) != LAYOUT_ANY &&
        guess(t) != layout) // a model's own layout is held against its shape
        return refuse_contradiction(path, layout, nchw, nhwc);
    if (t->dims == 3 && layout && guess(t) != LAYOUT_ANY)
        layout = LAYOUT_NCHW; // a model's layout is about channels, and there are none
    if (wanted.channels && same_shape(nchw.shape, wanted) != same_shape(nhwc.shape, wanted)) {
        const pixel_layout fits = same_shape(nchw.shape, wanted) ? LAYOUT_NCHW : LAYOUT_NHWC;
        if (layout && layout != fits && wanted.channels > 1)
            return refuse_order(path, layout);
        layout = fits; // one channel lies the same either way
    }
    const bool asked = layout != LAYOUT_ANY;
    layout = asked ? layout : guess(t);
    if (!layout)
        return refuse_layout(path, t, nchw, nhwc);
    *out = layout == LAYOUT_NHWC ? nhwc : nchw;
    if (!asked && layout == LAYOUT_NHWC)
        tool_say(quiet,
                 "%s: taken as rows, columns, channels: %zu images of %zu × %zu with %zu channel%s",
                 path, out->count, out->shape.height, out->shape.width, out->shape.channels,
                 out->shape.channels == 1 ? "" : "s");
    if (t->dims == 4 || layout == LAYOUT_NHWC)
        rules->layout = layout;
    return TOOL_DONE;
}

// ---- numbers ------------------------------------------------------------------------------------
static int count_bytes(const chi_tensor *t, census *out)
{
    const uint8_t *v = t->bytes;
    *out = (census){ v[0], v[0], true };
    for (size_t i = 0; i < t->count; i++) {
        out->low = v[i] < out->low ? v[i] : out->low;
        out->high = v[i] > out->high ? v[i] : out->high;
    }
    return TOOL_DONE;
}

static int count_floats(const char *path, const chi_tensor *t, census *out)
{
    const float *v = t->bytes;
    *out = (census){ (double)v[0], (double)v[0], true };
    for (size_t i = 0; i < t->count; i++) {
        const double x = (double)v[i];
        if (!isfinite(x))
            return tool_error("%s: element %zu is %g; pixels are finite numbers", path, i, x);
        out->low = x < out->low ? x : out->low;
        out->high = x > out->high ? x : out->high;
        out->whole = out->whole && x == floor(x);
    }
    return TOOL_DONE;
}

// What the numbers mean, by the rules, else by themselves.
static int choose_values(const char *path, const census *c, bool integers, pixel_rules *rules,
                         bool quiet)
{
    const bool bytes = c->whole && c->low >= 0.0 && c->high <= 255.0,
               unit = c->low >= 0.0 && c->high <= 1.0;
    if (rules->values == VALUES_RANGE)
        return TOOL_DONE;
    if (!bytes && !unit)
        return tool_error("%s: the numbers reach from %g to %g; pixels are whole numbers from 0 to "
                          "255 or numbers from 0 to 1, "
                          "--range LOW,HIGH says what else they are",
                          path, c->low, c->high);
    if (bytes && (integers || c->high > 1.0 || rules->values == VALUES_BYTES))
        rules->values = VALUES_BYTES;
    else
        rules->values = VALUES_UNIT;
    if (rules->values == VALUES_BYTES && c->high <= 1.0)
        tool_say(quiet,
                 "%s: no byte is over %g of 255, so the images are nearly black; --range 0,1 makes "
                 "1 white",
                 path, c->high);
    return TOOL_DONE;
}

// ---- to channel, row, column --------------------------------------------------------------------
// Where element i of an image in its file's order goes.
static size_t place(size_t i, chi_shape s, bool last)
{
    return last ? i % s.channels * s.height * s.width + i / s.channels : i;
}

static float in_range(const pixel_rules *r, double v, size_t *cut)
{
    const double u = (v - r->low) / (r->high - r->low);
    *cut += !(u >= 0.0 && u <= 1.0);
    return u <= 0.0 ? 0.0f : u >= 1.0 ? 1.0f : (float)u;
}

static double element(const chi_tensor *t, size_t i)
{
    return t->type == CHI_TYPE_F32 ? (double)((const float *)t->bytes)[i]
                                   : ((const uint8_t *)t->bytes)[i];
}

static void fill(const chi_tensor *t, const pixel_rules *rules, bool last, pixel_array *to,
                 size_t *cut)
{
    const size_t pixels = to->shape.channels * to->shape.height * to->shape.width;
    float *floats = to->values;
    uint8_t *bytes = to->values;
    if (!last && !to->floats && t->type == CHI_TYPE_U8) {
        memcpy(bytes, t->bytes, t->count);
        return;
    }
    for (size_t i = 0; i < t->count; i++) {
        const size_t at = i / pixels * pixels + place(i % pixels, to->shape, last);
        const double v = element(t, i);
        if (!to->floats)
            bytes[at] = (uint8_t)v;
        else
            floats[at] = rules->values == VALUES_RANGE ? in_range(rules, v, cut) : (float)v;
    }
}

// A Boolean image is black and white.
static void whiten(chi_tensor *t)
{
    uint8_t *v = t->bytes;
    for (size_t i = 0; i < t->count; i++)
        v[i] = v[i] ? 255 : 0;
    t->type = CHI_TYPE_U8;
}

static int convert(const char *path, chi_tensor *t, pixel_rules *rules, chi_shape wanted,
                   bool quiet, pixel_array *out)
{
    const bool integers = t->type != CHI_TYPE_F16 && t->type != CHI_TYPE_BF16 &&
                          t->type != CHI_TYPE_F32 && t->type != CHI_TYPE_F64;
    reading r = { 0 };
    census c;
    size_t cut = 0;
    if (t->type == CHI_TYPE_BOOL)
        whiten(t);
    if (t->type != CHI_TYPE_U8) {
        const chi_status st = chi_tensor_to_f32(t);
        if (st != CHI_OK)
            return tool_fail(st);
    }
    int result = choose_layout(path, t, rules, wanted, quiet, &r);
    if (result == TOOL_DONE)
        result = t->type == CHI_TYPE_U8 ? count_bytes(t, &c) : count_floats(path, t, &c);
    if (result == TOOL_DONE)
        result = choose_values(path, &c, integers, rules, quiet);
    if (result != TOOL_DONE)
        return result;
    *out = (pixel_array){ r.count, r.shape, rules->values != VALUES_BYTES, NULL };
    out->values = malloc(t->count * (out->floats ? sizeof(float) : 1));
    if (!out->values)
        return tool_error("no memory for %zu pixels", t->count);
    fill(t, rules, rules->layout == LAYOUT_NHWC, out, &cut); // one channel lies the same either way
    if (cut)
        tool_say(quiet, "%s: %zu of %zu numbers lie outside of %g to %g and are cut there", path,
                 cut, t->count, rules->low, rules->high);
    return TOOL_DONE;
}

int pixels_read_array(const char *path, pixel_rules *rules, chi_shape wanted, bool quiet,
                      pixel_array *out)
{
    chi_tensor t = { 0 };
    *out = (pixel_array){ 0 };
    const chi_status st = chi_tensor_read(path, &t);
    if (st != CHI_OK)
        return tool_fail(st);
    int result;
    if (t.dims < 3 || t.dims > 4 || t.count == 0)
        result = tool_error("%s: %zu dimensions and %zu elements; images are "
                            "[count][rows][columns], [count][channels][rows][columns] or "
                            "[count][rows][columns][channels]",
                            path, t.dims, t.count);
    else
        result = convert(path, &t, rules, wanted, quiet, out);
    chi_tensor_free(&t);
    return result;
}
