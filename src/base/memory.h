// SPDX-License-Identifier: Apache-2.0
// memory.h: the only room that calls malloc.
#ifndef CHI_BASE_MEMORY_H
#define CHI_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// count × size bytes of zeros; NULL on overflow or when there is no memory. count 0 gives one element.
void *chi__alloc(size_t count, size_t size);
// Resizes to count × size bytes; new bytes are not cleared; NULL leaves the old block alone.
void *chi__realloc(void *block, size_t count, size_t size);
char *chi__copy_text(const char *text); // NULL on no memory
void chi__free(void *block);            // accepts NULL

// a · b and a + b with overflow reported as false.
bool chi__mul(uint64_t a, uint64_t b, uint64_t *out);
bool chi__add(uint64_t a, uint64_t b, uint64_t *out);

static inline size_t chi__round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }
static inline size_t chi__div_up(size_t n, size_t by) { return (n + by - 1) / by; }

#endif
