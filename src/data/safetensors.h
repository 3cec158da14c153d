// SPDX-License-Identifier: Apache-2.0
// safetensors.h: what reading and writing safetensors files share: limits and checksums.
//
// Checksums are metadata. "checksum.<tensor>" is FNV-1a 64 over the tensor's bytes in the file, and
// "checksum.__metadata__" over everything else that the header says: the other pairs by ascending key,
// each "key\0value\0", then the tensors by ascending name, each "name\0dtype\0side side …\0". So a flipped
// bit anywhere is noticed, and a tool that only changes the order disturbs nothing. A file with one
// checksum has all of them.
#ifndef CHI_DATA_SAFETENSORS_H
#define CHI_DATA_SAFETENSORS_H

#include <jansson.h>

#include "tensor.h"

#define CHI__CHECKSUM      "checksum."
#define CHI__CHECKSUM_REST "__metadata__" // what follows the prefix for the header's own
#define CHI__METADATA      "__metadata__"
enum { CHI__SAFETENSORS_MAX_HEADER = 100000000, CHI__CHECKSUM_TEXT = 17 };

// Where a tensor's bytes lie, counted from the end of the header.
typedef struct chi__extent { uint64_t begin, end; size_t item; } chi__extent;

bool chi__is_checksum(const char *key);
void chi__checksum_text(uint64_t hash, char to[CHI__CHECKSUM_TEXT]); // 16 hexadecimal digits

// The header's own checksum; pairs that are checksums themselves do not count.
chi_status chi__checksum_header(const chi_tensors *tensors, uint64_t *out);
// `metadata` is the header's object or NULL. Without a single checksum in it everything passes.
chi_status chi__checksum_verify_header(const char *path, const json_t *metadata, const chi_tensors *tensors);
chi_status chi__checksum_verify(const char *path, const json_t *metadata, const chi_tensor *t);
// The checksum that is kept for a tensor; false: none.
bool chi__checksum_kept(const json_t *metadata, const char *name, uint64_t *out);

#endif
