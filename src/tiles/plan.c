// SPDX-License-Identifier: Apache-2.0
// plan.c: which scheme a set of pairs takes, what it needs, what it executes. Runs: passes.c. Header: tiles.h.
#include "tiles.h"

#include "../base/memory.h"

// Tiles that are used up at once should stay in a CPU's last cache; a window or panel is as large as that allows.
static const uint64_t STREAM_BYTES = 8u << 20;
static const uint64_t SUMS_BYTES = 16u << 20; // beyond the least, well spent on partial sums: fewer and larger walks
// Multiply-adds that a pair's epilogue takes as long as: one exponential and its sums; the weight of one kept tile's entry.
enum { WIDE = 16 };
static const double SUMS_WORK = 24.0, POINTWISE_WORK = 56.0, WEIGHT_WORK = 8.0;

static uint64_t kept_bytes(const chi__tile *tile, size_t rows, size_t columns)
{
    return 4ull * chi__round_up(rows, tile->block) * chi__round_up(columns, tile->block);
}

// Tiles of the first rows: where y is x, those before each superblock's own are not there (kernels/tiles/kept.h).
static uint64_t first_bytes(const chi__passes *p, size_t rows)
{
    const uint64_t block = p->tile->block, per = chi__superblock(p->pairs.n) / block, all = chi__div_up(rows, block), own = all / per;
    const uint64_t missing = p->pairs.symmetric ? per * per * (own * (own - (own > 0)) / 2) + all % per * own * per : 0;
    return kept_bytes(p->tile, rows, p->pairs.m) - 4 * missing * block * block;
}

// Rows (or columns) of as many superblocks of `size` as fit `room`, at `each` bytes; of at least one.
static size_t superblocks_in(size_t size, uint64_t each, uint64_t room)
{
    const uint64_t fit = room / each, all = chi__div_up(size, chi__superblock(size));
    return chi__terms_before(size, (size_t)(fit < 1 ? 1 : fit < all ? fit : all));
}

uint64_t chi__room_for_sums(chi_device *dev, const chi__needs *needs)
{
    const uint64_t beyond = chi__memory_left(dev) - chi__needs_bytes(needs);
    return beyond < SUMS_BYTES ? beyond : SUMS_BYTES;
}

static void choose_scheme(chi__passes *p, uint64_t keep_bytes)
{
    const chi__pairs *pairs = &p->pairs;
    const size_t n = pairs->n, m = pairs->m, sb_n = chi__superblock(n), least_rows = chi__terms_before(n, 1);
    const uint64_t least_row = kept_bytes(p->tile, least_rows, m), least_column = kept_bytes(p->tile, n, chi__terms_before(m, 1));
    if (!pairs->gradient)
        return;
    if (pairs->constant) {
        const uint64_t room = least_column + keep_bytes;
        p->scheme = CHI__SCHEME_WINDOWS;
        p->window = superblocks_in(m, least_column, room < STREAM_BYTES ? room : STREAM_BYTES);
        return;
    }
    if (pairs->pointwise) {
        const uint64_t room = least_row + keep_bytes;
        p->scheme = CHI__SCHEME_PANELS;
        p->panel_rows = superblocks_in(n, least_row, room < STREAM_BYTES ? room : STREAM_BYTES);
        return;
    }
    p->scheme = CHI__SCHEME_KEPT;
    if (first_bytes(p, n) <= keep_bytes + least_row) {
        p->kept_rows = n;
        return;
    }
    p->panel_rows = least_rows;
    p->kept_rows = (size_t)(keep_bytes / least_row) * sb_n;
    p->kept_rows = p->kept_rows > n ? n : p->kept_rows;
    while (p->kept_rows + sb_n < n && first_bytes(p, p->kept_rows + sb_n) <= keep_bytes) // later rows may be shorter
        p->kept_rows += sb_n;
}

// The group core forms G anew for every TILE_N features; with a shift a row that is an exponential each time. Arithmetic, not
// measured: writing and reading an entry once more is worth about WIDE of the plain weights.
static bool weighs(const chi__passes *p)
{
    const size_t times = chi__div_up(p->pairs.dim, p->tile->tile_n);
    const bool formed = p->pairs.weights == CHI__WEIGHTS_BOTH || p->pairs.weights == CHI__WEIGHTS_LABELS;
    return p->scheme == CHI__SCHEME_KEPT && p->tile->core == CHI_CORE_GROUP && formed && times >= (p->pairs.shifted ? 2 : WIDE);
}

static bool own_columns(const chi__passes *p) { return p->pairs.columns && !p->pairs.symmetric; }
static bool has_scores(const chi__passes *p) { return p->pairs.positives == CHI__POSITIVES_LABELS || p->pairs.pointwise; }

// Bytes of a window's partials, of `rows` rows and w superblocks of columns.
static uint64_t row_partials(size_t rows, size_t w) { return 4ull * w * rows; }
static uint64_t column_partials(const chi__passes *p, size_t w)
{
    return p->pairs.columns ? 4ull * p->col_parts * chi__terms_before(p->pairs.m, w) : 0;
}

// Partial sums of everything where they are small, else of a window (pointwise: of a panel of rows) that joins the totals:
// bytes in proportion to n, not to its square. Where y is x, one array of everything has place for both roles of a row.
static void choose_sums(chi__passes *p, uint64_t room)
{
    const chi__pairs *pairs = &p->pairs;
    const size_t n = pairs->n, sb = chi__superblock(n), kinds = has_scores(p) ? 2 : 1;
    const size_t step = p->window ? chi__div_up(p->window, chi__superblock(pairs->m)) : 1; // windows that are used up stay whole
    const uint64_t all = kinds * (row_partials(n, p->row_parts) + (own_columns(p) ? column_partials(p, p->row_parts) : 0));
    p->sums_window = p->row_parts;
    p->sums_rows = n;
    if (pairs->pointwise) {
        const size_t least = p->panel_rows ? p->panel_rows : chi__terms_before(n, 1);
        const uint64_t bytes = kinds * row_partials(least, p->row_parts);
        p->joined = all > bytes + room;
        if (p->joined)
            p->sums_rows = p->panel_rows ? p->panel_rows : superblocks_in(n, kinds * row_partials(sb, p->row_parts), bytes + room);
        return;
    }
    const uint64_t one = kinds * (row_partials(n, 1) + column_partials(p, 1));
    p->joined = all > step * one + room;
    if (p->joined)
        p->sums_window = (size_t)((step * one + room) / one) / step * step;
}

static void need_sums(chi__passes *p, chi__needs *needs)
{
    const chi__pairs *pairs = &p->pairs;
    const size_t parts = chi__sum_parts(p), w = p->sums_window;
    chi__need(needs, "", "row sums", 4ull * parts * pairs->n, false, &p->row_sums);
    if (own_columns(p))
        chi__need(needs, "", "column sums", 4ull * chi__column_parts(p) * pairs->m, false, &p->col_sums);
    if (has_scores(p))
        chi__need(needs, "", "row sums of scores", 4ull * parts * pairs->n, false, &p->row_scores);
    if (!p->joined)
        return;
    const uint64_t rows = row_partials(p->sums_rows, w) + (pairs->symmetric ? column_partials(p, w) : 0);
    chi__need(needs, "", "row sums of a window", rows, false, &p->row_window);
    if (own_columns(p))
        chi__need(needs, "", "column sums of a window", column_partials(p, w), false, &p->col_window);
    if (has_scores(p))
        chi__need(needs, "", "score sums of a window", rows, false, &p->score_window);
}

void chi__passes_plan(chi_device *dev, const chi__tile *tile, const chi__pairs *pairs, chi__room room, chi__needs *needs,
                      chi__passes *out)
{
    const uint64_t n = chi__padded(pairs->n), m = chi__padded(pairs->m);
    chi__passes *p = out;
    *p = (chi__passes){ .dev = dev, .tile = tile, .pairs = *pairs };
    p->row_parts = chi__div_up(pairs->m, chi__superblock(pairs->m));
    p->col_parts = chi__div_up(pairs->n, chi__superblock(pairs->n));
    choose_scheme(p, room.kept);
    choose_sums(p, room.sums);
    p->weighed = weighs(p);
    chi__need(needs, "", "scalars", 64, true, &p->scalars);
    need_sums(p, needs);
    chi__need(needs, "", "scores of positives", 4 * n, true, &p->scores);
    if (pairs->positives == CHI__POSITIVES_LABELS) {
        chi__need(needs, "", "labels", 4 * n, false, &p->labels);
        chi__need(needs, "", "weights of positives", 4 * n, true, &p->w);
    }
    if (pairs->shifted)
        chi__need(needs, "", "row shifts", 4 * n, true, &p->row_shift);
    if (pairs->shifted && own_columns(p))
        chi__need(needs, "", "column shifts", 4 * m, true, &p->col_shift);
    if ((pairs->positives != CHI__POSITIVES_NONE || pairs->own_positives) && !pairs->pointwise) { // there is a row function: it writes them
        chi__need(needs, "", "row coefficients", 4 * n, true, &p->a);
        chi__need(needs, "", "gradients of positives", 4 * n, true, &p->positive);
        chi__need(needs, "", "sums of others", 4 * n, true, &p->q);
        if (!pairs->constant)
            chi__need(needs, "", "column coefficients", 4 * m, true, &p->b);
    }
    if (p->kept_rows)
        chi__need(needs, "", "kept tiles", first_bytes(p, p->kept_rows), false, &p->kept);
    if (p->panel_rows)
        chi__need(needs, "", "panel of tiles", kept_bytes(tile, p->panel_rows, pairs->m), false, &p->panel);
    if (p->window)
        chi__need(needs, "", "window of tiles", kept_bytes(tile, pairs->n, p->window), false, &p->panel);
}

const char *chi__passes_scheme(const chi__passes *p)
{
    static const char *const names[] = { "forward", "", "windows", "panels" };
    if (p->scheme != CHI__SCHEME_KEPT)
        return names[p->scheme];
    return p->kept_rows == p->pairs.n ? "kept" : p->kept_rows ? "hybrid" : "recomputed";
}

// ---- what is executed, in pairs ------------------------------------------------------------------------
typedef struct pair_counts { double forward, again, gradient; } pair_counts;

// Pairs that a walk over I ≤ J of superblocks from `first` visits, or all from there.
static double pairs_from(const chi__passes *p, size_t first)
{
    const double rows = (double)p->pairs.n - (double)first, all = rows * (double)p->pairs.m;
    if (!p->pairs.symmetric)
        return all;
    const double sb = (double)chi__superblock(p->pairs.n);
    return rows * (rows + (rows < sb ? rows : sb)) / 2.0;
}

static pair_counts count_pairs(const chi__passes *p)
{
    const chi__pairs *pairs = &p->pairs;
    const double all = (double)pairs->n * (double)pairs->m;
    const double sides = pairs->symmetric || pairs->constant ? 1.0 : 2.0;
    return (pair_counts){
        .forward = pairs_from(p, 0),
        .again = p->scheme == CHI__SCHEME_KEPT && p->kept_rows < pairs->n ? pairs_from(p, p->kept_rows) : 0.0,
        .gradient = pairs->gradient ? all * sides : 0.0,
    };
}

double chi__passes_flop(const chi__passes *p)
{
    const pair_counts c = count_pairs(p);
    return 2.0 * (double)p->pairs.dim * (c.forward * (p->pairs.shifted ? 2.0 : 1.0) + c.again + c.gradient);
}

double chi__passes_work(const chi__passes *p, size_t *launches)
{
    const pair_counts c = count_pairs(p);
    const double dim = (double)p->pairs.dim, sums = p->pairs.pointwise ? POINTWISE_WORK : SUMS_WORK;
    const size_t steps = p->scheme == CHI__SCHEME_WINDOWS ? chi__div_up(p->pairs.m, p->window)
                       : p->panel_rows                    ? chi__div_up(p->pairs.n - p->kept_rows, p->panel_rows)
                                                          : 0;
    const bool once = p->scheme == CHI__SCHEME_WINDOWS || p->scheme == CHI__SCHEME_PANELS; // no walk before the steps
    const size_t windows = p->pairs.pointwise ? chi__div_up(p->pairs.n, p->sums_rows) : chi__div_up(p->row_parts, p->sums_window);
    const size_t each = !p->joined ? 0 : own_columns(p) ? 2 * windows : windows; // joins of one quantity
    const size_t joins = p->joined && has_scores(p) ? each + windows : each;
    *launches = (once ? 0 : windows) + joins + 2 * steps + (p->kept_rows > 0) + (p->pairs.shifted ? 2 + windows + each : 0);
    return c.forward * (dim + sums) + (p->pairs.shifted ? c.forward * dim : 0.0) + c.again * (dim + sums) +
           c.gradient * (dim + WEIGHT_WORK);
}
