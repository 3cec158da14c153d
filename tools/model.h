// SPDX-License-Identifier: Apache-2.0
// model.h: an encoder and its head, to and from safetensors files. Tensors are named "encoder.0.weight", "head.0.bias".
#ifndef CHIARO_MODEL_H
#define CHIARO_MODEL_H

#include "facts.h"

typedef struct model {
    chi_device *dev;
    model_facts facts;        // whoever made them frees them
    size_t batch;             // most rows of one forward
    size_t features, outputs; // numbers of a row behind the encoder, and behind the head
    chi_encoder *encoder, *head;
} model;

// Draws weights from seed. batch: most rows of one forward.
int model_create(model *m, chi_device *dev, const model_facts *facts, size_t batch, uint64_t seed);
void model_close(model *m);

// What it would take, with nothing allocated on the device.
typedef struct model_needs {
    chi_encoder_needs encoder, head;
    size_t features, outputs;
    size_t
        largest; // most rows, up to `batch`, that fit beside spare_bytes for other buffers; 0: not one
} model_needs;
int model_describe(chi_device *dev, const model_facts *facts, size_t batch, uint64_t spare_bytes,
                   model_needs *out);

// A model.safetensors or a checkpoint in host memory: its facts say how images become what it takes.
typedef struct model_file {
    char path[4200];
    model_facts facts;
    chi_tensors tensors;
} model_file;
// changed: also one that another program changed.
int model_file_open(model_file *file, const char *path, bool changed);
void model_file_close(model_file *file);
// The model of a file for evaluation, with its weights (drawn: with weights from its seed instead), for `batch` rows at once
// or as many as fit beside spare_bytes: that changes no bit.
int model_from_file(model *m, chi_device *dev, const model_file *file, size_t batch,
                    uint64_t spare_bytes, bool drawn);

// Values of both networks appended to `to`, which grows; state of optimisers too, where given.
int model_pack(const model *m, const chi_optimizer *const *optimizers, chi_tensors *to);
int model_unpack(model *m, chi_optimizer *const *optimizers, const chi_tensors *from,
                 const char *path);
int model_write(const model *m, const chi_optimizer *const *optimizers, const char *path);

#endif
