// SPDX-License-Identifier: Apache-2.0
// operand.c: packs a matrix into the panels that tile passes read. Kernel: kernels/tiles/pack.cl.
#include "tiles.h"

#include <stdio.h>

#include "../base/memory.h"

enum { COPY_RATE = 4 }; // planned flop for a float moved

// Row panels of `width`: each block of rows has panels of its own.
static uint64_t panels_bytes(const chi__tile *tile, size_t rows, size_t width, size_t dim)
{
    return 4ull * chi__div_up(rows, tile->block) * chi__round_up(tile->block, width) * dim;
}

void chi__operand_plan(chi_device *dev, const chi__tile *tile, const char *who, size_t rows, size_t dim, int layouts,
                       chi__needs *needs, chi__operand *out)
{
    *out = (chi__operand){ .dev = dev, .tile = tile, .rows = rows, .dim = dim, .layouts = layouts };
    chi__need(needs, who, "factors", 8ull * rows, false, &out->factors);
    chi__need(needs, who, "norms", 4ull * chi__padded(rows), true, &out->inverse);
    if (layouts & CHI__LEFT)
        chi__need(needs, who, "left panels", panels_bytes(tile, rows, tile->tile_m, dim), false, &out->left);
    if (layouts & CHI__RIGHT)
        chi__need(needs, who, "right panels", panels_bytes(tile, rows, tile->tile_n, dim), false, &out->right);
    if (layouts & CHI__COLUMNS)
        chi__need(needs, who, "column panels", 4ull * rows * chi__round_up(dim, tile->tile_n), false, &out->columns);
}

chi_status chi__operand_kernel(const chi__operand *operand, const char *name, chi__kernel **out)
{
    char defines[48];
    if (operand->program)
        return chi__kernel_get(operand->dev, operand->program->file, name, operand->program->defines, out);
    snprintf(defines, sizeof defines, "BLOCK=%u WG=%u", operand->tile->block, chi__items(operand->tile));
    return chi__kernel_get(operand->dev, "tiles/pack.cl", name, defines, out);
}

chi_status chi__operand_build(chi__operand *operand, const chi__tiles_program *program)
{
    operand->program = program;
    return chi__operand_kernel(operand, "tiles_pack", &operand->pack);
}

void chi__operand_destroy(chi__operand *operand)
{
    chi_buffer_destroy(&operand->factors);
    chi_buffer_destroy(&operand->inverse);
    chi_buffer_destroy(&operand->left);
    chi_buffer_destroy(&operand->right);
    chi_buffer_destroy(&operand->columns);
}

chi_status chi__operand_pack(chi__operand *operand, chi_matrix m, chi__rows_are rows_are)
{
    const chi__tile *tile = operand->tile;
    const unsigned left = operand->left ? tile->tile_m : 0, right = operand->right ? tile->tile_n : 0, columns = operand->columns ? tile->tile_n : 0;
    const int copies = 1 + (left > 0) + (right > 0) + (columns > 0); // 1: the factors
    operand->from = m;
    return chi__run_groups(operand->dev, &(chi__launch){
        .kernel = operand->pack, .local = { chi__items(tile) },
        .args = { U32(0), U32(operand->rows), U32(operand->dim), U64(m.offset), U32(chi__stride(m)), U32(rows_are), U32(left),
                  U32(right), U32(columns), BUF(m.buffer), BUF(operand->factors), BUF(operand->inverse),
                  BUF(chi__faults(operand->dev)), BUF(operand->left), BUF(operand->right), BUF(operand->columns) },
    }, chi__div_up(operand->rows, tile->block), (double)COPY_RATE * copies * (double)operand->rows * (double)operand->dim);
}
