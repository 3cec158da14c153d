// SPDX-License-Identifier: Apache-2.0
// colour.h (reference): what the colours of one pixel become. Formulas: kernels/data/augment.cl.
// Kernel: kernels/data/colour.h.
#ifndef CHI_REF_COLOUR_H
#define CHI_REF_COLOUR_H

// One pixel, red, green, blue, in [0, 1]; changed in place, bit for bit as the kernel does.
float chi__ref_luma(const float *rgb);
void chi__ref_saturate(float *rgb, float factor);
void chi__ref_turn_hue(float *rgb, float turn); // sixths of the circle, −3 … 3, not 0

#endif
