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

// Each step, (state ^ byte) * prime, can be undone. Walking back from both ends, all bytes behind a place being right, the
// states before the multiplication differ at the false byte in its eight bits alone; by accident once in 2^56.
bool chi__hash_one_byte_off(const void *bytes, size_t count, uint64_t got, uint64_t due)
{
    const uint64_t inverse = 0xce965057aff6957bull; // of the prime, modulo 2^64
    const unsigned char *at = bytes;
    for (size_t i = count; i-- > 0;) {
        got *= inverse;
        due *= inverse;
        if ((got ^ due) < 256)
            return true;
        got ^= at[i];
        due ^= at[i];
    }
    return false;
}
