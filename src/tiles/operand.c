// SPDX-License-Identifier: Apache-2.0
// operand.c: packs a matrix into the panels that tile passes read. Kernels: kernels/tiles/norms.cl, pack.cl.
#include "tiles.h"

#include <stdio.h>

#include "../base/memory.h"

enum { NORM_ROWS = 8, COPY_RATE = 4 }; // rows of a work-item; planned flop for a float moved

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

chi_status chi__operand_build(chi__operand *operand)
{
    char defines[32];
    snprintf(defines, sizeof defines, "BLOCK=%u", operand->tile->block);
    CHI_TRY(chi__kernel_get(operand->dev, "tiles/norms.cl", "tiles_norms", "", &operand->norms));
    if (operand->layouts & (CHI__LEFT | CHI__RIGHT))
        CHI_TRY(chi__kernel_get(operand->dev, "tiles/pack.cl", "tiles_pack_rows", defines, &operand->pack_rows));
    if (operand->layouts & CHI__COLUMNS)
        CHI_TRY(chi__kernel_get(operand->dev, "tiles/pack.cl", "tiles_pack_columns", defines, &operand->pack_columns));
    return CHI_OK;
}

void chi__operand_destroy(chi__operand *operand)
{
    chi_buffer_destroy(&operand->factors);
    chi_buffer_destroy(&operand->inverse);
    chi_buffer_destroy(&operand->left);
    chi_buffer_destroy(&operand->right);
    chi_buffer_destroy(&operand->columns);
}

static chi_status pack(const chi__operand *operand, chi__kernel *kernel, size_t width, chi_buffer *to)
{
    const chi_matrix m = operand->from;
    const size_t groups = chi__div_up(operand->rows, operand->tile->block);
    return chi__run_groups(operand->dev, &(chi__launch){
        .kernel = kernel, .local = { 1 },
        .args = { U32(0), U32(operand->rows), U32(operand->dim), U64(m.offset), U32(chi__stride(m)), U32(width),
                  BUF(m.buffer), BUF(operand->factors), BUF(to) },
    }, groups, (double)COPY_RATE * (double)operand->rows * (double)operand->dim);
}

chi_status chi__operand_pack(chi__operand *operand, chi_matrix m, chi__rows_are rows_are)
{
    operand->from = m;
    CHI_TRY(chi__run(operand->dev, &(chi__launch){
        .kernel = operand->norms, .global = { chi__div_up(operand->rows, NORM_ROWS) }, .local = { 1 },
        .args = { U32(operand->rows), U32(operand->dim), U64(m.offset), U32(chi__stride(m)), U32(rows_are),
                  BUF(m.buffer), BUF(operand->factors), BUF(operand->inverse), BUF(chi__faults(operand->dev)) },
    }));
    if (operand->left)
        CHI_TRY(pack(operand, operand->pack_rows, operand->tile->tile_m, operand->left));
    if (operand->right)
        CHI_TRY(pack(operand, operand->pack_rows, operand->tile->tile_n, operand->right));
    if (operand->columns)
        CHI_TRY(pack(operand, operand->pack_columns, operand->tile->tile_n, operand->columns));
    return CHI_OK;
}
