// SPDX-License-Identifier: Apache-2.0
// operand.c: packs a matrix into the panels that tile passes read. Kernels: kernels/tiles/norms.cl, pack.cl.
#include "tiles.h"

#include <stdio.h>

#include "../base/memory.h"

enum { NORM_ROWS = 8, COPY_RATE = 4 }; // rows of a work-item; planned flop for a float moved

// Rows that panels of `width` take when each block of rows has panels of its own.
static uint64_t panel_rows(const chi__tile *tile, size_t rows, size_t width)
{
    return (uint64_t)chi__div_up(rows, tile->block) * chi__round_up(tile->block, width);
}

static uint64_t layout_bytes(const chi__tile *tile, size_t rows, size_t dim, int layout)
{
    if (layout == CHI__COLUMNS)
        return 4ull * rows * chi__round_up(dim, tile->tile_n);
    return 4ull * panel_rows(tile, rows, layout == CHI__LEFT ? tile->tile_m : tile->tile_n) * dim;
}

uint64_t chi__operand_bytes(const chi__tile *tile, size_t rows, size_t dim, int layouts)
{
    uint64_t bytes = 8ull * rows + 4ull * chi__padded(rows);
    for (int layout = CHI__LEFT; layout <= CHI__COLUMNS; layout *= 2)
        if (layouts & layout)
            bytes += layout_bytes(tile, rows, dim, layout);
    return bytes;
}

chi_status chi__operand_create(chi_device *dev, const chi__tile *tile, size_t rows, size_t dim, int layouts, chi__operand *out)
{
    chi__operand operand = { .dev = dev, .tile = tile, .rows = rows, .dim = dim };
    chi_buffer **place[] = { &operand.left, &operand.right, &operand.columns };
    char defines[32];
    chi_status st = CHI_OK;
    snprintf(defines, sizeof defines, "BLOCK=%u", tile->block);
    CHI_TRY_DONE(chi__kernel_get(dev, "tiles/norms.cl", "tiles_norms", "", &operand.norms));
    CHI_TRY_DONE(chi__kernel_get(dev, "tiles/pack.cl", "tiles_pack_rows", defines, &operand.pack_rows));
    CHI_TRY_DONE(chi__kernel_get(dev, "tiles/pack.cl", "tiles_pack_columns", defines, &operand.pack_columns));
    CHI_TRY_DONE(chi__scratch_create(dev, 8ull * rows, &operand.factors));
    CHI_TRY_DONE(chi_buffer_create(dev, 4ull * chi__padded(rows), &operand.inverse));
    for (int i = 0; i < 3; i++)
        if (layouts & (1 << i))
            CHI_TRY_DONE(chi__scratch_create(dev, layout_bytes(tile, rows, dim, 1 << i), place[i]));
    *out = operand;
    return CHI_OK;
done:
    chi__operand_destroy(&operand);
    return st;
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
