// SPDX-License-Identifier: Apache-2.0
// defaults.c: every tile that a device may use, and which one it starts with. Header: tune.h.
#include "tune.h"

#include <stdio.h>
#include <string.h>

// Panel: 16 registers hold 6 × 16 of 8 lanes or 4 × 32 of 8; 32 registers 8 × 32 … 14 × 32 of 16 (performance of each:
// chiaro bench). TILE_N is a multiple of the 16 lanes of a sum. Group: local memory stays below 32 KiB.
static const chi__tile tiles[] = {
    { "p8x32v16", CHI_CORE_PANEL, 16, 8, 32, 0, 128, 1, 1 },
    { "p12x32v16", CHI_CORE_PANEL, 16, 12, 32, 0, 128, 1, 1 },
    { "p14x32v16", CHI_CORE_PANEL, 16, 14, 32, 0, 128, 1, 1 },
    { "p16x16v16", CHI_CORE_PANEL, 16, 16, 16, 0, 128, 1, 1 },
    { "p8x32v16k128", CHI_CORE_PANEL, 16, 8, 32, 128, 128, 1, 1 },
    { "p6x16v8", CHI_CORE_PANEL, 8, 6, 16, 0, 128, 1, 1 },
    { "p6x16v8k128", CHI_CORE_PANEL, 8, 6, 16, 128, 128, 1, 1 },
    { "p4x16v8", CHI_CORE_PANEL, 8, 4, 16, 0, 128, 1, 1 },
    { "p4x32v8", CHI_CORE_PANEL, 8, 4, 32, 0, 128, 1, 1 },
    { "p4x16v4", CHI_CORE_PANEL, 4, 4, 16, 0, 128, 1, 1 },
    { "g16x16k16", CHI_CORE_GROUP, 1, 16, 16, 16, 128, 8, 8 },
    { "g32x32k16", CHI_CORE_GROUP, 1, 32, 32, 16, 128, 8, 8 },
    { "g64x64k16", CHI_CORE_GROUP, 1, 64, 64, 16, 128, 16, 16 },
    { "g64x32k8", CHI_CORE_GROUP, 1, 64, 32, 8, 128, 16, 8 },
};
enum { TILES = sizeof tiles / sizeof *tiles };

const chi__tile *chi__tile_find(chi_core core, const char *name)
{
    for (size_t i = 0; i < TILES; i++)
        if ((core == CHI_CORE_AUTO || tiles[i].core == core) && strcmp(tiles[i].name, name) == 0)
            return &tiles[i];
    return NULL;
}

const chi__tile *chi__tile_at(chi_core core, size_t index)
{
    for (size_t i = 0; i < TILES; i++)
        if (tiles[i].core == core && index-- == 0)
            return &tiles[i];
    return NULL;
}

const char *chi_tile_name(chi_core core, size_t index)
{
    const chi__tile *tile = chi__tile_at(core, index);
    return tile ? tile->name : NULL;
}

const chi__tile *chi__tile_default(chi_core core, const chi_device_info *info)
{
    const bool cpu = strcmp(info->type, "cpu") == 0;
    if (core == CHI_CORE_GROUP)
        return chi__tile_find(core, cpu ? "g32x32k16" : "g64x64k16");
    return chi__tile_find(core, info->vector_width >= 16 ? "p8x32v16" : info->vector_width >= 8 ? "p6x16v8" : "p4x16v4");
}

const char *chi__tile_choice(chi_core *core, const char *asked, const chi_device_info *info)
{
    const bool cpu = strcmp(info->type, "cpu") == 0;
    const chi_core start = *core ? *core : cpu ? CHI_CORE_PANEL : CHI_CORE_GROUP;
    const chi__tile *tile = asked ? chi__tile_find(*core, asked) : chi__tile_default(start, info);
    if (!tile)
        return NULL;
    *core = tile->core;
    return tile->name;
}

const chi__tile *chi__device_tile(const chi_device *dev)
{
    return chi__tile_find(chi_device_core(dev), chi_device_tile(dev));
}

const char *chi__tile_defines(const chi__tile *tile, char *to)
{
    snprintf(to, 160, "TILE_M=%u TILE_N=%u VEC=%u TILE_K=%u BLOCK=%u WG_M=%u WG_N=%u", tile->tile_m, tile->tile_n, tile->vec,
             tile->tile_k, tile->block, tile->wg_m, tile->wg_n);
    return to;
}
