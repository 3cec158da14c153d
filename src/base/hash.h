// SPDX-License-Identifier: Apache-2.0
// hash.h: FNV-1a 64 (offset 14695981039346656037): results, cache entries, checksums.
#ifndef CHI_BASE_HASH_H
#define CHI_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define CHI__HASH_START 14695981039346656037ull
uint64_t chi__hash(uint64_t hash, const void *bytes, size_t count);

#endif
