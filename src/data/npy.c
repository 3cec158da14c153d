// SPDX-License-Identifier: Apache-2.0
// npy.c: the header of numpy's .npy, formats 1 to 3, and writing it. The elements:
// src/data/array.c; by rows: npy_rows.c.
//
// Layout: \x93NUMPY, major, minor, header length (16 bits in format 1, 32 after), a Python
// dictionary
//   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
// in exactly this grammar (keys in any order), then the elements. Nothing is evaluated.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/memory.h"
#include "array.h"

enum { MAX_HEADER = 1 << 16 };

// The header while it is read. `at` stays inside text, which ends with a zero byte.
typedef struct header {
    const char *path, *text, *at;
    char descr[sizeof((chi_tensor *)0)->word];
    bool fortran, has_descr, has_order, has_shape;
    chi_tensor *t;
} header;

static chi_status bad(const header *h, const char *why)
{
    return chi__fail(NULL, CHI_ERR_FORMAT, "%s: the header at its character %td: %s", h->path,
                     h->at - h->text, why);
}

static void skip_space(header *h)
{
    while (*h->at == ' ' || *h->at == '\t' || *h->at == '\n' || *h->at == '\r')
        h->at++;
}

static bool take(header *h, char c)
{
    skip_space(h);
    if (*h->at != c)
        return false;
    h->at++;
    return true;
}

static chi_status take_text(header *h, char *to, size_t room)
{
    skip_space(h);
    const char quote = *h->at;
    if (quote != '\'' && quote != '"')
        return bad(h, "a text in quotes was due");
    const char *end = strchr(h->at + 1, quote);
    if (!end || (size_t)(end - h->at) > room)
        return bad(h, "a text without end or too long");
    const size_t length = (size_t)(end - h->at) - 1;
    memcpy(to, h->at + 1, length);
    to[length] = 0;
    h->at = end + 1;
    return CHI_OK;
}

// A structured type is a list in brackets: only that it is one is kept.
static chi_status skip_list(header *h)
{
    size_t depth = 0;
    do {
        depth += *h->at == '[';
        depth -= *h->at == ']';
        if (!*h->at)
            return bad(h, "a list without end");
        h->at++;
    } while (depth);
    strcpy(h->descr, "structured");
    return CHI_OK;
}

static chi_status take_descr(header *h)
{
    h->has_descr = true;
    skip_space(h);
    return *h->at == '[' ? skip_list(h) : take_text(h, h->descr, sizeof h->descr);
}

static chi_status take_order(header *h)
{
    skip_space(h);
    h->fortran = strncmp(h->at, "True", 4) == 0;
    if (!h->fortran && strncmp(h->at, "False", 5) != 0)
        return bad(h, "True or False was due");
    h->at += h->fortran ? 4 : 5;
    h->has_order = true;
    return CHI_OK;
}

static chi_status take_side(header *h)
{
    uint64_t side = 0;
    if (*h->at < '0' || *h->at > '9')
        return bad(h, "a size was due");
    if (h->t->dims == CHI__MAX_DIMS)
        return bad(h, "more than 8 dimensions");
    for (; *h->at >= '0' && *h->at <= '9'; h->at++)
        if (!chi__mul(side, 10, &side) || !chi__add(side, (uint64_t)(*h->at - '0'), &side) ||
            side > SIZE_MAX)
            return bad(h, "a size beyond what memory can address");
    if (*h->at == 'L') // Python 2 wrote long integers so
        h->at++;
    h->t->shape[h->t->dims++] = (size_t)side;
    return CHI_OK;
}

static chi_status take_shape(header *h)
{
    if (!take(h, '('))
        return bad(h, "a shape in parentheses was due");
    while (!take(h, ')')) {
        CHI_TRY(take_side(h));
        if (!take(h, ',') && (skip_space(h), *h->at != ')'))
            return bad(h, "',' or ')' was due");
    }
    h->has_shape = true;
    return CHI_OK;
}

static chi_status take_entry(header *h)
{
    char key[16];
    CHI_TRY(take_text(h, key, sizeof key));
    if (!take(h, ':'))
        return bad(h, "':' was due");
    if (strcmp(key, "descr") == 0 && !h->has_descr)
        return take_descr(h);
    if (strcmp(key, "fortran_order") == 0 && !h->has_order)
        return take_order(h);
    if (strcmp(key, "shape") == 0 && !h->has_shape)
        return take_shape(h);
    return bad(h, "descr, fortran_order and shape are due, once each");
}

static chi_status parse(header *h)
{
    if (!take(h, '{'))
        return bad(h, "'{' was due");
    while (!take(h, '}')) {
        CHI_TRY(take_entry(h));
        if (!take(h, ',') && (skip_space(h), *h->at != '}'))
            return bad(h, "',' or '}' was due");
    }
    skip_space(h);
    if (*h->at)
        return bad(h, "nothing was due after '}'");
    if (!h->has_descr || !h->has_order || !h->has_shape)
        return bad(h, "descr, fortran_order and shape are due, once each");
    return CHI_OK;
}

static const struct { const char *code; chi_type type; } codes[] = {
    { "f4", CHI_TYPE_F32 }, { "f8", CHI_TYPE_F64 }, { "f2", CHI_TYPE_F16 }, { "u1", CHI_TYPE_U8 },
    { "i1", CHI_TYPE_I8 },  { "u2", CHI_TYPE_U16 }, { "i2", CHI_TYPE_I16 }, { "u4", CHI_TYPE_U32 },
    { "i4", CHI_TYPE_I32 }, { "u8", CHI_TYPE_U64 }, { "i8", CHI_TYPE_I64 }, { "b1", CHI_TYPE_BOOL },
};
enum { CODES = sizeof codes / sizeof codes[0] };

// '<U8' and '|S5': strings of a fixed number of characters.
static bool read_text_type(const char *descr, chi__layout *out)
{
    const char kind = descr[0] ? descr[1] : 0;
    uint64_t width = 0;
    if ((kind != 'U' && kind != 'S') || !strchr("<>|=", descr[0]) || descr[2] < '0' ||
        descr[2] > '9')
        return false;
    for (const char *at = descr + 2; *at; at++) // at most 13 digits
        if (*at < '0' || *at > '9')
            return false;
        else
            width = 10 * width + (uint64_t)(*at - '0');
    out->text = kind;
    out->width = (size_t)width;
    out->swap = kind == 'U' && descr[0] == (chi__host_is_little() ? '>' : '<');
    return true;
}

// '<f4' into a type, and whether the file's byte order is not ours. Unknown elements are
// CHI_TYPE_OTHER.
static void read_descr(const char *descr, chi__layout *out)
{
    const char order = descr[0];
    out->tensor.type = CHI_TYPE_OTHER;
    for (unsigned i = 0; i < CODES && order; i++) {
        if (strcmp(descr + 1, codes[i].code) != 0)
            continue;
        const bool one_byte = chi_type_bytes(codes[i].type) == 1;
        out->swap = order == (chi__host_is_little() ? '>' : '<');
        if (order == '<' || order == '>' || order == '=' || (order == '|' && one_byte))
            out->tensor.type = codes[i].type;
    }
    if (out->tensor.type == CHI_TYPE_OTHER) {
        read_text_type(descr, out);
        strcpy(out->tensor.word, descr);
    }
}

// The header's text.
static chi_status load_header(chi__stream *s, char **text)
{
    unsigned char raw[8], size[4] = { 0 };
    CHI_TRY(chi__stream_take(s, raw, sizeof raw));
    if (memcmp(raw, "\x93NUMPY", 6) != 0 || raw[6] < 1 || raw[6] > 3 || raw[7] != 0)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: .npy of format %d.%d; 1.0, 2.0 and 3.0 are read", s->name, raw[6],
                         raw[7]);
    CHI_TRY(chi__stream_take(s, size, raw[6] == 1 ? 2 : 4));
    const uint64_t length = (uint64_t)size[0] | (uint64_t)size[1] << 8 | (uint64_t)size[2] << 16 |
                            (uint64_t)size[3] << 24;
    if (length > MAX_HEADER)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: a header of %" PRIu64 " bytes, at most %d are allowed", s->name,
                         length, MAX_HEADER);
    *text = chi__alloc((size_t)length + 1, 1);
    if (!*text)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for the header", s->name);
    CHI_TRY(chi__stream_take(s, *text, length));
    if (strlen(*text) != length)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: a zero byte in the header", s->name);
    return CHI_OK;
}

// Elements and bytes, compared with what the stream holds. Of types unknown to us the bytes are
// what is left.
static chi_status size_up(const chi__stream *s, chi__layout *l)
{
    chi_tensor *t = &l->tensor;
    uint64_t each = l->text == 'U' ? 4 : 1;
    // As bytes first, so that the shape alone is checked where the type has no size.
    if (!chi__tensor_size(t->type == CHI_TYPE_OTHER ? CHI_TYPE_U8 : t->type, t->shape, t->dims,
                          &t->count, &l->bytes))
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: the shape's %zu sizes overflow", s->name,
                         t->dims);
    if (t->type != CHI_TYPE_OTHER)
        return chi__stream_expect(s, l->bytes);
    l->bytes = s->bytes - s->done;
    t->size = l->bytes;
    if (!l->text)
        return CHI_OK;
    if (!chi__mul(each, l->width, &each) || !chi__mul(each, t->count, &l->bytes) ||
        l->bytes > PTRDIFF_MAX)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: %zu strings of %zu characters overflow",
                         s->name, t->count, l->width);
    t->size = l->bytes;
    return chi__stream_expect(s, l->bytes);
}

chi_status chi__npy_look(chi__stream *s, chi__layout *out)
{
    chi__layout layout = { 0 };
    char *text = NULL;
    chi_status st;
    CHI_TRY_DONE(load_header(s, &text));
    header h = { .path = s->name, .text = text, .at = text, .t = &layout.tensor };
    CHI_TRY_DONE(parse(&h));
    read_descr(h.descr, &layout);
    layout.fortran = h.fortran && layout.tensor.dims > 1;
    CHI_TRY_DONE(size_up(s, &layout));
    *out = layout;
done:
    chi__free(text);
    return st;
}

// ---- writing ------------------------------------------------------------------------------------

static const char *code_of(chi_type type)
{
    for (unsigned i = 0; i < CODES; i++)
        if (codes[i].type == type)
            return codes[i].code;
    return NULL;
}

// Format 1.0, padded so that the elements begin at a multiple of 64, as numpy writes it.
static size_t print_header(const chi_tensor *t, char *to, size_t room)
{
    const char order = chi_type_bytes(t->type) == 1 ? '|' : chi__host_is_little() ? '<' : '>';
    size_t n =
        (size_t)snprintf(to, room, "%s%c%c%c%c{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                         "\x93NUMPY", 1, 0, 0, 0, order, code_of(t->type));
    for (size_t d = 0; d < t->dims; d++)
        n += (size_t)snprintf(to + n, room - n, "%zu%s", t->shape[d],
                              d + 1 < t->dims ? ", "
                              : t->dims == 1  ? ","
                                              : "");
    n += (size_t)snprintf(to + n, room - n, "), }");
    const size_t end = chi__round_up(n + 1, 64);
    memset(to + n, ' ', end - 1 - n);
    to[end - 1] = '\n';
    to[8] = (char)((end - 10) & 255);
    to[9] = (char)((end - 10) >> 8);
    return end;
}

chi_status chi__npy_begin(const char *path, const chi_tensor *tensor, uint64_t *bytes,
                          chi__writer *out)
{
    char head[512];
    size_t count;
    if (!path || !tensor || tensor->dims > CHI__MAX_DIMS)
        return chi__fail(NULL, CHI_ERR_ARGUMENT,
                         "npy_write: no path, no tensor or more than %d dimensions", CHI__MAX_DIMS);
    if (!code_of(tensor->type))
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "%s: .npy has no type %s", path,
                         chi_type_name(tensor->type));
    if (!chi__tensor_size(tensor->type, tensor->shape, tensor->dims, &count, bytes) ||
        count != tensor->count)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "%s: %zu elements do not fit the shape", path,
                         tensor->count);
    CHI_TRY(chi__writer_open(path, true, out));
    chi__writer_put(out, head, print_header(tensor, head, sizeof head));
    return CHI_OK;
}

chi_status chi_npy_write(const char *path, const chi_tensor *tensor)
{
    uint64_t bytes;
    chi__writer writer;
    if (!tensor || !tensor->bytes)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "npy_write: no tensor");
    CHI_TRY(chi__npy_begin(path, tensor, &bytes, &writer));
    chi__writer_put(&writer, tensor->bytes, (size_t)bytes);
    return chi__writer_commit(&writer);
}
