// SPDX-License-Identifier: Apache-2.0
// tiles/trial_group.cl: the group core and nothing else, to see how fast it is on a device. The other family:
// tiles/trial_panel.cl. Host: src/tiles/core.c. Small, because it is compiled before anything else is.
// Tuned: TILE_M, TILE_N, TILE_K, VEC, WG_M, WG_N, STAGES, SUB_GROUPS.
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
    for (uint t = 0; t < tiles; t++)
        add_panels(x, y, dim, left, right, acc);
    EACH_ENTRY(r, c) sum = sum + acc[r][c];
    out[get_group_id(0) * ITEMS + item()] = sum;
}
