// SPDX-License-Identifier: Apache-2.0
// passes.c: runs the walks over all pairs. Scheme and scratch: plan.c. Kernels: kernels/tiles/statistics_*.cl, gradient_*.cl,
// exponentials_*.cl, pointwise_*.cl, maxima_*.cl, weights_group.cl, totals.cl, shifts.cl; passes_panel.cl. The coefficients
// between forward and backward are a row function's (kernels/loss/).
#include "tiles.h"

#include <stdio.h>
#include <string.h>

#include "../base/memory.h"

// Rows of dX a group owns while a panel is walked: spread among many dY groups. Planned flop for an entry weighed.
enum { PANEL_GROUP_ROWS = 32, WEIGH_FLOP = 64 };

// ---- kernels -----------------------------------------------------------------------------------------
static void write_defines(const chi__passes *p, const char *more, char *to, size_t room)
{
    char tile[160];
    const chi__pairs *pairs = &p->pairs;
    snprintf(to, room, "%s METRIC=%d SYMMETRIC=%d COLUMNS=%d POSITIVES=%d SHIFTED=%d%s", chi__tile_defines(p->tile, tile),
             2 * pairs->euclidean + pairs->negated, pairs->symmetric, pairs->columns, pairs->positives, pairs->shifted, more);
}

static void choose_program(chi__passes *p)
{
    char more[64];
    if (p->tile->core != CHI_CORE_PANEL || !p->pairs.gradient)
        return;
    strcpy(p->program.file, "tiles/passes_panel.cl");
    snprintf(more, sizeof more, " WEIGHTS=%d POINTWISE=%d WG=%u", p->pairs.weights, p->pairs.pointwise, chi__items(p->tile));
    write_defines(p, more, p->program.defines, sizeof p->program.defines);
}

const chi__tiles_program *chi__passes_program(const chi__passes *p) { return p->program.file[0] ? &p->program : NULL; }

static chi_status get(chi__passes *p, const char *stem, const char *name, chi__kernel **out)
{
    char file[64], defines[400];
    write_defines(p, "", defines, sizeof defines);
    return chi__kernel_get(p->dev, chi__core_file(stem, p->tile, file), name, defines, out);
}

static chi_status get_shared(chi__passes *p, const char *stem, const char *name, chi__kernel **out)
{
    const chi__tiles_program *shared = chi__passes_program(p);
    return shared ? chi__kernel_get(p->dev, shared->file, name, shared->defines, out) : get(p, stem, name, out);
}

// The group core's gradient knows only whether mirrored tiles must be read, and where a row's positives are.
static chi_status get_gradient(chi__passes *p)
{
    char tile[160], defines[400];
    if (chi__passes_program(p))
        return chi__kernel_get(p->dev, p->program.file, "tiles_gradient", p->program.defines, &p->gradient);
    snprintf(defines, sizeof defines, "%s SYMMETRIC=%d SHIFTED=%d WEIGHTS=%d", chi__tile_defines(p->tile, tile),
             p->pairs.symmetric, p->pairs.shifted, p->pairs.weights);
    if (p->weighed) {
        CHI_TRY(chi__kernel_get(p->dev, "tiles/weights_group.cl", "tiles_weights", defines, &p->weigh));
        snprintf(defines, sizeof defines, "%s SYMMETRIC=%d SHIFTED=0 WEIGHTS=%d", chi__tile_defines(p->tile, tile), p->pairs.symmetric, CHI__WEIGHTS_KEPT);
    }
    return chi__kernel_get(p->dev, "tiles/gradient_group.cl", "tiles_gradient", defines, &p->gradient);
}

static chi_status get_totals(chi__passes *p, bool maxima, chi__kernel **out)
{
    char defines[48];
    snprintf(defines, sizeof defines, "SYMMETRIC=%d MAXIMA=%d", p->pairs.symmetric, maxima);
    return chi__kernel_get(p->dev, "tiles/totals.cl", "tiles_totals", defines, out);
}

chi_status chi__passes_build(chi__passes *p)
{
    choose_program(p);
    if (p->pairs.pointwise)
        CHI_TRY(get_shared(p, "tiles/pointwise", "tiles_pointwise", &p->statistics));
    else
        CHI_TRY(get_shared(p, "tiles/statistics", "tiles_statistics", &p->statistics));
    if (p->pairs.shifted) {
        CHI_TRY(get(p, "tiles/maxima", "tiles_maxima", &p->maxima));
        CHI_TRY(chi__kernel_get(p->dev, "tiles/shifts.cl", "tiles_shifts", "", &p->shifts));
    }
    if (p->joined)
        CHI_TRY(get_totals(p, false, &p->totals));
    if (p->joined && p->pairs.shifted)
        CHI_TRY(get_totals(p, true, &p->largest));
    if (p->scheme == CHI__SCHEME_KEPT && p->kept_rows < p->pairs.n)
        CHI_TRY(get(p, "tiles/exponentials", "tiles_exponentials", &p->exponentials));
    return p->pairs.gradient ? get_gradient(p) : CHI_OK;
}

void chi__passes_destroy(chi__passes *p)
{
    chi_buffer **all[] = { &p->scalars, &p->row_sums, &p->col_sums, &p->row_scores, &p->row_shift, &p->col_shift, &p->scores,
                           &p->row_window, &p->col_window, &p->score_window, &p->kept, &p->panel, &p->a, &p->b, &p->w, &p->q, &p->positive, &p->labels };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        chi_buffer_destroy(all[i]);
}

// ---- forward -----------------------------------------------------------------------------------------
// Pairs of superblocks that a forward walk over superblocks w0 … w1 − 1 of columns visits.
static size_t pair_groups(const chi__passes *p, size_t w0, size_t w1)
{
    const size_t across = w1 - w0;
    return p->pairs.symmetric ? across * w0 + across * (across + 1) / 2 : across * p->col_parts;
}

static double product_flop(const chi__passes *p) { return 2.0 * (double)p->pairs.n * (double)p->pairs.m * (double)p->pairs.dim; }

// Planned work of so many pairs of superblocks.
static double groups_flop(const chi__passes *p, size_t groups)
{
    return product_flop(p) * (double)groups / (double)(p->row_parts * p->col_parts);
}

// Where y is x, columns are rows.
static const chi_buffer *column_shifts(const chi__passes *p) { return p->col_shift ? p->col_shift : p->row_shift; }
static const chi_buffer *column_coefficients(const chi__passes *p) { return p->pairs.symmetric ? p->a : p->b; }

// ---- partial sums of a window, and their totals: kernels/tiles/pairs.h, totals.cl
static const chi_buffer *partials(const chi_buffer *window, const chi_buffer *sums) { return window ? window : sums; }
static size_t last_of(size_t w0, size_t step, size_t parts) { return step < parts - w0 ? w0 + step : parts; }
// Where columns' partials start among the rows', where y is x.
static size_t columns_at(const chi__passes *p) { return p->joined && p->pairs.symmetric ? p->sums_window * p->pairs.n : 0; }

typedef struct chain { size_t count, stride, w0, w1, at; } chain; // as the kernel's arguments

static chi_status join(chi__passes *p, chi__kernel *kernel, chain c, const chi_buffer *window, const chi_buffer *totals)
{
    return chi__run(p->dev, &(chi__launch){
        .kernel = kernel, .global = { c.count }, .local = { 16 },
        .args = { U32(c.count), U32(c.stride), U32(c.w0), U32(c.w1), U32(chi__superblock(p->pairs.n)), U32(columns_at(p)), U32(c.at),
                  BUF(window), BUF(totals) },
    });
}

// Partials of superblocks w0 … w1 − 1 of columns to the totals. Columns have all their rows at once.
static chi_status join_window(chi__passes *p, chi__kernel *kernel, size_t w0, size_t w1)
{
    const size_t first = chi__terms_before(p->pairs.m, w0), end = chi__terms_before(p->pairs.m, w1);
    const chain rows = { p->pairs.symmetric ? end : p->pairs.n, p->pairs.n, w0, w1, 0 }, columns = { end - first, end - first, 0, p->col_parts, first };
    if (!p->joined)
        return CHI_OK;
    CHI_TRY(join(p, kernel, rows, p->row_window, p->row_sums));
    if (p->col_window)
        CHI_TRY(join(p, kernel, columns, p->col_window, p->col_sums));
    return p->score_window && kernel == p->totals ? join(p, kernel, rows, p->score_window, p->row_scores) : CHI_OK;
}

static chi_status run_shifts(chi__passes *p, size_t rows, size_t parts, const chi_buffer *maxima, chi_buffer *to)
{
    const bool with_positive = p->pairs.positives == CHI__POSITIVES_ONE || p->pairs.own_positives;
    return chi__run(p->dev, &(chi__launch){
        .kernel = p->shifts, .global = { rows }, .local = { 16 },
        .args = { U32(rows), U32(parts), U32(with_positive), BUF(p->scalars), BUF(maxima), BUF(p->scores), BUF(to) },
    });
}

static chi_status find_shifts(chi__passes *p, const chi__operand *x, const chi__operand *y)
{
    const chi__pairs *pairs = &p->pairs;
    for (size_t w0 = 0; w0 < p->row_parts; w0 += p->sums_window) {
        const size_t w1 = last_of(w0, p->sums_window, p->row_parts), groups = pair_groups(p, w0, w1);
        CHI_TRY(chi__run_groups(p->dev, &(chi__launch){
            .kernel = p->maxima, .local = { p->tile->wg_n, p->tile->wg_m },
            .args = { U32(0), U32(pairs->n), U32(pairs->m), U32(pairs->dim), U32(w0), U32(w1), U32(columns_at(p)), BUF(x->left),
                      BUF(y->right), BUF(x->inverse), BUF(y->inverse), BUF(partials(p->row_window, p->row_sums)),
                      BUF(partials(p->col_window, p->col_sums)), BUF(p->scores) },
        }, groups, groups_flop(p, groups)));
        CHI_TRY(join_window(p, p->largest, w0, w1));
    }
    CHI_TRY(run_shifts(p, pairs->n, chi__sum_parts(p), p->row_sums, p->row_shift));
    return p->col_shift ? run_shifts(p, pairs->m, chi__column_parts(p), p->col_sums, p->col_shift) : CHI_OK;
}

// Superblocks w0 … w1 − 1 of columns, of the window of partials from p0; tiles of rows below `kept_rows` to `kept`, which has
// columns of superblocks k0 … k1 − 1.
typedef struct columns { size_t w0, w1, p0, k0, k1; } columns;
static chi_status run_statistics(chi__passes *p, const chi__operand *x, const chi__operand *y, columns c, size_t kept_rows, const chi_buffer *kept)
{
    const chi__pairs *pairs = &p->pairs;
    const size_t groups = pair_groups(p, c.w0, c.w1), blocks = chi__div_up(chi__terms_before(p->pairs.m, c.k1) - chi__terms_before(p->pairs.m, c.k0), p->tile->block);
    return chi__run_groups(p->dev, &(chi__launch){
        .kernel = p->statistics, .local = { p->tile->wg_n, p->tile->wg_m },
        .args = { U32(0), U32(pairs->n), U32(pairs->m), U32(pairs->dim), I32(pairs->shift), U32(kept_rows), U32(c.w0), U32(c.w1),
                  U32(c.p0), U32(columns_at(p)), U32(c.k0), U32(blocks), BUF(p->scalars), BUF(x->left), BUF(y->right), BUF(p->row_shift), BUF(column_shifts(p)),
                  BUF(p->labels), BUF(x->inverse), BUF(y->inverse), BUF(partials(p->row_window, p->row_sums)),
                  BUF(partials(p->col_window, p->col_sums)), BUF(partials(p->score_window, p->row_scores)), BUF(p->scores), BUF(kept) },
    }, groups, groups_flop(p, groups));
}

chi_status chi__passes_forward(chi__passes *p, const chi__operand *x, const chi__operand *y)
{
    if (p->pairs.shifted)
        CHI_TRY(find_shifts(p, x, y));
    for (size_t w0 = 0; w0 < p->row_parts; w0 += p->sums_window) {
        const size_t w1 = last_of(w0, p->sums_window, p->row_parts);
        CHI_TRY(run_statistics(p, x, y, (columns){ w0, w1, w0, 0, p->row_parts }, p->kept_rows, p->kept));
        CHI_TRY(join_window(p, p->totals, w0, w1));
    }
    return CHI_OK;
}

// ---- backward ----------------------------------------------------------------------------------------
// G over the tiles of rows from superblock s0 up to `end` and of superblocks w0 … w1 − 1 of columns.
static chi_status run_weights(chi__passes *p, size_t s0, size_t end, size_t w0, size_t w1, int partner, const chi_buffer *tiles)
{
    const chi__pairs *pairs = &p->pairs;
    const size_t block = p->tile->block, rows = end - chi__terms_before(pairs->n, s0);
    const size_t groups = chi__div_up(rows, block) * chi__div_up(chi__terms_before(pairs->m, w1) - chi__terms_before(pairs->m, w0), block);
    return chi__run_groups(p->dev, &(chi__launch){
        .kernel = p->weigh, .local = { p->tile->wg_n, p->tile->wg_m },
        .args = { U32(0), U32(pairs->n), U32(pairs->m), U32(s0), U32(w0), U32(w1), I32(partner), BUF(p->scalars), BUF(tiles),
                  BUF(p->a), BUF(column_coefficients(p)), BUF(p->w), BUF(p->positive), BUF(p->row_shift), BUF(column_shifts(p)),
                  BUF(p->labels) },
    }, groups, (double)WEIGH_FLOP * (double)groups * (double)block * (double)block);
}

// What the tiles of superblocks s0 … s1 − 1 of rows and w0 … w1 − 1 of columns add to the gradients; group_rows of dX a group
// of the panel core.
static chi_status run_gradient(chi__passes *p, const chi__walk *walk, size_t s0, size_t s1, size_t w0, size_t w1,
                               size_t group_rows, const chi_buffer *tiles)
{
    const chi__pairs *pairs = &p->pairs;
    const size_t first = chi__terms_before(pairs->n, s0), end = chi__terms_before(pairs->n, s1);
    const bool group = p->tile->core == CHI_CORE_GROUP; // a group has one tile of rows and of features
    const size_t x_rows = group ? p->tile->tile_m : group_rows, y_rows = group ? p->tile->tile_m : p->tile->block;
    const size_t across = group ? chi__div_up(pairs->dim, p->tile->tile_n) : 1;
    const size_t x_groups = walk->gx.buffer ? chi__div_up(end - first, x_rows) : 0;
    const size_t others = pairs->symmetric ? pairs->n - end : walk->gy.buffer ? pairs->m : 0;
    const size_t y_groups = chi__div_up(others, y_rows);
    const int partner = pairs->weights == CHI__WEIGHTS_LABELS ? -1 : pairs->symmetric ? (int)(pairs->n / 2) : 0;
    const chi__operand *own = walk->own ? walk->own : walk->y;
    const double part = (double)(end - first) / (double)pairs->n * (double)(w1 - w0) / (double)p->row_parts;
    if (p->weighed)
        CHI_TRY(run_weights(p, s0, end, w0, w1, partner, tiles));
    return chi__run_groups(p->dev, &(chi__launch){
        .kernel = p->gradient, .local = { p->tile->wg_n, p->tile->wg_m },
        .args = { U32(0), U32(pairs->n), U32(pairs->m), U32(pairs->dim), U32(s0), U32(s1), U32(w0), U32(w1), U32(x_groups),
                  U32(x_rows), U32(y_groups), U32(y_rows), I32(partner), BUF(p->scalars), BUF(tiles), BUF(walk->x->columns),
                  BUF(walk->y->columns), BUF(own->columns), BUF(p->a), BUF(column_coefficients(p)), BUF(p->w), BUF(p->q),
                  BUF(p->positive), BUF(p->row_shift), BUF(column_shifts(p)), BUF(p->labels), U64(walk->gx.offset), U32(chi__stride(walk->gx)),
                  U64(walk->gy.offset), U32(chi__stride(walk->gy)), BUF(walk->gx.buffer), BUF(walk->gy.buffer) },
    }, (x_groups + y_groups) * across, product_flop(p) * part * ((x_groups > 0) + (y_groups > 0)));
}

// Kept tiles first, then panel by panel computed again. Where y is x, a panel has no column before its own rows.
static chi_status run_kept(chi__passes *p, const chi__walk *walk)
{
    const chi__pairs *pairs = &p->pairs;
    const size_t parts = p->col_parts, kept = chi__div_up(p->kept_rows, chi__superblock(pairs->n));
    if (kept)
        CHI_TRY(run_gradient(p, walk, 0, kept, 0, p->row_parts, p->tile->block, p->kept));
    for (size_t s = kept; s < parts; s++) {
        const size_t first = chi__terms_before(pairs->n, s), rows = chi__terms_before(pairs->n, s + 1) - first, w0 = pairs->symmetric ? s : 0;
        CHI_TRY(chi__run_groups(p->dev, &(chi__launch){
            .kernel = p->exponentials, .local = { p->tile->wg_n, p->tile->wg_m },
            .args = { U32(0), U32(pairs->n), U32(pairs->m), U32(pairs->dim), I32(pairs->shift), U32(first), U32(w0),
                      BUF(p->scalars), BUF(walk->x->left), BUF(walk->y->right), BUF(p->scores), BUF(p->panel) },
        }, chi__div_up(rows, p->tile->block) * (p->row_parts - w0), groups_flop(p, p->row_parts - w0)));
        CHI_TRY(run_gradient(p, walk, s, s + 1, w0, p->row_parts, PANEL_GROUP_ROWS, p->panel));
    }
    return CHI_OK;
}

// ---- schemes that go over the pairs once ---------------------------------------------------------------
// The row function runs before the last window's gradient, which ends the rows.
static chi_status run_windows(chi__passes *p, const chi__walk *walk)
{
    const size_t step = chi__div_up(p->window, chi__superblock(p->pairs.m));
    if (p->pairs.shifted)
        CHI_TRY(find_shifts(p, walk->x, walk->y));
    for (size_t w0 = 0; w0 < p->row_parts; w0 += step) {
        const size_t w1 = last_of(w0, step, p->row_parts), p0 = w0 - w0 % p->sums_window;
        CHI_TRY(run_statistics(p, walk->x, walk->y, (columns){ w0, w1, p0, w0, w1 }, walk->gx.buffer ? p->pairs.n : 0, p->panel));
        if (w1 == p->row_parts || w1 % p->sums_window == 0)
            CHI_TRY(join_window(p, p->totals, p0, w1));
        if (w1 == p->row_parts)
            CHI_TRY(walk->rows(walk->user));
        if (walk->gx.buffer)
            CHI_TRY(run_gradient(p, walk, 0, p->col_parts, w0, w1, PANEL_GROUP_ROWS, p->panel));
    }
    return CHI_OK;
}

static chi_status run_pointwise(chi__passes *p, const chi__walk *walk)
{
    const chi__pairs *pairs = &p->pairs;
    const bool gradient = walk->gx.buffer || walk->gy.buffer;
    const size_t sb = chi__superblock(pairs->n), rows = gradient ? p->panel_rows : p->sums_rows;
    for (size_t first = 0; first < pairs->n; first += rows) {
        const size_t end = last_of(first, rows, pairs->n), r0 = p->joined ? first : 0, r1 = p->joined ? end : pairs->n;
        const chain panel = { end - first, end - first, 0, p->row_parts, first };
        CHI_TRY(chi__run_groups(p->dev, &(chi__launch){
            .kernel = p->statistics, .local = { p->tile->wg_n, p->tile->wg_m },
            .args = { U32(0), U32(pairs->n), U32(pairs->m), U32(pairs->dim), U32(first), U32(gradient), U32(r0), U32(r1 - r0),
                      BUF(p->scalars), BUF(walk->x->left), BUF(walk->y->right), BUF(partials(p->row_window, p->row_sums)),
                      BUF(partials(p->score_window, p->row_scores)), BUF(p->panel) },
        }, chi__div_up(end - first, p->tile->block) * p->row_parts, product_flop(p) * (double)(end - first) / (double)pairs->n));
        if (p->joined) {
            CHI_TRY(join(p, p->totals, panel, p->row_window, p->row_sums));
            CHI_TRY(join(p, p->totals, panel, p->score_window, p->row_scores));
        }
        if (gradient)
            CHI_TRY(run_gradient(p, walk, first / sb, chi__div_up(end, sb), 0, p->row_parts, PANEL_GROUP_ROWS, p->panel));
    }
    return walk->rows(walk->user);
}

chi_status chi__passes_walk(chi__passes *p, const chi__walk *walk)
{
    if (p->pairs.pointwise)
        return run_pointwise(p, walk);
    if (p->scheme == CHI__SCHEME_WINDOWS)
        return run_windows(p, walk);
    CHI_TRY(chi__passes_forward(p, walk->x, walk->y));
    CHI_TRY(walk->rows(walk->user));
    return walk->gx.buffer || walk->gy.buffer ? run_kept(p, walk) : CHI_OK;
}
