// SPDX-License-Identifier: Apache-2.0
// core.c: which of the two cores a device uses: the one whose default tile multiplies faster. Cores:
// kernels/core/panel.h, kernels/core/group.h; the trial: kernels/tiles/trial_panel.cl, trial_group.cl.
#include "tiles.h"

#include <stdio.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/memory.h"

// STEPS_A_GROUP: entries of the tiles of one group. SLOW_US: a device that takes so long for one tile is asked no more.
enum { DIM = 64, STEPS_A_GROUP = 1 << 14, GROUPS_A_UNIT = 8, MOST_TILE = 64, MOST_ITEMS = 256, REPEATS = 3, RATE_REPEATS = 9, RATE_US = 2000, MOST_TILES = 1 << 16, SLOW_US = 5000 };

const char *chi__core_file(const char *stem, const chi__tile *tile, char *to)
{
    snprintf(to, 64, "%s_%s.cl", stem, tile->core == CHI_CORE_PANEL ? "panel" : "group");
    return to;
}

const char *chi__items_define(const chi__tile *tile, char *to)
{
    snprintf(to, 32, "ITEMS=%u", chi__items(tile));
    return to;
}

chi_status chi__core_tile(chi_device *dev, chi__family family, size_t dim, const chi__tile **out)
{
    *out = chi__tuned_tile(dev, family, dim, NULL);
    return CHI_OK;
}

typedef struct trial {
    chi_device *dev;
    chi_buffer *x, *y, *out; // zeros
    size_t groups;
} trial;

static chi_status run(const trial *t, const chi__tile *tile, chi__kernel *kernel, size_t groups, size_t tiles, double *us)
{
    const double start = chi__now_us();
    CHI_TRY(chi__run(t->dev, &(chi__launch){
        .kernel = kernel, .global = { groups * tile->wg_n, tile->wg_m }, .local = { tile->wg_n, tile->wg_m },
        .args = { U32(tiles), U32(DIM), BUF(t->x), BUF(t->y), BUF(t->out) },
    }));
    CHI_TRY(chi_device_finish(t->dev));
    *us = chi__now_us() - start;
    return CHI_OK;
}

// Nanoseconds a multiply-add, at best of a few runs.
static chi_status time_tile(const trial *t, const chi__tile *tile, double *ns)
{
    const size_t tiles = STEPS_A_GROUP / (tile->tile_m * tile->tile_n);
    chi__kernel *kernel;
    char defines[160], file[64];
    double us = 0.0, best = 0.0;
    CHI_TRY(chi__kernel_get(t->dev, chi__core_file("tiles/trial", tile, file), "tiles_trial", chi__tile_defines(tile, defines), &kernel));
    CHI_TRY(run(t, tile, kernel, 1, 1, &us)); // drivers compile at the first launch
    CHI_TRY(run(t, tile, kernel, 1, 1, &us));
    *ns = us * 1e3 / (DIM * tile->tile_m * tile->tile_n);
    for (int r = 0; r < REPEATS && (us < SLOW_US || r > 0); r++) {
        CHI_TRY(run(t, tile, kernel, t->groups, tiles, &us));
        best = r == 0 || us < best ? us : best;
        *ns = best * 1e3 / ((double)t->groups * (double)tiles * DIM * tile->tile_m * tile->tile_n);
    }
    return CHI_OK;
}

static chi_status time_core(const trial *t, chi_core core, double *ns)
{
    chi__tile tile;
    if (!chi__tile_parse(core, chi__tile_default(core, chi__device_info(t->dev)), &tile))
        return chi__fail(t->dev, CHI_ERR_INTERNAL, "the default tile of core %d is none of its space", (int)core);
    return time_tile(t, &tile, ns);
}

static chi_status open_trial(chi_device *dev, trial *t)
{
    const size_t units = chi__device_info(dev)->units;
    *t = (trial){ .dev = dev, .groups = GROUPS_A_UNIT * (units ? units : 1) };
    CHI_TRY(chi_buffer_create(dev, 4ull * DIM * MOST_TILE, &t->x));
    CHI_TRY(chi_buffer_create(dev, 4ull * DIM * MOST_TILE, &t->y));
    return chi_buffer_create(dev, 4ull * t->groups * MOST_ITEMS, &t->out);
}

static void close_trial(trial *t)
{
    chi_buffer_destroy(&t->x);
    chi_buffer_destroy(&t->y);
    chi_buffer_destroy(&t->out);
}

// Whether a core that takes so long for a multiply-add is near what a CPU's units and vectors can do (one vector of them a
// clock): no other can then be much faster, and compiling a second trial costs more than it could tell.
static bool is_near_the_limit(const chi_device_info *info, double ns)
{
    const double limit = (double)info->units * info->vector_width * info->clock_mhz * 1e-3; // multiply-adds a nanosecond
    return strcmp(info->type, "cpu") == 0 && info->vector_width >= 4 && ns * limit < 2.0;
}

chi_status chi__core_measure(chi_device *dev, double *panel_ns, double *group_ns)
{
    trial t;
    *group_ns = 0.0;
    chi_status st = open_trial(dev, &t);
    if (st == CHI_OK)
        st = time_core(&t, CHI_CORE_PANEL, panel_ns);
    if (st == CHI_OK && !is_near_the_limit(chi__device_info(dev), *panel_ns))
        st = time_core(&t, CHI_CORE_GROUP, group_ns);
    close_trial(&t);
    return st;
}

// Seconds a multiply-add, out of runs long enough that their launch does not count.
static chi_status time_rate(const trial *t, const chi__tile *tile, double *seconds)
{
    chi__kernel *kernel;
    char defines[160], file[64];
    double us = 0.0, best = 0.0;
    size_t tiles = 1;
    CHI_TRY(chi__kernel_get(t->dev, chi__core_file("tiles/trial", tile, file), "tiles_trial", chi__tile_defines(tile, defines), &kernel));
    CHI_TRY(run(t, tile, kernel, t->groups, tiles, &us)); // drivers compile at the first launch
    for (us = 0.0; us < RATE_US && tiles < MOST_TILES; tiles *= 4)
        CHI_TRY(run(t, tile, kernel, t->groups, 4 * tiles, &us));
    for (int r = 0; r < RATE_REPEATS; r++) {
        best = r == 0 || us < best ? us : best;
        CHI_TRY(run(t, tile, kernel, t->groups, tiles, &us));
    }
    *seconds = best * 1e-6 / ((double)t->groups * (double)tiles * DIM * tile->tile_m * tile->tile_n);
    return CHI_OK;
}

chi_status chi__core_rate(chi_device *dev, const chi__tile *tile, double *seconds)
{
    trial t;
    chi_status st = open_trial(dev, &t);
    if (st == CHI_OK)
        st = time_rate(&t, tile, seconds);
    close_trial(&t);
    return st;
}
