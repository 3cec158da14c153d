// SPDX-License-Identifier: Apache-2.0
// similarity/candidates.h: what a row's list of the k best (order.h) may take, gathered until there is enough to sort and merge.
//
// The value to beat is as of the last merge: some candidates come that no list keeps, but one costs a store, where a heap has
// a chain of loads. The list is sorted here, worst first, which is a heap as well. Ranks are counted, all with all: nothing in
// it that a processor would have to guess.
#include "similarity/order.h"

#define MOST_CANDIDATES 64 // of a row

// How many candidates make a merge worth its while: the list moves as a whole.
inline uint candidates_for(const uint k) { return clamp(k, 8u, (uint)MOST_CANDIDATES); }

// `keys`, none of them equal, worst first. Those up to the next multiple of eight are lost.
inline void sort_candidates(ulong *keys, const uint count, ulong *sorted)
{
    for (uint c = count; c % 8; c++)
        keys[c] = ULONG_MAX; // below none
    for (uint c = 0; c < count; c += 8) {
        const ulong8 eight = vload8(0, keys + c);
        long8 below = (long8)(0); // −1 for each
        for (uint other = 0; other < count; other++)
            below += eight > (ulong8)(keys[other]);
        long rank[8];
        vstore8(-below, 0, rank);
        for (uint q = 0; q < 8 && c + q < count; q++)
            sorted[rank[q]] = keys[c + q];
    }
}

// The best k of a sorted list and its candidates, in the list's place; returns the value to beat from now on.
inline float list_merge(global float *values, global int *indices, const uint k, ulong *candidates, const uint count)
{
    ulong sorted[MOST_CANDIDATES];
    sort_candidates(candidates, count, sorted);
    // From the worst up: the first `count` of all fall out, so an entry's new place is one that was read already.
    for (uint a = 0, b = 0; b < count;) {
        const ulong kept = a < k ? key_at(values, indices, a) : ULONG_MAX, fresh = sorted[b];
        if (a + b >= count)
            key_put(values, indices, a + b - count, min(kept, fresh));
        a += kept < fresh;
        b += kept >= fresh;
    }
    return key_value(key_at(values, indices, 0));
}
