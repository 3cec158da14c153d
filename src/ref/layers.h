// SPDX-License-Identifier: Apache-2.0
// layers.h (reference): networks by the definitions of include/chiaro/encoder.h, forward, in double; torch's order throughout.
#ifndef CHI_REF_LAYERS_H
#define CHI_REF_LAYERS_H

#include <chiaro/encoder.h>

// The output of `layers` for x [n][channels][height][width], a new array of n rows that the caller frees; *shape becomes the
// output's. parameters: all tensors one after the other, as chi_encoder_parameters lists them, running statistics
// included (training does not change them here). Zero fields stand for their defaults. NULL: no memory.
// A gradient is the central difference of a sum over this.
double *chi__ref_layers(const chi_layer *layers, bool training, chi_shape *shape, size_t n, const double *x, const double *parameters);

#endif
