// SPDX-License-Identifier: Apache-2.0
// tune.h: tiles, the space they come from, and which one a device uses for what. Host: space.c, defaults.c, lookup.c.
#ifndef CHI_TUNE_TUNE_H
#define CHI_TUNE_TUNE_H

#include "../device/device.h"

// What is tuned apart: passes that share packed operands share a tile. The shape class beside it is the number of features:
// up to 128, or more.
typedef enum chi__family {
    CHI__FAMILY_CORE = 0,  // stored products, pair statistics
    CHI__FAMILY_TOPK,
    CHI__FAMILY_LOGSUMEXP, // row statistics, no gradient
    CHI__FAMILY_LOSS,      // statistics, exponentials, gradients
    CHI__FAMILY_CONV,      // layers of an encoder
    CHI__FAMILIES,
} chi__family;

// One tile of one core. Kernels see the fields as macros of the same names in upper case.
typedef struct chi__tile {
    char name[CHI__TILE_NAME]; // "p8x32v16k128b64": panel, rows × columns, vector width, block over k, block
                               // "g64x64k16v4w8x16d2b64": group, rows × columns, depth, floats a run, work-items down ×
                               // across, stages (or s16: sub-groups of 16), block
    chi_core core;
    unsigned vec;            // panel: floats a vector; group: floats a load (a run of rows or columns of an item)
    unsigned tile_m, tile_n; // panel: register tile; group: tile of a work-group
    unsigned tile_k;         // group: depth of the tile in local memory; panel: block over k, 0 for none
    unsigned block;          // rows (columns) of a block of tiles that one group owns
    unsigned wg_m, wg_n;     // group: work-items down and across; panel: 1, 1
    unsigned stages;         // group: blocks of operands in local memory, 1 or 2; panel: 1
    unsigned sub_groups;     // group: whether a row of work-items is a sub-group that shares entries, 0 or 1; panel: 0
} chi__tile;

static inline unsigned chi__items(const chi__tile *tile) { return tile->wg_m * tile->wg_n; } // of a work-group

// ---- space.c
enum { CHI__MOST_POINTS = 300 }; // of one core's space
// The tile of that name; false: none of the space, or of the other core. CHI_CORE_AUTO: of either.
bool chi__tile_parse(chi_core core, const char *name, chi__tile *out);
// "TILE_M=8 TILE_N=32 … " for chi__kernel_get; to must hold 160 characters.
const char *chi__tile_defines(const chi__tile *tile, char *to);
// The same backwards: one value by its macro's name (false: no such name), then core and name of the whole (false: none of
// the space).
bool chi__tile_set(chi__tile *tile, const char *name, unsigned value);
bool chi__tile_finish(chi__tile *tile);
// Whether it is one of the space, and the device has the work-items and local memory; info NULL: any device.
bool chi__tile_fits(const chi__tile *tile, const chi_device_info *info);
bool chi__has_sub_groups(const chi__tile *tile, const chi_device_info *info); // the size that the tile demands, if any
unsigned chi__tile_registers(const chi__tile *tile); // panel: vectors; group: words of an item
uint64_t chi__tile_local_bytes(const chi__tile *tile);
// All tiles that fit; returns how many there are, writes at most `room`.
size_t chi__space_list(chi_core core, const chi_device_info *info, chi__tile *to, size_t room);
// Those that differ in one parameter by one step.
size_t chi__space_neighbours(const chi__tile *tile, const chi_device_info *info, chi__tile *to, size_t room);
// By a small model, for an order to try them in: time of an entry in units of its own.
double chi__tile_cost(const chi__tile *tile, const chi_device_info *info);

// ---- defaults.c
// The table's choice for a class of device: vector width, CPU or not.
const char *chi__tile_default(chi_core core, const chi_device_info *info);
// Records that ship, as a file of them.
extern const char chi__shipped_records[];

// ---- lookup.c
// The tile that options.tile named, else the default of the device's core.
const chi__tile *chi__device_tile(const chi_device *dev);
// The tile for one family and number of features; lives as long as the device. *likeness, where not NULL: 3 from a record of
// this device, 2 of its architecture, 1 of its vendor's devices of this type, 0 none.
const chi__tile *chi__tuned_tile(const chi_device *dev, chi__family family, size_t dim, int *likeness);
// Whether records and numerics have plain products of so many features go to CLBlast.
bool chi__tuned_clblast(const chi_device *dev, size_t dim);
// Hash of the kernels of one family on this device's core.
chi_status chi__family_source(chi_device *dev, chi__family family, uint64_t *out);

#endif
