// SPDX-License-Identifier: Apache-2.0
// similarity.c: plans over all pairs, store and logsumexp. Top-k: topk.c. Statistics: stats.c. Kernels: kernels/similarity/, kernels/tiles/.
// Header: include/chiaro/similarity.h.
#include "similarity.h"

#include <math.h>
#include <stdio.h>

#include "../base/memory.h"
#include "../base/text.h"

enum { STORE_COLUMNS = 256, DEFAULT_TOPK = 10 };
static const double LOG2_E = 1.4426950408889634, MOST_BINADES = 100.0;

// ---- plan ------------------------------------------------------------------------------------------
static chi_status resolve(chi_device *dev, size_t n, size_t m, size_t dim, const chi_similarity_options *options, chi_similarity *sim)
{
    sim->dev = dev;
    sim->n = n;
    sim->m = m;
    sim->dim = dim;
    if (options)
        sim->options = *options;
    chi_similarity_options *o = &sim->options;
    o->scale = o->scale == 0.0f ? 1.0f : o->scale;
    o->topk = o->topk == 0 ? DEFAULT_TOPK : o->topk;
    o->uses = o->uses == 0 ? CHI_SIMILARITY_STORE | CHI_SIMILARITY_LOGSUMEXP | CHI_SIMILARITY_TOPK | CHI_SIMILARITY_STATS : o->uses;
    if ((unsigned)o->metric > CHI_METRIC_SQUARED_EUCLIDEAN)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "similarity: metric %d is not one of CHI_METRIC_DOT … CHI_METRIC_SQUARED_EUCLIDEAN", (int)o->metric);
    if (!isfinite(o->scale))
        return chi__fail(dev, CHI_ERR_ARGUMENT, "similarity: scale is %g, it must be finite", (double)o->scale);
    if (o->topk > CHI__MOST_TOPK)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "similarity: topk is %zu, the most is %d", o->topk, CHI__MOST_TOPK);
    if (dim == 0)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "similarity: dim is 0, a row needs at least 1 feature");
    const size_t rows = n > m ? n : m;
    if (rows > UINT32_MAX / 4 || dim > UINT32_MAX / 4 / (rows ? rows : 1))
        return chi__fail(dev, CHI_ERR_SHAPE, "similarity: %zu × %zu floats are more than 2^30, the most in one matrix", rows, dim);
    return CHI_OK;
}

// What another's product cannot do, or is not there for.
static chi_status check_provider(chi_similarity *sim)
{
    chi_similarity_options *o = &sim->options;
    if ((unsigned)o->provider > CHI_PROVIDER_CLBLAST)
        return chi__fail(sim->dev, CHI_ERR_ARGUMENT, "similarity: provider %d is none of auto (0), chiaro (1) and CLBlast (2)", (int)o->provider);
    if (o->provider == CHI_PROVIDER_AUTO)
        o->provider = o->metric == CHI_METRIC_DOT && o->uses == CHI_SIMILARITY_STORE && chi__tuned_clblast(sim->dev, sim->dim) ? CHI_PROVIDER_CLBLAST : CHI_PROVIDER_CHIARO;
    if (o->provider == CHI_PROVIDER_CHIARO)
        return CHI_OK;
    if (o->metric != CHI_METRIC_DOT || o->uses != CHI_SIMILARITY_STORE)
        return chi__fail(sim->dev, CHI_ERR_ARGUMENT, "similarity: CLBlast only stores dot products (metric %d, uses %u were asked for)",
                         (int)o->metric, o->uses);
    if (!chi__clblast_is_here())
        return chi__fail(sim->dev, CHI_ERR_UNSUPPORTED, "similarity: this build has no CLBlast (meson option clblast)");
    return CHI_OK;
}

static chi__pairs pairs_of(const chi_similarity *sim)
{
    const double kappa = LOG2_E * fabs((double)sim->options.scale);
    const bool shifted = sim->options.metric != CHI_METRIC_COSINE || 2.0 * kappa > MOST_BINADES;
    return (chi__pairs){
        .n = sim->n, .m = sim->m, .dim = sim->dim, .euclidean = sim->options.metric == CHI_METRIC_SQUARED_EUCLIDEAN,
        .negated = sim->options.scale < 0.0f, .shifted = shifted, .shift = shifted ? 0 : (int)ceil(kappa) + 1,
    };
}

// Everything that the uses need, sums_bytes beyond the least for partial sums, with places in *sim.
static void list(chi_similarity *sim, uint64_t sums_bytes, chi__needs *needs)
{
    const chi__pairs pairs = pairs_of(sim);
    needs->count = 0;
    chi__operand_plan(sim->dev, sim->tile, "x", sim->n, sim->dim, CHI__LEFT, needs, &sim->x);
    chi__operand_plan(sim->dev, sim->tile, "y", sim->m, sim->dim, CHI__RIGHT, needs, &sim->y);
    if (sim->options.uses & CHI_SIMILARITY_LOGSUMEXP)
        chi__passes_plan(sim->dev, sim->tile, &pairs, (chi__room){ .sums = sums_bytes }, needs, &sim->passes);
    if (sim->options.uses & CHI_SIMILARITY_STATS)
        chi__similarity_stats_plan(sim, needs);
    if (sim->options.uses & CHI_SIMILARITY_TOPK)
        chi__similarity_topk_plan(sim, needs);
}

// The least, and what is left and well spent beyond it: buffers are counted in steps, so a little less may be what fits.
static void list_for_budget(chi_similarity *sim, chi__needs *needs)
{
    list(sim, 0, needs);
    if (!chi__needs_fit(sim->dev, needs))
        return;
    uint64_t room = chi__room_for_sums(sim->dev, needs);
    for (list(sim, room, needs); !chi__needs_fit(sim->dev, needs); list(sim, room, needs))
        room /= 2;
}

static chi_status get_memory(chi_similarity *sim)
{
    chi__needs needs;
    char need[24], have[24];
    list_for_budget(sim, &needs);
    const uint64_t bytes = chi__needs_bytes(&needs), left = chi__memory_left(sim->dev);
    if (bytes > left)
        return chi__fail(sim->dev, CHI_ERR_DEVICE_MEMORY, "similarity: %zu × %zu pairs of %zu features need %s of scratch beside their inputs, %s are left",
                         sim->n, sim->m, sim->dim, chi__bytes_text(bytes, need), chi__bytes_text(left, have));
    return chi__needs_create(sim->dev, &needs);
}

static chi_status get(chi_similarity *sim, const char *stem, const char *name, bool negated, const char *extra, chi__kernel **out)
{
    char tile[160], file[64], defines[400];
    const int metric = 2 * (sim->options.metric == CHI_METRIC_SQUARED_EUCLIDEAN) + negated;
    snprintf(defines, sizeof defines, "%s METRIC=%d SYMMETRIC=0 POSITIVES=0 %s", chi__tile_defines(sim->tile, tile), metric, extra);
    return chi__kernel_get(sim->dev, chi__core_file(stem, sim->tile, file), name, defines, out);
}

static chi_status get_store(chi_similarity *sim, bool aligned, chi__kernel **out)
{
    char tile[160], file[64], defines[400];
    snprintf(defines, sizeof defines, "%s EUCLIDEAN=%d ALIGNED=%d", chi__tile_defines(sim->tile, tile),
             sim->options.metric == CHI_METRIC_SQUARED_EUCLIDEAN, aligned);
    return chi__kernel_get(sim->dev, chi__core_file("similarity/store", sim->tile, file), "similarity_store", defines, out);
}

// Whole vectors of a row lie at multiples of their size.
static bool is_aligned(const chi_similarity *sim, size_t offset, size_t stride)
{
    return sim->tile->core == CHI_CORE_PANEL && offset % sim->tile->vec == 0 && stride % sim->tile->vec == 0;
}

// One use alone has a tile of its own; several share the operands, and so the product's tile.
static chi__family family_of(unsigned uses)
{
    return uses == CHI_SIMILARITY_TOPK ? CHI__FAMILY_TOPK : uses == CHI_SIMILARITY_LOGSUMEXP ? CHI__FAMILY_LOGSUMEXP : CHI__FAMILY_CORE;
}

static chi_status build(chi_similarity *sim)
{
    const unsigned uses = sim->options.uses;
    CHI_TRY(chi__core_tile(sim->dev, family_of(uses), sim->dim, &sim->tile));
    CHI_TRY(get_memory(sim));
    CHI_TRY(chi__operand_build(&sim->x, NULL));
    CHI_TRY(chi__operand_build(&sim->y, NULL));
    if (uses & CHI_SIMILARITY_STORE) {
        if (is_aligned(sim, 0, sim->m))
            CHI_TRY(get_store(sim, true, &sim->store_aligned));
        CHI_TRY(get_store(sim, false, &sim->store));
    }
    if (uses & CHI_SIMILARITY_LOGSUMEXP) {
        CHI_TRY(chi__passes_build(&sim->passes));
        const float kappa = (float)(LOG2_E * fabs((double)sim->options.scale));
        CHI_TRY(chi_buffer_upload(sim->passes.scalars, 0, &kappa, sizeof kappa));
        CHI_TRY(chi__kernel_get(sim->dev, "similarity/logsumexp.cl", "similarity_logsumexp", "", &sim->logsumexp));
    }
    if (uses & CHI_SIMILARITY_TOPK) {
        CHI_TRY(get(sim, "similarity/topk", "similarity_topk", sim->options.metric == CHI_METRIC_SQUARED_EUCLIDEAN, "", &sim->topk));
        CHI_TRY(chi__similarity_topk_build(sim));
    }
    if (uses & CHI_SIMILARITY_STATS)
        CHI_TRY(get(sim, "similarity/stats", "similarity_stats", false, "", &sim->stats));
    return CHI_OK;
}

chi_status chi_similarity_bytes(chi_device *dev, size_t n, size_t m, size_t dim, const chi_similarity_options *options, uint64_t *bytes)
{
    chi_similarity sim = { 0 };
    CHI_TRY(resolve(dev, n, m, dim, options, &sim));
    CHI_TRY(check_provider(&sim));
    CHI_TRY(chi__core_tile(dev, family_of(sim.options.uses), dim, &sim.tile));
    chi__needs needs = { .count = 0 };
    if (!chi__similarity_empty(&sim) && sim.options.provider == CHI_PROVIDER_CHIARO)
        list_for_budget(&sim, &needs);
    *bytes = chi__needs_bytes(&needs);
    return CHI_OK;
}

chi_status chi_similarity_create(chi_device *dev, size_t n, size_t m, size_t dim, const chi_similarity_options *options, chi_similarity **out)
{
    *out = NULL;
    chi_similarity *sim = chi__alloc(1, sizeof *sim);
    if (!sim)
        return chi__fail(dev, CHI_ERR_MEMORY, "similarity: no memory for %zu bytes", sizeof *sim);
    chi_status st = resolve(dev, n, m, dim, options, sim);
    if (st == CHI_OK)
        st = check_provider(sim);
    if (st == CHI_OK && !chi__similarity_empty(sim) && sim->options.provider == CHI_PROVIDER_CHIARO)
        st = build(sim);
    if (st == CHI_OK)
        *out = sim;
    else
        chi_similarity_destroy(&sim);
    return st;
}

void chi_similarity_destroy(chi_similarity **sim)
{
    if (!sim || !*sim)
        return;
    chi_similarity *s = *sim;
    chi__operand_destroy(&s->x);
    chi__operand_destroy(&s->y);
    chi__passes_destroy(&s->passes);
    chi_buffer_destroy(&s->sums);
    chi_buffer_destroy(&s->lows);
    chi_buffer_destroy(&s->highs);
    chi_buffer_destroy(&s->counts);
    chi_buffer_destroy(&s->part_values);
    chi_buffer_destroy(&s->part_indices);
    chi__free(s);
    *sim = NULL;
}

chi_provider chi_similarity_provider(const chi_similarity *sim) { return sim->options.provider; }

// ---- evaluation ------------------------------------------------------------------------------------
double chi__similarity_flop(const chi_similarity *sim) { return 2.0 * (double)sim->n * (double)sim->m * (double)sim->dim; }

chi_status chi__similarity_pack(chi_similarity *sim, chi_matrix x, chi_matrix y, const char *what)
{
    char role[64];
    snprintf(role, sizeof role, "%s: x", what);
    CHI_TRY(chi__check_matrix(sim->dev, x, sim->n, sim->dim, role));
    snprintf(role, sizeof role, "%s: y", what);
    CHI_TRY(chi__check_matrix(sim->dev, y, sim->m, sim->dim, role));
    if (chi__similarity_empty(sim))
        return CHI_OK;
    static const chi__rows_are are[] = { CHI__ROWS_AS_THEY_ARE, CHI__ROWS_RAW, CHI__ROWS_SQUARED };
    CHI_TRY(chi__operand_pack(&sim->x, x, are[sim->options.metric]));
    return chi__operand_pack(&sim->y, y, are[sim->options.metric]);
}

chi_status chi__similarity_check_use(chi_similarity *sim, unsigned use, const char *what)
{
    if (sim->options.uses & use)
        return CHI_OK;
    return chi__fail(sim->dev, CHI_ERR_ARGUMENT, "similarity: %s was left out of options.uses", what);
}

static chi_status store_by_clblast(chi_similarity *sim, chi_matrix x, chi_matrix y, chi_matrix out)
{
    CHI_TRY(chi__check_matrix(sim->dev, x, sim->n, sim->dim, "similarity store: x"));
    CHI_TRY(chi__check_matrix(sim->dev, y, sim->m, sim->dim, "similarity store: y"));
    return chi__similarity_empty(sim) ? CHI_OK : chi__clblast_product(sim->dev, x, y, sim->options.scale, out);
}

chi_status chi_similarity_store(chi_similarity *sim, chi_matrix x, chi_matrix y, chi_matrix out)
{
    CHI_TRY(chi__similarity_check_use(sim, CHI_SIMILARITY_STORE, "store"));
    CHI_TRY(chi__check_matrix(sim->dev, out, sim->n, sim->m, "similarity store: out"));
    if (sim->options.provider == CHI_PROVIDER_CLBLAST)
        return store_by_clblast(sim, x, y, out);
    CHI_TRY(chi__similarity_pack(sim, x, y, "similarity store"));
    if (chi__similarity_empty(sim))
        return CHI_OK;
    const size_t groups = chi__div_up(sim->n, sim->tile->block) * chi__div_up(sim->m, STORE_COLUMNS);
    const bool aligned = sim->store_aligned && is_aligned(sim, out.offset, chi__stride(out));
    return chi__run_groups(sim->dev, &(chi__launch){
        .kernel = aligned ? sim->store_aligned : sim->store, .local = { sim->tile->wg_n, sim->tile->wg_m },
        .args = { U32(0), U32(sim->n), U32(sim->m), U32(sim->dim), F32(sim->options.scale), BUF(sim->x.left), BUF(sim->y.right),
                  BUF(sim->x.inverse), BUF(sim->y.inverse), U64(out.offset), U32(chi__stride(out)), BUF(out.buffer) },
    }, groups, chi__similarity_flop(sim));
}

chi_status chi_similarity_logsumexp(chi_similarity *sim, chi_matrix x, chi_matrix y, chi_matrix row_lse)
{
    CHI_TRY(chi__similarity_check_use(sim, CHI_SIMILARITY_LOGSUMEXP, "logsumexp"));
    CHI_TRY(chi__check_matrix(sim->dev, row_lse, sim->n, 1, "similarity logsumexp: row_lse"));
    CHI_TRY(chi__similarity_pack(sim, x, y, "similarity logsumexp"));
    if (sim->n == 0)
        return CHI_OK;
    chi__kernel *finish = sim->logsumexp;
    if (sim->m == 0) // nothing was planned: the sum over no column
        CHI_TRY(chi__kernel_get(sim->dev, "similarity/logsumexp.cl", "similarity_logsumexp", "", &finish));
    else
        CHI_TRY(chi__passes_forward(&sim->passes, &sim->x, &sim->y));
    const chi__passes *p = &sim->passes;
    return chi__run(sim->dev, &(chi__launch){
        .kernel = finish, .global = { sim->n }, .local = { 16 },
        .args = { U32(sim->n), U32(chi__sum_parts(p)), F32((float)p->pairs.shift), U32(p->pairs.shifted), U64(row_lse.offset),
                  U32(chi__stride(row_lse)), BUF(p->row_sums), BUF(p->row_shift), BUF(row_lse.buffer) },
    });
}
