/* Philox4x32-10 (Salmon et al., SC 2011): the random bits of one draw of one output element.
 * Key and counter words as in emu/arithmetic/philox.py. */
#ifndef CEMU_PHILOX_H
#define CEMU_PHILOX_H

#include <stdint.h>

static inline uint64_t philox_bits(uint64_t seed, uint64_t index, uint64_t draw, int64_t bits) {
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32), c2 = (uint32_t)draw, c3 = (uint32_t)(draw >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = UINT64_C(0xD2511F53) * c0, p1 = UINT64_C(0xCD9E8D57) * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    uint64_t word = c0 | (uint64_t)c1 << 32;
    return bits >= 64 ? word : word & ((UINT64_C(1) << bits) - 1);
}

#endif
