// SPDX-License-Identifier: Apache-2.0
// peak.c: measures the device's own peaks. Kernel: kernels/tiles/peak.cl. Header: include/chiaro/device.h.
#include "tiles.h"

#include <stdio.h>

#include "../base/clock.h"

enum { CHAINS = 12, GROUPS_A_UNIT = 16, REPEATS = 7, STEPS = 60000, COPY_FLOATS = 1 << 24, FLOATS_A_GROUP = 4096 };

// Shortest of a few runs, in microseconds.
static chi_status shortest(chi_device *dev, const chi__launch *launch, double *us)
{
    *us = 0.0;
    for (int r = 0; r <= REPEATS; r++) {
        const double start = chi__now_us();
        CHI_TRY(chi__run(dev, launch));
        CHI_TRY(chi_device_finish(dev));
        const double took = chi__now_us() - start;
        if (r == 1 || (r > 1 && took < *us)) // the first run compiles
            *us = took;
    }
    return CHI_OK;
}

static chi_status measure(chi_device *dev, chi_buffer *to, chi_buffer *from, chi_buffer *copy, double *fma_gflops, double *copy_gbytes)
{
    const unsigned width = chi__device_info(dev)->vector_width, vec = width >= 16 ? 16 : width >= 8 ? 8 : 4;
    const size_t items = (size_t)chi__device_info(dev)->units * GROUPS_A_UNIT * (vec == 4 ? 64 : 1), local = vec == 4 ? 64 : 1;
    const double flop = 2.0 * CHAINS * vec * STEPS * (double)items;
    chi__kernel *fma = NULL, *copier = NULL;
    char defines[16];
    double us = 0.0;
    snprintf(defines, sizeof defines, "VEC=%u", vec);
    CHI_TRY(chi__kernel_get(dev, "tiles/peak.cl", "peak_fma", defines, &fma));
    CHI_TRY(chi__kernel_get(dev, "tiles/peak.cl", "peak_copy", defines, &copier));
    CHI_TRY(shortest(dev, &(chi__launch){ .kernel = fma, .global = { items }, .local = { local }, .args = { U32(STEPS), F32(0.999f), F32(1e-4f), BUF(to) } }, &us));
    *fma_gflops = flop / us * 1e-3;
    CHI_TRY(shortest(dev, &(chi__launch){ .kernel = copier, .global = { COPY_FLOATS / FLOATS_A_GROUP }, .local = { 1 }, .args = { BUF(from), BUF(copy) } }, &us));
    *copy_gbytes = 8.0 * COPY_FLOATS / us * 1e-3;
    return CHI_OK;
}

chi_status chi_device_measure_peak(chi_device *dev, double *fma_gflops, double *copy_gbytes_per_s)
{
    chi_buffer *to = NULL, *from = NULL, *copy = NULL;
    double fma = 0.0, bytes = 0.0;
    chi_status st = chi_buffer_create(dev, 4ull * 16 * 64 * GROUPS_A_UNIT * chi__device_info(dev)->units, &to);
    if (st == CHI_OK)
        st = chi_buffer_create(dev, 4ull * COPY_FLOATS, &from);
    if (st == CHI_OK)
        st = chi_buffer_create(dev, 4ull * COPY_FLOATS, &copy);
    if (st == CHI_OK)
        st = measure(dev, to, from, copy, &fma, &bytes);
    if (st == CHI_OK) {
        *fma_gflops = fma;
        *copy_gbytes_per_s = bytes;
    }
    chi_buffer_destroy(&to);
    chi_buffer_destroy(&from);
    chi_buffer_destroy(&copy);
    return st;
}
