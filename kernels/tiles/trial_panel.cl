// SPDX-License-Identifier: Apache-2.0
// tiles/trial_panel.cl: the panel core and nothing else, to see how fast it is on a device. The other family:
// tiles/trial_group.cl. Host: src/tiles/core.c. Small, because it is compiled before anything else is.
// Tuned: TILE_M, TILE_N, VEC.
#include "core/panel.h"

#define LEFT(r, k) x[(k) * TILE_M + (r)]

// `tiles` products of one left and one right panel, one after the other; their sums to out.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void tiles_trial(const uint tiles, const uint dim, global const float *restrict x, // [dim][TILE_M]
                 global const float *restrict y,                                   // [dim][TILE_N]
                 global float *restrict out)                                       // [group][TILE_N]
{
    floatv acc[TILE_M][TILE_V];
    EACH_ENTRY(r, v) acc[r][v] = (floatv)(0.0f);
    for (uint t = 0; t < tiles; t++)
        PANEL_MULTIPLY(acc, LEFT, y, TILE_N, dim)
    CHI_UNROLL for (int r = 1; r < TILE_M; r++)
        CHI_UNROLL for (int v = 0; v < TILE_V; v++)
            acc[0][v] = acc[0][v] + acc[r][v];
    CHI_UNROLL for (int v = 0; v < TILE_V; v++)
        vstorev(acc[0][v], v, out + get_group_id(0) * TILE_N);
}
