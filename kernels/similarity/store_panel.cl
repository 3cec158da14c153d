// SPDX-License-Identifier: Apache-2.0
// similarity/store_panel.cl: the matrix of all pairs, stored: the one pass that needs n · m floats.
// The other family: similarity/store_group.cl. Host: src/similarity/similarity.c. Reference: src/ref/similarity.c.
//
// One group owns BLOCK rows × STORE_COLUMNS columns; each register tile goes straight to memory.
// EUCLIDEAN: max(0, ‖x‖² + ‖y‖² − 2 x·y) instead of x·y. ALIGNED: rows of `out` start at multiples of a vector.
// Tuned: TILE_M, TILE_N, VEC, BLOCK.
#include "core/panel.h"
#include "common/vendor.h"

#if !defined(BLOCK) || !defined(EUCLIDEAN) || !defined(ALIGNED)
#error "similarity/store_panel.cl: a macro is missing"
#endif

#define PANELS        ((BLOCK + TILE_M - 1) / TILE_M)
#define STORE_COLUMNS 256
#define LEFT(r, k)    left[(size_t)(k) * TILE_M + (r)]

// Columns j0 … of row i.
inline void put(floatv *row, const uint i, const uint j0, const uint m, const float scale, global const float *x_norms,
                global const float *y_norms, global float *at)
{
    CHI_UNROLL for (int v = 0; v < TILE_V; v++) {
        if (EUCLIDEAN) {
            const floatv sum = (floatv)(x_norms[i]) + vloadv(v, y_norms + j0);
            const floatv d = fma((floatv)(-2.0f), row[v], sum);
            row[v] = select(d, (floatv)(0.0f), d < (floatv)(0.0f));
        }
        row[v] = row[v] * (floatv)(scale);
    }
    if (j0 + TILE_N <= m) {
        CHI_UNROLL for (int v = 0; v < TILE_V; v++) {
            if (ALIGNED)
                STREAM_STORE(row[v], (global floatv *)(at + v * VEC));
            else
                vstorev(row[v], v, at);
        }
        return;
    }
    float all[TILE_N];
    row_to_array(row, all);
    for (uint q = 0; j0 + q < m; q++)
        at[q] = all[q];
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void similarity_store(const uint first, const uint n, const uint m, const uint dim, const float scale,
                      global const float *restrict xp, global const float *restrict yp, // row panels
                      global const float *restrict x_norms, // [n], where EUCLIDEAN
                      global const float *restrict y_norms, // [m padded]
                      const ulong offset, const uint stride,
                      global float *restrict out) // [n][m]
{
    const uint group = first + (uint)get_group_id(0), across = (m + STORE_COLUMNS - 1) / STORE_COLUMNS;
    const uint ib = group / across * BLOCK, j_first = group % across * STORE_COLUMNS;
    const uint j_end = min(m, j_first + STORE_COLUMNS), i_end = min(n, ib + BLOCK);
    for (uint p = 0; p < PANELS && ib + p * TILE_M < i_end; p++) {
        const uint i0 = ib + p * TILE_M;
        global const float *left = xp + (size_t)(ib / BLOCK * PANELS + p) * dim * TILE_M;
        for (uint j0 = j_first; j0 < j_end; j0 += TILE_N) {
            global const float *panel = yp + (size_t)j0 * dim;
            floatv acc[TILE_M][TILE_V];
            EACH_ENTRY(r, v) acc[r][v] = (floatv)(0.0f);
            PANEL_MULTIPLY(acc, LEFT, panel, TILE_N, dim)
            CHI_UNROLL for (int r = 0; r < TILE_M; r++)
                if (i0 + r < i_end)
                    put(acc[r], i0 + r, j0, m, scale, x_norms, y_norms, out + offset + (size_t)(i0 + r) * stride + j0);
        }
    }
}
