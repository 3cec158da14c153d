// SPDX-License-Identifier: Apache-2.0
// similarity/order.h: lists of the k best of a row. While columns are walked a list is a heap whose first entry is the worst:
// what does not beat that one is out after one comparison. At the end it is sorted, best first.
//
// Larger values come first, NaN after all of them, ties by the lower index: an order without equals, so a list's content
// depends on no order of insertion. An empty place is NaN of index −1, which as an unsigned number loses every tie.
#include "common/math.h"

inline bool ranks_above(const float a, const int i, const float b, const int j)
{
    if (a > b)
        return true;
    if (a < b)
        return false;
    return is_nan(a) == is_nan(b) ? (uint)i < (uint)j : is_nan(b);
}

// Puts v of column j into the heap of `size` in place of entry `at`, whose children may be worse than it.
inline void list_sink(global float *values, global int *indices, uint at, const uint size, const float v, const int j)
{
    for (uint child = 2 * at + 1; child < size; child = 2 * at + 1) {
        if (child + 1 < size && ranks_above(values[child], indices[child], values[child + 1], indices[child + 1]))
            child++;
        if (!ranks_above(v, j, values[child], indices[child]))
            break;
        values[at] = values[child];
        indices[at] = indices[child];
        at = child;
    }
    values[at] = v;
    indices[at] = j;
}

// Takes v of column j in place of the worst, where it is better; returns the value to beat from now on.
inline float list_take(global float *values, global int *indices, const uint k, const float v, const int j)
{
    if (ranks_above(v, j, values[0], indices[0]))
        list_sink(values, indices, 0, k, v, j);
    return values[0];
}

// Whether anything at all may beat the worst: it is an empty place, or NaN.
inline bool has_room(const float worst) { return is_nan(worst); }

inline float list_clear(global float *values, global int *indices, const uint k)
{
    for (uint c = 0; c < k; c++) {
        values[c] = NAN;
        indices[c] = -1;
    }
    return NAN;
}

// A finished list, turned round: worst first is a heap. Returns the value to beat.
inline float list_resume(global float *values, global int *indices, const uint k, const bool negate)
{
    for (uint a = 0; a < (k + 1) / 2; a++) {
        const uint b = k - 1 - a;
        const float v = negate ? -values[a] : values[a], w = negate ? -values[b] : values[b];
        const int i = indices[a], j = indices[b];
        values[a] = j == -1 ? NAN : w;
        indices[a] = j;
        values[b] = i == -1 ? NAN : v;
        indices[b] = i;
    }
    return values[0];
}

// Sorts, gives back the sign that METRIC took, and says what empty places hold. NaN of every kind leaves as one.
inline void list_finish(global float *values, global int *indices, const uint k, const bool negate)
{
    for (uint end = k - 1; end > 0; end--) {
        const float worst = values[0], v = values[end];
        const int i = indices[0], j = indices[end];
        list_sink(values, indices, 0, end, v, j);
        values[end] = worst;
        indices[end] = i;
    }
    for (uint c = 0; c < k; c++) {
        const float v = values[c];
        values[c] = indices[c] == -1 ? (negate ? INFINITY : -INFINITY) : is_nan(v) ? NAN : negate ? -v : v;
    }
}

// Where a group works: `parts` groups share a block of rows, each with columns of its own. Neighbours read the same
// columns. Part 0's lists are the output, the others lie in scratch [parts − 1][n][k].
typedef struct list_place { uint row_block, part, j_first, j_end; } list_place;
inline list_place list_place_of(const uint group, const uint n, const uint m, const uint block, const uint parts)
{
    const uint rows = (n + block - 1) / block, blocks = (m + block - 1) / block, share = (blocks + parts - 1) / parts * block;
    list_place p;
    p.row_block = group % rows;
    p.part = group / rows;
    p.j_first = min(m, p.part * share);
    p.j_end = min(m, p.j_first + share);
    return p;
}
