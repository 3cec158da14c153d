// SPDX-License-Identifier: Apache-2.0
// random.h: Philox 4x32-10 (Salmon et al. 2011), the same numbers as kernels/common/rng.h.
#ifndef CHI_BASE_RANDOM_H
#define CHI_BASE_RANDOM_H

#include <stdint.h>

// Streams keep uses of one seed apart. A number is a function of (seed, stream, step, index) alone.
typedef enum chi__stream {
    CHI__STREAM_WEIGHTS = 1, CHI__STREAM_SHUFFLE, CHI__STREAM_AUGMENT, CHI__STREAM_PROBLEM, CHI__STREAM_TEST,
    CHI__STREAM_BOOTSTRAP,
} chi__stream;

typedef struct chi__random { uint32_t word[4]; } chi__random;
// Counter = (index low, index high, step, stream), key = seed.
chi__random chi__random_at(uint64_t seed, uint32_t stream, uint32_t step, uint64_t index);
// (word >> 8) · 2⁻²⁴: in [0, 1).
static inline float chi__uniform(uint32_t word) { return (float)(word >> 8) * 0x1p-24f; }

#endif
