// SPDX-License-Identifier: Apache-2.0
// array.h: one array inside a file, whichever of the formats and containers holds it: opened,
// described, then loaded whole or read by rows. Public half: chi_tensor_read and chi_npy_open in
// include/chiaro/data.h.
#ifndef CHI_DATA_ARRAY_H
#define CHI_DATA_ARRAY_H

#include "stream.h"
#include "tensor.h"

// What a header says of its elements.
typedef struct chi__layout {
    chi_tensor tensor; // without its bytes; CHI_TYPE_OTHER where the elements are none of ours
    uint64_t bytes;    // of all elements, as the file has them
    bool swap;         // the file's byte order is not ours
    bool fortran;      // the first index runs fastest, not the last
    char text;         // 'U' or 'S': numpy's strings of `width` characters, 4 bytes or 1 each; else 0
    size_t width;
} chi__layout;

// Header readers take a stream from its start and leave it at the first element.
chi_status chi__npy_look(chi__stream *s, chi__layout *out);
chi_status chi__idx_look(chi__stream *s, chi__layout *out);

typedef struct chi__array {
    chi__file file;
    chi__stream stream; // stands at the first element
    chi__layout layout;
} chi__array;

// `path` as chi_tensor_read takes it. Not to be copied; close also after failure of any call but
// this one.
chi_status chi__array_open(const char *path, chi__array *out);
// Whether elements can be numbers; the sentence where not.
chi_status chi__array_check_type(const chi__array *array);
// All elements in C order and our byte order; text and other types as they lie. *out is touched
// only on success.
chi_status chi__array_load(chi__array *array, chi_tensor *out);
void chi__array_close(chi__array *array);

// Steps through the places of elements that come with the first index fastest. All zero but shape
// and dims: the first.
typedef struct chi__odometer { const size_t *shape; size_t dims, index[CHI__MAX_DIMS], at; } chi__odometer;
void chi__odometer_step(chi__odometer *o); // .at: the place in C order

// Whether the file begins like one of the formats that are read; text begins like none. A name
// behind the file counts too.
chi_status chi__is_array(const char *path, bool *out);

#endif
