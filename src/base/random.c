// SPDX-License-Identifier: Apache-2.0
// random.c: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw 2011). Kernel twin: kernels/common/rng.h.
#include "random.h"

static chi__random round_of(chi__random c, uint32_t key0, uint32_t key1)
{
    const uint64_t a = (uint64_t)0xD2511F53u * c.word[0];
    const uint64_t b = (uint64_t)0xCD9E8D57u * c.word[2];
    return (chi__random){ { (uint32_t)(b >> 32) ^ c.word[1] ^ key0, (uint32_t)b,
                            (uint32_t)(a >> 32) ^ c.word[3] ^ key1, (uint32_t)a } };
}

chi__random chi__random_at(uint64_t seed, uint32_t stream, uint32_t step, uint64_t index)
{
    chi__random c = { { (uint32_t)index, (uint32_t)(index >> 32), step, stream } };
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    for (int i = 0; i < 10; i++) {
        c = round_of(c, key0, key1);
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return c;
}
