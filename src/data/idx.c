// SPDX-License-Identifier: Apache-2.0
// idx.c: the header of idx files (LeCun's MNIST layout). The elements: src/data/array.c.
//
// Layout: 0 0 type dims, then one big-endian 32-bit size a dimension, then the elements, big
// endian.
#include <string.h>

#include "array.h"

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
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: begins with %02x %02x %02x %02x: not idx", path,
                         raw[0], raw[1], raw[2], raw[3]);
    if (raw[3] > CHI__MAX_DIMS)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: %d dimensions, at most %d are read", path,
                         raw[3], CHI__MAX_DIMS);
    t->dims = raw[3];
    return CHI_OK;
}

static chi_status read_sizes(const char *path, const unsigned char *sizes, chi_tensor *t,
                             uint64_t *bytes)
{
    for (size_t d = 0; d < t->dims; d++) {
        const unsigned char *p = sizes + 4 * d;
        t->shape[d] = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    }
    if (!chi__tensor_size(t->type, t->shape, t->dims, &t->count, bytes))
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: offset 4: the sizes of %zu dimensions overflow",
                         path, t->dims);
    return CHI_OK;
}

chi_status chi__idx_look(chi__stream *s, chi__layout *out)
{
    unsigned char raw[4 * CHI__MAX_DIMS];
    chi__layout layout = { .swap = chi__host_is_little() };
    CHI_TRY(chi__stream_take(s, raw, 4));
    CHI_TRY(read_magic(s->name, raw, &layout.tensor));
    CHI_TRY(chi__stream_take(s, raw, 4 * layout.tensor.dims));
    CHI_TRY(read_sizes(s->name, raw, &layout.tensor, &layout.bytes));
    CHI_TRY(chi__stream_expect(s, layout.bytes));
    *out = layout;
    return CHI_OK;
}
