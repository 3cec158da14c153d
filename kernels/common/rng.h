// SPDX-License-Identifier: Apache-2.0
// common/rng.h: Philox 4x32-10 (Salmon et al. 2011), the same numbers as src/base/random.c.

// Counter (index low, index high, step, stream), key = seed.
inline uint4 random_at(const ulong seed, const uint stream, const uint step, const uint low, const uint high)
{
    uint4 c = (uint4)(low, high, step, stream);
    uint k0 = (uint)seed, k1 = (uint)(seed >> 32);
    for (int i = 0; i < 10; i++) {
        c = (uint4)(mul_hi(0xCD9E8D57u, c.z) ^ c.y ^ k0, 0xCD9E8D57u * c.z,
                    mul_hi(0xD2511F53u, c.x) ^ c.w ^ k1, 0xD2511F53u * c.x);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

inline float uniform_of(const uint word) { return (float)(word >> 8) * 0x1p-24f; }       // [0, 1)
inline float symmetric_of(const uint word) { return fma(uniform_of(word), 2.0f, -1.0f); } // [−1, 1)
inline uint below(const uint word, const uint n) { return mul_hi(word, n); }              // 0 … n − 1
