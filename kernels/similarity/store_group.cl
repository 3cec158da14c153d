// SPDX-License-Identifier: Apache-2.0
// similarity/store_group.cl: the matrix of all pairs, stored: the one pass that needs n · m floats.
// The other family: similarity/store_panel.cl. Host: src/similarity/similarity.c. Reference: src/ref/similarity.c.
//
// One group owns BLOCK rows × STORE_COLUMNS columns. EUCLIDEAN: max(0, ‖x‖² + ‖y‖² − 2 x·y) instead of x·y.
#include "core/group.h"

#if !defined(BLOCK) || !defined(EUCLIDEAN)
#error "similarity/store_group.cl: a macro is missing"
#endif

#define STORE_COLUMNS 256

GROUP_KERNEL
void similarity_store(const uint first, const uint n, const uint m, const uint dim, const float scale,
                      global const float *restrict xp, global const float *restrict yp, // row panels
                      global const float *restrict x_norms, // [n], where EUCLIDEAN
                      global const float *restrict y_norms, // [m padded]
                      const ulong offset, const uint stride,
                      global float *restrict out) // [n][m]
{
    LOCAL_OPERANDS(left, right);
    const uint group = first + (uint)get_group_id(0), across = (m + STORE_COLUMNS - 1) / STORE_COLUMNS;
    const uint ib = group / across * BLOCK, j_first = group % across * STORE_COLUMNS;
    const uint j_end = min(m, j_first + STORE_COLUMNS), i_end = min(n, ib + BLOCK);
    for (uint i0 = ib; i0 < i_end; i0 += TILE_M)
        for (uint j0 = j_first; j0 < j_end; j0 += TILE_N) {
            float acc[MICRO_M][MICRO_N];
            multiply_panels(xp + (size_t)i0 * dim, yp + (size_t)j0 * dim, dim, left, right, acc);
            const places p = places_at(j0);
            EACH_ENTRY(r, c)
            {
                const uint i = i0 + ROW(p, r), j = j0 + COLUMN(p, c);
                if (i >= i_end || j >= m)
                    continue;
                float s = acc[r][c];
                if (EUCLIDEAN) {
                    s = fma(-2.0f, s, x_norms[i] + y_norms[j]);
                    s = s < 0.0f ? 0.0f : s;
                }
                out[offset + (size_t)i * stride + j] = s * scale;
            }
        }
}
