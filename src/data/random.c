// SPDX-License-Identifier: Apache-2.0
// random.c: random rows and orders from a seed and a counter alone. Header: include/chiaro/data.h. The
// generator: src/base/random.h.
#include <chiaro/data.h>
#include <math.h>

#include "../base/fail.h"
#include "../base/random.h"

// Number i of the stream, in [-1, 1).
static float cube(uint64_t seed, uint64_t i)
{
    const chi__random r = chi__random_at(seed, CHI__STREAM_PROBLEM, 0, i / 4);
    return 2.0f * chi__uniform(r.word[i % 4]) - 1.0f;
}

chi_status chi_random_unit_rows(uint64_t seed, size_t rows, size_t cols, float *to)
{
    if (!to && rows && cols)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "random_unit_rows: no place for %zu x %zu floats", rows, cols);
    for (size_t row = 0; row < rows; row++) {
        float *x = to + row * cols;
        double square = 0; // exact enough that rounding below is the only one that counts
        for (size_t k = 0; k < cols; k++) {
            x[k] = cube(seed, (uint64_t)row * cols + k);
            square += (double)x[k] * (double)x[k];
        }
        if (square == 0 && cols)
            x[0] = 1.0f, square = 1;
        const double scale = 1.0 / sqrt(square); // both correctly rounded by IEEE 754 on every host
        for (size_t k = 0; k < cols; k++)
            x[k] = (float)(x[k] * scale);
    }
    return CHI_OK;
}

// Uniform in [0, below): the high half of a 64-bit number times `below`.
static uint32_t draw_below(uint64_t seed, uint64_t epoch, uint32_t i, uint32_t below)
{
    const chi__random r = chi__random_at(seed, CHI__STREAM_SHUFFLE, (uint32_t)epoch, epoch >> 32 << 32 | i);
    const uint64_t low = (uint64_t)r.word[0] * below, high = (uint64_t)r.word[1] * below;
    return (uint32_t)((high + (low >> 32)) >> 32);
}

chi_status chi_random_order(uint64_t seed, uint64_t epoch, size_t n, int32_t *order)
{
    if (n > INT32_MAX || (n && !order))
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "random_order: no place for the order, or %zu is over %d items", n,
                         INT32_MAX);
    for (size_t i = 0; i < n; i++)
        order[i] = (int32_t)i;
    for (size_t i = n; i > 1; i--) { // Fisher and Yates, from the end
        const uint32_t j = draw_below(seed, epoch, (uint32_t)i, (uint32_t)i);
        const int32_t keep = order[i - 1];
        order[i - 1] = order[j];
        order[j] = keep;
    }
    return CHI_OK;
}
