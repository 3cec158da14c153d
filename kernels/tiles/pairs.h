// SPDX-License-Identifier: Apache-2.0
// tiles/pairs.h: which pairs of rows a group walks and which are positives, for both families of tile passes.
// Needs SYMMETRIC and POSITIVES (see tiles/statistics_panel.cl).

// Superblocks (I, J) of a group, J in w0 … w1 − 1; where y is x all with I ≤ J, and w0 is 0.
inline uint2 pair_of(uint group, const uint w0, const uint w1)
{
    const uint across = w1 - w0;
#if SYMMETRIC
    uint i = 0;
    for (; group >= across - i; i++)
        group -= across - i;
    return (uint2)(i, i + group);
#else
    const uint i = group / across;
    return (uint2)(i, w0 + group - i * across);
#endif
}

inline bool is_positive(const uint i, const uint j, const uint n)
{
    return POSITIVES == 1 && (SYMMETRIC ? j == i + n / 2 || i == j + n / 2 : i == j);
}
