// SPDX-License-Identifier: Apache-2.0
// hash.h: FNV-1a 64 (offset 14695981039346656037): results, cache entries, checksums.
#ifndef CHI_BASE_HASH_H
#define CHI_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHI__HASH_START 14695981039346656037ull
uint64_t chi__hash(uint64_t hash, const void *bytes, size_t count);
// Whether `bytes`, whose hash is `got`, would have the hash `due` if a single one of them were another.
bool chi__hash_one_byte_off(const void *bytes, size_t count, uint64_t got, uint64_t due);

#endif
