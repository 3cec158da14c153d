// SPDX-License-Identifier: Apache-2.0
// tiles/kept.h: where kept tiles lie. Host: first_bytes in src/tiles/plan.c. Needs BLOCK and SYMMETRIC.
//
// Blocks of BLOCK × BLOCK entries, a row of `blocks` of them for every BLOCK rows. Where y is x only pairs I ≤ J of superblocks
// are there, packed: rows of superblock I have I superblocks less, so its blocks lie as if rows of kept_stride blocks
// started kept_start blocks from the front. Rows and columns are counted from the first kept ones.
inline uint kept_stride(const uint own, const uint blocks, const uint sb) { return SYMMETRIC ? blocks - own * (sb / BLOCK) : blocks; }

inline size_t kept_start(const uint own, const uint sb)
{
    const size_t per = sb / BLOCK, pairs = (size_t)own * (own + 1) / 2;
    return SYMMETRIC ? pairs * per * per - own * per : 0;
}

// Entry (i, first column of j's block) of the block that has row i and column j.
inline size_t kept_at(const uint i, const uint j, const uint blocks, const uint sb)
{
    const uint own = SYMMETRIC ? i / sb : 0;
    return (kept_start(own, sb) + (size_t)(i / BLOCK) * kept_stride(own, blocks, sb) + j / BLOCK) * BLOCK * BLOCK + i % BLOCK * BLOCK;
}
