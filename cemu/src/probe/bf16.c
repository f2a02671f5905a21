/* AVX512_BF16: the dot product of pairs, and the conversions to bf16. */
#include "probe.h"

#if defined(__x86_64__)
#if PROBE_BF16
#include <immintrin.h>
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))

TARGET static void dot(const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *d) {
    __m512i x = _mm512_loadu_si512(a), y = _mm512_loadu_si512(b), z = _mm512_loadu_si512(c);
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(z) : "v"(x), "v"(y));
    _mm512_storeu_si512(d, z);
}

TARGET static void narrow(const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *d) {
    __m512i x = _mm512_loadu_si512(a);
    __m256i y;
    (void)b, (void)c;
    __asm__("vcvtneps2bf16 %1, %0" : "=v"(y) : "v"(x));
    _mm256_storeu_si256((__m256i *)d, y);
}

/* The first 16 results come from the last operand. */
TARGET static void narrow_two(const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *d) {
    __m512i low = _mm512_loadu_si512(a), high = _mm512_loadu_si512(a + 64), y;
    (void)b, (void)c;
    __asm__("vcvtne2ps2bf16 %1, %2, %0" : "=v"(y) : "v"(low), "v"(high));
    _mm512_storeu_si512(d, y);
}
#define RUN(block) PROBE_SAME(block)
#else
#define RUN(block) PROBE_SAME(0)
#endif

const probe_vector probe_bf16[3] = {
    {RUN(dot), FEATURE_AVX512 | FEATURE_BF16, 16, 4, 4, 4, 4},
    {RUN(narrow), FEATURE_AVX512 | FEATURE_BF16, 16, 4, 0, 0, 2},
    {RUN(narrow_two), FEATURE_AVX512 | FEATURE_BF16, 32, 4, 0, 0, 2},
};
#endif
