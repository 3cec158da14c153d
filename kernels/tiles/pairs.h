// SPDX-License-Identifier: Apache-2.0
// tiles/pairs.h: which pairs of rows a group walks and which are positives, for both families of tile passes.
// Needs SYMMETRIC and POSITIVES (see tiles/statistics_panel.cl).

// Superblocks (I, J) of a group, `across` of them a row; I ≤ J where y is x.
inline uint2 pair_of(uint group, const uint across)
{
#if SYMMETRIC
    uint i = 0;
    for (; group >= across - i; i++)
        group -= across - i;
    return (uint2)(i, i + group);
#else
    const uint i = group / across;
    return (uint2)(i, group - i * across);
#endif
}

inline bool is_positive(const uint i, const uint j, const uint n)
{
    return POSITIVES == 1 && (SYMMETRIC ? j == i + n / 2 || i == j + n / 2 : i == j);
}
