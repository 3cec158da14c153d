// SPDX-License-Identifier: Apache-2.0
// similarity/counts.h: 64-bit counts as two words, for both families of similarity/stats.

#define MOST_BINS 1024

inline void count_into(global uint *to, const uint by)
{
    if (by && atomic_add(to, by) + by < by)
        atomic_inc(to + 1);
}
