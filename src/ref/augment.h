// SPDX-License-Identifier: Apache-2.0
// augment.h: the definition of an augmented view. Kernel: kernels/data/augment.cl.
#ifndef CHI_REF_AUGMENT_H
#define CHI_REF_AUGMENT_H

#include <chiaro/data.h>

// out [views · n][channels · height · width] as chi_augment_eval writes it, bit for bit.
void chi__ref_augment(const chi_augment_options *o, uint64_t seed, const void *images, const int32_t *indices, size_t n,
                      size_t views, uint64_t step, float *out);

#endif
