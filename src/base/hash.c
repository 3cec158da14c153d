// SPDX-License-Identifier: Apache-2.0
// hash.c: FNV-1a 64. Header: hash.h.
#include "hash.h"

uint64_t chi__hash(uint64_t hash, const void *bytes, size_t count)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ at[i]) * 1099511628211ull;
    return hash;
}
