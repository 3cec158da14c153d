// SPDX-License-Identifier: Apache-2.0
// encoder/batch_norm_panel.cl: batch norm, with the ReLU that follows it, forward and backward; sums over positions by
// channel. The other family: encoder/batch_norm_group.cl. Host: src/encoder/batch_norm.c. Reference: src/ref/layers.c.
// Ioffe & Szegedy 2015 (arXiv 1502.03167), algorithm 1.
//
//   mean = Σ x / n,  var = Σ (x − mean)² / n,  inv = 1 / √(var + ε),  x̂ = (x − mean) inv,  y = γ x̂ + β
//   dβ = Σ g,  dγ = Σ g x̂,  dx = γ inv (g − dβ / n − x̂ dγ / n),  g = dy where y > 0 if a ReLU follows
// A sum over positions: superblocks, 16 lanes by position mod 16, halving tree. A group owns one superblock, and walks
// the channels 16 at a time, a lane a vector.
#include "encoder/place.h"

#define LANES 16
#define WIDTH 128 // channels walked at a time

// What is summed: 0 x; 1 (x − mean)²; 2 g and g x̂ (grad of a batch norm).
typedef struct terms {
    global const float *mean, *inverse, *gamma, *beta;
    uint kind, relu;
} terms;

inline float16 unit_of(const terms *t, const float16 x, const uint c, const uint count)
{
    return (x - load_channels(t->mean + c, count)) * load_channels(t->inverse + c, count);
}

// dy where the ReLU let y through.
inline float16 through_relu(const terms *t, const float16 unit, const float16 grad, const uint c, const uint count)
{
    if (!t->relu)
        return grad;
    const float16 y = fma(unit, load_channels(t->gamma + c, count), load_channels(t->beta + c, count));
    return select((float16)(0.0f), grad, y > (float16)(0.0f));
}

inline float16 lane_tree_v(float16 *lanes)
{
    CHI_UNROLL for (uint w = 8; w; w /= 2)
        CHI_UNROLL for (uint l = 0; l < w; l++)
            lanes[l] = lanes[l] + lanes[l + w];
    return lanes[0];
}

// One position's terms to the sums of its lane.
inline void add_terms(const terms *t, const uint kind, const uint count, global const float *x, global const float *grad, const uint c,
                      float16 *sum, float16 *product)
{
    const float16 v = load_channels(x, count);
    if (kind == 0) {
        *sum = *sum + v;
    } else if (kind == 1) {
        const float16 d = v - load_channels(t->mean + c, count);
        *sum = fma(d, d, *sum);
    } else {
        const float16 unit = unit_of(t, v, c, count), g = through_relu(t, unit, load_channels(grad, count), c, count);
        *sum = *sum + g;
        *product = fma(g, unit, *product);
    }
}

// Channels c0 … c0 + width of `steps` positions, in the order in which they lie in memory: the walk is bound by it.
inline void sum_channels(const terms *t, const uint kind, const uint width, global const float *x, global const float *grad,
                         const size_t *x_from, const size_t *g_from, const uint steps, const uint c0,
                         global float *sums, global float *products)
{
    float16 sum[LANES * WIDTH / 16], product[LANES * WIDTH / 16]; // [16 channels][lane]
    const uint vectors = (width + 15) / 16;
    for (uint i = 0; i < LANES * vectors; i++)
        sum[i] = product[i] = (float16)(0.0f);
    for (uint p = 0; p < steps; p++) {
        global const float *from = x + x_from[p], *g_from_here = grad + g_from[p];
        for (uint v = 0; v < vectors; v++)
            add_terms(t, kind, width - 16 * v, from + 16 * v, g_from_here + 16 * v, c0 + 16 * v, &sum[v * LANES + p % LANES],
                      &product[v * LANES + p % LANES]);
    }
    for (uint v = 0; v < vectors; v++) {
        store_channels(lane_tree_v(sum + v * LANES), sums + 16 * v, width - 16 * v);
        if (kind == 2)
            store_channels(lane_tree_v(product + v * LANES), products + 16 * v, width - 16 * v);
    }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void encoder_channel_sums(const uint first, const uint count, const uint kind, const uint relu,
                          const uint rows, const uint cols, const uint channels,
                          const uint x_image, const uint x_row, const uint x_base,
                          const uint g_image, const uint g_row, const uint g_base,
                          global const float *restrict x, global const float *restrict grad,
                          global const float *restrict mean, global const float *restrict inverse,
                          global const float *restrict gamma, global const float *restrict beta,
                          global float *restrict sums,    // [superblock][channels]
                          global float *restrict products) // the same, kind 2
{
    const uint block = first + (uint)get_group_id(0), sb = superblock(count), p0 = block * sb, end = min(count, p0 + sb);
    const layout x_at = { rows, cols, channels, x_image, x_row, x_base }, g_at = { rows, cols, channels, g_image, g_row, g_base };
    const terms t = { mean, inverse, gamma, beta, kind, relu };
    size_t x_from[MAX_SB], g_from[MAX_SB];
    walker x_walk = walk_from(&x_at, p0), g_walk = walk_from(&g_at, p0);
    for (uint p = p0; p < end; p++) {
        x_from[p - p0] = x_walk.at;
        g_from[p - p0] = g_walk.at;
        walk_on(&x_at, &x_walk);
        walk_on(&g_at, &g_walk);
    }
    for (uint c = 0; c < channels; c += WIDTH) {
        const uint at = block * channels + c, wide = min((uint)WIDTH, channels - c);
        if (kind == 0)
            sum_channels(&t, 0, wide, x + c, grad, x_from, g_from, end - p0, c, sums + at, products);
        else if (kind == 1)
            sum_channels(&t, 1, wide, x + c, grad, x_from, g_from, end - p0, c, sums + at, products);
        else
            sum_channels(&t, 2, wide, x + c, grad + c, x_from, g_from, end - p0, c, sums + at, products + at);
    }
}

// Positions of one group. The walk is over memory: little to compute.
#define POSITIONS 64

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void encoder_batch_norm(const uint first, const uint count, const uint relu, const uint rows, const uint cols, const uint channels,
                        const uint x_image, const uint x_row, const uint x_base,
                        const uint y_image, const uint y_row, const uint y_base,
                        global const float *restrict x,
                        global const float *restrict mean, global const float *restrict inverse,
                        global const float *restrict gamma, global const float *restrict beta, global float *restrict y)
{
    const uint p0 = (first + (uint)get_group_id(0)) * POSITIONS, end = min(count, p0 + POSITIONS);
    const layout x_at = { rows, cols, channels, x_image, x_row, x_base }, y_at = { rows, cols, channels, y_image, y_row, y_base };
    const terms t = { mean, inverse, gamma, beta, 0, relu };
    walker x_walk = walk_from(&x_at, p0), y_walk = walk_from(&y_at, p0);
    for (uint p = p0; p < end; p++, walk_on(&x_at, &x_walk), walk_on(&y_at, &y_walk)) {
        global const float *from = x + x_walk.at;
        global float *to = y + y_walk.at;
        for (uint c = 0; c < channels; c += 16) {
            const uint here = channels - c;
            const float16 unit = unit_of(&t, load_channels(from + c, here), c, here);
            const float16 v = fma(unit, load_channels(gamma + c, here), load_channels(beta + c, here));
            store_channels(relu ? select(v, (float16)(0.0f), v < (float16)(0.0f)) : v, to + c, here);
        }
    }
}

// γ inv g in evaluation (`frozen`): the statistics are constants then.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void encoder_batch_norm_grad(const uint first, const uint count, const uint relu, const uint frozen, const float by_count,
                             const uint rows, const uint cols, const uint channels,
                             const uint x_image, const uint x_row, const uint x_base,
                             const uint g_image, const uint g_row, const uint g_base,
                             const uint d_image, const uint d_row, const uint d_base,
                             global const float *restrict x, global const float *restrict grad,
                             global const float *restrict mean, global const float *restrict inverse,
                             global const float *restrict gamma, global const float *restrict beta,
                             global const float *restrict sums, global const float *restrict products, // dβ, dγ of this pass
                             global float *restrict to)
{
    const uint p0 = (first + (uint)get_group_id(0)) * POSITIONS, end = min(count, p0 + POSITIONS);
    const layout x_at = { rows, cols, channels, x_image, x_row, x_base }, g_at = { rows, cols, channels, g_image, g_row, g_base };
    const layout d_at = { rows, cols, channels, d_image, d_row, d_base };
    const terms t = { mean, inverse, gamma, beta, 2, relu };
    walker x_walk = walk_from(&x_at, p0), g_walk = walk_from(&g_at, p0), d_walk = walk_from(&d_at, p0);
    for (uint p = p0; p < end; p++, walk_on(&x_at, &x_walk), walk_on(&g_at, &g_walk), walk_on(&d_at, &d_walk)) {
        global const float *from = x + x_walk.at, *g_from = grad + g_walk.at;
        global float *at = to + d_walk.at;
        for (uint c = 0; c < channels; c += 16) {
            const uint here = channels - c;
            const float16 unit = unit_of(&t, load_channels(from + c, here), c, here);
            const float16 g = through_relu(&t, unit, load_channels(g_from + c, here), c, here);
            const float16 g_mean = load_channels(sums + c, here) * by_count;
            const float16 p_mean = load_channels(products + c, here) * by_count;
            const float16 d = frozen ? g : fma(-unit, p_mean, g - g_mean);
            store_channels(load_channels(gamma + c, here) * load_channels(inverse + c, here) * d, at + c, here);
        }
    }
}
