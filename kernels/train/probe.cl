// SPDX-License-Identifier: Apache-2.0
// train/probe.cl: value and gradient of multinomial logistic regression. Host: src/train/probe.c.
//
//   l_ic = Σ_k x_ik w_kc + b_c,  p = softmax(l_i),  v_i = log Σ_c e^{l_ic} − l_i,label,
//   dW_kc = Σ_i (p_ic − [c = label_i]) x_ik,  db_c = Σ_i (p_ic − [c = label_i])
// One group owns a superblock of rows, ROWS of them side by side; its chains go to partial. Weights lie [dim + 1][padded
// classes], the bias last; 16 classes are one vector.
#include "common/math.h"

#define ROWS 8

// Column means and deviations: x ← (x − mean) · by_deviation. One work-item a row.
kernel void probe_standardise(const uint n, const uint dim, const ulong offset, const uint stride, global const float *restrict x,
                              global const float *restrict mean, global const float *restrict by_deviation, global float *restrict to)
{
    const uint i = (uint)get_global_id(0);
    if (i >= n)
        return;
    for (uint k = 0; k < dim; k++)
        to[(size_t)i * dim + k] = (x[offset + (size_t)i * stride + k] - mean[k]) * by_deviation[k];
}

// Logits of ROWS rows: one chain over features, then the bias.
inline void logits_of(global const float *const *x, const uint dim, const uint padded, global const float *w, float *logits)
{
    for (uint c = 0; c < padded; c += 16) {
        float16 acc[ROWS];
        for (uint r = 0; r < ROWS; r++)
            acc[r] = (float16)(0.0f);
        for (uint k = 0; k < dim; k++) {
            const float16 right = vload16(0, w + (size_t)k * padded + c);
            CHI_UNROLL for (uint r = 0; r < ROWS; r++)
                acc[r] = fma((float16)(x[r][k]), right, acc[r]);
        }
        for (uint r = 0; r < ROWS; r++)
            vstore16(acc[r] + vload16(0, w + (size_t)dim * padded + c), 0, logits + r * padded + c);
    }
}

// Logits to p − [c = label]; returns v. −1 for a row that does not count: zeros.
inline float softmax_gradient(float *l, const uint classes, const uint padded, const int label)
{
    float most = l[0], sum = 0.0f;
    for (uint c = 1; c < classes; c++)
        most = l[c] > most ? l[c] : most;
    const float own = label < 0 ? 0.0f : l[label] - most;
    for (uint c = 0; c < padded; c++) {
        const float d = c < classes ? l[c] - most : -100.0f;
        l[c] = d < -80.0f ? 0.0f : exp_of(d);
        sum = sum + l[c];
    }
    const float by = label < 0 ? 0.0f : recip(sum);
    for (uint c = 0; c < padded; c++)
        l[c] = l[c] * by - (label == (int)c ? 1.0f : 0.0f);
    return label < 0 ? 0.0f : log_of(sum) - own;
}

#define MOST_CLASSES 1024

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void probe_gradient(const uint first, const uint n, const uint dim, const uint classes, const uint padded,
                    global const float *restrict x,      // [n][dim]
                    global const int *restrict labels,   // [n]
                    global const float *restrict weights, // [dim + 1][padded]
                    global float *restrict partial,      // [superblock][dim + 1][padded]
                    global float *restrict values)       // [n]
{
    const uint block = first + (uint)get_group_id(0), sb = superblock(n), i0 = block * sb, end = min(n, i0 + sb);
    global float *to = partial + (size_t)block * (dim + 1) * padded;
    float errors[ROWS * MOST_CLASSES];
    for (uint e = 0; e < (dim + 1) * padded; e++)
        to[e] = 0.0f;
    for (uint i = i0; i < end; i += ROWS) {
        global const float *rows[ROWS];
        for (uint r = 0; r < ROWS; r++)
            rows[r] = x + (size_t)min(i + r, n - 1) * dim;
        logits_of(rows, dim, padded, weights, errors);
        for (uint r = 0; r < ROWS; r++) {
            const float v = softmax_gradient(errors + r * padded, classes, padded, i + r < end ? labels[i + r] : -1);
            if (i + r < end)
                values[i + r] = v;
        }
        for (uint c = 0; c < padded; c += 16) {
            float16 e[ROWS];
            for (uint r = 0; r < ROWS; r++)
                e[r] = vload16(0, errors + r * padded + c);
            for (uint k = 0; k <= dim; k++) {
                float16 g = vload16(0, to + (size_t)k * padded + c);
                CHI_UNROLL for (uint r = 0; r < ROWS; r++)
                    g = fma((float16)(k < dim ? rows[r][k] : 1.0f), e[r], g);
                vstore16(g, 0, to + (size_t)k * padded + c);
            }
        }
    }
}

// The class with the largest logit, the lower of equals; ROWS rows a work-item.
kernel void probe_predict(const uint n, const uint dim, const uint classes, const uint padded, global const float *restrict x,
                          global const float *restrict weights, global int *restrict predicted)
{
    const uint i = (uint)get_global_id(0) * ROWS;
    global const float *rows[ROWS];
    float logits[ROWS * MOST_CLASSES];
    for (uint r = 0; r < ROWS; r++)
        rows[r] = x + (size_t)min(i + r, n - 1) * dim;
    logits_of(rows, dim, padded, weights, logits);
    for (uint r = 0; r < ROWS && i + r < n; r++) {
        uint best = 0;
        for (uint c = 1; c < classes; c++)
            best = logits[r * padded + c] > logits[r * padded + best] ? c : best;
        predicted[i + r] = (int)best;
    }
}
