// SPDX-License-Identifier: Apache-2.0
// similarity/order.h: lists of the k best of a row, best first. NaN ranks below everything, ties keep the lower index,
// which comes first because columns are walked upwards.
#include "common/math.h"

inline bool ranks_above(const float a, const float b) { return !is_nan(a) && (is_nan(b) || a > b); }

// Value v of column j into the list, which holds `count` of at most k; returns the new count.
inline uint list_insert(global float *values, global int *indices, uint count, const uint k, const float v, const int j)
{
    uint at = count;
    if (count == k) {
        if (!ranks_above(v, values[k - 1]))
            return count;
        at = k - 1;
    }
    for (; at > 0 && ranks_above(v, values[at - 1]); at--) {
        values[at] = values[at - 1];
        indices[at] = indices[at - 1];
    }
    values[at] = v;
    indices[at] = j;
    return count < k ? count + 1 : count;
}

// A finished list of `count` columns is gone on with.
inline void list_resume(global float *values, const uint count, const bool negate)
{
    for (uint c = 0; c < count && negate; c++)
        values[c] = -values[c];
}

// What is left of the list, and the sign that METRIC took. NaN of every kind leaves as one.
inline void list_finish(global float *values, global int *indices, const uint count, const uint k, const bool negate)
{
    for (uint c = 0; c < count; c++)
        values[c] = is_nan(values[c]) ? NAN : negate ? -values[c] : values[c];
    for (uint c = count; c < k; c++) {
        values[c] = negate ? INFINITY : -INFINITY;
        indices[c] = -1;
    }
}
