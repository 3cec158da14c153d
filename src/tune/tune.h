// SPDX-License-Identifier: Apache-2.0
// tune.h: tiles, and which one a device starts with.
#ifndef CHI_TUNE_TUNE_H
#define CHI_TUNE_TUNE_H

#include "../device/device.h"

// One tile of one core. Kernels see the fields as macros of the same names in upper case.
typedef struct chi__tile {
    const char *name; // "p8x32v16": core, rows × columns, vector width
    chi_core core;
    unsigned vec;            // panel: floats a vector; group: floats a load
    unsigned tile_m, tile_n; // panel: register tile; group: tile of a work-group
    unsigned tile_k;         // group: depth of the tile in local memory; panel: block over k, 0 for none
    unsigned block;          // panel: rows (columns) of a block of tiles that one group owns
    unsigned wg_m, wg_n;     // group: work-items down and across; panel: 1, 1
} chi__tile;

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

const chi__tile *chi__tile_find(chi_core core, const char *name); // NULL: no such tile
const chi__tile *chi__tile_at(chi_core core, size_t index);       // NULL after the last
// The table's choice for a class of device: vector width, CPU or not.
const chi__tile *chi__tile_default(chi_core core, const chi_device_info *info);
// The tile this device uses: options.tile, else the default of its core.
const chi__tile *chi__device_tile(const chi_device *dev);
// "TILE_M=8 TILE_N=32 … " for chi__kernel_get; to must hold 160 characters.
const char *chi__tile_defines(const chi__tile *tile, char *to);

#endif
