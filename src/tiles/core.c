// SPDX-License-Identifier: Apache-2.0
// core.c: which of the two cores a device uses: the one whose default tile multiplies faster. Cores:
// kernels/core/panel.h, kernels/core/group.h; the trial: kernels/tiles/trial_panel.cl, trial_group.cl.
#include "tiles.h"

#include <stdio.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/memory.h"

// STEPS_A_GROUP: entries of the tiles of one group. SLOW_US: a device that takes so long for one tile is asked no more.
enum { DIM = 64, STEPS_A_GROUP = 1 << 14, GROUPS_A_UNIT = 8, REPEATS = 3, RATE_REPEATS = 9, RATE_US = 2000, MOST_TILES = 1 << 16, SLOW_US = 5000 };

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

// One tile's core and nothing else.
typedef struct trial {
    chi_device *dev;
    const chi__tile *tile;
    chi__kernel *kernel;
    chi_buffer *x, *y, *out; // zeros
    size_t groups;
} trial;

static chi_status open_trial(chi_device *dev, const chi__tile *tile, trial *t)
{
    const unsigned out = tile->tile_n > chi__items(tile) ? tile->tile_n : chi__items(tile);
    char defines[160], file[64];
    *t = (trial){ .dev = dev, .tile = tile, .groups = (size_t)GROUPS_A_UNIT * chi__device_info(dev)->units };
    CHI_TRY(chi__kernel_get(dev, chi__core_file("tiles/trial", tile, file), "tiles_trial", chi__tile_defines(tile, defines), &t->kernel));
    CHI_TRY(chi_buffer_create(dev, 4ull * DIM * tile->tile_m, &t->x));
    CHI_TRY(chi_buffer_create(dev, 4ull * DIM * tile->tile_n, &t->y));
    return chi_buffer_create(dev, 4ull * t->groups * out, &t->out);
}

static void close_trial(trial *t)
{
    chi_buffer_destroy(&t->x);
    chi_buffer_destroy(&t->y);
    chi_buffer_destroy(&t->out);
}

static chi_status run(const trial *t, size_t groups, size_t tiles, double *us)
{
    const double start = chi__now_us();
    CHI_TRY(chi__run(t->dev, &(chi__launch){
        .kernel = t->kernel, .global = { groups * t->tile->wg_n, t->tile->wg_m }, .local = { t->tile->wg_n, t->tile->wg_m },
        .args = { U32(tiles), U32(DIM), BUF(t->x), BUF(t->y), BUF(t->out) },
    }));
    CHI_TRY(chi_device_finish(t->dev));
    *us = chi__now_us() - start;
    return CHI_OK;
}

// Nanoseconds a multiply-add, at best of a few runs.
static chi_status time_tile(const trial *t, double *ns)
{
    const size_t entries = t->tile->tile_m * t->tile->tile_n, tiles = STEPS_A_GROUP / entries;
    double us = 0.0, best = 0.0;
    CHI_TRY(run(t, 1, 1, &us)); // drivers compile at the first launch
    CHI_TRY(run(t, 1, 1, &us));
    *ns = us * 1e3 / (double)(DIM * entries);
    for (int r = 0; r < REPEATS && (us < SLOW_US || r > 0); r++) {
        CHI_TRY(run(t, t->groups, tiles, &us));
        best = r == 0 || us < best ? us : best;
        *ns = best * 1e3 / ((double)t->groups * (double)(tiles * DIM * entries));
    }
    return CHI_OK;
}

static chi_status time_core(chi_device *dev, chi_core core, double *ns)
{
    chi__tile tile;
    trial t;
    if (!chi__tile_parse(core, chi__tile_default(core, chi__device_info(dev)), &tile))
        return chi__fail(dev, CHI_ERR_INTERNAL, "the default tile of core %d is none of its space", (int)core);
    chi_status st = open_trial(dev, &tile, &t);
    if (st == CHI_OK)
        st = time_tile(&t, ns);
    close_trial(&t);
    return st;
}

// Whether a core that takes so long for a multiply-add is near what a CPU's units and vectors can do (one vector of them a
// clock): no other can then be much faster, and compiling a second trial costs more than it could tell. On CPUs the group
// core takes 10 to 15 times as long as the panel core (PoCL, Intel's runtime); a busy machine may double what is measured.
static bool is_near_the_limit(const chi_device_info *info, double ns)
{
    const double limit = (double)info->units * info->vector_width * info->clock_mhz * 1e-3; // multiply-adds a nanosecond
    return strcmp(info->type, "cpu") == 0 && info->vector_width >= 4 && ns * limit < 4.0;
}

chi_status chi__core_measure(chi_device *dev, double *panel_ns, double *group_ns)
{
    *group_ns = 0.0;
    CHI_TRY(time_core(dev, CHI_CORE_PANEL, panel_ns));
    return is_near_the_limit(chi__device_info(dev), *panel_ns) ? CHI_OK : time_core(dev, CHI_CORE_GROUP, group_ns);
}

// Seconds a multiply-add, out of runs long enough that their launch does not count.
static chi_status time_rate(const trial *t, double *seconds)
{
    double us = 0.0, best = 0.0;
    size_t tiles = 1;
    CHI_TRY(run(t, t->groups, tiles, &us)); // drivers compile at the first launch
    for (us = 0.0; us < RATE_US && tiles < MOST_TILES; tiles *= 4)
        CHI_TRY(run(t, t->groups, 4 * tiles, &us));
    for (int r = 0; r < RATE_REPEATS; r++) {
        best = r == 0 || us < best ? us : best;
        CHI_TRY(run(t, t->groups, tiles, &us));
    }
    *seconds = best * 1e-6 / ((double)t->groups * (double)tiles * DIM * t->tile->tile_m * t->tile->tile_n);
    return CHI_OK;
}

chi_status chi__core_rate(chi_device *dev, const chi__tile *tile, double *seconds)
{
    trial t;
    chi_status st = open_trial(dev, tile, &t);
    if (st == CHI_OK)
        st = time_rate(&t, seconds);
    close_trial(&t);
    return st;
}
