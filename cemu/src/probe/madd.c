/* VPMADDUBSW and VPMADDWD: sums of two products, with no accumulator. */
#include "probe.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define MADD(name, instruction, isa, vector, load, store, registers)                                      \
    __attribute__((target(isa))) static void name(const uint8_t *a, const uint8_t *b, const uint8_t *c,   \
                                                  uint8_t *d) {                                           \
        vector x = load((const void *)a), y = load((const void *)b), z;                                   \
        (void)c;                                                                                          \
        __asm__(instruction " %2, %1, %0" : "=" registers(z) : registers(x), registers(y));               \
        store((void *)d, z);                                                                              \
    }

#if PROBE_AVX512
#define WIDE(name, instruction) \
    MADD(name, instruction, "avx512f,avx512bw", __m512i, _mm512_loadu_si512, _mm512_storeu_si512, "v")
WIDE(bytes, "vpmaddubsw")
WIDE(words, "vpmaddwd")
#define RUN(block) PROBE_SAME(block)
#else
#define RUN(block) PROBE_SAME(0)
#endif

#define VEX(name, instruction) MADD(name, instruction, "avx2", __m256i, _mm256_loadu_si256, _mm256_storeu_si256, "x")
VEX(vex_bytes, "vpmaddubsw")
VEX(vex_words, "vpmaddwd")

const probe_vector probe_madd[4] = {
    {RUN(bytes), FEATURE_AVX512, 32, 2, 2, 0, 2},
    {RUN(words), FEATURE_AVX512, 16, 4, 4, 0, 4},
    {PROBE_SAME(vex_bytes), FEATURE_AVX | FEATURE_AVX2, 16, 2, 2, 0, 2},
    {PROBE_SAME(vex_words), FEATURE_AVX | FEATURE_AVX2, 8, 4, 4, 0, 4},
};
#endif
