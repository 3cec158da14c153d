// SPDX-License-Identifier: Apache-2.0
// stats.c: mean, variance, extremes and a histogram of all pairs. Kernel: kernels/similarity/stats_*.cl.
// Rows' sums come from the device in float32 by the lane rule, rows are added here in double, ascending.
#include "similarity.h"

#include <math.h>

#include "../base/memory.h"

void chi__similarity_stats_plan(chi_similarity *sim, chi__needs *needs)
{
    const uint64_t bytes = 4ull * sim->n * chi__div_up(sim->m, chi__superblock(sim->m));
    chi__need(needs, "", "row sums of powers", bytes, false, &sim->sums);
    chi__need(needs, "", "row minima", bytes, false, &sim->lows);
    chi__need(needs, "", "row maxima", bytes, false, &sim->highs);
    chi__need(needs, "", "histogram", 8ull * (CHI__MOST_BINS + 3), true, &sim->counts);
}

static chi_status walk(chi_similarity *sim, unsigned power, float centre, float low, float high, size_t bins)
{
    const size_t groups = chi__div_up(sim->n, sim->tile->block) * chi__div_up(sim->m, chi__superblock(sim->m));
    return chi__run_groups(sim->dev, &(chi__launch){
        .kernel = sim->stats, .local = { sim->tile->wg_n, sim->tile->wg_m },
        .args = { U32(0), U32(sim->n), U32(sim->m), U32(sim->dim), F32(sim->options.scale), U32(power), F32(centre), U32(bins),
                  F32(low), F32(high), F32((float)((double)bins / ((double)high - (double)low))), BUF(sim->x.left),
                  BUF(sim->y.right), BUF(sim->x.inverse), BUF(sim->y.inverse), BUF(sim->sums), BUF(sim->lows),
                  BUF(sim->highs), BUF(sim->counts) },
    }, groups, chi__similarity_flop(sim));
}

// Σ over all rows of their sums: superblocks ascending in float32, rows in double.
static double total_of(const float *sums, size_t n, size_t parts)
{
    double total = 0.0;
    for (size_t i = 0; i < n; i++) {
        float row = sums[i];
        for (size_t s = 1; s < parts; s++)
            row += sums[s * n + i];
        total += (double)row;
    }
    return total;
}

static chi_status read_extremes(chi_similarity *sim, float *host, size_t count, chi_pair_stats *stats)
{
    CHI_TRY(chi_buffer_download(sim->lows, 0, host, 4 * count));
    for (size_t i = 0; i < count; i++)
        stats->minimum = fmin(stats->minimum, (double)host[i]);
    CHI_TRY(chi_buffer_download(sim->highs, 0, host, 4 * count));
    for (size_t i = 0; i < count; i++)
        stats->maximum = fmax(stats->maximum, (double)host[i]);
    return CHI_OK;
}

static chi_status collect(chi_similarity *sim, float low, float high, size_t bins, uint64_t *counts, float *host, chi_pair_stats *stats)
{
    const size_t parts = chi__div_up(sim->m, chi__superblock(sim->m)), count = sim->n * parts;
    CHI_TRY(chi__fill(sim->counts, 0, 8ull * (bins + 3), 0));
    CHI_TRY(walk(sim, 1, 0.0f, low, high, bins));
    CHI_TRY(chi_buffer_download(sim->sums, 0, host, 4 * count));
    CHI_TRY(chi_buffer_download(sim->counts, 0, counts, 8 * (bins + 3)));
    stats->below = counts[bins];
    stats->above = counts[bins + 1];
    stats->nan = counts[bins + 2];
    const uint64_t used = stats->pairs - stats->nan;
    if (used == 0)
        return CHI_OK;
    stats->mean = total_of(host, sim->n, parts) / (double)used;
    stats->minimum = INFINITY;
    stats->maximum = -INFINITY;
    CHI_TRY(read_extremes(sim, host, count, stats));
    CHI_TRY(walk(sim, 2, (float)stats->mean, low, high, bins));
    CHI_TRY(chi_buffer_download(sim->sums, 0, host, 4 * count));
    stats->variance = total_of(host, sim->n, parts) / (double)used;
    return CHI_OK;
}

chi_status chi_similarity_stats(chi_similarity *sim, chi_matrix x, chi_matrix y, float low, float high, size_t bins,
                                uint64_t *histogram, chi_pair_stats *stats)
{
    if (!(sim->options.uses & CHI_SIMILARITY_STATS))
        return chi__fail(sim->dev, CHI_ERR_ARGUMENT, "similarity: stats was left out of options.uses");
    if (bins == 0 || bins > CHI__MOST_BINS || !(low < high) || !isfinite(low) || !isfinite(high))
        return chi__fail(sim->dev, CHI_ERR_ARGUMENT, "similarity stats: %zu bins over [%g, %g]; 1 … %d bins and low < high are needed",
                         bins, (double)low, (double)high, CHI__MOST_BINS);
    CHI_TRY(chi__similarity_pack(sim, x, y, "similarity stats"));
    chi_pair_stats result = { .mean = NAN, .variance = NAN, .minimum = NAN, .maximum = NAN, .pairs = (uint64_t)sim->n * sim->m };
    const size_t parts = chi__div_up(sim->m, chi__superblock(sim->m));
    uint64_t *counts = chi__alloc(bins + 3, sizeof *counts);
    float *host = chi__alloc(sim->n * parts, sizeof *host);
    chi_status st = CHI_OK;
    if (!counts || !host)
        st = chi__fail(sim->dev, CHI_ERR_MEMORY, "similarity stats: no memory for %zu floats", sim->n * parts);
    else if (!chi__similarity_empty(sim))
        st = collect(sim, low, high, bins, counts, host, &result);
    for (size_t b = 0; st == CHI_OK && b < bins; b++)
        histogram[b] = counts[b];
    if (st == CHI_OK)
        *stats = result;
    chi__free(counts);
    chi__free(host);
    return st;
}
