// SPDX-License-Identifier: Apache-2.0
// tiles/trial_group.cl: the group core and nothing else, to see how fast it is on a device. The other family:
// tiles/trial_panel.cl. Host: src/tiles/core.c. Small, because it is compiled before anything else is.
// Tuned: TILE_M, TILE_N, TILE_K, VEC, WG_M, WG_N.
#include "core/group.h"

// `tiles` products of one left and one right panel, one after the other; a sum of each column's entries to out.
GROUP_KERNEL
void tiles_trial(const uint tiles, const uint dim, global const float *restrict x, // [dim][TILE_M]
                 global const float *restrict y,                                   // [dim][TILE_N]
                 global float *restrict out)                                       // [group][ITEMS]
{
    LOCAL_OPERANDS(left, right);
    float acc[MICRO_M][MICRO_N], sum = 0.0f;
    clear(acc);
    for (uint k0 = 0; k0 < tiles * dim; k0 += TILE_K) { // dim is a multiple of TILE_K
        const uint k = k0 % dim;
        LOAD_ROWS(x + k * TILE_M, left, TILE_M, TILE_K)
        LOAD_ROWS(y + k * TILE_N, right, TILE_N, TILE_K)
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply(left, right, acc, TILE_K);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    EACH_ENTRY(r, c) sum = sum + acc[r][c];
    out[get_group_id(0) * ITEMS + item()] = sum;
}
