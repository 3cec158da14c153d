// SPDX-License-Identifier: Apache-2.0
// tiles/weights_group.cl: G in the place of kept tiles, for rows so wide that forming it anew for every tile of features would
// cost more than writing it once; the gradient then is a plain product (WEIGHTS 3). Host: src/tiles/passes.c.
//
// One group owns a block of BLOCK × BLOCK entries. Arguments and macros as in tiles/gradient_group.cl.
#include "core/group.h"

#if !defined(BLOCK) || !defined(SYMMETRIC) || !defined(SHIFTED) || !defined(WEIGHTS)
#error "tiles/weights_group.cl: a macro is missing"
#endif
#include "tiles/weights_group.h"

GROUP_KERNEL
void tiles_weights(const uint first, const uint n, const uint m, const uint s0, const uint w0, const uint w1, const int partner,
                   global const float *restrict scalars, global float *kept,
                   global const float *restrict a, global const float *restrict b, global const float *restrict w,
                   global const float *restrict positive,
                   global const float *restrict row_shift, global const float *restrict col_shift,
                   global const int *restrict labels)
{
    const uint sb_n = superblock(n), sb_m = superblock(m), e0 = s0 * sb_n, c0 = w0 * sb_m;
    const uint blocks = (min(m, w1 * sb_m) - c0 + BLOCK - 1) / BLOCK, group = first + (uint)get_group_id(0);
    const pair_terms all = { kept, a, b, w, row_shift, col_shift, labels, positive, scalars[0], blocks, e0, c0, partner };
    const uint ib = e0 + group / blocks * BLOCK, jb = c0 + group % blocks * BLOCK;
    if (SYMMETRIC && ib / sb_n > jb / sb_m) // such tiles do not exist
        return;
    const pair_terms t = terms_of_rows(&all, SYMMETRIC ? (ib - e0) / sb_n : 0, sb_n);
    global float *tile = kept + kept_at(ib - e0, jb - c0, blocks, sb_n);
    for (uint e = item(); e < BLOCK * BLOCK; e += ITEMS)
        if (ib + e / BLOCK < n && jb + e % BLOCK < m)
            tile[e] = pair_gradient(&t, ib + e / BLOCK, jb + e % BLOCK, false);
}
