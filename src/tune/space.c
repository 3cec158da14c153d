// SPDX-License-Identifier: Apache-2.0
// space.c: every tile that a search may try: parameters, their values, what fits together, and what a tile takes of a
// device's registers and local memory. Header: tune.h. Kernels: kernels/core/panel.h, group.h; defaults: defaults.c.
#include "tune.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "../base/text.h"

// Name of a value, as the kernels' macro. Values ascend; a zero after the first ends them.
typedef struct axis {
    const char *name;
    size_t at;
    unsigned values[9];
} axis;
#define AXIS(macro, field, ...) { #macro, offsetof(chi__tile, field), { __VA_ARGS__ } }

// TILE_N is a multiple of the 16 lanes of a sum and divides BLOCK, which divides a superblock of 128. TILE_K 0: no blocks over k.
static const axis panel_axes[] = {
    AXIS(TILE_M, tile_m, 4, 6, 8, 10, 12, 13, 14, 16), AXIS(TILE_N, tile_n, 16, 32, 64), AXIS(VEC, vec, 4, 8, 16),
    AXIS(TILE_K, tile_k, 0, 128, 256),                 AXIS(BLOCK, block, 32, 64, 128),
};
static const axis group_axes[] = {
    AXIS(TILE_M, tile_m, 16, 32, 64, 128), AXIS(TILE_N, tile_n, 16, 32, 64, 128), AXIS(TILE_K, tile_k, 8, 16, 32),
    AXIS(VEC, vec, 1, 4),                  AXIS(BLOCK, block, 64, 128),           AXIS(WG_M, wg_m, 8, 16),
    AXIS(WG_N, wg_n, 8, 16),              AXIS(STAGES, stages, 1, 2),           AXIS(SUB_GROUPS, sub_groups, 0, 1),
};
enum { PANEL_AXES = sizeof panel_axes / sizeof *panel_axes, GROUP_AXES = sizeof group_axes / sizeof *group_axes };
enum { PANEL_REGISTERS = 33, GROUP_REGISTERS = 168, MOST_MICRO = 64, LEAST_MICRO = 4, WHOLE_BLOCK = 128 };
enum { DEEP = 32, SHARED_DEPTH = 16, LANES = 16, SLAB = 32, MOST_SUPERBLOCK = 256, MOST_BINS = 1024 };

static const axis *axes_of(chi_core core, size_t *count)
{
    *count = core == CHI_CORE_PANEL ? PANEL_AXES : GROUP_AXES;
    return core == CHI_CORE_PANEL ? panel_axes : group_axes;
}

static unsigned *value_of(chi__tile *tile, const axis *a) { return (unsigned *)((char *)tile + a->at); }

static size_t values_of(const axis *a)
{
    size_t count = 1;
    while (count < sizeof a->values / sizeof *a->values && a->values[count])
        count++;
    return count;
}

// Position of a tile's value among an axis's; the count of values where it is none of them.
static size_t place_of(const chi__tile *tile, const axis *a)
{
    const size_t count = values_of(a);
    const unsigned value = *(const unsigned *)((const char *)tile + a->at);
    size_t at = 0;
    while (at < count && a->values[at] != value)
        at++;
    return at;
}

// ---- what fits ---------------------------------------------------------------------------------------
unsigned chi__tile_registers(const chi__tile *tile)
{
    if (tile->core == CHI_CORE_PANEL) // vectors: the tile, a row of the right operand, an entry of the left
        return tile->tile_m * (tile->tile_n / tile->vec) + tile->tile_n / tile->vec + 1;
    const unsigned micro_m = tile->tile_m / tile->wg_m, micro_n = tile->tile_n / tile->wg_n, items = chi__items(tile);
    const unsigned ahead = tile->stages > 1 ? tile->tile_k * (tile->tile_m + tile->tile_n) / items : 0; // of the next block
    return micro_m * micro_n + micro_m + micro_n + ahead + LANES * (tile->tile_m + MOST_SUPERBLOCK) / items; // and the lanes of sums
}

static unsigned slab_of(const chi__tile *tile) { return tile->tile_m < SLAB ? tile->tile_m : SLAB; }

uint64_t chi__tile_local_bytes(const chi__tile *tile)
{
    if (tile->core == CHI_CORE_PANEL)
        return 0;
    // Both operands, rows padded, a block or two, then in their place a slab of scores, then lanes; pair statistics count beside them.
    const unsigned longer = tile->tile_m > tile->tile_n ? tile->tile_m : tile->tile_n;
    unsigned most = tile->stages * tile->tile_k * (tile->tile_m + tile->tile_n + 2 * tile->vec);
    const unsigned others[] = { slab_of(tile) * (tile->tile_n + tile->vec), (LANES + 1) * longer };
    for (size_t i = 0; i < 2; i++)
        most = others[i] > most ? others[i] : most;
    return 4ull * (most + MOST_BINS + 3);
}

// What the space leaves out, so that it stays small: single floats in half blocks and 32 deep; two stages but for what a
// GPU would want them for, of which 32 steps fill the local memory; and sub-groups, for which depth is no matter.
static bool is_worth_a_point(const chi__tile *tile)
{
    if (tile->stages == 1 && !tile->sub_groups)
        return tile->vec > 1 || tile->tile_k < DEEP || tile->block == WHOLE_BLOCK;
    return tile->vec > 1 && tile->block == WHOLE_BLOCK && (tile->sub_groups ? tile->stages == 1 && tile->tile_k == SHARED_DEPTH : tile->tile_k < DEEP);
}

static bool group_fits(const chi__tile *tile)
{
    const unsigned items = chi__items(tile), micro = tile->tile_m * tile->tile_n / items;
    const unsigned most = tile->vec > 1 ? MOST_MICRO : MOST_MICRO / 4; // by single floats, more is only more loads
    return tile->tile_m % (tile->wg_m * tile->vec) == 0 && tile->tile_n % (tile->wg_n * tile->vec) == 0 && micro >= LEAST_MICRO && micro <= most &&
           items >= tile->tile_m && slab_of(tile) * LANES % items == 0 && tile->tile_n * LANES % items == 0 &&
           tile->block % tile->tile_m == 0 && tile->block % tile->tile_n == 0 && chi__tile_registers(tile) <= GROUP_REGISTERS && is_worth_a_point(tile);
}

bool chi__has_sub_groups(const chi__tile *tile, const chi_device_info *info)
{
    return !tile->sub_groups || (info->sub_group_sizes & tile->wg_n) != 0;
}

bool chi__tile_fits(const chi__tile *tile, const chi_device_info *info)
{
    size_t count;
    const axis *axes = axes_of(tile->core, &count);
    for (size_t i = 0; i < count; i++)
        if (place_of(tile, &axes[i]) == values_of(&axes[i]))
            return false;
    if (tile->core == CHI_CORE_PANEL)
        return tile->stages == 1 && !tile->sub_groups && tile->tile_n % tile->vec == 0 && tile->block % tile->tile_n == 0 && chi__tile_registers(tile) <= PANEL_REGISTERS;
    if (info && (chi__items(tile) > info->max_group || chi__tile_local_bytes(tile) > info->local_bytes || !chi__has_sub_groups(tile, info)))
        return false;
    return group_fits(tile);
}

// ---- names -------------------------------------------------------------------------------------------
// Items down and across that a name leaves unsaid.
static unsigned usual_items(unsigned width) { return width >= 64 ? 16 : 8; }

static void set_name(chi__tile *tile)
{
    char k[16] = "", runs[16] = "", items[32] = "", stages[16] = "", shared[16] = "", block[16] = "";
    const bool panel = tile->core == CHI_CORE_PANEL;
    if (tile->tile_k)
        snprintf(k, sizeof k, "k%u", tile->tile_k);
    if (panel || tile->vec != 1)
        snprintf(runs, sizeof runs, "v%u", tile->vec);
    if (!panel && (tile->wg_m != usual_items(tile->tile_m) || tile->wg_n != usual_items(tile->tile_n)))
        snprintf(items, sizeof items, "w%ux%u", tile->wg_m, tile->wg_n);
    if (!panel && tile->stages != 1)
        snprintf(stages, sizeof stages, "d%u", tile->stages);
    if (!panel && tile->sub_groups)
        snprintf(shared, sizeof shared, "s%u", tile->wg_n);
    if (tile->block != WHOLE_BLOCK)
        snprintf(block, sizeof block, "b%u", tile->block);
    snprintf(tile->name, sizeof tile->name, "%c%ux%u%s%s%s%s%s%s", panel ? 'p' : 'g', tile->tile_m, tile->tile_n, panel ? runs : k,
             panel ? k : runs, items, stages, shared, block);
}

// A number after `letter` at *at; false, and nothing moved, where there is none.
static bool read_after(const char **at, char letter, unsigned *out)
{
    unsigned value = 0;
    size_t digits = 1;
    if (**at != letter || (*at)[1] < '1' || (*at)[1] > '9')
        return false;
    for (; (*at)[digits] >= '0' && (*at)[digits] <= '9' && digits < 5; digits++)
        value = value * 10 + (unsigned)((*at)[digits] - '0');
    *at += digits;
    *out = value;
    return true;
}

bool chi__tile_parse(chi_core core, const char *name, chi__tile *out)
{
    chi__tile tile = { .core = name[0] == 'p' ? CHI_CORE_PANEL : CHI_CORE_GROUP, .vec = 1, .block = WHOLE_BLOCK, .wg_m = 1, .wg_n = 1, .stages = 1 };
    const char *at = name;
    if ((core != CHI_CORE_AUTO && core != tile.core) || !read_after(&at, tile.core == CHI_CORE_PANEL ? 'p' : 'g', &tile.tile_m) ||
        !read_after(&at, 'x', &tile.tile_n))
        return false;
    if (tile.core == CHI_CORE_PANEL) {
        if (!read_after(&at, 'v', &tile.vec))
            return false;
        read_after(&at, 'k', &tile.tile_k);
    } else {
        if (!read_after(&at, 'k', &tile.tile_k))
            return false;
        read_after(&at, 'v', &tile.vec);
        tile.wg_m = usual_items(tile.tile_m);
        tile.wg_n = usual_items(tile.tile_n);
        if (read_after(&at, 'w', &tile.wg_m) && !read_after(&at, 'x', &tile.wg_n))
            return false;
        read_after(&at, 'd', &tile.stages);
        tile.sub_groups = *at == 's'; // the size behind it follows from the rest
    }
    read_after(&at, 'b', &tile.block);
    set_name(&tile);
    if (strcmp(tile.name, name) != 0 || !chi__tile_fits(&tile, NULL)) // one spelling a tile
        return false;
    *out = tile;
    return true;
}

// ---- macros ------------------------------------------------------------------------------------------
const char *chi__tile_defines(const chi__tile *tile, char *to)
{
    const int length = snprintf(to, 160, "TILE_M=%u TILE_N=%u VEC=%u TILE_K=%u BLOCK=%u WG_M=%u WG_N=%u", tile->tile_m, tile->tile_n, tile->vec,
                                tile->tile_k, tile->block, tile->wg_m, tile->wg_n);
    if (tile->core == CHI_CORE_GROUP)
        snprintf(to + length, 160 - (size_t)length, " STAGES=%u SUB_GROUPS=%u", tile->stages, tile->sub_groups);
    return to;
}

bool chi__tile_set(chi__tile *tile, const char *name, unsigned value)
{
    static const axis all[] = { AXIS(TILE_M, tile_m, 0), AXIS(TILE_N, tile_n, 0), AXIS(VEC, vec, 0),  AXIS(TILE_K, tile_k, 0),
                                AXIS(BLOCK, block, 0),   AXIS(WG_M, wg_m, 0),     AXIS(WG_N, wg_n, 0), AXIS(STAGES, stages, 0), AXIS(SUB_GROUPS, sub_groups, 0) };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].name, name) == 0) {
            *value_of(tile, &all[i]) = value;
            return true;
        }
    return false;
}

bool chi__tile_finish(chi__tile *tile)
{
    tile->core = chi__items(tile) > 1 ? CHI_CORE_GROUP : CHI_CORE_PANEL;
    if (!chi__tile_fits(tile, NULL))
        return false;
    set_name(tile);
    return true;
}

// ---- walks through the space -------------------------------------------------------------------------
size_t chi__space_list(chi_core core, const chi_device_info *info, chi__tile *to, size_t room)
{
    size_t axis_count, found = 0, total = 1;
    const axis *axes = axes_of(core, &axis_count);
    for (size_t i = 0; i < axis_count; i++)
        total *= values_of(&axes[i]);
    for (size_t point = 0; point < total; point++) {
        chi__tile tile = { .core = core, .vec = 1, .wg_m = 1, .wg_n = 1, .stages = 1 };
        size_t rest = point;
        for (size_t i = 0; i < axis_count; i++) {
            *value_of(&tile, &axes[i]) = axes[i].values[rest % values_of(&axes[i])];
            rest /= values_of(&axes[i]);
        }
        if (!chi__tile_fits(&tile, info))
            continue;
        set_name(&tile);
        if (found < room)
            to[found] = tile;
        found++;
    }
    return found;
}

size_t chi__space_neighbours(const chi__tile *tile, const chi_device_info *info, chi__tile *to, size_t room)
{
    size_t axis_count, found = 0;
    const axis *axes = axes_of(tile->core, &axis_count);
    for (size_t i = 0; i < 2 * axis_count; i++) {
        const axis *a = &axes[i / 2];
        chi__tile next = *tile;
        const size_t at = place_of(tile, a), to_place = i % 2 ? at + 1 : at - 1; // before the first: past the last
        if (to_place >= values_of(a))
            continue;
        *value_of(&next, a) = a->values[to_place];
        if (!chi__tile_fits(&next, info))
            continue;
        set_name(&next);
        if (found < room)
            to[found++] = next;
    }
    return found;
}

// ---- the model ---------------------------------------------------------------------------------------
// Register tiles: two multiply-adds and two loads a cycle, four cycles of latency, spilled vectors cost two moves.
static double panel_cost(const chi__tile *tile, const chi_device_info *info)
{
    const unsigned width = info->vector_width >= 16 ? 16 : info->vector_width >= 8 ? 8 : 4, registers = width == 8 ? 16 : 32;
    const unsigned split = tile->vec > width ? tile->vec / width : 1, vectors = tile->tile_n / tile->vec * split;
    const double fma = (double)tile->tile_m * vectors, need = fma + vectors + 1.0;
    double cycles = fma / 2.0, loads = (tile->tile_m + vectors) / 2.0;
    cycles = cycles > loads ? cycles : loads;
    cycles = cycles > 4.0 ? cycles : 4.0;
    cycles += need > registers ? 2.0 * (need - registers) : 0.0;
    cycles += 0.1 * loads; // of two that are bound by multiply-adds, the one that loads less
    const double entries = (double)tile->tile_m * tile->tile_n;
    const double panels = (double)((tile->block + tile->tile_m - 1) / tile->tile_m * tile->tile_m) / tile->block;
    return cycles / entries * panels * (1.0 + 0.6 / tile->block) * (tile->tile_k ? 1.02 : 1.0);
}

// Micro-tiles: loads from local memory a multiply-add, waves in flight, and whole waves.
static double group_cost(const chi__tile *tile, const chi_device_info *info)
{
    const double items = chi__items(tile), micro_m = (double)tile->tile_m / tile->wg_m, micro_n = (double)tile->tile_n / tile->wg_n;
    const double local = (double)chi__tile_local_bytes(tile), room = (double)info->local_bytes;
    const double loads = micro_n + (tile->sub_groups ? micro_m / tile->wg_n : micro_m);
    double cost = 1.0 + loads / (micro_m * micro_n) + 8.0 / (tile->tile_m + tile->tile_n);
    cost *= chi__tile_registers(tile) > 96 ? 1.0 + 0.005 * (chi__tile_registers(tile) - 96) : 1.0;
    cost *= local * 2.0 > room ? 1.3 : 1.0;
    cost *= items < 128.0 && !info->local_is_global ? 1.1 : 1.0;
    cost *= (tile->stages > 1 || tile->sub_groups) && info->local_is_global ? 1.3 : 1.0; // not for CPUs
    return cost * (1.0 + 0.5 / (tile->stages * tile->tile_k)) * (1.0 + 0.6 / tile->block);
}

double chi__tile_cost(const chi__tile *tile, const chi_device_info *info)
{
    return tile->core == CHI_CORE_PANEL ? panel_cost(tile, info) : group_cost(tile, info);
}
