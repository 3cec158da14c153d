// SPDX-License-Identifier: Apache-2.0
// passes.c: plans and runs the walks over all pairs. Kernels: kernels/tiles/statistics_*.cl, gradient_*.cl,
// exponentials_*.cl, maxima_*.cl. The coefficients between forward and backward are a row function's (kernels/loss/).
#include "tiles.h"

#include <stdio.h>
#include <string.h>

#include "../base/memory.h"

enum { PANEL_GROUP_ROWS = 32 }; // rows of dX a group owns while a panel is walked: spread among many dY groups

static uint64_t tile_row_bytes(const chi__tile *tile, const chi__pairs *pairs)
{
    return 4ull * tile->block * chi__round_up(pairs->m, tile->block); // one row of tile blocks
}

static uint64_t kept_bytes(const chi__tile *tile, const chi__pairs *pairs, size_t rows)
{
    return chi__div_up(rows, tile->block) * tile_row_bytes(tile, pairs);
}

static size_t panel_rows_of(const chi__pairs *pairs)
{
    const size_t sb = chi__superblock(pairs->n);
    return pairs->n < sb ? pairs->n : sb;
}

uint64_t chi__passes_bytes(const chi__tile *tile, const chi__pairs *pairs, uint64_t *kept)
{
    const uint64_t row_parts = chi__div_up(pairs->m, chi__superblock(pairs->m));
    const uint64_t col_parts = chi__div_up(pairs->n, chi__superblock(pairs->n));
    const uint64_t n = chi__padded(pairs->n), m = chi__padded(pairs->m);
    uint64_t bytes = 4ull * row_parts * pairs->n + 4ull * n + 64;
    if (pairs->columns && !pairs->symmetric)
        bytes += 4ull * col_parts * pairs->m;
    if (pairs->positives == CHI__POSITIVES_LABELS)
        bytes += 4ull * row_parts * pairs->n + 8ull * n;
    if (pairs->shifted)
        bytes += 4ull * (n + (pairs->columns && !pairs->symmetric ? m : 0));
    if (pairs->gradient)
        bytes += kept_bytes(tile, pairs, panel_rows_of(pairs));
    if (pairs->positives != CHI__POSITIVES_NONE)
        bytes += 12ull * n + 4ull * m;
    *kept = pairs->gradient ? kept_bytes(tile, pairs, pairs->n) : 0;
    return bytes;
}

// Kept whole if it fits; else, for two sides, as many superblocks of rows as fit; the rest is computed again.
static void choose_scheme(chi__passes *p, uint64_t keep_bytes)
{
    const chi__pairs *pairs = &p->pairs;
    p->half = pairs->symmetric;
    if (!pairs->gradient)
        return;
    const size_t sb = chi__superblock(pairs->n);
    if (kept_bytes(p->tile, pairs, pairs->n) <= keep_bytes + kept_bytes(p->tile, pairs, panel_rows_of(pairs))) {
        p->kept_rows = pairs->n;
        return;
    }
    p->panel_rows = panel_rows_of(pairs);
    if (!pairs->symmetric)
        p->kept_rows = (size_t)(keep_bytes / kept_bytes(p->tile, pairs, sb)) * sb;
    if (p->kept_rows > pairs->n)
        p->kept_rows = pairs->n;
}

static chi_status get(chi__passes *p, const char *stem, const char *name, const char *extra, chi__kernel **out)
{
    char tile[160], file[64], defines[400];
    snprintf(defines, sizeof defines, "%s METRIC=%d SYMMETRIC=%d COLUMNS=%d POSITIVES=%d SHIFTED=%d %s",
             chi__tile_defines(p->tile, tile), 2 * p->pairs.euclidean + p->pairs.negated, p->pairs.symmetric, p->pairs.columns, p->pairs.positives, p->pairs.shifted, extra);
    return chi__kernel_get(p->dev, chi__core_file(stem, p->tile, file), name, defines, out);
}

// The gradient knows only whether mirrored tiles must be read, and where a row's positives are.
static chi_status get_gradient(chi__passes *p, bool half, chi__kernel **out)
{
    char tile[160], file[64], defines[400];
    snprintf(defines, sizeof defines, "%s SYMMETRIC=%d SHIFTED=%d WEIGHTS=%d", chi__tile_defines(p->tile, tile), half,
             p->pairs.shifted, p->pairs.weights);
    return chi__kernel_get(p->dev, chi__core_file("tiles/gradient", p->tile, file), "tiles_gradient", defines, out);
}

static chi_status get_kernels(chi__passes *p)
{
    const bool all = p->kept_rows == p->pairs.n;
    char keep[16];
    snprintf(keep, sizeof keep, "KEEP=%d", p->kept_rows == 0 ? 0 : all ? 1 : 2);
    CHI_TRY(get(p, "tiles/statistics", "tiles_statistics", keep, &p->statistics));
    if (p->pairs.shifted) {
        CHI_TRY(get(p, "tiles/maxima", "tiles_maxima", "", &p->maxima));
        CHI_TRY(chi__kernel_get(p->dev, "tiles/shifts.cl", "tiles_shifts", "", &p->shifts));
    }
    if (!p->pairs.gradient)
        return CHI_OK;
    if (!all)
        CHI_TRY(get(p, "tiles/exponentials", "tiles_exponentials", "", &p->exponentials));
    return get_gradient(p, p->half && all, &p->gradient);
}

static chi_status get_buffers(chi__passes *p)
{
    const chi__pairs *pairs = &p->pairs;
    const uint64_t n = chi__padded(pairs->n), m = chi__padded(pairs->m);
    const bool own_columns = pairs->columns && !pairs->symmetric;
    CHI_TRY(chi_buffer_create(p->dev, 64, &p->scalars));
    CHI_TRY(chi__scratch_create(p->dev, 4ull * p->row_parts * pairs->n, &p->row_sums));
    CHI_TRY(chi_buffer_create(p->dev, 4 * n, &p->scores));
    if (own_columns)
        CHI_TRY(chi__scratch_create(p->dev, 4ull * p->col_parts * pairs->m, &p->col_sums));
    if (pairs->positives == CHI__POSITIVES_LABELS) {
        CHI_TRY(chi__scratch_create(p->dev, 4ull * p->row_parts * pairs->n, &p->row_scores));
        CHI_TRY(chi__scratch_create(p->dev, 4 * n, &p->labels));
        CHI_TRY(chi_buffer_create(p->dev, 4 * n, &p->w));
    }
    if (pairs->shifted)
        CHI_TRY(chi_buffer_create(p->dev, 4 * n, &p->row_shift));
    if (pairs->shifted && own_columns)
        CHI_TRY(chi_buffer_create(p->dev, 4 * m, &p->col_shift));
    if (pairs->positives != CHI__POSITIVES_NONE) { // there is a row function: it writes them, a gradient wanted or not
        CHI_TRY(chi_buffer_create(p->dev, 4 * n, &p->a));
        CHI_TRY(chi_buffer_create(p->dev, 4 * n, &p->positive));
        CHI_TRY(chi_buffer_create(p->dev, 4 * n, &p->q));
        CHI_TRY(chi_buffer_create(p->dev, 4 * m, &p->b));
    }
    if (!pairs->gradient)
        return CHI_OK;
    if (p->kept_rows)
        CHI_TRY(chi__scratch_create(p->dev, kept_bytes(p->tile, pairs, p->kept_rows), &p->kept));
    if (p->kept_rows < pairs->n)
        CHI_TRY(chi__scratch_create(p->dev, kept_bytes(p->tile, pairs, p->panel_rows), &p->panel));
    return CHI_OK;
}

chi_status chi__passes_create(chi_device *dev, const chi__tile *tile, const chi__pairs *pairs, uint64_t keep_bytes, chi__passes *out)
{
    chi__passes p = { .dev = dev, .tile = tile, .pairs = *pairs };
    p.row_parts = chi__div_up(pairs->m, chi__superblock(pairs->m));
    p.col_parts = chi__div_up(pairs->n, chi__superblock(pairs->n));
    choose_scheme(&p, keep_bytes);
    chi_status st = get_kernels(&p);
    if (st == CHI_OK)
        st = get_buffers(&p);
    if (st == CHI_OK)
        *out = p;
    else
        chi__passes_destroy(&p);
    return st;
}

void chi__passes_destroy(chi__passes *p)
{
    chi_buffer **all[] = { &p->scalars, &p->row_sums, &p->col_sums, &p->row_scores, &p->row_shift, &p->col_shift, &p->scores,
                           &p->kept, &p->panel, &p->a, &p->b, &p->w, &p->q, &p->positive, &p->labels };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        chi_buffer_destroy(all[i]);
}

// Pairs of superblocks that a forward walk visits.
static size_t pair_groups(const chi__passes *p)
{
    return p->pairs.symmetric ? p->row_parts * (p->row_parts + 1) / 2 : p->row_parts * p->col_parts;
}

static double product_flop(const chi__passes *p) { return 2.0 * (double)p->pairs.n * (double)p->pairs.m * (double)p->pairs.dim; }

static double walk_flop(const chi__passes *p)
{
    return product_flop(p) * (p->pairs.symmetric ? 0.5 + 0.5 / (double)p->row_parts : 1.0);
}

static chi_status run_shifts(chi__passes *p, size_t rows, size_t parts, const chi_buffer *maxima, chi_buffer *to)
{
    return chi__run(p->dev, &(chi__launch){
        .kernel = p->shifts, .global = { rows }, .local = { 16 },
        .args = { U32(rows), U32(parts), U32(p->pairs.positives == CHI__POSITIVES_ONE), BUF(p->scalars), BUF(maxima),
                  BUF(p->scores), BUF(to) },
    });
}

static chi_status find_shifts(chi__passes *p, const chi__operand *x, const chi__operand *y)
{
    const chi__pairs *pairs = &p->pairs;
    CHI_TRY(chi__run_groups(p->dev, &(chi__launch){
        .kernel = p->maxima, .local = { p->tile->wg_n, p->tile->wg_m },
        .args = { U32(0), U32(pairs->n), U32(pairs->m), U32(pairs->dim), BUF(x->left), BUF(y->right), BUF(x->inverse),
                  BUF(y->inverse), BUF(p->row_sums), BUF(p->col_sums), BUF(p->scores) },
    }, pair_groups(p), walk_flop(p)));
    CHI_TRY(run_shifts(p, pairs->n, p->row_parts, p->row_sums, p->row_shift));
    return p->col_shift ? run_shifts(p, pairs->m, p->col_parts, p->col_sums, p->col_shift) : CHI_OK;
}

chi_status chi__passes_forward(chi__passes *p, const chi__operand *x, const chi__operand *y)
{
    const chi__pairs *pairs = &p->pairs;
    if (pairs->shifted)
        CHI_TRY(find_shifts(p, x, y));
    const chi_buffer *col_shift = p->col_shift ? p->col_shift : p->row_shift;
    return chi__run_groups(p->dev, &(chi__launch){
        .kernel = p->statistics, .local = { p->tile->wg_n, p->tile->wg_m },
        .args = { U32(0), U32(pairs->n), U32(pairs->m), U32(pairs->dim), I32(pairs->shift), U32(p->kept_rows),
                  BUF(p->scalars), BUF(x->left), BUF(y->right), BUF(p->row_shift), BUF(col_shift), BUF(p->labels),
                  BUF(x->inverse), BUF(y->inverse), BUF(p->row_sums), BUF(p->col_sums), BUF(p->row_scores), BUF(p->scores),
                  BUF(p->kept) },
    }, pair_groups(p), walk_flop(p));
}

// One walk over kept superblocks s0 … s1 − 1 of rows, whose tiles start at row `from` of `tiles`.
static chi_status run_gradient(chi__passes *p, const chi__operand *x, const chi__operand *y, chi_matrix gx, chi_matrix gy,
                               size_t s0, size_t s1, size_t from, size_t group_rows, const chi_buffer *tiles)
{
    const chi__pairs *pairs = &p->pairs;
    const size_t sb = chi__superblock(pairs->n), first = s0 * sb, end = s1 * sb < pairs->n ? s1 * sb : pairs->n;
    const size_t x_groups = gx.buffer ? chi__div_up(end - first, group_rows) : 0;
    const size_t y_groups = gy.buffer ? chi__div_up(pairs->m, p->tile->block) : 0;
    const int partner = pairs->weights == CHI__WEIGHTS_LABELS ? -1 : pairs->symmetric ? (int)(pairs->n / 2) : 0;
    const chi_buffer *b = pairs->symmetric ? p->a : p->b;
    const chi_buffer *col_shift = p->col_shift ? p->col_shift : p->row_shift;
    const double part = (double)(end - first) / (double)pairs->n;
    return chi__run_groups(p->dev, &(chi__launch){
        .kernel = p->gradient, .local = { p->tile->wg_n, p->tile->wg_m },
        .args = { U32(0), U32(pairs->n), U32(pairs->m), U32(pairs->dim), U32(s0), U32(s1), U32(from), U32(x_groups),
                  U32(group_rows), U32(y_groups), I32(partner), BUF(p->scalars), BUF(tiles), BUF(x->columns),
                  BUF(y->columns), BUF(p->a), BUF(b), BUF(p->w), BUF(p->q), BUF(p->positive), BUF(p->row_shift),
                  BUF(col_shift), BUF(p->labels), U64(gx.offset), U32(chi__stride(gx)), U64(gy.offset),
                  U32(chi__stride(gy)), BUF(gx.buffer), BUF(gy.buffer) },
    }, x_groups + y_groups, product_flop(p) * part * ((gx.buffer != NULL) + (gy.buffer != NULL)));
}

chi_status chi__passes_backward(chi__passes *p, const chi__operand *x, const chi__operand *y, chi_matrix gx, chi_matrix gy)
{
    const chi__pairs *pairs = &p->pairs;
    const size_t sb = chi__superblock(pairs->n), parts = p->col_parts;
    const size_t kept = chi__div_up(p->kept_rows, sb);
    if (kept)
        CHI_TRY(run_gradient(p, x, y, gx, gy, 0, kept, 0, p->tile->block, p->kept));
    for (size_t s = kept; s < parts; s++) {
        const size_t first = s * sb, rows = pairs->n - first < sb ? pairs->n - first : sb;
        CHI_TRY(chi__run_groups(p->dev, &(chi__launch){
            .kernel = p->exponentials, .local = { p->tile->wg_n, p->tile->wg_m },
            .args = { U32(0), U32(pairs->n), U32(pairs->m), U32(pairs->dim), I32(pairs->shift), U32(first), U32(first),
                      BUF(p->scalars), BUF(x->left), BUF(y->right), BUF(p->scores), BUF(p->panel) },
        }, chi__div_up(rows, p->tile->block) * p->row_parts, product_flop(p) * (double)rows / (double)pairs->n));
        CHI_TRY(run_gradient(p, x, y, gx, gy, s, s + 1, first, PANEL_GROUP_ROWS, p->panel));
    }
    return CHI_OK;
}

double chi__passes_flop(const chi__passes *p)
{
    const double g = product_flop(p), again = p->pairs.gradient ? 1.0 - (double)p->kept_rows / (double)p->pairs.n : 0.0;
    const double gradients = !p->pairs.gradient ? 0.0 : p->pairs.symmetric || p->pairs.one_gradient ? 1.0 : 2.0;
    return walk_flop(p) * (p->pairs.shifted ? 2.0 : 1.0) + g * (again + gradients);
}
