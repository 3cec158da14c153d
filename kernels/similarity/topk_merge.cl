// SPDX-License-Identifier: Apache-2.0
// similarity/topk_merge.cl: one list a row from those of several parts of the columns. One work-item a row.
// What it merges: similarity/topk_panel.cl, topk_group.cl. Host: src/similarity/topk.c.
#include "similarity/order.h"

kernel void similarity_topk_merge(const uint n, const uint k_best, const uint parts, const uint negate,
                                  const ulong offset, const uint stride,
                                  global const float *restrict part_values, // [parts − 1][n][k_best]: heaps
                                  global const int *restrict part_indices,  // [parts − 1][n][k_best]
                                  global float *restrict values,            // [n][k_best]: a heap, then sorted
                                  global int *restrict indices)             // [n][k_best]
{
    const uint i = (uint)get_global_id(0);
    if (i >= n)
        return;
    global float *list = values + offset + (size_t)i * stride;
    global int *columns = indices + (size_t)i * k_best;
    for (uint p = 0; p + 1 < parts; p++) {
        const size_t from = ((size_t)p * n + i) * k_best;
        for (uint c = 0; c < k_best; c++)
            list_take(list, columns, k_best, key_at(part_values, part_indices, from + c));
    }
    list_finish_heap(list, columns, k_best, negate);
}
