// SPDX-License-Identifier: Apache-2.0
// similarity/order.h: lists of the k best of a row. While columns are walked a list is a heap whose first entry is the worst:
// what does not beat that one is out after one comparison. At the end it is sorted, best first.
//
// Larger values come first, NaN after all of them, ties by the lower index: an order without equals, so a list's content
// depends on no order of insertion. An entry of a heap is a key of 64 bits in that order, so that one comparison without a
// branch decides; the halves lie where value and index will: above, the value, NaN as zero; below, how far the index is from
// 2^31 − 1, then whether a zero was negative, which decides nothing. Key zero is an empty place.
#include "common/math.h"

inline ulong key_of(const float v, const int index)
{
    const uint bits = v == 0.0f ? 0 : as_uint(v); // zeros are equal; v + 0.0f would say so too, but rusticl drops it
    const uint above = is_nan(v) ? 0 : bits ^ (bits >> 31 ? 0xffffffffu : 0x80000000u);
    return (ulong)above << 32 | (0x7fffffffu - (uint)index) << 1 | (as_uint(v) == 0x80000000u);
}

inline float key_value(const ulong key)
{
    const uint above = (uint)(key >> 32);
    const float v = as_float(above ^ (above >> 31 ? 0x80000000u : 0xffffffffu));
    return above == 0 ? NAN : v == 0.0f && key % 2 ? -0.0f : v;
}

inline int key_index(const ulong key) { return key == 0 ? -1 : (int)(0x7fffffffu - (uint)key / 2); }

inline ulong key_at(global const float *values, global const int *indices, const size_t at)
{
    return (ulong)as_uint(values[at]) << 32 | as_uint(indices[at]);
}

inline void key_put(global float *values, global int *indices, const uint at, const ulong key)
{
    values[at] = as_float((uint)(key >> 32));
    indices[at] = as_int((uint)key);
}

// Puts a key into the heap of `size` in place of the first entry. The hole goes down to a leaf, always to the worse child, and
// the key up from there: most keys belong low, and the way down asks nothing that a processor would have to guess.
inline void list_sink(global float *values, global int *indices, const uint size, const ulong key)
{
    uint at = 0, child = 1;
    for (; child + 1 < size; child = 2 * at + 1) {
        const ulong one = key_at(values, indices, child), other = key_at(values, indices, child + 1);
        key_put(values, indices, at, min(one, other));
        at = child + (other < one);
    }
    if (child < size) {
        key_put(values, indices, at, key_at(values, indices, child));
        at = child;
    }
    for (uint parent = (at - 1) / 2; at > 0 && key_at(values, indices, parent) > key; parent = (at - 1) / 2) {
        key_put(values, indices, at, key_at(values, indices, parent));
        at = parent;
    }
    key_put(values, indices, at, key);
}

// Takes a key in place of the worst, where it is better; returns the value to beat from now on.
inline float list_take(global float *values, global int *indices, const uint k, const ulong key)
{
    if (key > key_at(values, indices, 0))
        list_sink(values, indices, k, key);
    return key_value(key_at(values, indices, 0));
}

// Whether anything at all may beat the worst: it is an empty place, or NaN.
inline bool has_room(const float worst) { return is_nan(worst); }

inline float list_clear(global float *values, global int *indices, const uint k)
{
    for (uint c = 0; c < k; c++)
        key_put(values, indices, c, 0);
    return NAN;
}

// ---- between finished lists, best first, and keys, worst first, which is a heap -----------------------------------------
inline void list_turn(global float *values, global int *indices, const uint k)
{
    for (uint a = 0, b = k - 1; a < b; a++, b--) {
        const ulong one = key_at(values, indices, a);
        key_put(values, indices, a, key_at(values, indices, b));
        key_put(values, indices, b, one);
    }
}

// Returns the value to beat.
inline float list_resume(global float *values, global int *indices, const uint k, const bool negate)
{
    for (uint c = 0; c < k; c++)
        key_put(values, indices, c, indices[c] == -1 ? 0 : key_of(negate ? -values[c] : values[c], indices[c]));
    list_turn(values, indices, k);
    return key_value(key_at(values, indices, 0));
}

// Keys, best first, to what they stand for: gives back the sign that METRIC took, and says what empty places hold. NaN of
// every kind leaves as one.
inline void list_tell(global float *values, global int *indices, const uint k, const bool negate)
{
    for (uint c = 0; c < k; c++) {
        const ulong key = key_at(values, indices, c);
        const float v = key == 0 ? -INFINITY : key_value(key);
        values[c] = negate && !is_nan(v) ? -v : v;
        indices[c] = key_index(key);
    }
}

inline void list_finish_sorted(global float *values, global int *indices, const uint k, const bool negate)
{
    list_turn(values, indices, k);
    list_tell(values, indices, k, negate);
}

inline void list_finish_heap(global float *values, global int *indices, const uint k, const bool negate)
{
    for (uint end = k - 1; end > 0; end--) {
        const ulong worst = key_at(values, indices, 0);
        list_sink(values, indices, end, key_at(values, indices, end));
        key_put(values, indices, end, worst);
    }
    list_tell(values, indices, k, negate);
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
