// SPDX-License-Identifier: Apache-2.0
// topk.c: the k best columns of each row. Plan: similarity.c. Kernels: kernels/similarity/topk_*.cl, order.h.
#include "similarity.h"

#include <string.h>

#include "../base/memory.h"

enum { GROUPS_A_CPU_UNIT = 4, GROUPS_A_GPU_UNIT = 8, LEAST_COLUMNS = 1024, LISTS_A_SHARE = 4, MOST_PARTS = 64 };

// Few rows make few groups: then several share a block of rows, each with its own columns, and their lists are merged. A
// part is long enough that merging is little beside it, and all lists take at most a quarter of what is left.
static size_t parts_of(const chi_similarity *sim)
{
    const chi_device_info *info = chi__device_info(sim->dev);
    const size_t groups = chi__div_up(sim->n, sim->tile->block), units = info->units;
    const size_t wanted = units * (strcmp(info->type, "gpu") == 0 ? GROUPS_A_GPU_UNIT : GROUPS_A_CPU_UNIT);
    const size_t least = LISTS_A_SHARE * sim->options.topk > LEAST_COLUMNS ? LISTS_A_SHARE * sim->options.topk : LEAST_COLUMNS;
    size_t parts = groups >= wanted ? 1 : chi__div_up(wanted, groups);
    parts = parts < sim->m / least ? parts : sim->m / least;
    parts = parts < MOST_PARTS ? parts : MOST_PARTS;
    while (parts > 1 && 8ull * (parts - 1) * sim->n * sim->options.topk > chi__memory_left(sim->dev) / 4)
        parts /= 2;
    return parts ? parts : 1;
}

void chi__similarity_topk_plan(chi_similarity *sim, chi__needs *needs)
{
    sim->parts = parts_of(sim);
    const uint64_t bytes = 4ull * (sim->parts - 1) * sim->n * sim->options.topk;
    if (sim->parts == 1)
        return;
    chi__need(needs, "", "values of parts", bytes, false, &sim->part_values);
    chi__need(needs, "", "indices of parts", bytes, false, &sim->part_indices);
}

chi_status chi__similarity_topk_build(chi_similarity *sim)
{
    if (sim->parts == 1)
        return CHI_OK;
    return chi__kernel_get(sim->dev, "similarity/topk_merge.cl", "similarity_topk_merge", "", &sim->merge);
}

// Lists that no column fills.
static chi_status fill_lists(chi_similarity *sim, size_t k, chi_matrix values, chi_buffer *indices)
{
    const uint32_t worst = sim->options.metric == CHI_METRIC_SQUARED_EUCLIDEAN ? 0x7f800000u : 0xff800000u;
    for (size_t i = 0; i < sim->n; i++)
        CHI_TRY(chi__fill(values.buffer, 4ull * (values.offset + i * chi__stride(values)), 4ull * k, worst));
    return chi__fill(indices, 0, 4ull * sim->n * k, UINT32_MAX);
}

static chi_status check(chi_similarity *sim, size_t k, size_t seen, chi_matrix values, const chi_buffer *indices)
{
    CHI_TRY(chi__similarity_check_use(sim, CHI_SIMILARITY_TOPK, "topk"));
    if (k == 0 || k > sim->options.topk)
        return chi__fail(sim->dev, CHI_ERR_ARGUMENT, "similarity topk: k is %zu, it must be 1 … %zu (options.topk)", k, sim->options.topk);
    if (seen > INT32_MAX || sim->m > INT32_MAX - seen)
        return chi__fail(sim->dev, CHI_ERR_SHAPE, "similarity topk: %zu columns after %zu, indices end at 2^31 − 1", sim->m, seen);
    CHI_TRY(chi__check_matrix(sim->dev, values, sim->n, k, "similarity topk: values"));
    if (!indices || chi__buffer_device(indices) != sim->dev || chi_buffer_bytes(indices) < 4ull * sim->n * k)
        return chi__fail(sim->dev, CHI_ERR_SHAPE, "similarity topk: indices need %zu bytes on this device", 4 * sim->n * k);
    return CHI_OK;
}

chi_status chi_similarity_topk_more(chi_similarity *sim, chi_matrix x, chi_matrix y, size_t k, size_t seen, chi_matrix values,
                                    chi_buffer *indices)
{
    CHI_TRY(check(sim, k, seen, values, indices));
    CHI_TRY(chi__similarity_pack(sim, x, y, "similarity topk"));
    if (chi__similarity_empty(sim))
        return sim->n && !seen ? fill_lists(sim, k, values, indices) : CHI_OK;
    CHI_TRY(chi__run_groups(sim->dev, &(chi__launch){
        .kernel = sim->topk, .local = { sim->tile->wg_n, sim->tile->wg_m },
        .args = { U32(0), U32(sim->n), U32(sim->m), U32(sim->dim), U32(k), U32(seen), U32(sim->parts), F32(sim->options.scale),
                  BUF(sim->x.left), BUF(sim->y.right), BUF(sim->x.inverse), BUF(sim->y.inverse), U64(values.offset),
                  U32(chi__stride(values)), BUF(sim->part_values), BUF(sim->part_indices), BUF(values.buffer), BUF(indices) },
    }, chi__div_up(sim->n, sim->tile->block) * sim->parts, chi__similarity_flop(sim)));
    if (sim->parts == 1)
        return CHI_OK;
    return chi__run(sim->dev, &(chi__launch){
        .kernel = sim->merge, .global = { sim->n }, .local = { 1 },
        .args = { U32(sim->n), U32(k), U32(sim->parts), U32(sim->options.metric == CHI_METRIC_SQUARED_EUCLIDEAN), U64(values.offset),
                  U32(chi__stride(values)), BUF(sim->part_values), BUF(sim->part_indices), BUF(values.buffer), BUF(indices) },
    });
}

chi_status chi_similarity_topk(chi_similarity *sim, chi_matrix x, chi_matrix y, size_t k, chi_matrix values, chi_buffer *indices)
{
    return chi_similarity_topk_more(sim, x, y, k, 0, values, indices);
}
