// SPDX-License-Identifier: Apache-2.0
// defaults.c: the tiles that ship: which one a device starts with, and a selection that tests go through. Header: tune.h.
// Every other tile of the space (space.c) can be named, or found by a search (search.c).
#include "tune.h"

#include <string.h>

// Panel: 16 registers hold 6 × 16 of 8 lanes or 4 × 32 of 8; 32 registers 8 × 32 … 14 × 32 of 16 (performance of each:
// chiaro bench). Group: local memory stays below 32 KiB.
static const char *const shipped[] = {
    "p8x32v16", "p12x32v16", "p14x32v16", "p16x16v16", "p8x32v16k128", "p6x16v8", "p6x16v8k128", "p4x16v8", "p4x32v8", "p4x16v4",
    "g16x16k16", "g32x32k16", "g64x64k16", "g64x32k8",
};

const char *chi_tile_name(chi_core core, size_t index)
{
    for (size_t i = 0; i < sizeof shipped / sizeof *shipped; i++)
        if ((shipped[i][0] == 'p') == (core == CHI_CORE_PANEL) && index-- == 0)
            return shipped[i];
    return NULL;
}

const char *chi__tile_default(chi_core core, const chi_device_info *info)
{
    const bool cpu = strcmp(info->type, "cpu") == 0;
    if (core == CHI_CORE_GROUP)
        return cpu ? "g32x32k16" : "g64x64k16";
    return info->vector_width >= 16 ? "p8x32v16" : info->vector_width >= 8 ? "p6x16v8" : "p4x16v4";
}

bool chi__tile_choice(chi_core *core, const char *asked, const chi_device_info *info, char *name)
{
    const bool cpu = strcmp(info->type, "cpu") == 0;
    const chi_core start = *core ? *core : cpu ? CHI_CORE_PANEL : CHI_CORE_GROUP;
    chi__tile tile;
    if (!chi__tile_parse(asked ? *core : start, asked ? asked : chi__tile_default(start, info), &tile))
        return false;
    *core = tile.core;
    strcpy(name, tile.name);
    return true;
}

// Bests of searches on devices at hand; source 0: of the kernels that ship with them.
const char chi__shipped_records[] = "chiaro-tuning 1\n";
