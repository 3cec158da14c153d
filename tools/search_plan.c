// SPDX-License-Identifier: Apache-2.0
// search_plan.c: how large the blocks of a search are, and memory for them. See search.h.
#include <inttypes.h>
#include <stdlib.h>

#include "search.h"

enum { FEW_ROWS = 1024, LISTS_A_BLOCK = 16, STEP_QUERIES = 128 };
static const uint64_t MOST_HOST = 256u << 20, MOST_FLOATS = 1u << 30,
                      SHORT_STEP = 20000000000u; // multiply-adds a launch

chi_similarity_options search_options(const search *s)
{
    return (chi_similarity_options){ .metric = s->metric,
                                     .topk = (size_t)s->list,
                                     .uses = CHI_SIMILARITY_TOPK };
}

// Device bytes of blocks of so many queries and base rows; UINT64_MAX: they cannot be at all.
static uint64_t bytes_of(const search *s, const chi_device_info *info, size_t queries, size_t rows)
{
    enum { ROUNDING = 64 * 4 }; // a bound on what our own four buffers are rounded up by
    const chi_similarity_options options = search_options(s);
    const uint64_t x = 4ull * queries * s->dim, y = 4ull * rows * s->dim,
                   lists = 4ull * queries * s->list;
    uint64_t scratch = 0;
    if (x / 4 > MOST_FLOATS || y / 4 > MOST_FLOATS || x > info->max_alloc_bytes / 2 ||
        y > info->max_alloc_bytes / 2 || lists > info->max_alloc_bytes)
        return UINT64_MAX;
    return chi_similarity_bytes(s->dev, queries, rows, s->dim, &options, &scratch) == CHI_OK
               ? x + y + 2 * lists + scratch + ROUNDING
               : UINT64_MAX;
}

// The most base rows that fit beside so many queries, 0: not one.
static size_t rows_beside(const search *s, const chi_device_info *info, size_t queries,
                          uint64_t left)
{
    const uint64_t work = SHORT_STEP / queries / s->dim, host = MOST_HOST / 4 / s->dim;
    const uint64_t least = FEW_ROWS > LISTS_A_BLOCK * s->list
                               ? FEW_ROWS
                               : LISTS_A_BLOCK * s->list; // lists are sorted once a block
    const uint64_t cap = host < least || work < least ? least : host < work ? host : work;
    size_t low = 0, high = s->rows < cap ? s->rows : (size_t)cap;
    while (low < high) {
        const size_t middle = low + (high - low + 1) / 2;
        if (bytes_of(s, info, queries, middle) <= left)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

// Many queries a block, so that the base is read seldom, but not at the price of slivers of the
// base.
int search_plan(search *s)
{
    chi_device_info info;
    uint64_t held = 0;
    chi_device_describe(s->dev, &info);
    chi_device_memory(s->dev, &held, NULL);
    const uint64_t budget = chi_device_budget(s->dev), left = budget > held ? budget - held : 0;
    const uint64_t host = MOST_HOST / (4 * s->dim + 16 * s->list),
                   cap = host < STEP_QUERIES ? STEP_QUERIES : host;
    const size_t enough = s->rows < FEW_ROWS ? s->rows : FEW_ROWS;
    size_t queries = s->queries < cap ? s->queries : (size_t)cap;
    size_t rows = rows_beside(s, &info, queries, left);
    while ((rows < enough && queries > STEP_QUERIES) || (rows == 0 && queries > 1)) {
        queries = (queries + 1) / 2;
        rows = rows_beside(s, &info, queries, left);
    }
    if (rows == 0)
        return tool_error("one query beside one row of %zu features needs %" PRIu64
                          " bytes on the device, %" PRIu64 " of %" PRIu64 " are left (--memory)",
                          s->dim, bytes_of(s, &info, 1, 1), left, budget);
    s->query_block = queries;
    s->base_block = rows;
    s->steps = (s->queries + queries - 1) / queries * ((s->rows + rows - 1) / rows);
    return TOOL_DONE;
}

int search_allocate(search *s)
{
    const size_t lists = s->query_block * (size_t)s->list,
                 most = s->query_block > s->base_block ? s->query_block : s->base_block;
    chi_status st = chi_buffer_create(s->dev, 4ull * s->query_block * s->dim, &s->x);
    if (st == CHI_OK)
        st = chi_buffer_create(s->dev, 4ull * s->base_block * s->dim, &s->y);
    if (st == CHI_OK)
        st = chi_buffer_create(s->dev, 4ull * lists, &s->best);
    if (st == CHI_OK)
        st = chi_buffer_create(s->dev, 4ull * lists, &s->columns);
    if (st != CHI_OK)
        return tool_fail(st);
    s->block = malloc(4 * most * s->dim);
    s->values = malloc(4 * lists);
    s->found = malloc(4 * lists);
    s->wide = malloc(8 * lists);
    return s->block && s->values && s->found && s->wide
               ? TOOL_DONE
               : tool_error("no memory for %zu rows of %zu floats and %zu results", most, s->dim,
                            lists);
}
