// SPDX-License-Identifier: Apache-2.0
// encoder.h (internal): a network as a list of operations over activations. Host files: plan.c (shapes, memory),
// encoder.c (the public calls), weights.c, and one file a kind of operation.
#ifndef CHI_ENCODER_ENCODER_H
#define CHI_ENCODER_ENCODER_H

#include <chiaro/encoder.h>

#include "../tiles/tiles.h"

// What one operation writes and the next reads: [image][row + 2 border][column + 2 border][channel], border zero.
typedef struct chi__activation {
    chi_shape shape;
    size_t border, grad_border; // zeros around value and gradient that their readers rely on
    chi_buffer *value, *grad;
    bool shared;                // value belongs to another activation (a branch of a residual)
} chi__activation;

// Floats between images, rows, and the first position: how kernels find a position.
typedef struct chi__strides { uint32_t image, row, base; } chi__strides;
chi__strides chi__strides_of(chi_shape shape, size_t border);

typedef struct chi__op chi__op;
typedef struct chi__op_rules {
    uint64_t (*bytes)(const chi_encoder *enc, const chi__op *op, size_t batch); // device bytes of its own
    chi_status (*setup)(chi_encoder *enc, chi__op *op);
    chi_status (*forward)(chi_encoder *enc, chi__op *op, size_t rows);
    chi_status (*backward)(chi_encoder *enc, chi__op *op, size_t rows, bool grad_in);
} chi__op_rules;

enum { CHI__OP_BUFFERS = 8, CHI__OP_KERNELS = 6 };
struct chi__op {
    const chi__op_rules *rules;
    chi_layer layer;          // resolved: no zero stands for a default
    size_t in, in2, out;      // activations; in2: the second summand of an addition
    size_t parameter;         // index of its first parameter
    bool relu;                // a batch norm followed by a ReLU
    uint32_t kind;            // pointwise: which
    chi_buffer *buffers[CHI__OP_BUFFERS];
    chi__kernel *kernels[CHI__OP_KERNELS];
};

struct chi_encoder {
    chi_device *dev;
    const chi__tile *tile;
    size_t batch, rows;       // most rows, rows of the last forward (0: none)
    chi_encoder_mode mode;
    bool accumulate;
    chi__activation *acts;
    size_t act_count, act_room;
    chi__op *ops;
    size_t op_count, op_room;
    chi_parameter *parameters;
    size_t parameter_count, parameter_room;
    size_t input, output;     // activations
    chi__kernel *permute;
};

extern const chi__op_rules chi__op_conv, chi__op_batch_norm, chi__op_pointwise, chi__op_pool, chi__op_global_pool, chi__op_flatten,
    chi__op_normalize, chi__op_add, chi__op_split;

// plan.c: operations, activations and parameters of a list of layers; nothing on the device yet.
chi_status chi__encoder_plan(chi_encoder *enc, chi_shape input, const chi_layer *layers);
// What it would take; nothing is allocated but the lists of the plan.
chi_status chi__encoder_needs(chi_encoder *enc, chi_shape input, const chi_layer *layers, uint64_t spare_bytes, chi_encoder_needs *out);
chi_status chi__encoder_allocate(chi_encoder *enc);
// weights.c: draws every parameter from the seed.
chi_status chi__encoder_draw(chi_encoder *enc, uint64_t seed);

// Shared by operations.
static inline size_t chi__positions(chi_shape shape, size_t rows) { return rows * shape.height * shape.width; }
static inline uint64_t chi__activation_bytes(chi_shape s, size_t border, size_t batch)
{
    return 4ull * batch * (s.height + 2 * border) * (s.width + 2 * border) * s.channels;
}
// Sum over positions by channel into `totals` and to.grad: kernels channel_sums and reduce.
chi_status chi__encoder_kernel(chi_encoder *enc, const char *file, const char *name, chi__kernel **out);
// `parts` partial results of `entries` to their totals, and to a parameter's gradient. rows, columns: entries are matrices
// [columns][rows] that the gradient has the other way round; 1, entries: as they are.
chi_status chi__encoder_reduce(chi_encoder *enc, chi__kernel *kernel, size_t entries, size_t parts, bool starts, bool ends, size_t rows,
                               size_t columns, const chi_buffer *partial, const chi_buffer *total, const chi_matrix *to);
#define LAYOUT(l) U32((l).image), U32((l).row), U32((l).base)

#endif
