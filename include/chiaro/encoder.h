// SPDX-License-Identifier: Apache-2.0
// encoder.h: trainable networks as lists of layers. Host files: src/encoder/. Kernels: kernels/encoder/.
// Definition: src/ref/layers.c.
#ifndef CHIARO_ENCODER_H
#define CHIARO_ENCODER_H

#include "matrix.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum chi_layer_kind {
    CHI_LAYER_END = 0,      // ends a list
    CHI_LAYER_LINEAR,       // y = x Wᵀ + b; .width outputs
    CHI_LAYER_CONV2D,       // .width output channels, .kernel, .stride, .padding, .groups
    CHI_LAYER_BATCH_NORM,   // per channel over batch, rows and columns; .epsilon, .momentum
    CHI_LAYER_RELU,         // x < 0 ? 0 : x, so NaN passes
    CHI_LAYER_GELU,         // x · ½ (1 + erf(x / √2))
    CHI_LAYER_MAX_POOL,     // .kernel, .stride (default: kernel), .padding; the first maximum takes the gradient
    CHI_LAYER_AVERAGE_POOL, // the same; padding counts in the divisor, as torch's default does
    CHI_LAYER_GLOBAL_POOL,  // mean over rows and columns: channels × 1 × 1
    CHI_LAYER_FLATTEN,      // channels × rows × columns → a vector in torch's order
    CHI_LAYER_RESIDUAL,     // y = body(x) + shortcut(x); shortcut NULL: + x
    CHI_LAYER_NORMALIZE,    // rows divided by max(‖row‖, 1e-12); vectors only
} chi_layer_kind;

typedef struct chi_layer {
    chi_layer_kind kind;
    size_t width;               // linear, conv2d: outputs. ≥ 1
    size_t kernel;              // conv2d, pools: side of the square window. ≥ 1
    size_t stride;              // default: 1 (pools: kernel)
    size_t padding;             // default: 0; < kernel (pools: ≤ kernel / 2)
    size_t groups;              // conv2d: default 1; divides the channels of both sides
    bool no_bias;               // linear, conv2d; default: with bias
    float epsilon;              // batch norm: default 1e-5
    float momentum;             // batch norm: running = (1 − momentum) · running + momentum · batch; default 0.1
    const struct chi_layer *body, *shortcut; // residual: lists ended by CHI_LAYER_END
} chi_layer;

typedef struct chi_shape { size_t channels, height, width; } chi_shape; // a vector is channels × 1 × 1

typedef struct chi_encoder chi_encoder;

// Weights are drawn from (seed, position of the tensor) with torch's default distributions
// (uniform ± 1/√fan_in; batch norm 1 and 0): the same on every device. batch: most rows of one forward.
chi_status chi_encoder_create(chi_device *dev, size_t batch, chi_shape input, const chi_layer *layers,
                              uint64_t seed, chi_encoder **out);
void chi_encoder_destroy(chi_encoder **enc);

chi_shape chi_encoder_output(const chi_encoder *enc); // shape of one row of z

// What chi_encoder_create would take, with nothing allocated on the device.
typedef struct chi_encoder_needs {
    chi_shape output;    // of one row
    uint64_t bytes;      // device memory, for this batch
    size_t largest;      // most rows, up to this batch, that fit what is left of the device's budget; 0: not one
    size_t parameters;   // trained numbers
} chi_encoder_needs;
// spare_bytes: of what is left, to be kept for other buffers.
chi_status chi_encoder_describe(chi_device *dev, size_t batch, chi_shape input, const chi_layer *layers,
                                uint64_t spare_bytes, chi_encoder_needs *needs);

// Training (the default) or evaluation: batch norm takes the batch's statistics and updates the
// running ones, or takes the running ones.
typedef enum chi_encoder_mode { CHI_ENCODER_TRAIN = 0, CHI_ENCODER_EVAL } chi_encoder_mode;
chi_status chi_encoder_set_mode(chi_encoder *enc, chi_encoder_mode mode);

// x [rows][channels·height·width] in torch's order, z [rows][output], rows ≤ batch. Keeps what backward needs.
chi_status chi_encoder_forward(chi_encoder *enc, chi_matrix x, chi_matrix z);

// Gradients of the last forward: every parameter's gradient is overwritten (added to after
// chi_encoder_accumulate(enc, true)); grad_x {0}: not wanted.
chi_status chi_encoder_backward(chi_encoder *enc, chi_matrix grad_z, chi_matrix grad_x);
void chi_encoder_accumulate(chi_encoder *enc, bool on);

// One tensor of the network. Names, shapes and element order in files are torch's ("0.weight", [out][in][kh][kw]);
// on the device a tensor lies as its layer likes, value and gradient alike.
typedef struct chi_parameter {
    char name[96];
    size_t shape[4], dims;   // torch's shape
    size_t count;            // product of the shape
    chi_matrix value;        // [1][count], device order
    chi_matrix grad;         // {0} for a running statistic
    bool decay;              // weight decay applies: weights yes; biases and norms no
    bool trained;            // false: running statistic
} chi_parameter;

typedef struct chi_parameters { const chi_parameter *items; size_t count; } chi_parameters;
chi_parameters chi_encoder_parameters(const chi_encoder *enc); // valid until destroy

// One tensor between device order and torch's order on the host. `which`: 0 value, 1 gradient.
chi_status chi_encoder_read(chi_encoder *enc, size_t parameter, int which, float *to);
chi_status chi_encoder_write(chi_encoder *enc, size_t parameter, const float *from);

// A network as text: layers separated by spaces, "conv2d:32,k=3,s=2,p=1,bias=0 batch_norm relu
// global_pool flatten linear:128 residual( … | … )". Unknown words are errors that name the nearest known one.
// *layers is one allocation (nested lists included), freed by chi_layers_free.
chi_status chi_layers_parse(const char *text, chi_layer **layers);
void chi_layers_free(chi_layer **layers);

#ifdef __cplusplus
}
#endif
#endif
