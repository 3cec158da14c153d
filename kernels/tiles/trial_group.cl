// SPDX-License-Identifier: Apache-2.0
// tiles/trial_group.cl: the group core and nothing else, to see how fast it is on a device. The other family:
// tiles/trial_panel.cl. Host: src/tiles/core.c. Small, because it is compiled before anything else is.
// Tuned: TILE_M, TILE_N, TILE_K, VEC, WG_M, WG_N, STAGES.
#include "core/group.h"

// `tiles` products of one left and one right panel, one after the other; a sum of each column's entries to out.
GROUP_KERNEL
void tiles_trial(const uint tiles, const uint dim, global const float *restrict x, // [dim][TILE_M]
                 global const float *restrict y,                                   // [dim][TILE_N]
                 global float *restrict out)                                       // [group][ITEMS]
{
    LOCAL_OPERANDS(left, right);
    const uint count = tiles * dim / TILE_K; // dim is a multiple of TILE_K
    run rows[SHARE(LEFT_RUNS)], columns[SHARE(RIGHT_RUNS)];
    float acc[MICRO_M][MICRO_N], sum = 0.0f;
    clear(acc);
    EACH_BLOCK(block, count) {
        const uint k = block * TILE_K % dim, steps = STEPS_OF(block, count, tiles * dim);
        take_rows(x + k * TILE_M, TILE_M, steps, rows);
        take_rows(y + k * TILE_N, TILE_N, steps, columns);
        MULTIPLY_BEFORE(block, left, right, acc)
        give_rows(x + k * TILE_M, rows, TILE_M, steps, left + HERE_LEFT(block));
        give_rows(y + k * TILE_N, columns, TILE_N, steps, right + HERE_RIGHT(block));
        MULTIPLY_NOW(block, left, right, acc, steps)
    }
    EACH_ENTRY(r, c) sum = sum + acc[r][c];
    out[get_group_id(0) * ITEMS + item()] = sum;
}
