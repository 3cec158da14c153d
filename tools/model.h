// SPDX-License-Identifier: Apache-2.0
// model.h: an encoder and its head, to and from safetensors files. Tensors are named "encoder.0.weight", "head.0.bias".
#ifndef CHIARO_MODEL_H
#define CHIARO_MODEL_H

#include "images.h"
#include "recipe.h"

typedef struct model {
    chi_device *dev;
    recipe recipe;
    chi_shape input;
    size_t classes, features, outputs; // numbers of a row behind the encoder, and behind the head
    uint64_t step;
    chi_encoder *encoder, *head;
} model;

// Draws weights from seed. batch: most rows of one forward.
int model_create(model *m, chi_device *dev, const recipe *r, chi_shape input, size_t classes, size_t batch, uint64_t seed);
// As a model.safetensors or a checkpoint describes it, with its weights (drawn: with weights from its seed instead).
int model_open(model *m, chi_device *dev, const char *path, size_t batch, bool drawn);
void model_close(model *m);

// Values of both networks appended to `to`, which grows; state of optimisers too, where given.
int model_pack(const model *m, const chi_optimizer *const *optimizers, chi_tensors *to);
int model_unpack(model *m, chi_optimizer *const *optimizers, const chi_tensors *from, const char *path);
int model_write(const model *m, const chi_optimizer *const *optimizers, const char *path);

// Features of images first … first + rows − 1 (raw bytes on the device), in evaluation; head: behind the head too.
int model_features(model *m, const chi_buffer *images, size_t count, bool head, chi_buffer **out);

#endif
