// SPDX-License-Identifier: Apache-2.0
// tensor.h: what the readers and writers of src/data share. Public half: include/chiaro/data.h.
#ifndef CHI_DATA_TENSOR_H
#define CHI_DATA_TENSOR_H

#include <chiaro/data.h>

#include "../base/file.h"

enum { CHI__MAX_DIMS = 8 };

// Elements and bytes of a shape; false where either overflows what memory can address.
bool chi__tensor_size(chi_type type, const size_t *shape, size_t dims, size_t *count,
                      uint64_t *bytes);
// Room for t->count elements of t->type at t->bytes; the sentence names `path`.
chi_status chi__tensor_allocate(chi_tensor *t, const char *path);
// "F32", "BF16", …; false: none that elements here can have.
bool chi__type_of_name(const char *name, chi_type *out);

// chi_tensor_to_i64 with a sentence of the caller's: "FILE: row 3 is …".
chi_status chi__tensor_to_i64(chi_tensor *tensor, const char *where, const char *unit);

// `count` elements of `type` rounded once to float32.
void chi__to_f32(chi_type type, const void *from, size_t count, float *to);
// Each element's bytes reversed.
void chi__swap_bytes(void *bytes, size_t count, size_t element_bytes);
static inline bool chi__host_is_little(void)
{
    const uint16_t one = 1;
    return *(const unsigned char *)&one == 1;
}

// Opens a writer behind the header of `tensor` (its bytes are not read); *bytes of elements are
// due.
chi_status chi__npy_begin(const char *path, const chi_tensor *tensor, uint64_t *bytes,
                          chi__writer *out);

#endif
