// SPDX-License-Identifier: Apache-2.0
// conv.c: convolutions, and linear layers as convolutions of one position. Kernels: kernels/encoder/conv_panel.cl and
// conv_weights_panel.cl or their twins _group.cl, pack_weights.cl, reduce.cl, batch_norm_*.cl (the bias). Reference: src/ref/layers.c.
#include "encoder.h"

#include <stdio.h>
#include <string.h>

#include "../base/memory.h"

enum { FORWARD_WEIGHTS, BACKWARD_WEIGHTS, TABLE, PARTIAL, TOTAL }; // buffers
enum { CONV, PACK, WEIGHTS, REDUCE, SUMS };                        // kernels
enum { TILES_OF_A_GROUP = 8 };                                      // as the kernel says
static const uint64_t MOST_PARTIAL_BYTES = 4u << 20; // so that they stay in a cache until they are added up

// One convolution's numbers.
typedef struct numbers {
    chi_shape in, out;
    size_t side, stride, padding, groups, inputs, outputs; // inputs, outputs: of one group
    size_t taps, columns;                                  // columns: of a weight row
    chi__strides in_at, out_at, in_grad, out_grad;
    size_t in_border, out_grad_border;
} numbers;

static numbers numbers_of(const chi_encoder *enc, const chi__op *op)
{
    const chi__activation *in = &enc->acts[op->in], *out = &enc->acts[op->out];
    const chi_layer *l = &op->layer;
    return (numbers){
        .in = in->shape, .out = out->shape, .side = l->kernel, .stride = l->stride, .padding = l->padding, .groups = l->groups,
        .inputs = in->shape.channels / l->groups, .outputs = l->width / l->groups, .taps = l->kernel * l->kernel,
        .columns = l->kernel * l->kernel * (in->shape.channels / l->groups),
        .in_at = chi__strides_of(in->shape, in->border), .out_at = chi__strides_of(out->shape, out->border),
        .in_grad = chi__strides_of(in->shape, in->grad_border), .out_grad = chi__strides_of(out->shape, out->grad_border),
        .in_border = in->border, .out_grad_border = out->grad_border,
    };
}

static size_t superblocks(size_t positions) { return chi__div_up(positions, chi__superblock(positions)); }

// Superblocks whose partial results are held at once.
static size_t chunk_of(const numbers *c, size_t positions)
{
    const uint64_t one = 4ull * c->groups * c->outputs * c->columns, most = MOST_PARTIAL_BYTES / one;
    const size_t all = superblocks(positions);
    return most == 0 ? 1 : most < all ? (size_t)most : all;
}

static uint64_t partial_bytes(const numbers *c, size_t positions)
{
    const uint64_t weights = 4ull * c->groups * c->outputs * c->columns * chunk_of(c, positions);
    const uint64_t bias = 4ull * c->groups * c->outputs * superblocks(positions);
    return weights > bias ? weights : bias;
}

static uint64_t packed_bytes(const chi_encoder *enc, const numbers *c, bool turned)
{
    const size_t width = turned ? c->inputs : c->outputs, depth = turned ? c->outputs : c->inputs;
    return 4ull * c->groups * chi__round_up(width, enc->tile->tile_n) * c->taps * depth;
}

// ---- taps ----------------------------------------------------------------------------------------
// The table: step in the input and place in the weights of each tap; the same of each run of taps, for the forward pass;
// of each class of input positions that the same taps reach (row and column modulo the stride), their steps in the output's
// gradient, ascending in (kh, kw). Then a record for the forward pass and one a class, as kernels/encoder/conv_panel.cl says.
enum { RECORD = 6 };

static size_t first_tap(const numbers *c, size_t phase) { return (phase + c->padding) % c->stride; }

// Without channel groups, one row of a window is one run of memory: its taps count as one of side · inputs channels.
static size_t run_of(const numbers *c) { return c->groups == 1 ? c->side : 1; }
static size_t runs_of(const numbers *c) { return c->taps / run_of(c); }
static size_t records_at(const numbers *c) { return 2 * (2 * c->taps + runs_of(c)); } // in ints
static uint64_t table_bytes(const numbers *c) { return 4ull * (records_at(c) + RECORD * (1 + c->stride * c->stride)); }

static size_t add_class_taps(const numbers *c, size_t y, size_t x, int32_t *table, size_t tap)
{
    for (size_t kh = first_tap(c, y); kh < c->side; kh += c->stride)
        for (size_t kw = first_tap(c, x); kw < c->side; kw += c->stride, tap++) {
            table[2 * tap] = -(int32_t)(kh / c->stride * c->out_grad.row + kw / c->stride * c->out.channels);
            table[2 * tap + 1] = (int32_t)(kh * c->side + kw);
        }
    return tap;
}

// Input positions (y + stride · a, x + stride · b): output row of tap kh at a = 0 is (y + padding − kh) / stride, and the
// taps' steps count from kh / stride = 0.
static void add_class(const numbers *c, size_t y, size_t x, int32_t *record, size_t first, size_t taps)
{
    const size_t top = c->out_grad_border + (y + c->padding) / c->stride, left = c->out_grad_border + (x + c->padding) / c->stride;
    const bool any = y < c->in.height && x < c->in.width;
    record[0] = any ? (int32_t)((c->in.height - y + c->stride - 1) / c->stride) : 0;
    record[1] = any ? (int32_t)((c->in.width - x + c->stride - 1) / c->stride) : 0;
    record[2] = (int32_t)(top * c->out_grad.row + left * c->out.channels);
    record[3] = (int32_t)(c->in_grad.base + y * c->in_grad.row + x * c->in.channels);
    record[4] = (int32_t)taps;
    record[5] = (int32_t)first;
}

static void fill_table(const numbers *c, int32_t *table)
{
    const size_t inset = c->in_border - c->padding;
    const int32_t forward[RECORD] = { (int32_t)c->out.height, (int32_t)c->out.width, (int32_t)(inset * c->in_at.row + inset * c->in.channels),
                                      (int32_t)c->out_at.base, (int32_t)runs_of(c), (int32_t)c->taps };
    int32_t *record = table + records_at(c);
    size_t tap = c->taps;
    for (size_t t = 0; t < c->taps; t++) {
        table[2 * t] = (int32_t)(t / c->side * c->in_at.row + t % c->side * c->in.channels);
        table[2 * t + 1] = (int32_t)t;
    }
    for (size_t t = 0; t < c->taps; t += run_of(c), tap++) {
        table[2 * tap] = table[2 * t];
        table[2 * tap + 1] = (int32_t)(t / run_of(c));
    }
    memcpy(record, forward, sizeof forward);
    for (size_t y = 0; y < c->stride; y++)
        for (size_t x = 0; x < c->stride; x++) {
            const size_t first = tap;
            tap = add_class_taps(c, y, x, table, tap);
            add_class(c, y, x, record += RECORD, first, tap - first);
        }
}

static uint64_t bytes(const chi_encoder *enc, const chi__op *op, size_t batch)
{
    const numbers c = numbers_of(enc, op);
    return packed_bytes(enc, &c, false) + packed_bytes(enc, &c, true) + table_bytes(&c) + partial_bytes(&c, chi__positions(c.out, batch)) +
           4ull * c.groups * c.outputs * c.columns;
}

static chi_status setup(chi_encoder *enc, chi__op *op)
{
    const numbers c = numbers_of(enc, op);
    char file[64], width[32];
    snprintf(width, sizeof width, "TILE_N=%u", enc->tile->tile_n);
    CHI_TRY(chi__encoder_kernel(enc, chi__core_file("encoder/conv", enc->tile, file), "encoder_conv", &op->kernels[CONV]));
    CHI_TRY(chi__encoder_kernel(enc, chi__core_file("encoder/conv_weights", enc->tile, file), "encoder_conv_weights", &op->kernels[WEIGHTS]));
    CHI_TRY(chi__kernel_get(enc->dev, "encoder/pack_weights.cl", "encoder_pack_weights", width, &op->kernels[PACK]));
    CHI_TRY(chi__kernel_get(enc->dev, "encoder/reduce.cl", "encoder_reduce", "", &op->kernels[REDUCE]));
    CHI_TRY(chi__kernel_get(enc->dev, chi__core_file("encoder/batch_norm", enc->tile, file), "encoder_channel_sums",
                            chi__items_define(enc->tile, width), &op->kernels[SUMS]));
    CHI_TRY(chi__scratch_create(enc->dev, packed_bytes(enc, &c, false), &op->buffers[FORWARD_WEIGHTS]));
    CHI_TRY(chi__scratch_create(enc->dev, packed_bytes(enc, &c, true), &op->buffers[BACKWARD_WEIGHTS]));
    CHI_TRY(chi__scratch_create(enc->dev, partial_bytes(&c, chi__positions(c.out, enc->batch)), &op->buffers[PARTIAL]));
    CHI_TRY(chi__scratch_create(enc->dev, 4ull * c.groups * c.outputs * c.columns, &op->buffers[TOTAL]));
    CHI_TRY(chi__scratch_create(enc->dev, table_bytes(&c), &op->buffers[TABLE]));
    int32_t *table = chi__alloc(table_bytes(&c), 1);
    if (!table)
        return chi__fail(enc->dev, CHI_ERR_MEMORY, "encoder: no memory for %zu taps", c.taps);
    fill_table(&c, table);
    const chi_status st = chi_buffer_upload(op->buffers[TABLE], 0, table, table_bytes(&c));
    chi__free(table);
    return st;
}

// ---- launches --------------------------------------------------------------------------------------
static chi_status pack(chi_encoder *enc, chi__op *op, const numbers *c, bool turned)
{
    const size_t rows = packed_bytes(enc, c, turned) / 4 / enc->tile->tile_n;
    return chi__run(enc->dev, &(chi__launch){
        .kernel = op->kernels[PACK], .global = { rows }, .local = { 16 },
        .args = { U32(rows), U32(c->taps), U32(c->outputs), U32(c->inputs), U32(turned), BUF(enc->parameters[op->parameter].value.buffer),
                  BUF(op->buffers[turned ? BACKWARD_WEIGHTS : FORWARD_WEIGHTS]) },
    });
}

static size_t groups_of(const chi_encoder *enc, const numbers *c, size_t positions)
{
    const size_t tiles = enc->tile->core == CHI_CORE_PANEL ? TILES_OF_A_GROUP : 1;
    return chi__div_up(positions, enc->tile->tile_m * tiles) * c->groups;
}

static chi_status forward(chi_encoder *enc, chi__op *op, size_t rows)
{
    const numbers c = numbers_of(enc, op);
    const size_t positions = chi__positions(c.out, rows);
    const chi_buffer *weights = enc->parameters[op->parameter].value.buffer;
    const chi_buffer *bias = op->layer.no_bias ? weights : enc->parameters[op->parameter + 1].value.buffer;
    CHI_TRY(pack(enc, op, &c, false));
    return chi__run_groups(enc->dev, &(chi__launch){
        .kernel = op->kernels[CONV], .local = { enc->tile->wg_n, enc->tile->wg_m },
        .args = { U32(0), U32(rows), U32(1), U32(records_at(&c)), U32(c.in_at.image), U32(c.stride * c.in_at.row), U32(c.stride * c.in.channels),
                  U32(c.out_at.image), U32(c.out_at.row), U32(c.out.channels), U32(c.inputs * run_of(&c)), U32(runs_of(&c)), U32(c.outputs),
                  U32(c.groups), U32(!op->layer.no_bias), BUF(op->buffers[TABLE]), BUF(enc->acts[op->in].value),
                  BUF(op->buffers[FORWARD_WEIGHTS]), BUF(bias), BUF(enc->acts[op->out].value) },
    }, groups_of(enc, &c, positions), 2.0 * (double)positions * (double)c.columns * (double)c.out.channels);
}

static chi_status input_gradient(chi_encoder *enc, chi__op *op, const numbers *c, size_t rows)
{
    const size_t classes = c->stride * c->stride;
    const size_t most = rows * chi__div_up(c->in.height, c->stride) * chi__div_up(c->in.width, c->stride); // positions of the first class
    const chi_buffer *weights = op->buffers[BACKWARD_WEIGHTS];
    CHI_TRY(pack(enc, op, c, true));
    return chi__run_groups(enc->dev, &(chi__launch){
        .kernel = op->kernels[CONV], .local = { enc->tile->wg_n, enc->tile->wg_m },
        .args = { U32(0), U32(rows), U32(classes), U32(records_at(c) + RECORD), U32(c->out_grad.image), U32(c->out_grad.row),
                  U32(c->out.channels), U32(c->in_grad.image), U32(c->stride * c->in_grad.row), U32(c->stride * c->in.channels),
                  U32(c->outputs), U32(c->taps), U32(c->inputs), U32(c->groups), U32(0), BUF(op->buffers[TABLE]), BUF(enc->acts[op->out].grad),
                  BUF(weights), BUF(weights), BUF(enc->acts[op->in].grad) },
    }, groups_of(enc, c, most) * classes, 2.0 * (double)chi__positions(c->out, rows) * (double)c->columns * (double)c->out.channels);
}

static chi_status weight_gradient(chi_encoder *enc, chi__op *op, const numbers *c, size_t rows)
{
    const size_t positions = chi__positions(c->out, rows), blocks = superblocks(positions), chunk = chunk_of(c, positions);
    const size_t inset = c->in_border - c->padding;
    const size_t entries = c->groups * c->outputs * c->columns, panels = chi__div_up(c->outputs, enc->tile->tile_n) * c->groups;
    const size_t per_block = panels * (enc->tile->core == CHI_CORE_PANEL ? 1 : chi__div_up(c->columns, enc->tile->tile_m));
    const uint32_t start = (uint32_t)(inset * c->in_at.row + inset * c->in.channels);
    for (size_t first = 0; first < blocks; first += chunk) {
        const size_t count = blocks - first < chunk ? blocks - first : chunk;
        CHI_TRY(chi__run_groups(enc->dev, &(chi__launch){
            .kernel = op->kernels[WEIGHTS], .local = { enc->tile->wg_n, enc->tile->wg_m },
            .args = { U32(0), U32(first), U32(positions), U32(c->out.height), U32(c->out.width), U32(c->in_at.image),
                      U32(c->stride * c->in_at.row), U32(c->stride * c->in.channels), U32(start), U32(c->out_grad.image),
                      U32(c->out_grad.row), U32(c->out_grad.base), U32(c->inputs), U32(c->taps), U32(c->outputs), U32(c->groups),
                      BUF(op->buffers[TABLE]), BUF(enc->acts[op->in].value), BUF(enc->acts[op->out].grad), BUF(op->buffers[PARTIAL]) },
        }, count * per_block, 2.0 * (double)positions * (double)entries * (double)count / (double)blocks));
        CHI_TRY(chi__encoder_reduce(enc, op->kernels[REDUCE], entries, count, first == 0, first + count == blocks, c->outputs, c->columns,
                                    op->buffers[PARTIAL], op->buffers[TOTAL], &enc->parameters[op->parameter].grad));
    }
    return CHI_OK;
}

static chi_status bias_gradient(chi_encoder *enc, chi__op *op, const numbers *c, size_t rows)
{
    const size_t positions = chi__positions(c->out, rows), parts = superblocks(positions);
    const chi_buffer *grad = enc->acts[op->out].grad, *partial = op->buffers[PARTIAL];
    CHI_TRY(chi__run_groups(enc->dev, &(chi__launch){
        .kernel = op->kernels[SUMS], .local = { chi__items(enc->tile) },
        .args = { U32(0), U32(positions), U32(0), U32(0), U32(c->out.height), U32(c->out.width), U32(c->out.channels),
                  LAYOUT(c->out_grad), LAYOUT(c->out_grad), BUF(grad), BUF(grad), BUF(grad), BUF(grad), BUF(grad), BUF(grad),
                  BUF(partial), BUF(partial) },
    }, parts, 4.0 * (double)positions * (double)c->out.channels));
    return chi__encoder_reduce(enc, op->kernels[REDUCE], c->out.channels, parts, true, true, 1, c->out.channels, partial,
                               op->buffers[TOTAL], &enc->parameters[op->parameter + 1].grad);
}

static chi_status backward(chi_encoder *enc, chi__op *op, size_t rows, bool grad_in)
{
    const numbers c = numbers_of(enc, op);
    CHI_TRY(weight_gradient(enc, op, &c, rows));
    if (!op->layer.no_bias)
        CHI_TRY(bias_gradient(enc, op, &c, rows));
    return grad_in ? input_gradient(enc, op, &c, rows) : CHI_OK;
}

const chi__op_rules chi__op_conv = { bytes, setup, forward, backward };
