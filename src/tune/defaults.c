// SPDX-License-Identifier: Apache-2.0
// defaults.c: the tiles that ship: which one a device starts with, and a selection that tests go through. Header: tune.h.
// Every other tile of the space (space.c) can be named, or found by a search (search.c).
#include "tune.h"

#include <string.h>

// Panel: 16 registers hold 6 × 16 of 8 lanes or 4 × 32 of 8; 32 registers 8 × 32 … 14 × 32 of 16 (performance of each:
// chiaro bench). Group: local memory stays below 32 KiB; v4: loads of four floats.
static const char *const shipped[] = {
    "p8x32v16", "p12x32v16", "p14x32v16", "p16x16v16", "p8x32v16k128", "p6x16v8", "p6x16v8k128", "p4x16v8", "p4x32v8", "p4x16v4",
    "g16x16k16", "g32x32k16", "g64x64k16", "g64x32k8", "g32x32k16v4", "g64x64k16v4", "g64x64k16v4d2", "g64x64k16v4s16",
};

const char *chi_tile_name(chi_core core, size_t index)
{
    for (size_t i = 0; i < sizeof shipped / sizeof *shipped; i++)
        if ((shipped[i][0] == 'p') == (core == CHI_CORE_PANEL) && index-- == 0)
            return shipped[i];
    return NULL;
}

// GPUs, none of which was at hand: from tools/offline.py and arithmetic. 4 × 4 entries an item and loads of four floats: 16
// multiply-adds for two loads of local memory, which is what AMD's (64 a cycle and unit, 128 bytes) and NVIDIA's (128 a
// cycle, 128 bytes, less for words that items share) keep up with, where single floats would halve them. 8 × 4 or 8 × 8 an
// item need fewer loads but leave one wave a SIMD on gfx906, and on sm_86 and acm-g10 two or spills, in the passes that hold
// lanes of sums. 16 deep: 8 would double the barriers, 32 the local memory. 256 items: lanes take 16 registers an item. One
// stage: two (d2) spill nothing either, but take twice the local memory and mostly 10 to 30 registers more, which on gfx906 and
// sm_86 costs several passes a third of their waves, symmetric gradients on gfx906 half (tools/offline.py --tile
// g64x64k16v4d2); on gfx1030 scores passes get 5 to 15 registers less. A search may find that they pay. No sub-groups,
// though on acm-g10 nothing spills with them at 16 (--tile g64x64k16v4s16), and a step has 17 / 16 loads instead of 2: the
// extension may be missing, and nobody has timed it.
static const struct {
    const char *vendor, *tile;
} gpu_tiles[] = {
    { "Advanced Micro Devices", "g64x64k16v4" }, // 65 to 128 registers: two waves of 64 a SIMD at least (gfx906), 8 of 32 (gfx1030)
    { "AMD", "g64x64k16v4" },
    { "NVIDIA", "g64x64k16v4" },                 // up to 162 registers: two warps a scheduler at least (sm_86)
    { "Intel", "g64x64k16v4" },                  // 8 threads an engine, 8 or 16 wide, nothing spilled (acm-g10)
    { "", "g64x64k16v4" },                       // others: 9 KiB of local memory, groups of 256
};

static const char *gpu_tile(const chi_device_info *info)
{
    size_t i = 0;
    while (!strstr(info->vendor, gpu_tiles[i].vendor))
        i++;
    return info->max_group && info->max_group < 256 ? "g32x32k16v4" : gpu_tiles[i].tile;
}

const char *chi__tile_default(chi_core core, const chi_device_info *info)
{
    const bool cpu = strcmp(info->type, "cpu") == 0;
    if (core == CHI_CORE_GROUP)
        return cpu ? "g32x32k16" : gpu_tile(info);
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

unsigned chi__tile_lacks(const char *name, const chi_device_info *info)
{
    chi__tile tile;
    return chi__tile_parse(CHI_CORE_AUTO, name, &tile) && !chi__has_sub_groups(&tile, info) ? tile.wg_n : 0;
}

// Bests of searches on devices at hand; source 0: of the kernels that ship with them.
const char chi__shipped_records[] = "chiaro-tuning 1\n";
