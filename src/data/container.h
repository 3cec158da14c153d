// SPDX-License-Identifier: Apache-2.0
// container.h: choosing one array among the several that an .npz or a safetensors file holds.
#ifndef CHI_DATA_CONTAINER_H
#define CHI_DATA_CONTAINER_H

#include "array.h"
#include "zip.h"

// The place of `name` among the names; name NULL: of the only one. The sentence lists them where
// there is no such, or several.
chi_status chi__choose_array(const char *path, const char *const *names, size_t count,
                             const char *name, size_t *out);

// The same among a zip's members, with or without ".npy".
chi_status chi__zip_find(const chi__file *file, const chi__zip *zip, const char *name, size_t *out);
// array->file is open and its stream has a name; the rest is filled in.
chi_status chi__array_of_member(chi__array *array, const chi__member *member);

// One tensor's place, size and checksum into the stream, and its layout. File and name of the
// stream are the caller's.
chi_status chi__safetensors_look(chi__file *file, const char *name, chi__stream *stream,
                                 chi__layout *layout);

#endif
