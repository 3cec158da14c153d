// SPDX-License-Identifier: Apache-2.0
// tensor.c: tensors in host memory: types, sizes, conversions. Header: include/chiaro/data.h; the
// readers that make them are the other files of this folder.
#include "tensor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../base/hash.h"
#include "../base/memory.h"

static const struct { const char *name; size_t bytes; } types[] = {
    [CHI_TYPE_F32] = { "F32", 4 }, [CHI_TYPE_F64] = { "F64", 8 },   [CHI_TYPE_F16] = { "F16", 2 },
    [CHI_TYPE_BF16] = { "BF16", 2 }, [CHI_TYPE_U8] = { "U8", 1 },   [CHI_TYPE_I8] = { "I8", 1 },
    [CHI_TYPE_U16] = { "U16", 2 }, [CHI_TYPE_I16] = { "I16", 2 },   [CHI_TYPE_U32] = { "U32", 4 },
    [CHI_TYPE_I32] = { "I32", 4 }, [CHI_TYPE_U64] = { "U64", 8 },   [CHI_TYPE_I64] = { "I64", 8 },
    [CHI_TYPE_BOOL] = { "BOOL", 1 }, [CHI_TYPE_OTHER] = { "other", 0 },
};
enum { TYPES = sizeof types / sizeof types[0] };

size_t chi_type_bytes(chi_type type) { return (unsigned)type < TYPES ? types[type].bytes : 0; }
const char *chi_type_name(chi_type type) { return (unsigned)type < TYPES ? types[type].name : "?"; }

const char *chi_tensor_type(const chi_tensor *tensor)
{
    return tensor->type == CHI_TYPE_OTHER ? tensor->word : chi_type_name(tensor->type);
}

uint64_t chi_tensor_bytes(const chi_tensor *tensor)
{
    return tensor->type == CHI_TYPE_OTHER ? tensor->size
                                          : (uint64_t)tensor->count * chi_type_bytes(tensor->type);
}

bool chi__type_of_name(const char *name, chi_type *out)
{
    for (unsigned t = 0; t < TYPES; t++) {
        if (types[t].bytes && strcmp(name, types[t].name) == 0) {
            *out = (chi_type)t;
            return true;
        }
    }
    return false;
}

bool chi__tensor_size(chi_type type, const size_t *shape, size_t dims, size_t *count,
                      uint64_t *bytes)
{
    uint64_t elements = 1, total = 0;
    // A zero hides an overflow of the other sides from the product, and such a shape is a lie all
    // the same.
    for (size_t d = 0; d < dims; d++)
        if (!chi__mul(elements, shape[d] ? shape[d] : 1, &elements))
            return false;
    if (!chi__mul(elements, chi_type_bytes(type), &total) || total > PTRDIFF_MAX)
        return false;
    for (size_t d = 0; d < dims; d++)
        if (shape[d] == 0)
            elements = total = 0;
    *count = (size_t)elements;
    *bytes = total;
    return true;
}

chi_status chi__tensor_allocate(chi_tensor *t, const char *path)
{
    t->bytes = chi__alloc((size_t)chi_tensor_bytes(t), 1);
    if (!t->bytes)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu elements of %s", path,
                         t->count, chi_tensor_type(t));
    return CHI_OK;
}

void chi_tensor_free(chi_tensor *tensor)
{
    if (!tensor)
        return;
    chi__free(tensor->bytes);
    memset(tensor, 0, sizeof *tensor);
}

void chi__swap_bytes(void *bytes, size_t count, size_t element_bytes)
{
    unsigned char *p = bytes;
    for (size_t i = 0; i < count; i++, p += element_bytes) {
        for (size_t a = 0, b = element_bytes - 1; a < b; a++, b--) {
            const unsigned char keep = p[a];
            p[a] = p[b];
            p[b] = keep;
        }
    }
}

uint64_t chi_hash(uint64_t hash, const void *bytes, size_t count)
{
    return chi__hash(hash, bytes, count);
}

// ---- conversions -----------------------------------------------------------------------------

static double half_value(uint16_t bits)
{
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double v;
    if (exponent == 31)
        v = fraction ? (double)NAN : (double)INFINITY;
    else
        v = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return bits & 0x8000 ? -v : v;
}

static double brain_value(uint16_t bits)
{
    const uint32_t wide = (uint32_t)bits << 16;
    float v;
    memcpy(&v, &wide, sizeof v);
    return (double)v;
}

// Element i as a double: exact for all types but 64-bit integers, which the integer path below
// reads.
static double element(chi_type type, const void *bytes, size_t i)
{
    switch (type) {
    case CHI_TYPE_F32: return (double)((const float *)bytes)[i];
    case CHI_TYPE_F64: return ((const double *)bytes)[i];
    case CHI_TYPE_F16: return half_value(((const uint16_t *)bytes)[i]);
    case CHI_TYPE_BF16: return brain_value(((const uint16_t *)bytes)[i]);
    case CHI_TYPE_U8: return ((const uint8_t *)bytes)[i];
    case CHI_TYPE_I8: return ((const int8_t *)bytes)[i];
    case CHI_TYPE_U16: return ((const uint16_t *)bytes)[i];
    case CHI_TYPE_I16: return ((const int16_t *)bytes)[i];
    case CHI_TYPE_U32: return ((const uint32_t *)bytes)[i];
    case CHI_TYPE_I32: return ((const int32_t *)bytes)[i];
    case CHI_TYPE_U64: return (double)((const uint64_t *)bytes)[i];
    case CHI_TYPE_I64: return (double)((const int64_t *)bytes)[i];
    case CHI_TYPE_BOOL: return ((const uint8_t *)bytes)[i] != 0;
    case CHI_TYPE_OTHER: break; // refused before
    }
    return (double)NAN;
}

static chi_status check_numbers(const char *where, const chi_tensor *t)
{
    if (!t || !t->bytes)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "%s: no tensor", where);
    if (t->type == CHI_TYPE_OTHER)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: tensor %s: elements of type %.16s are listed, not computed with",
                         where, t->name, t->word);
    return CHI_OK;
}

// Puts `block`, converted elements, in place of the tensor's.
static void replace(chi_tensor *t, chi_type type, void *block)
{
    chi__free(t->bytes);
    t->bytes = block;
    t->type = type;
}

void chi__to_f32(chi_type type, const void *from, size_t count, float *to)
{
    for (size_t i = 0; i < count; i++) {
        if (type == CHI_TYPE_I64) // straight from the integer: one rounding, not two
            to[i] = (float)((const int64_t *)from)[i];
        else if (type == CHI_TYPE_U64)
            to[i] = (float)((const uint64_t *)from)[i];
        else
            to[i] = (float)element(type, from, i);
    }
}

chi_status chi_tensor_to_f32(chi_tensor *tensor)
{
    CHI_TRY(check_numbers("tensor_to_f32", tensor));
    if (tensor->type == CHI_TYPE_F32)
        return CHI_OK;
    float *to = chi__alloc(tensor->count, sizeof *to);
    if (!to)
        return chi__fail(NULL, CHI_ERR_MEMORY, "tensor_to_f32: no memory for %zu floats",
                         tensor->count);
    chi__to_f32(tensor->type, tensor->bytes, tensor->count, to);
    replace(tensor, CHI_TYPE_F32, to);
    return CHI_OK;
}

chi_status chi_tensor_to_i32(chi_tensor *tensor)
{
    CHI_TRY(check_numbers("tensor_to_i32", tensor));
    if (tensor->type == CHI_TYPE_I32)
        return CHI_OK;
    int32_t *to = chi__alloc(tensor->count, sizeof *to);
    if (!to)
        return chi__fail(NULL, CHI_ERR_MEMORY, "tensor_to_i32: no memory for %zu integers",
                         tensor->count);
    for (size_t i = 0; i < tensor->count; i++) {
        // 64-bit integers lose low bits here only beyond 2^53, far outside of what is accepted.
        const double v = element(tensor->type, tensor->bytes, i);
        if (!(v >= INT32_MIN && v <= INT32_MAX) || v != floor(v)) {
            chi__free(to);
            return chi__fail(NULL, CHI_ERR_FORMAT,
                             "tensor%s%s: element %zu is %.17g, not a 32-bit integer",
                             tensor->name[0] ? " " : "", tensor->name, i, v);
        }
        to[i] = (int32_t)v;
    }
    replace(tensor, CHI_TYPE_I32, to);
    return CHI_OK;
}

// Element i exactly; false where it is no integer of 64 bits.
static bool whole_element(chi_type type, const void *bytes, size_t i, int64_t *out)
{
    if (type == CHI_TYPE_U64) {
        const uint64_t u = ((const uint64_t *)bytes)[i];
        *out = (int64_t)(u & INT64_MAX);
        return u <= INT64_MAX;
    }
    const double v = element(type, bytes, i);
    if (!(v >= -0x1p63 && v < 0x1p63) || v != floor(v))
        return false;
    *out = (int64_t)v;
    return true;
}

static chi_status no_integer(const chi_tensor *t, size_t i, const char *where, const char *unit)
{
    char text[40];
    if (t->type == CHI_TYPE_U64)
        snprintf(text, sizeof text, "%" PRIu64, ((const uint64_t *)t->bytes)[i]);
    else
        snprintf(text, sizeof text, "%.17g", element(t->type, t->bytes, i));
    return chi__fail(NULL, CHI_ERR_FORMAT, "%s: %s %zu is %s, not a 64-bit integer", where, unit, i,
                     text);
}

chi_status chi__tensor_to_i64(chi_tensor *tensor, const char *where, const char *unit)
{
    if (tensor->type == CHI_TYPE_I64)
        return CHI_OK;
    int64_t *to = chi__alloc(tensor->count, sizeof *to);
    if (!to)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu integers", where,
                         tensor->count);
    for (size_t i = 0; i < tensor->count; i++) {
        if (!whole_element(tensor->type, tensor->bytes, i, &to[i])) {
            chi__free(to);
            return no_integer(tensor, i, where, unit);
        }
    }
    replace(tensor, CHI_TYPE_I64, to);
    return CHI_OK;
}

chi_status chi_tensor_to_i64(chi_tensor *tensor)
{
    CHI_TRY(check_numbers("tensor_to_i64", tensor));
    return chi__tensor_to_i64(tensor, tensor->name[0] ? tensor->name : "tensor", "element");
}
