// SPDX-License-Identifier: Apache-2.0
// tiles/pairs.h: which pairs of rows a group walks and which are positives, for both families of tile passes.
// Needs SYMMETRIC and POSITIVES (see tiles/statistics_panel.cl).
//
// Partial sums (and maxima) are held for a window of superblocks of columns: a row's over J at [J − p0][row], a column's over I at
// [I][column − the window's first]. Where y is x both lie in one array, the columns' from col_at on; that is 0 where the
// window is everything, for then a row's and a column's never meet. tiles/totals.cl adds them up.

// Superblocks (I, J) of a group, J in w0 … w1 − 1; where y is x all with I ≤ J: whole rows of them before the window, then a
// triangle.
inline uint2 pair_of(uint group, const uint w0, const uint w1)
{
    const uint across = w1 - w0;
#if SYMMETRIC
    const uint whole = min(group / across, w0);
    uint i = 0;
    for (group -= whole * across; group >= across - i; i++)
        group -= across - i;
    return (uint2)(whole + i, w0 + i + group);
#else
    const uint i = group / across;
    return (uint2)(i, w0 + group - i * across);
#endif
}

inline bool is_positive(const uint i, const uint j, const uint n)
{
    return POSITIVES == 1 && (SYMMETRIC ? j == i + n / 2 || i == j + n / 2 : i == j);
}
