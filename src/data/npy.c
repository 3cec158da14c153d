// SPDX-License-Identifier: Apache-2.0
// npy.c: reading and writing numpy's .npy, formats 1 to 3. Chosen by src/data/read.c; piece by piece: npy_rows.c.
//
// Layout: \x93NUMPY, major, minor, header length (16 bits in format 1, 32 after), a Python dictionary
//   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
// in exactly this grammar (keys in any order), then the elements. Nothing is evaluated.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/memory.h"
#include "tensor.h"

enum { MAX_HEADER = 1 << 16 };

// The header while it is read. `at` stays inside text, which ends with a zero byte.
typedef struct header {
    const char *path, *text, *at;
    char descr[16];
    bool fortran, has_descr, has_order, has_shape;
    chi_tensor *t;
} header;

static chi_status bad(const header *h, const char *why)
{
    return chi__fail(NULL, CHI_ERR_FORMAT, "%s: the header at its character %td: %s", h->path, h->at - h->text, why);
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

static chi_status take_descr(header *h)
{
    skip_space(h);
    if (*h->at == '[')
        return bad(h, "a structured type; save each field as an array of its own");
    h->has_descr = true;
    return take_text(h, h->descr, sizeof h->descr);
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
        if (!chi__mul(side, 10, &side) || !chi__add(side, (uint64_t)(*h->at - '0'), &side) || side > SIZE_MAX)
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

// '<f4' into a type, and whether the file's byte order is not ours.
static chi_status read_descr(const header *h, chi_type *type, bool *swap)
{
    const char order = h->descr[0];
    if (strchr(h->descr, 'O'))
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: an array of Python objects, which cannot be read safely", h->path);
    for (unsigned i = 0; i < CODES; i++) {
        if (order == 0 || strcmp(h->descr + 1, codes[i].code) != 0)
            continue;
        *type = codes[i].type;
        const bool one_byte = chi_type_bytes(*type) == 1;
        *swap = order == (chi__host_is_little() ? '>' : '<');
        if (order == '<' || order == '>' || order == '=' || (order == '|' && one_byte))
            return CHI_OK;
    }
    return chi__fail(NULL, CHI_ERR_FORMAT, "%s: elements of type '%s'; floats of 16, 32, 64 bits, integers and "
                     "booleans are read", h->path, h->descr);
}

// The header's text and where the elements begin.
static chi_status load_header(chi__file *file, char **text, uint64_t *start)
{
    unsigned char raw[12];
    if (file->bytes < sizeof raw)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: cut short after %" PRIu64 " bytes of .npy", file->path, file->bytes);
    CHI_TRY(chi__file_read(file, 0, raw, sizeof raw));
    if (memcmp(raw, "\x93NUMPY", 6) != 0 || raw[6] < 1 || raw[6] > 3 || raw[7] != 0)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: .npy of format %d.%d; 1.0, 2.0 and 3.0 are read", file->path, raw[6],
                         raw[7]);
    const uint64_t prefix = raw[6] == 1 ? 10 : 12;
    uint64_t length = (uint64_t)(raw[8] | raw[9] << 8);
    if (raw[6] > 1)
        length |= (uint64_t)raw[10] << 16 | (uint64_t)raw[11] << 24;
    if (length > MAX_HEADER || length > file->bytes - prefix)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: a header of %" PRIu64 " bytes in a file of %" PRIu64
                         " (at most %d are allowed)", file->path, length, file->bytes, MAX_HEADER);
    *text = chi__alloc((size_t)length + 1, 1);
    if (!*text)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for the header", file->path);
    CHI_TRY(chi__file_read(file, prefix, *text, length));
    if (strlen(*text) != length)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: a zero byte in the header", file->path);
    *start = prefix + length;
    return CHI_OK;
}

static chi_status check_array(const chi__file *file, const header *h, chi__npy_layout *out)
{
    chi_tensor *t = h->t;
    CHI_TRY(read_descr(h, &t->type, &out->swap));
    if (h->fortran)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: in Fortran order; save numpy.ascontiguousarray of it", file->path);
    if (!chi__tensor_size(t->type, t->shape, t->dims, &t->count, &out->bytes))
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: the shape's %zu sizes overflow", file->path, t->dims);
    if (out->bytes != file->bytes - out->start)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: the header says %" PRIu64 " bytes of elements, the file holds %"
                         PRIu64 " from byte %" PRIu64 " on", file->path, out->bytes, file->bytes - out->start, out->start);
    return CHI_OK;
}

chi_status chi__npy_look(chi__file *file, chi__npy_layout *out)
{
    chi__npy_layout layout = { 0 };
    char *text = NULL;
    chi_status st;
    CHI_TRY_DONE(load_header(file, &text, &layout.start));
    header h = { .path = file->path, .text = text, .at = text, .t = &layout.tensor };
    CHI_TRY_DONE(parse(&h));
    CHI_TRY_DONE(check_array(file, &h, &layout));
    *out = layout;
done:
    chi__free(text);
    return st;
}

chi_status chi__npy_read(chi__file *file, chi_tensor *out)
{
    chi__npy_layout layout;
    CHI_TRY(chi__npy_look(file, &layout));
    chi_tensor *t = &layout.tensor;
    chi_status st;
    CHI_TRY_DONE(chi__tensor_allocate(t, file->path));
    CHI_TRY_DONE(chi__file_read(file, layout.start, t->bytes, layout.bytes));
    if (layout.swap)
        chi__swap_bytes(t->bytes, t->count, chi_type_bytes(t->type));
    *out = *t;
done:
    if (st != CHI_OK)
        chi_tensor_free(t);
    return st;
}

// ---- writing -------------------------------------------------------------------------------------

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
    size_t n = (size_t)snprintf(to, room, "%s%c%c%c%c{'descr': '%c%s', 'fortran_order': False, 'shape': (", "\x93NUMPY",
                                1, 0, 0, 0, order, code_of(t->type));
    for (size_t d = 0; d < t->dims; d++)
        n += (size_t)snprintf(to + n, room - n, "%zu%s", t->shape[d], d + 1 < t->dims ? ", " : t->dims == 1 ? "," : "");
    n += (size_t)snprintf(to + n, room - n, "), }");
    const size_t end = chi__round_up(n + 1, 64);
    memset(to + n, ' ', end - 1 - n);
    to[end - 1] = '\n';
    to[8] = (char)((end - 10) & 255);
    to[9] = (char)((end - 10) >> 8);
    return end;
}

chi_status chi__npy_begin(const char *path, const chi_tensor *tensor, uint64_t *bytes, chi__writer *out)
{
    char head[512];
    size_t count;
    if (!path || !tensor || tensor->dims > CHI__MAX_DIMS)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "npy_write: no path, no tensor or more than %d dimensions",
                         CHI__MAX_DIMS);
    if (!code_of(tensor->type))
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "%s: .npy has no type %s", path, chi_type_name(tensor->type));
    if (!chi__tensor_size(tensor->type, tensor->shape, tensor->dims, &count, bytes) || count != tensor->count)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "%s: %zu elements do not fit the shape", path, tensor->count);
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
