// SPDX-License-Identifier: Apache-2.0
// memory.c: host memory with sizes checked. Header: memory.h.
#include "memory.h"

#include <stdlib.h>
#include <string.h>

bool chi__mul(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_mul_overflow(a, b, out); }
bool chi__add(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_add_overflow(a, b, out); }

void *chi__alloc(size_t count, size_t size) { return calloc(count ? count : 1, size); }

void *chi__realloc(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count ? count : 1, size, &bytes))
        return NULL;
    return realloc(block, bytes);
}

char *chi__copy_text(const char *text)
{
    const size_t bytes = strlen(text) + 1;
    char *copy = chi__alloc(bytes, 1);
    if (copy)
        memcpy(copy, text, bytes);
    return copy;
}

void chi__free(void *block) { free(block); }
