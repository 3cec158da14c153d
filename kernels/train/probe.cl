// SPDX-License-Identifier: Apache-2.0
// train/probe.cl: value and gradient of multinomial logistic regression. Host: src/train/probe.c.
//
//   l_ic = Σ_k x_ik w_kc + b_c,  p = softmax(l_i),  v_i = log Σ_c e^{l_ic} − l_i,label,
//   dW_kc = Σ_i (p_ic − [c = label_i]) x_ik,  db_c = Σ_i (p_ic − [c = label_i])
// One group owns a superblock of rows, ROWS of them side by side; its chains go to partial. Weights
// lie [dim + 1][padded classes], the bias last; 16 classes are one vector. ITEMS work-items share a
// group: vectors of logits, then rows of the softmax, then entries of the gradient.
#include "common/math.h"

#ifndef ITEMS
#error "train/probe.cl needs ITEMS"
#endif
#define ROWS 8
#if ITEMS > 1
#define AT_ONCE 1 // rows of a work-item: their sums are all of its registers
#define TOGETHER barrier(CLK_GLOBAL_MEM_FENCE)
#else
#define AT_ONCE ROWS
#define TOGETHER
#endif

// 16 logits of rows i … i + AT_ONCE − 1, those past the last again: one chain over features, then
// the bias.
inline void logits_of(global const float *x, const uint i, const uint n, const uint dim,
                      const uint padded, const uint c, global const float *w, float16 *acc)
{
    CHI_UNROLL for (uint r = 0; r < AT_ONCE; r++)
        acc[r] = (float16)(0.0f);
    for (uint k = 0; k < dim; k++) {
        const float16 right = vload16(0, w + (size_t)k * padded + c);
        CHI_UNROLL for (uint r = 0; r < AT_ONCE; r++)
            acc[r] = fma((float16)(x[(size_t)min(i + r, n - 1) * dim + k]), right, acc[r]);
    }
    CHI_UNROLL for (uint r = 0; r < AT_ONCE; r++)
        acc[r] = acc[r] + vload16(0, w + (size_t)dim * padded + c);
}

// Logits to numbers in proportion to the probabilities; returns their sum, *most receives the
// largest logit.
inline float exponentials(global float *l, const uint classes, const uint padded, float *most)
{
    float sum = 0.0f;
    *most = l[0];
    for (uint c = 1; c < classes; c++)
        *most = l[c] > *most ? l[c] : *most;
    for (uint c = 0; c < padded; c++) {
        const float d = c < classes ? l[c] - *most : -100.0f;
        l[c] = d < -80.0f ? 0.0f : exp_of(d);
        sum = sum + l[c];
    }
    return sum;
}

// Logits to p − [c = label]; returns v. −1 for a row that does not count: zeros.
inline float softmax_gradient(global float *l, const uint classes, const uint padded,
                              const int label)
{
    const float own = label < 0 ? 0.0f : l[label];
    float most;
    const float sum = exponentials(l, classes, padded, &most), by = label < 0 ? 0.0f : recip(sum);
    for (uint c = 0; c < padded; c++)
        l[c] = l[c] * by - (label == (int)c ? 1.0f : 0.0f);
    return label < 0 ? 0.0f : log_of(sum) - (own - most);
}

// Sixteen classes of the gradient, features k0 … k1 − 1 (dim: the bias), grow by ROWS terms.
inline void add_terms(global const float *x, const uint i, const uint n, const uint dim,
                      const uint padded, const uint k0, const uint k1, global const float *errors,
                      global float *to)
{
    for (uint k = k0; k < k1; k++) {
        float16 g = vload16(0, to + (size_t)k * padded);
        CHI_UNROLL for (uint r = 0; r < ROWS; r++) {
            const float left = k < dim ? x[(size_t)min(i + r, n - 1) * dim + k] : 1.0f;
            g = fma((float16)(left), vload16(0, errors + r * padded), g);
        }
        vstore16(g, 0, to + (size_t)k * padded);
    }
}

kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void probe_gradient(const uint first, const uint before, // superblocks of earlier launches
                    const uint n, const uint dim, const uint classes, const uint padded,
                    global const float *restrict x,      // [n][dim]
                    global const int *restrict labels,   // [n]
                    global const float *restrict weights, // [dim + 1][padded]
                    global float *scratch,               // [superblock][ROWS][padded]
                    global float *partial,               // [superblock][dim + 1][padded]
                    global float *restrict values)       // [n]
{
    const uint block = first + (uint)get_group_id(0), sb = superblock(n);
    const uint i0 = (before + block) * sb, end = min(n, i0 + sb);
    const uint id = (uint)get_local_id(0), vectors = padded / 16, steps = ITEMS > 1 ? 1 : dim + 1;
    global float *to = partial + (size_t)block * ((size_t)(dim + 1) * padded);
    global float *errors = scratch + (size_t)block * (ROWS * padded);
    for (uint e = id; e < (dim + 1) * padded; e += ITEMS)
        to[e] = 0.0f;
    for (uint i = i0; i < end; i += ROWS) {
        TOGETHER;
        for (uint t = id; t < vectors * (ROWS / AT_ONCE); t += ITEMS) {
            const uint row = t / vectors * AT_ONCE, c = t % vectors * 16;
            float16 acc[AT_ONCE];
            logits_of(x, i + row, n, dim, padded, c, weights, acc);
            CHI_UNROLL for (uint r = 0; r < AT_ONCE; r++)
                vstore16(acc[r], 0, errors + (row + r) * padded + c);
        }
        TOGETHER;
        for (uint r = id; r < ROWS; r += ITEMS) {
            const int label = i + r < end ? labels[i + r] : -1;
            const float v = softmax_gradient(errors + r * padded, classes, padded, label);
            if (i + r < end)
                values[i + r] = v;
        }
        TOGETHER;
        for (uint t = id; t < vectors * ((dim + 1) / steps); t += ITEMS) {
            const uint k = t / vectors * steps, c = t % vectors * 16;
            add_terms(x, i, n, dim, padded, k, k + steps, errors + c, to + c);
        }
    }
}

// The class with the largest logit, the lower of equals; AT_ONCE rows a work-item.
kernel void probe_predict(const uint n, const uint dim, const uint classes, const uint padded,
                          global const float *restrict x, global const float *restrict weights,
                          global int *restrict predicted)
{
    const uint i = (uint)get_global_id(0) * AT_ONCE;
    float most[AT_ONCE];
    uint best[AT_ONCE];
    CHI_UNROLL for (uint r = 0; r < AT_ONCE; r++)
        best[r] = 0;
    for (uint c = 0; c < padded; c += 16) {
        float16 acc[AT_ONCE];
        logits_of(x, i, n, dim, padded, c, weights, acc);
        CHI_UNROLL for (uint r = 0; r < AT_ONCE; r++) {
            float all[16];
            vstore16(acc[r], 0, all);
            CHI_UNROLL for (uint l = 0; l < 16; l++)
                if (c + l == 0 || (c + l < classes && all[l] > most[r])) {
                    most[r] = all[l];
                    best[r] = c + l;
                }
        }
    }
    CHI_UNROLL for (uint r = 0; r < AT_ONCE; r++)
        if (i + r < n)
            predicted[i + r] = (int)best[r];
}

// p of every class, zeros in the padding; AT_ONCE rows a work-item.
kernel void probe_probabilities(const uint n, const uint dim, const uint classes, const uint padded,
                                global const float *restrict x,
                                global const float *restrict weights,
                                global float *p) // [n][padded]
{
    const uint i = (uint)get_global_id(0) * AT_ONCE;
    for (uint c = 0; c < padded; c += 16) {
        float16 acc[AT_ONCE];
        logits_of(x, i, n, dim, padded, c, weights, acc);
        CHI_UNROLL for (uint r = 0; r < AT_ONCE; r++)
            if (i + r < n)
                vstore16(acc[r], 0, p + (size_t)(i + r) * padded + c);
    }
    for (uint r = i; r < min(n, i + AT_ONCE); r++) {
        global float *row = p + (size_t)r * padded;
        float most;
        const float by = recip(exponentials(row, classes, padded, &most));
        for (uint c = 0; c < padded; c++)
            row[c] = row[c] * by;
    }
}
