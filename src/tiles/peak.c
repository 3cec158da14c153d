// SPDX-License-Identifier: Apache-2.0
// peak.c: measures the device's own peaks. Kernels: kernels/tiles/peak.cl. Header: include/chiaro/device.h.
#include "tiles.h"

#include <stdio.h>

#include "../base/clock.h"

// CHAINS, COPY_VECS, READS: of the kernels. A wide vector fills a CPU's registers, a work-item alone its core.
// ROUNDS: what another process does for a moment should not meet all of them.
enum { ROUNDS = 5, CHAINS = 12, COPY_VECS = 1024, READS = 8, GROUPS_A_UNIT = 16, REPEATS = 5, FMA_STEPS = 60000, LOCAL_STEPS = 20000,
       COPY_FLOATS = 1 << 24, WAITS = 100, LAUNCHES = 1000 };

typedef struct peak {
    chi_device *dev;
    unsigned vec;
    size_t local, items; // work-items of a group, of a launch
    chi_buffer *to, *from, *copy;
} peak;

static chi_status get(const peak *p, const char *name, chi__kernel **out)
{
    char defines[32];
    snprintf(defines, sizeof defines, "VEC=%u WG=%zu", p->vec, p->local);
    return chi__kernel_get(p->dev, "tiles/peak.cl", name, defines, out);
}

// Shortest of a few runs, in microseconds.
static chi_status shortest(chi_device *dev, const chi__launch *launch, int repeats, double *us)
{
    *us = 0.0;
    for (int r = 0; r <= repeats; r++) {
        const double start = chi__now_us();
        CHI_TRY(chi__run(dev, launch));
        CHI_TRY(chi_device_finish(dev));
        const double took = chi__now_us() - start;
        if (r == 1 || (r > 1 && took < *us)) // the first run compiles
            *us = took;
    }
    return CHI_OK;
}

static double larger(double a, double b) { return a > b ? a : b; }

// A driver may compile for half the width that it names, for whose registers the chains are too many: the half counts too.
static chi_status measure_fma(peak p, double *gflops)
{
    for (const unsigned least = p.vec > 8 ? p.vec / 2 : p.vec; p.vec >= least; p.vec /= 2) {
        chi__kernel *fma = NULL;
        double us = 0.0;
        CHI_TRY(get(&p, "peak_fma", &fma));
        CHI_TRY(shortest(p.dev, &(chi__launch){ .kernel = fma, .global = { p.items }, .local = { p.local },
                                                .args = { U32(FMA_STEPS), F32(0.999f), F32(1e-4f), BUF(p.to) } }, REPEATS, &us));
        *gflops = larger(*gflops, 2.0 * CHAINS * p.vec * FMA_STEPS * (double)p.items / us * 1e-3);
    }
    return CHI_OK;
}

static chi_status measure_rates(const peak *p, chi_device_peak *out)
{
    chi__kernel *copier = NULL, *reader = NULL;
    double us = 0.0;
    CHI_TRY(measure_fma(*p, &out->fma_gflops));
    CHI_TRY(get(p, "peak_copy", &copier));
    CHI_TRY(get(p, "peak_local", &reader));
    CHI_TRY(shortest(p->dev, &(chi__launch){ .kernel = copier, .global = { COPY_FLOATS / COPY_VECS / p->vec * p->local }, .local = { p->local },
                                             .args = { BUF(p->from), BUF(p->copy) } }, REPEATS, &us));
    out->copy_gbytes_per_s = larger(out->copy_gbytes_per_s, 8.0 * COPY_FLOATS / us * 1e-3);
    CHI_TRY(shortest(p->dev, &(chi__launch){ .kernel = reader, .global = { p->items }, .local = { p->local },
                                             .args = { U32(LOCAL_STEPS), U32(READS * p->local), BUF(p->to) } }, REPEATS, &us));
    out->local_gbytes_per_s = larger(out->local_gbytes_per_s, 4.0 * READS * p->vec * LOCAL_STEPS * (double)p->items / us * 1e-3);
    return CHI_OK;
}

static chi_status measure_launches(const peak *p, chi_device_peak *out)
{
    chi__launch nothing = { .global = { 1 }, .local = { 1 }, .args = { U32(0), BUF(p->to) } };
    CHI_TRY(get(p, "peak_launch", &nothing.kernel));
    CHI_TRY(shortest(p->dev, &nothing, WAITS, &out->launch_us));
    for (int r = 0; r < 3; r++) {
        const double start = chi__now_us();
        for (int i = 0; i < LAUNCHES; i++)
            CHI_TRY(chi__run(p->dev, &nothing));
        const double us = (chi__now_us() - start) / LAUNCHES;
        out->enqueue_us = r == 0 || us < out->enqueue_us ? us : out->enqueue_us;
        CHI_TRY(chi_device_finish(p->dev));
    }
    return CHI_OK;
}

chi_status chi_device_measure_peak(chi_device *dev, chi_device_peak *out)
{
    const chi_device_info *info = chi__device_info(dev);
    peak p = { .dev = dev, .vec = info->vector_width >= 16 ? 16 : info->vector_width >= 8 ? 8 : 4 };
    chi_device_peak found = { 0 };
    p.local = p.vec == 4 && info->max_group >= 64 ? 64 : 1;
    p.items = (size_t)info->units * GROUPS_A_UNIT * p.local;
    chi_status st = chi_buffer_create(dev, 4ull * p.vec * p.items, &p.to);
    if (st == CHI_OK)
        st = chi_buffer_create(dev, 4ull * COPY_FLOATS, &p.from);
    if (st == CHI_OK)
        st = chi_buffer_create(dev, 4ull * COPY_FLOATS, &p.copy);
    for (int r = 0; r < ROUNDS && st == CHI_OK; r++)
        st = measure_rates(&p, &found);
    if (st == CHI_OK)
        st = measure_launches(&p, &found);
    if (st == CHI_OK)
        *out = found;
    chi_buffer_destroy(&p.to);
    chi_buffer_destroy(&p.from);
    chi_buffer_destroy(&p.copy);
    return st;
}
